//! Shims: take the arguments, call the signal. One file per tier.

mod iter;
mod tracepoint;
