//! tcptrace.
fn main() {}
