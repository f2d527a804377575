//! Reserve, fill, submit. A refused reserve is counted per kind; nobody is woken per event.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind;
use tcptrace_common::wire::{Head, OwnerRecord, VERSION};

use crate::filter;
use crate::head_slot::{self, Draft};
use crate::maps::{COUNTERS, READER, RING};
use crate::note::note;
use crate::offsets::config;
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

/// Begins a common part in place: the time, the state, nothing else known.
#[inline(always)]
pub(crate) fn begin(known: &mut Head, time_ns: u64, state: u8) {
    *known = head(
        time_ns,
        state,
        FlowRecord::default(),
        OwnerRecord::default(),
    );
}

/// Fills the common part from a socket: what it is, not whose.
#[inline(always)]
pub(crate) fn identify(sk: &SockRef<Probe>, known: &mut Head) {
    begin(known, now(), sk.state().unwrap_or(0));
    known.flow.cookie = sk.kept_cookie().unwrap_or(0);
    known.flow.netns = sk.netns();
    sk.ends_into(&mut known.flow);
    known.sock = sk.address();
    known.inode = sk.inode();
}

/// Puts a record on the ring unless a filter leaves it out or the ring is full; both are counted.
///
/// `T` must begin with a [`Head`] and be valid when zeroed (all records of `wire` are).
#[inline(always)]
pub(crate) fn emit<T: Copy + 'static>(
    kind: u16,
    hook: u8,
    draft: &mut Draft,
    fill: impl FnOnce(&mut T),
) {
    if !filter::passes(draft) {
        note!("the filter leaves it out", head: draft, kind);
        count(kind, true);
        return;
    }
    let level = draft.level();
    draft.kind = kind;
    draft.hook = hook;
    draft.len = size_of::<T>() as u16;
    draft.version = VERSION;
    fill(draft.as_record());
    send(level);
}

/// Copies the record that is built at that level of slots into the ring. A global function: the verifier
/// checks it once, not after each way by which a record is built.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn send(level: u32) -> u32 {
    let Some(draft) = head_slot::draft_at(level) else {
        return 0;
    };
    let kind = draft.kind;
    if is_driven_out(kind) {
        note!("it gives way to rarer kinds", head: draft, kind);
        count(kind, false);
        return 0;
    }
    if RING
        .output::<[u8]>(
            draft.bytes(u32::from(draft.len)),
            u64::from(BPF_RB_NO_WAKEUP),
        )
        .is_err()
    {
        note!("the ring is full", head: draft, kind);
        count(kind, false);
        return 0;
    }
    // A reader that sleeps has said so before it looked at the ring a last time: either it has
    // seen this record then, or its word is seen here. An empty record carries the wake-up.
    if is_sleeping() {
        wake();
    }
    0
}

/// Whether a record has to give way. Kinds that come with every connection may not drive rarer ones
/// out of the ring when its reader falls behind.
#[inline(always)]
fn is_driven_out(kind: u16) -> bool {
    let from = match kind {
        kind::STATE | kind::CLOSE => config!(crowded_from),
        kind::TIME_WAIT => config!(packed_from),
        _ => return false,
    };
    RING.query(u64::from(BPF_RB_AVAIL_DATA)) > u64::from(from)
}

/// Counts a record that did not get there. A function of its own, since it is rare. Atomic,
/// because a softirq may run another program between load and store.
#[inline(never)]
fn count(kind: u16, is_filtered: bool) {
    let Some(counters) = COUNTERS.get_ptr_mut(u32::from(kind)) else {
        return;
    };
    // SAFETY: this CPU's own slot of a map value, aligned to 8 bytes.
    unsafe {
        let field = if is_filtered {
            &raw mut (*counters).filtered
        } else {
            &raw mut (*counters).lost
        };
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(field, 1);
    }
}

/// Whether the reader has said that it sleeps.
#[inline(always)]
fn is_sleeping() -> bool {
    // SAFETY: a map value; the reader writes the same word through its mapping.
    READER
        .get_ptr(0)
        .is_some_and(|sleeping| unsafe { sleeping.read_volatile() } != 0)
}

/// Takes the word back, so that the reader is woken once: a wake-up costs as much as 200 records,
/// hence never one per event. A function of its own, since it is rare.
#[inline(never)]
fn wake() {
    if let Some(sleeping) = READER.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { sleeping.write_volatile(0) };
    }
    if let Some(wake) = RING.reserve::<u64>(0) {
        wake.discard(u64::from(BPF_RB_FORCE_WAKEUP));
    }
}
