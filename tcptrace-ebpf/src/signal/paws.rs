//! Segments rejected for their timestamp, on kernels whose drop reasons do not say so.

use aya_ebpf::macros::map;
use tcptrace_common::kind;
use tcptrace_common::wire::{Head, PawsRecord, check};

use super::mib::Mib;
use super::window::Window;
use crate::emit::{emit, identify};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::memory::Memory;
use crate::note::note;
use crate::offsets::config;
use crate::owner;
use crate::sock::{Probe, SockRef};

/// The segment whose timestamp is checked in a softirq.
#[map]
static SEGMENT: Memory<Window> = Memory::new();

/// The one that is checked in a system call, which the other may interrupt: segments wait in a backlog
/// while a call works on their socket (`tcp_v4_do_rcv` by `__release_sock`, 5.10 to 7.3).
#[map]
static BACKLOG: Memory<Window> = Memory::new();

/// `tcp_validate_incoming(sk, skb)`.
#[inline(always)]
pub(crate) fn on_validate(sock: u64, skb: u64) {
    let (Some(segment), Some(backlog)) = (SEGMENT.get(), BACKLOG.get()) else {
        return;
    };
    let sk = SockRef::<Probe>::remembered(sock);
    // In a system call no softirq is at work here, whatever it left.
    segment.discard();
    let window = if sk.is_owned() { backlog } else { segment };
    window.open(sock, skb);
    if let Some(mib) = sk.net().and_then(Mib::tcp_ext) {
        window
            .paws_rejects
            .set(mib.value(config!(mib_paws_rejects)));
        window.base.set(mib.base());
    }
}

/// It returns.
#[inline(always)]
pub(crate) fn on_validate_end(sock: u64, skb: u64, hook: u8) {
    let (Some(segment), Some(backlog)) = (SEGMENT.get(), BACKLOG.get()) else {
        return;
    };
    // A softirq has ended before the call that it interrupted continues.
    let is_in_softirq = segment.is_open();
    let window = if is_in_softirq { segment } else { backlog };
    let Some((sock, _skb)) = window.close(sock, skb) else {
        note!("a segment was checked: its entry is missing", sock: sock, hook);
        return;
    };
    let sk = SockRef::<Probe>::remembered(sock);
    if window.base.get() == 0 {
        return;
    }
    let Some(mib) = sk.net().and_then(Mib::tcp_ext) else {
        return;
    };
    if mib.base() != window.base.get() {
        note!("a segment was checked: the CPU changed", sock: sock, hook);
        return;
    }
    let rejects = mib.value(config!(mib_paws_rejects));
    let before = window.paws_rejects.get();
    if rejects == before {
        return;
    }
    if is_in_softirq {
        not_the_backlogs(mib, rejects.wrapping_sub(before));
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.head();
    identify(&sk, known);
    owner::known(known);
    // What the kernel itself calls it, where it has a name for it.
    report(known, config!(drop_paws), check::ESTABLISHED, hook);
}

/// A softirq has counted rejects while a system call may be at work on this CPU: they are not those of
/// its segment.
#[inline(always)]
pub(super) fn not_the_backlogs(mib: Mib, rejects: u64) {
    if let Some(window) = BACKLOG.get()
        && window.is_open()
        && window.base.get() == mib.base()
    {
        let before = window.paws_rejects.get();
        window.paws_rejects.set(before.wrapping_add(rejects));
    }
}

/// Reports a reject.
#[inline(always)]
pub(super) fn report(head: &Head, reason: u32, check: u8, hook: u8) {
    if !wants(kind::PAWS_DROP) {
        return;
    }
    emit(kind::PAWS_DROP, hook, head, |record: &mut PawsRecord| {
        record.reason = reason;
        record.check = check;
    });
}
