//! tcptrace.
