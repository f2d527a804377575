//! libFuzzer around [`tcptrace_fuzz::btf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::btf::run(data));
