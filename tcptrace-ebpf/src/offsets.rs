//! The patched globals and their readers.
//!
//! All live in `.rodata`, which is frozen before the programs are verified: each volatile read
//! below is a constant for the verifier, which prunes the branches of what this kernel lacks.

use tcptrace_common::config::Config;
use tcptrace_common::offsets::{HolderOffsets, KernelOffsets, NONE};

#[unsafe(no_mangle)]
pub(crate) static OFFSETS: KernelOffsets = KernelOffsets::ABSENT;

#[unsafe(no_mangle)]
pub(crate) static HOLDERS: HolderOffsets = HolderOffsets::ABSENT;

#[unsafe(no_mangle)]
pub(crate) static CONFIG: Config = Config::EMPTY;

/// An offset of [`KernelOffsets`]; `None` when this kernel does not have the field.
macro_rules! offset {
    ($field:ident) => {
        $crate::offsets::present($crate::offsets::patched(
            &raw const $crate::offsets::OFFSETS.$field,
        ))
    };
}
pub(crate) use offset;

/// An offset of [`HolderOffsets`]; `None` when this kernel does not have the field.
macro_rules! holder_offset {
    ($field:ident) => {
        $crate::offsets::present($crate::offsets::patched(
            &raw const $crate::offsets::HOLDERS.$field,
        ))
    };
}
pub(crate) use holder_offset;

/// A setting of [`Config`].
macro_rules! config {
    ($($field:tt)+) => {
        $crate::offsets::patched(&raw const $crate::offsets::CONFIG.$($field)+)
    };
}
pub(crate) use config;

/// Reads a field of the globals above as it is at run time, not as it was compiled.
#[inline(always)]
pub(crate) fn patched<T: Copy>(field: *const T) -> T {
    // SAFETY: only ever given the address of a field of one of the statics, by the macros.
    unsafe { field.read_volatile() }
}

#[inline(always)]
pub(crate) fn present(offset: u16) -> Option<usize> {
    if offset == NONE {
        None
    } else {
        Some(offset as usize)
    }
}

/// Whether a bit of `Config::features` is set.
#[inline(always)]
pub(crate) fn has(feature: u32) -> bool {
    config!(features) & feature != 0
}
