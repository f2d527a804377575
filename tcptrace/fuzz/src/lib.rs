//! What the fuzzer feeds with any bytes: one body for each reader of bytes from outside.
//!
//! `cargo xtask fuzz` builds them for libFuzzer with the stable compiler and runs them. A body must
//! never panic, never work without end and never take memory without a bound.

pub mod btf;
pub mod decode;
pub mod ndjson;
pub mod netlink;
pub mod proc;
pub mod recording;
