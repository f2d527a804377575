//! Segments and SYN-ACKs sent again.

use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{RetransmitRecord, UNKNOWN_U32, retransmit};

use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::offsets::offset;
use crate::owner;
use crate::sock::{Access, Direct, Probe, SockRef};

/// TCP flags of a SYN-ACK.
const SYN_ACK: u8 = 0x12;

/// `tcp_retransmit_skb(sk, skb[, err])`: loss probes and SYNs included. `err` is `i32::MIN`
/// where the kernel does not say.
#[inline(always)]
pub(crate) fn on_retransmit(sk: *const u8, skb: *const u8, err: i32) {
    if !wants(kind::RETRANSMIT) {
        return;
    }
    let Some(sk) = SockRef::trusted(sk) else {
        return;
    };
    if !sk.is_full() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    begin(head, now(), sk.state().unwrap_or(0));
    let mut entry = owner::entry(sk.address());
    sk.identify(entry.as_deref_mut(), head);
    owner::find_with(&sk, entry, head);
    emit(
        kind::RETRANSMIT,
        hook::TCP_RETRANSMIT_SKB,
        head,
        |record: &mut RetransmitRecord| {
            record.attempt = sk.retransmits().map_or(UNKNOWN_U32, u32::from);
            record.error = err;
            // `icsk_ca_state` is a bit field of five bits at the start of its byte.
            record.ca_state = sk.ca_state_bits().unwrap_or(0) & 0x1f;
            record.pending = sk.pending().unwrap_or(0);
            segment(skb, record);
        },
    );
}

#[inline(always)]
fn segment(skb: *const u8, record: &mut RetransmitRecord) {
    if skb.is_null() {
        return;
    }
    let (Some(len), Some(seq), Some(flags), Some(segs)) = (
        offset!(skb_len),
        offset!(skb_cb_seq),
        offset!(skb_cb_tcp_flags),
        offset!(skb_cb_gso_segs),
    ) else {
        return;
    };
    // SAFETY: offsets of `sk_buff` and of `tcp_skb_cb` inside its `cb`; a trusted argument.
    unsafe {
        record.bytes = Direct::read::<u32>(skb.add(len));
        record.sequence = Direct::read::<u32>(skb.add(seq));
        record.tcp_flags = Direct::read::<u8>(skb.add(flags));
        record.segments = u32::from(Direct::read::<u16>(skb.add(segs)));
    }
}

/// `tcp_retransmit_synack(listener, req)`: the owner is the listener's, the ends are the
/// request's.
#[inline(always)]
pub(crate) fn on_retransmit_synack(listener: *const u8, req: *const u8) {
    if !wants(kind::RETRANSMIT) || req.is_null() {
        return;
    }
    let Some(listener) = SockRef::trusted(listener) else {
        return;
    };
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    begin(head, now(), tcp_state::NEW_SYN_RECV);
    head.flow = SockRef::<Probe>::minisock(req as u64).flow(0);
    head.sock = listener.address();
    owner::last_user(head);
    owner::note_file(&listener, head);
    emit(
        kind::RETRANSMIT,
        hook::TCP_RETRANSMIT_SYNACK,
        head,
        |record: &mut RetransmitRecord| describe_synack(req, record),
    );
}

/// What a request socket shows about the SYN-ACK that is sent again for it.
#[inline(always)]
pub(super) fn describe_synack(req: *const u8, record: &mut RetransmitRecord) {
    record.attempt = UNKNOWN_U32;
    record.error = i32::MIN;
    record.tcp_flags = SYN_ACK;
    record.segments = 1;
    record.bits = retransmit::SYN_ACK;
    // SAFETY: probing fields of the request.
    unsafe {
        if let Some(at) = offset!(req_num_retrans) {
            // Counted up after the transmission (`inet_rtx_syn_ack`, 5.10 to 7.3).
            record.attempt = u32::from(Probe::read::<u8>(req.add(at))) + 1;
        }
        if let Some(at) = offset!(req_snt_isn) {
            record.sequence = Probe::read::<u32>(req.add(at));
        }
    }
}
