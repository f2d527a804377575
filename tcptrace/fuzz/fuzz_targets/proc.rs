//! libFuzzer around [`tcptrace_fuzz::proc`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::proc::run(data));
