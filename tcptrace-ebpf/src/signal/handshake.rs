//! Handshakes that fail at a listener, seen between entry and exit of the function that decides.
//!
//! `tcp_conn_request` takes a SYN, `tcp_check_req` what follows it, `tcp_get_cookie_sock` an ACK
//! that brings its cookie back. None of them returns why it refused; the counters they raise do.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::config::NO_REASON;
use tcptrace_common::flow::AF_INET6;
use tcptrace_common::kind::{self, basis, tcp_state};
use tcptrace_common::wire::{
    Head, ResetReceivedRecord, RetransmitRecord, UNKNOWN_U32, check, evidence, retransmit,
};

use super::listen::{self, AcceptQueue};
use super::mib::{self, Mib};
use super::packet::Packet;
use super::syn::{self, fate};
use super::window::Window;
use super::{paws, reset, retransmit as sent_again};
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::{Draft, HeadSlot};
use crate::memory::Memory;
use crate::note::note;
use crate::offsets::{config, offset};
use crate::owner;
use crate::sock::{Access, Probe, SockRef};

/// The packet that a listener works on.
#[map]
static HANDSHAKE: Memory<Window> = Memory::new();

/// The SYN-ACK that is due again.
#[map]
static DUE: Memory<Due> = Memory::new();

struct Due {
    /// Address of the request; 0 = none.
    request: Cell<u64>,
    listener: Cell<u64>,
    /// How often it was due before.
    timeouts: Cell<u64>,
}

/// A listener begins to work on a packet of a handshake.
#[inline(always)]
pub(crate) fn on_enter(listener: u64, skb: u64) {
    let Some(window) = HANDSHAKE.get() else {
        return;
    };
    window.open(listener, skb);
    let sk = SockRef::<Probe>::remembered(listener);
    window.drops.set(u64::from(sk.drops().unwrap_or(0)));
    if let Some(net) = sk.net()
        && let Some(mib) = Mib::tcp_ext(net)
        && let Some(counters) = mib.refusals(net)
    {
        window.refusals.set(counters);
        window.base.set(mib.base());
        window
            .embryonic_resets
            .set(mib.value(config!(mib_embryonic_resets)));
        window
            .paws_rejects
            .set(mib.value(config!(mib_paws_rejects)));
    }
}

/// `tcp_conn_request` returns: 0 whatever it did.
#[inline(always)]
pub(crate) fn on_conn_request_end(listener: u64, skb: u64, hook: u8) {
    let Some(window) = HANDSHAKE.get() else {
        return;
    };
    let Some((listener, skb)) = window.close(listener, skb) else {
        note!("a SYN was answered: its entry is missing", sock: listener, hook);
        return;
    };
    let sk = SockRef::<Probe>::remembered(listener);
    let (fate, how) = fate_of(window, &sk);
    if fate == fate::TAKEN {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.draft();
    describe(&sk, skb, known);
    known.evidence = how;
    syn::report(fate, listener, &mut slot, 1, hook);
}

/// What became of the SYN, and how that is known.
#[inline(always)]
fn fate_of(window: &Window, sk: &SockRef<Probe>) -> (u32, u8) {
    if window.base.get() != 0
        && let Some(now) = sk.net().and_then(mib::refusals)
    {
        let before = window.refusals.get();
        let fate = syn::fate_between(&before, &now);
        if fate != fate::DROPPED {
            return (fate, evidence::SEEN);
        }
        // No counter says for which other reason: the queue does.
        let most = syn::most_half_open(net_of(sk));
        return if syn::is_beyond(sk.address(), most) {
            (fate::MAX_SYN_BACKLOG, evidence::INFERRED)
        } else {
            (fate::TAKEN, evidence::SEEN)
        };
    }
    if u64::from(sk.drops().unwrap_or(0)) == window.drops.get() {
        return (fate::TAKEN, evidence::SEEN);
    }
    let most = syn::most_half_open(net_of(sk));
    (syn::fate_by_queues(sk.address(), most), evidence::INFERRED)
}

#[inline(always)]
fn net_of(sk: &SockRef<Probe>) -> *const u8 {
    sk.net().map_or(core::ptr::null(), |net| net)
}

/// Fills what is the same for all that a listener does with a packet: the listener and its
/// namespace, the packet's ends.
#[inline(always)]
fn describe(sk: &SockRef<Probe>, skb: u64, head: &mut Head) {
    begin(head, now(), tcp_state::LISTEN);
    head.flow.netns = sk.netns();
    if let Some(packet) = Packet::at(skb) {
        packet.ends_into(&mut head.flow);
    }
}

/// `tcp_check_req` or `tcp_get_cookie_sock` returns.
#[inline(always)]
pub(crate) fn on_ack_end(listener: u64, skb: u64, hook: u8) {
    let Some(window) = HANDSHAKE.get() else {
        return;
    };
    let Some((listener, skb)) = window.close(listener, skb) else {
        note!("an ACK was answered: its entry is missing", sock: listener, hook);
        return;
    };
    if window.base.get() == 0 {
        return;
    }
    let sk = SockRef::<Probe>::remembered(listener);
    let Some(mib) = sk.net().and_then(Mib::tcp_ext) else {
        return;
    };
    if mib.base() != window.base.get() {
        note!("an ACK was answered: the CPU changed", sock: listener, hook);
        return;
    }
    let overflows = window.refusals.get().listen_overflows;
    let is_refused = mib.value(config!(mib_listen_overflows)) != overflows;
    let is_reset = mib.value(config!(mib_embryonic_resets)) != window.embryonic_resets.get();
    // Before drop reasons for it existed, only the counter showed a wrong timestamp here.
    let mut rejects = 0;
    if config!(drop_tw_paws) == NO_REASON {
        let before = window.paws_rejects.get();
        rejects = mib.value(config!(mib_paws_rejects)).wrapping_sub(before);
    }
    let is_rejected = rejects != 0;
    if !(is_refused || is_reset || is_rejected) {
        return;
    }
    if is_rejected {
        paws::not_the_backlogs(mib, rejects);
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.draft();
    describe(&sk, skb, known);
    known.sock = listener;
    known.inode = sk.inode();
    known.flow.cookie = sk.kept_cookie().unwrap_or(0);
    owner::last_user(known);
    if sk.family() == Some(AF_INET6) {
        known.flow.as_v4_mapped();
    }
    if is_refused {
        refused(&sk, known, reset::has_answered(skb), hook);
    } else if is_rejected {
        paws::report(known, NO_REASON, check::ESTABLISHED, hook);
    } else if Packet::at(skb).is_some_and(|packet| packet.is_reset()) {
        given_back(known, hook);
    }
}

/// The third ACK found the accept queue full.
#[inline(always)]
fn refused(sk: &SockRef<Probe>, head: &mut Draft, was_reset: bool, hook: u8) {
    if !wants(kind::ACCEPT_DROP) {
        return;
    }
    let queue = AcceptQueue::of(sk);
    listen::report_refused_ack(head, hook, &queue, UNKNOWN_U32, was_reset);
}

/// The client reset the handshake: no full socket ever receives the RST.
#[inline(always)]
fn given_back(head: &mut Draft, hook: u8) {
    if !wants(kind::RST_RECEIVED) {
        return;
    }
    head.state = tcp_state::SYN_RECV;
    // The file is the listener's, and nobody has one of this connection.
    head.inode = 0;
    if head.owner.basis != basis::NONE {
        head.owner.basis = basis::LISTENER;
    }
    emit(
        kind::RST_RECEIVED,
        hook,
        head,
        |record: &mut ResetReceivedRecord| record.silent_jiffies = UNKNOWN_U32,
    );
}

/// `reqsk_timer_handler(timer)`: a SYN-ACK is due again.
#[inline(always)]
pub(crate) fn on_request_timer(timer: u64) {
    let (Some(timer_at), Some(listener_at), Some(timeouts_at)) = (
        offset!(req_timer),
        offset!(req_listener),
        offset!(req_num_timeout),
    ) else {
        return;
    };
    let Some(due) = DUE.get() else {
        return;
    };
    due.request.set(timer - timer_at as u64);
    let request = due.request.get() as *const u8;
    // SAFETY: probing the request around its timer.
    unsafe {
        due.listener
            .set(Probe::read::<u64>(request.add(listener_at)));
        due.timeouts
            .set(u64::from(Probe::read::<u8>(request.add(timeouts_at))));
    }
}

/// It returns. Whenever the SYN-ACK was sent or put off, the request's count of time-outs rose
/// (`reqsk_timer_handler`, 5.10 to 7.3); otherwise the request is gone: given up, or its listener
/// was closed. The memory of a request stays one until the RCU grace period is over.
#[inline(always)]
pub(crate) fn on_request_timer_end(timer: u64, hook: u8) {
    let (Some(timer_at), Some(timeouts_at)) = (offset!(req_timer), offset!(req_num_timeout)) else {
        return;
    };
    let Some(due) = DUE.get() else {
        return;
    };
    let request = due.request.get();
    due.request.set(0);
    if request == 0 || timer != 0 && timer - timer_at as u64 != request {
        note!("a SYN-ACK was due: its entry is missing", sock: due.listener.get(), hook);
        return;
    }
    if !wants(kind::RETRANSMIT) {
        return;
    }
    // SAFETY: probing.
    let timeouts = unsafe { Probe::read::<u8>((request as *const u8).add(timeouts_at)) };
    let listener = SockRef::<Probe>::remembered(due.listener.get());
    if u64::from(timeouts) != due.timeouts.get() || listener.state() != Some(tcp_state::LISTEN) {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.draft();
    begin(known, now(), tcp_state::SYN_RECV);
    known.flow = SockRef::<Probe>::minisock(request).flow(0);
    known.sock = listener.address();
    known.inode = listener.inode();
    owner::last_user(known);
    emit(
        kind::RETRANSMIT,
        hook,
        known,
        |record: &mut RetransmitRecord| {
            sent_again::describe_synack(request as *const u8, record);
            // Nothing was sent this time: the attempts are those before.
            record.attempt = record.attempt.saturating_sub(1);
            record.bits |= retransmit::GIVEN_UP;
        },
    );
}
