//! libFuzzer around [`tcptrace_fuzz::netlink`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tcptrace_fuzz::netlink::run(data));
