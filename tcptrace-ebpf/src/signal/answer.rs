//! RSTs that no full socket sends: nobody listens there, or a minisock answers.
//!
//! Kernels without reset reasons do not report them at `tcp_send_reset` (5.10, 6.1). There the function
//! that sends them shows it, by the counter of RSTs that it raised; or, for packets that found no
//! socket at all, the reason they are dropped for right afterwards.

use aya_ebpf::macros::map;
use tcptrace_common::config::NO_REASON;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{Head, ResetRecord, evidence, reset};

use super::mib::Mib;
use super::packet::Packet;
use super::window::Window;
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::memory::Memory;
use crate::note::note;
use crate::offsets::config;
use crate::sock::{Direct, Probe, SockRef};

/// The packet that may be answered by a RST without a full socket.
#[map]
static ANSWER: Memory<Window> = Memory::new();

/// `tcp_v4_send_reset(sk, skb)` and its IPv6 twin; `sock` may be 0.
#[inline(always)]
pub(crate) fn on_enter(sock: u64, skb: u64) {
    let Some(window) = ANSWER.get() else {
        return;
    };
    window.discard();
    if sock != 0 && !is_minisock(sock) {
        return;
    }
    window.open(sock, skb);
    if let Some(mib) = mib(sock, skb) {
        window.out_resets.set(mib.value(config!(mib_out_resets)));
        window.base.set(mib.base());
    }
}

#[inline(always)]
fn is_minisock(sock: u64) -> bool {
    matches!(
        SockRef::<Probe>::minisock(sock).state(),
        Some(tcp_state::TIME_WAIT | tcp_state::NEW_SYN_RECV)
    )
}

#[inline(always)]
fn mib(sock: u64, skb: u64) -> Option<Mib> {
    if sock != 0 {
        return SockRef::<Probe>::minisock(sock).net().and_then(Mib::tcp);
    }
    Mib::tcp(Packet::at(skb)?.net())
}

/// `tcp_v4_send_reset` returns.
#[inline(always)]
pub(crate) fn on_end(sock: u64, skb: u64, hook: u8) {
    let Some(window) = ANSWER.get() else {
        return;
    };
    // RSTs of full sockets have none.
    let Some((sock, skb)) = window.close(sock, skb) else {
        return;
    };
    if window.base.get() == 0 || !wants(kind::RST_SENT) {
        return;
    }
    let Some(mib) = mib(sock, skb) else {
        return;
    };
    if mib.base() != window.base.get() {
        note!("a RST by a minisock: the CPU changed", sock: sock, hook);
        return;
    }
    // A RST is never answered by one, nor is what was not addressed to us.
    if mib.value(config!(mib_out_resets)) == window.out_resets.get() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.head();
    begin(known, now(), 0);
    let mut bits = reset::REPLY;
    let mut state_now = 0;
    if sock == 0 {
        if let Some(packet) = Packet::at(skb) {
            known.flow = packet.received_flow();
        }
    } else {
        let sk = SockRef::<Probe>::minisock(sock);
        known.flow = sk.flow(sk.kept_cookie().unwrap_or(0));
        state_now = sk.state().unwrap_or(0);
        known.state = sk.minisock_state().unwrap_or(0);
        known.sock = sock;
        bits |= reset::HAS_SOCK | reset::MINISOCK;
    }
    emit(kind::RST_SENT, hook, known, |record: &mut ResetRecord| {
        super::reset::blank(record, NO_REASON, bits);
        record.state_now = state_now;
    });
}

/// A packet was dropped for want of a socket, which `tcp_v4_rcv` and its IPv6 twin do right after
/// they have answered it, unless it was a RST itself.
#[inline(always)]
pub(super) fn on_no_socket(skb: *const u8, known: &mut Head) {
    if !wants(kind::RST_SENT) {
        return;
    }
    let Some(packet) = Packet::<Direct>::of(skb) else {
        return;
    };
    if packet.is_reset() {
        return;
    }
    begin(known, now(), 0);
    known.flow.netns = packet.netns();
    packet.ends_into(&mut known.flow);
    known.evidence = evidence::INFERRED;
    emit(
        kind::RST_SENT,
        hook::KFREE_SKB,
        known,
        |record: &mut ResetRecord| super::reset::blank(record, NO_REASON, reset::REPLY),
    );
}
