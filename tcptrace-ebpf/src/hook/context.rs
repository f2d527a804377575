//! What each kind of program finds its arguments in.

use core::ffi::c_void;

use aya_ebpf::Argument;
use aya_ebpf::programs::{
    BtfTracePointContext, FEntryContext, FExitContext, ProbeContext, RetProbeContext,
};
use tcptrace_common::config::HELPER_FUNC_RET;

use crate::offsets::has;

/// A tracepoint's arguments, typed for the verifier. An iterator's context is laid out alike: one
/// 8-byte slot per pointer or number.
pub(super) struct Tracepoint(BtfTracePointContext);

/// Entry of a function, through BTF. The arguments of functions are taken as plain numbers, which the
/// bodies probe, so that the same bodies serve both tiers.
pub(super) struct Entry(FEntryContext);

/// Exit of a function, through BTF.
pub(super) struct Exit(FExitContext);

/// Entry of a function, through a breakpoint.
pub(super) struct Breakpoint(ProbeContext);

/// Exit of a function, through a breakpoint.
pub(super) struct ReturnBreakpoint(RetProbeContext);

impl Tracepoint {
    #[inline(always)]
    pub(super) fn new(ctx: *mut c_void) -> Self {
        Self(BtfTracePointContext::new(ctx))
    }

    #[inline(always)]
    pub(super) fn argument<T: Argument>(&self, place: usize) -> T {
        self.0.arg(place)
    }
}

impl Entry {
    #[inline(always)]
    pub(super) fn new(ctx: *mut c_void) -> Self {
        Self(FEntryContext::new(ctx))
    }

    #[inline(always)]
    pub(super) fn argument(&self, place: usize) -> u64 {
        self.0.arg(place)
    }
}

impl Exit {
    #[inline(always)]
    pub(super) fn new(ctx: *mut c_void) -> Self {
        Self(FExitContext::new(ctx))
    }

    #[inline(always)]
    pub(super) fn argument(&self, place: usize) -> u64 {
        self.0.arg(place)
    }

    /// What the function returned. It lies behind the arguments, of which later kernels have more: from
    /// 5.17 on a helper knows the place; before, the count was `arguments`.
    #[inline(always)]
    pub(super) fn result(&self, arguments: usize) -> u64 {
        if has(HELPER_FUNC_RET) {
            self.0.ret().unwrap_or(0)
        } else {
            self.0.arg(arguments)
        }
    }
}

impl Breakpoint {
    #[inline(always)]
    pub(super) fn new(ctx: *mut c_void) -> Self {
        Self(ProbeContext::new(ctx))
    }

    #[inline(always)]
    pub(super) fn argument(&self, place: usize) -> u64 {
        self.0.arg(place).unwrap_or(0)
    }
}

impl ReturnBreakpoint {
    #[inline(always)]
    pub(super) fn new(ctx: *mut c_void) -> Self {
        Self(RetProbeContext::new(ctx))
    }

    /// Not shown: 0.
    #[inline(always)]
    pub(super) fn argument(&self, _place: usize) -> u64 {
        0
    }

    #[inline(always)]
    pub(super) fn result(&self, _arguments: usize) -> u64 {
        self.0.ret()
    }
}
