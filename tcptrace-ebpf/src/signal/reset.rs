//! RSTs sent and received.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::kind::{self, basis, hook, tcp_state};
use tcptrace_common::wire::{self, Head, ResetReceivedRecord, ResetRecord, UNKNOWN_U32, reset};

use super::listen;
use super::packet::Packet;
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::maps::{SockEntry, sock_bits};
use crate::memory::Memory;
use crate::note::note;
use crate::owner;
use crate::sock::{Direct, SockRef};

/// The packet that was just answered by a RST on this CPU.
#[map]
static ANSWERED: Memory<Cell<u64>> = Memory::new();

/// Whether this packet was the last one answered by a RST on this CPU.
#[inline(always)]
pub(super) fn has_answered(skb: u64) -> bool {
    ANSWERED.get().is_some_and(|answered| answered.get() == skb)
}

/// The socket that just went to CLOSE on this CPU, and the state it came from.
#[map]
static CLOSED: Memory<Closed> = Memory::new();

struct Closed {
    /// Address.
    sock: Cell<u64>,
    from: Cell<u8>,
}

/// A socket goes to CLOSE.
#[inline(always)]
pub(super) fn on_closed(sock: u64, from: u8) {
    let Some(closed) = CLOSED.get() else {
        return;
    };
    closed.sock.set(sock);
    // SAFETY: a cell of this CPU's own value. Volatile, to come last: what an interrupt has put there in
    // between it has used by now, and the address is then not this socket's.
    unsafe { closed.from.as_ptr().write_volatile(from) };
}

/// `tcp_send_reset(sk, skb[, reason])`: either pointer may be NULL; `reason` is `u32::MAX` where
/// the kernel gives none.
#[inline(always)]
pub(crate) fn on_send_reset(sk: *const u8, skb: *const u8, reason: u32) {
    if let Some(answered) = ANSWERED.get() {
        answered.set(skb as u64);
    }
    if !wants(kind::RST_SENT) {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    begin(head, now(), 0);
    let mut bits = if skb.is_null() { 0 } else { reset::REPLY };
    let sk = SockRef::or_null(sk);
    if !sk.is_null() {
        bits |= identify(&sk, skb, bits, head);
    } else if let Some(packet) = Packet::of(skb) {
        // Nothing owns a packet that finds no socket: the ends are the packet's.
        head.flow.netns = packet.netns();
        packet.ends_into(&mut head.flow);
    }
    emit(
        kind::RST_SENT,
        hook::TCP_SEND_RESET,
        head,
        |record: &mut ResetRecord| {
            blank(record, reason, bits);
            if !sk.is_null() {
                describe(&sk, head.state, record);
            }
        },
    );
}

/// A record that knows nothing of the socket yet.
#[inline(always)]
pub(super) fn blank(record: &mut ResetRecord, reason: u32, bits: u8) {
    record.reason = reason;
    record.unsent_bytes = UNKNOWN_U32;
    record.unacked_bytes = UNKNOWN_U32;
    record.unread_bytes = UNKNOWN_U32;
    record.queue_length = UNKNOWN_U32;
    record.queue_limit = UNKNOWN_U32;
    record.bits = bits;
}

/// Fills in owner and flow; returns the bits of [`reset`] that describe the kind of socket.
#[inline(always)]
fn identify(sk: &SockRef<Direct>, skb: *const u8, bits: u8, head: &mut Head) -> u8 {
    let state_now = sk.state().unwrap_or(0);
    head.state = state_now;
    if !sk.is_full() {
        sk.identify(None, head);
        head.state = SockRef::minisock(sk.address())
            .minisock_state()
            .unwrap_or(0);
        return reset::HAS_SOCK | reset::MINISOCK;
    }
    let mut entry = owner::entry(sk.address());
    sk.identify(entry.as_deref_mut(), head);
    if state_now == tcp_state::LISTEN {
        // A listener that answers a packet: the remote end is the packet's.
        owner::last_user(head);
        owner::note_file(sk, head);
        if let Some(packet) = Packet::of(skb) {
            packet.ends_into(&mut head.flow);
        }
        return reset::HAS_SOCK;
    }
    head.state = state_before(sk, entry.as_deref_mut(), state_now);
    let is_active = bits & reset::REPLY == 0;
    reset::HAS_SOCK | find_owner(sk, entry, is_active, state_now, head)
}

/// The facts from which the cause follows.
#[inline(always)]
fn describe(sk: &SockRef<Direct>, state_before: u8, record: &mut ResetRecord) {
    record.state_now = sk.state().unwrap_or(0);
    if !sk.is_full() {
        return;
    }
    if record.state_now == tcp_state::LISTEN {
        record.queue_length = sk.accept_queue_length().unwrap_or(UNKNOWN_U32);
        record.queue_limit = sk.accept_queue_limit().unwrap_or(UNKNOWN_U32);
        return;
    }
    record.linger_jiffies = sk.linger_jiffies().unwrap_or(0);
    record.linger2 = sk.linger2().unwrap_or(0);
    record.user_timeout_ms = sk.user_timeout_ms().unwrap_or(0);
    record.shutdown = sk.shutdown().unwrap_or(0);
    record.sk_err = sk.err().unwrap_or(0);
    if let Some((unsent, unacked)) = sk.send_queues(state_before) {
        record.unsent_bytes = unsent;
        record.unacked_bytes = unacked;
    }
    record.unread_bytes = sk.unread(state_before).unwrap_or(UNKNOWN_U32);
    if sk.linger_is_on() {
        record.bits |= reset::LINGER;
    }
    if sk.is_dead() {
        record.bits |= reset::DEAD;
    }
    if sk.is_owned() {
        record.bits |= reset::OWNED;
    }
    if sk.socket().unwrap_or(0) != 0 {
        record.bits |= reset::HAS_SOCKET;
    }
}

/// The state before the reset: `tcp_send_reset` comes after the change to CLOSE (5.10 to 7.3).
/// What is remembered of the socket comes first: the CPU may still name an earlier socket of
/// the same address.
#[inline(always)]
fn state_before(sk: &SockRef<Direct>, entry: Option<&mut SockEntry>, now: u8) -> u8 {
    if now != tcp_state::CLOSE {
        return now;
    }
    if let Some(entry) = entry
        && entry.state_before_close != 0
    {
        return entry.state_before_close;
    }
    if let Some(entry) = owner::destroyed(sk.address()) {
        return entry.state_before_close;
    }
    if let Some(closed) = CLOSED.get()
        && closed.sock.get() == sk.address()
    {
        return closed.from.get();
    }
    note!("a RST: the state before it is not known", sock: sk.address(), now);
    0
}

/// Who is behind a reset. `ss -K` resets in the killer's task while the state still stands: that
/// task is not the owner. A child of a closing listener belongs to the listener.
#[inline(always)]
fn find_owner(
    sk: &SockRef<Direct>,
    entry: Option<&mut SockEntry>,
    is_active: bool,
    state_now: u8,
    head: &mut Head,
) -> u8 {
    let is_closed = state_now == tcp_state::CLOSE;
    if is_active
        && is_closed
        && sk.socket() == Some(0)
        && !sk.is_dead()
        && let Some(closer) = listen::closed_by_task(head.flow.local_port)
    {
        head.owner = *closer;
        head.owner.basis = basis::LISTENER;
        // Until this call.
        head.owner.bits |= wire::owner::HOLDS;
        return reset::LISTENER_CLOSING;
    }
    if is_active && !is_closed {
        owner::known_with(entry, head);
        owner::note_file(sk, head);
    } else {
        owner::find_with(sk, entry, head);
    }
    0
}

/// `tcp_receive_reset(sk)`.
#[inline(always)]
pub(crate) fn on_receive_reset(sk: *const u8) {
    let Some(sk) = SockRef::trusted(sk) else {
        return;
    };
    let mut entry = owner::entry(sk.address());
    if let Some(entry) = entry.as_deref_mut() {
        entry.bits |= sock_bits::RST_RECEIVED;
    }
    if !wants(kind::RST_RECEIVED) || !sk.is_tcp() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    begin(head, now(), sk.state().unwrap_or(0));
    sk.identify(entry.as_deref_mut(), head);
    owner::find_with(&sk, entry, head);
    let dead = u8::from(sk.is_dead());
    emit(
        kind::RST_RECEIVED,
        hook::TCP_RECEIVE_RESET,
        head,
        |record: &mut ResetReceivedRecord| record.dead = dead,
    );
}
