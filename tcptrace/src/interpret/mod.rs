//! What facts mean. Pure: no clock, no I/O, nothing of the running kernel but what the model holds.

pub mod advice;
pub mod cidr;
pub mod filter;
