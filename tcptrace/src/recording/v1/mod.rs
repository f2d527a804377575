//! Version 1: what the payload of a block holds, and how it becomes the model again.
//!
//! The forms here are frozen: a recording of today must be readable for ever. What is new goes into
//! new variants behind the old ones, or into a next version beside this one. Numbers are varints
//! (postcard); times are differences to the item before; processes and names of hooks are written
//! once a block and then referred to by their place.

mod codes;
mod decode;
mod encode;
mod fields;
mod forms;
mod signals;
mod start;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
pub(super) use start::{end_bytes, read_end, read_start, start_bytes};

/// Bytes that are no version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it contains data that no tcptrace writes")]
pub(super) struct Malformed;

impl From<postcard::Error> for Malformed {
    fn from(_: postcard::Error) -> Self {
        Self
    }
}
