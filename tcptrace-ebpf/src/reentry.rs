//! Runs that the kernel would skip. From 6.1 on it does not run a program that is running on the same CPU
//! already (`bpf_trace_run`): a softirq that interrupts a system call within the program would change
//! states unseen. A second program on the same tracepoint, with the same body, runs it then.
//!
//! The second leaves at once unless the first is at work on this CPU. Only what comes within the few
//! instructions before and after that is still skipped, and counted by the kernel. It has a body of its
//! own: a tail call into the first would enter that a second time behind the kernel's back, on the stack
//! that it has once per CPU (from 6.13 on).

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;

/// How many runs of the first program there are on this CPU, one within the other.
#[map]
static AT_WORK: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// How many runs were made up for.
#[map]
static MADE_UP: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The first program is at work while this lives.
pub(crate) struct AtWork {
    depth: *mut u64,
}

impl AtWork {
    #[inline(always)]
    pub(crate) fn begin() -> Option<Self> {
        let depth = AT_WORK.get_ptr_mut(0)?;
        add(depth, 1);
        Some(Self { depth })
    }
}

impl Drop for AtWork {
    #[inline(always)]
    fn drop(&mut self) {
        add(self.depth, u64::MAX);
    }
}

/// Adds to a counter of this CPU. Atomic, since an interrupt may come between load and store.
#[inline(always)]
fn add(counter: *mut u64, count: u64) {
    // SAFETY: only called with this CPU's slot of a map value, aligned to 8 bytes.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, count) };
}

/// For the second program: whether this run of the first was skipped.
#[inline(always)]
pub(crate) fn is_due() -> bool {
    let (Some(depth), Some(made_up)) = (AT_WORK.get_ptr(0), MADE_UP.get_ptr_mut(0)) else {
        return false;
    };
    // SAFETY: this CPU's slot of a map value.
    let is_due = unsafe { depth.read_volatile() } != 0;
    if is_due {
        add(made_up, 1);
    }
    is_due
}
