//! tcptrace.
pub mod kernel;
