//! The contract between the kernel side and the user side of tcptrace.
//!
//! Everything that crosses the ring buffer or is patched into the eBPF object is declared here
//! once: both sides compile the same definitions, so they cannot drift apart. The crate is
//! `no_std`; feature `user` adds what only the host needs (`aya::Pod`).
#![no_std]

pub mod config;
pub mod flow;
pub mod hook;
pub mod kind;
pub mod names;
pub mod offsets;
pub mod waits;
pub mod wire;
