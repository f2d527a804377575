//! Reserve, fill, submit. A refused reserve is counted per kind; nobody is woken per event.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::wire::{Head, KindCounters, OwnerRecord, VERSION};

use crate::filter;
use crate::maps::{COUNTERS, READER, RING};
use crate::sock::{Probe, SockRef};

/// Boot clock, ns.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: no arguments, no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The common part of a record; `kind`, `hook`, `len` and `version` are filled by [`emit`].
#[inline(always)]
pub(crate) fn head(time_ns: u64, state: u8, flow: FlowRecord, owner: OwnerRecord) -> Head {
    Head {
        time_ns,
        state,
        flow,
        owner,
        ..Head::default()
    }
}

/// Fills the common part from a socket: what it is, not whose. In place, since the stack is small.
#[inline(always)]
pub(crate) fn identify(sk: &SockRef<Probe>, known: &mut Head) {
    *known = head(
        now(),
        sk.state().unwrap_or(0),
        FlowRecord::default(),
        OwnerRecord::default(),
    );
    known.flow = sk.flow(sk.kept_cookie().unwrap_or(0));
    known.sock = sk.address();
    known.inode = sk.inode();
}

/// Puts a record on the ring unless a filter leaves it out or the ring is full; both are counted.
/// The record is built in the ring itself: the stack of a program holds 512 bytes.
///
/// `T` must begin with a [`Head`] and be valid when zeroed (all records of `wire` are).
#[inline(always)]
pub(crate) fn emit<T: Copy + 'static>(kind: u16, hook: u8, head: &Head, fill: impl FnOnce(&mut T)) {
    let Some(counters) = COUNTERS.get_ptr_mut(u32::from(kind)) else {
        return;
    };
    count(counters, |counters| &raw mut counters.attempted);
    if !filter::passes(&head.flow, &head.owner) {
        count(counters, |counters| &raw mut counters.filtered);
        return;
    }
    let Some(mut entry) = RING.reserve::<T>(0) else {
        count(counters, |counters| &raw mut counters.lost);
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: the reserved memory holds a T, which is made of integers and begins with a Head.
    unsafe {
        record.write_bytes(0, 1);
        let common = record.cast::<Head>();
        *common = *head;
        (*common).kind = kind;
        (*common).hook = hook;
        (*common).len = size_of::<T>() as u16;
        (*common).version = VERSION;
        fill(&mut *record);
    }
    if take_sleeping() {
        entry.submit(u64::from(BPF_RB_FORCE_WAKEUP));
        return;
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    // The reader may have gone to sleep between the two: an empty record carries the wake-up.
    if take_sleeping()
        && let Some(wake) = RING.reserve::<u64>(0)
    {
        wake.discard(u64::from(BPF_RB_FORCE_WAKEUP));
    }
}

/// Adds one. Atomic, because a softirq may run another program between load and store.
#[inline(always)]
fn count(counters: *mut KindCounters, field: impl Fn(&mut KindCounters) -> *mut u64) {
    // SAFETY: this CPU's own slot of a map value, aligned to 8 bytes.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(field(&mut *counters), 1) };
}

/// Whether the reader has said that it sleeps; takes the word back, so that it is woken once. A
/// wake-up costs as much as 200 records, hence never one per event.
#[inline(always)]
fn take_sleeping() -> bool {
    let Some(sleeping) = READER.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: a map value; the reader writes the same word through its mapping.
    unsafe {
        if sleeping.read_volatile() == 0 {
            return false;
        }
        sleeping.write_volatile(0);
    }
    true
}
