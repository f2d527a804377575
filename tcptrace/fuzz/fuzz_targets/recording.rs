//! libFuzzer around [`tcptrace_fuzz::recording`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::recording::run(data));
