//! What found no room in a map, counted per map.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use tcptrace_common::names::limited;

/// By the numbers of [`limited`].
#[map]
static FULL: PerCpuArray<u64> = PerCpuArray::with_max_entries(limited::COUNT as u32, 0);

/// Something was not remembered, since the map has no room for it. A function of its own, since it is
/// rare. Atomic, because a softirq may run another program between load and store.
#[inline(never)]
pub(crate) fn count(map: u32) {
    if let Some(counter) = FULL.get_ptr_mut(map) {
        // SAFETY: this CPU's own slot of a map value, aligned to 8 bytes.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
    }
}
