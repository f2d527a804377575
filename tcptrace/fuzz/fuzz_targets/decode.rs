//! libFuzzer around [`tcptrace_fuzz::decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::decode::run(data));
