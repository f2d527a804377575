//! Shims: take the arguments, call the signal. One file per tier.

mod fentry;
mod iter;
mod kprobe;
mod tracepoint;
