//! tcptrace.
pub mod attribute;
pub mod source;
