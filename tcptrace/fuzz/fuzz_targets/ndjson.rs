//! libFuzzer around [`tcptrace_fuzz::ndjson`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::ndjson::run(data));
