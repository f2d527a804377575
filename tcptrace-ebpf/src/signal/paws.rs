//! Segments rejected for their timestamp, on kernels whose drop reasons do not say so.

use tcptrace_common::kind;
use tcptrace_common::wire::{Head, PawsRecord, check};

use super::mib::Mib;
use crate::emit::{emit, identify};
use crate::filter::wants;
use crate::offsets::config;
use crate::owner;
use crate::sock::{Probe, SockRef};

/// `tcp_validate_incoming(sk, skb)`.
#[inline(always)]
pub(crate) fn on_validate(sock: u64, skb: u64) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let window = &mut scratch.segment;
    window.open(sock, skb);
    let sk = SockRef::<Probe>::remembered(sock);
    if let Some(mib) = sk.net().and_then(Mib::tcp_ext) {
        window.paws_rejects = mib.value(config!(mib_paws_rejects));
        window.counters.read = 1;
    }
}

/// It returns.
#[inline(always)]
pub(crate) fn on_validate_end(hook: u8) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let window = &mut scratch.segment;
    let Some((sock, _skb)) = window.close() else {
        return;
    };
    let sk = SockRef::<Probe>::remembered(sock);
    if window.counters.read == 0 {
        return;
    }
    let Some(mib) = sk.net().and_then(Mib::tcp_ext) else {
        return;
    };
    if mib.value(config!(mib_paws_rejects)) == window.paws_rejects {
        return;
    }
    let known = &mut scratch.syn;
    identify(&sk, known);
    owner::known(known);
    // What the kernel itself calls it, where it has a name for it.
    report(known, config!(drop_paws), check::ESTABLISHED, hook);
}

/// Tells a reject.
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
