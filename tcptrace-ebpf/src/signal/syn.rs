//! SYNs refused for a full accept queue or SYN queue.
//!
//! No tracepoint says so (up to 7.3): the packet is simply consumed. But the kernel has counted the
//! refusal on this CPU, in the same softirq, just before. So at each consumed SYN the per-CPU
//! counters of its namespace are compared with their values at the SYN before, or with the
//! [`baseline`]. Where they cannot be read, or have no earlier value, the listener's drop counter is used
//! instead.

use core::hint::black_box;

use tcptrace_common::config::{NO_REASON, by_function};
use tcptrace_common::flow::AF_INET6;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{Head, QueueDropRecord, UNKNOWN_U32, evidence, outcome, step};

use super::packet::{Packet, netns_of};
use super::{baseline, listen, mib, time_wait};
use crate::emit::{self, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::maps::{GROUP, ListenerGroup, PAGES, SynCounters, is_reported_by_function};
use crate::note::note;
use crate::offsets::{config, offset};
use crate::owner::{self, listeners};
use crate::sock::{Access, Direct, Probe, SockRef};

/// A TCP header without payload is 20 to 60 bytes.
const HEADER: core::ops::RangeInclusive<u32> = 20..=60;
/// Flags of a pure SYN, and those that must be clear (FIN, RST, ACK).
const SYN: u8 = 0x02;
const SYN_MASK: u8 = 0x17;

/// `consume_skb(skb)`: hot, so length and flags are compared first, by two direct loads.
#[inline(always)]
pub(crate) fn on_consume(skb: *const u8) {
    let (Some(len_at), Some(flags_at)) = (offset!(skb_len), offset!(skb_cb_tcp_flags)) else {
        return;
    };
    // SAFETY: offsets of `sk_buff`, a trusted argument.
    unsafe {
        if !HEADER.contains(&Direct::read::<u32>(skb.add(len_at)))
            || Direct::read::<u8>(skb.add(flags_at)) & SYN_MASK != SYN
        {
            return;
        }
    }
    // `cb` belongs to whoever has the packet: only the header itself is proof.
    let Some(packet) = Packet::of(skb) else {
        return;
    };
    if packet.is_pure_syn() {
        on_syn(&packet);
    }
}

/// What became of a SYN.
pub(super) mod fate {
    pub(in crate::signal) const TAKEN: u32 = 0;
    pub(in crate::signal) const ACCEPT_QUEUE_FULL: u32 = 1;
    pub(in crate::signal) const SYN_QUEUE_FULL: u32 = 2;
    pub(in crate::signal) const COOKIE: u32 = 3;
    /// The counters cannot decide.
    pub(super) const UNKNOWN: u32 = 4;
    /// Dropped, by neither queue's own limit.
    pub(in crate::signal) const DROPPED: u32 = 5;
    /// Dropped for `net.ipv4.tcp_max_syn_backlog`.
    pub(in crate::signal) const MAX_SYN_BACKLOG: u32 = 6;
}

/// A SYN has been worked on. Most were taken and took nobody's place: nothing more is asked then.
#[inline(always)]
fn on_syn(packet: &Packet<Direct>) {
    let net = packet.net();
    let netns = netns_of(net);
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let fate = slot.launder::<0>(fate_by_counters(net, netns));
    let is_refused = fate != fate::TAKEN && !is_reported_by_function(by_function::SYN);
    let may_reuse = time_wait::may_be_reused();
    if !is_refused && !may_reuse {
        return;
    }
    let head = slot.head();
    emit::begin(head, now(), tcp_state::LISTEN);
    head.flow.netns = netns;
    packet.ends_into(&mut head.flow);
    if may_reuse {
        time_wait::on_syn(&head.flow);
    }
    if !is_refused {
        return;
    }
    // Refused by an unknown listener: still reported, without an owner.
    let (mut fate, mut count) = (fate, 1);
    let port = head.flow.local_port;
    let most = most_half_open(net);
    let (stepped, steps) = stepped(netns, port, most);
    let mut sock = stepped;
    if fate == fate::UNKNOWN && stepped != 0 {
        fate = fate_by_queues(stepped, most);
        head.evidence = evidence::INFERRED;
        count = steps;
    } else if stepped == 0 {
        // A cookie leaves the drop counter alone; then only a single listener is certain.
        sock = listeners::only(netns, port);
    }
    if fate == fate::DROPPED {
        if !is_beyond(sock, most) {
            note!("a SYN was dropped for another reason", head: head, most);
            return;
        }
        fate = fate::MAX_SYN_BACKLOG;
        head.evidence = evidence::INFERRED;
    }
    let fate = slot.launder::<0>(fate);
    report(fate, sock, slot.head(), count, hook::CONSUME_SKB);
}

/// Reads the refusal counters of this CPU and namespace and compares them with the last reading.
#[inline(always)]
fn fate_by_counters(net: *const u8, netns: u32) -> u32 {
    let Some(now) = mib::refusals(net) else {
        return fate::UNKNOWN;
    };
    let before = baseline::before(netns, &now);
    if before.read != now.read {
        return fate::UNKNOWN;
    }
    fate_between(&before, &now)
}

/// What the counters say that became of the one SYN between two readings.
#[inline(always)]
pub(super) fn fate_between(before: &SynCounters, now: &SynCounters) -> u32 {
    // With cookies a SYN can raise two counters: the full accept queue is what refused it.
    if now.listen_overflows != before.listen_overflows {
        fate::ACCEPT_QUEUE_FULL
    } else if now.syn_queue_drops != before.syn_queue_drops {
        fate::SYN_QUEUE_FULL
    } else if now.syn_queue_cookies != before.syn_queue_cookies {
        fate::COOKIE
    } else if now.listen_drops != before.listen_drops {
        fate::DROPPED
    } else {
        fate::TAKEN
    }
}

/// How many half-open connections a listener of a namespace may have before SYNs of peers that have not
/// proven themselves are dropped: three quarters of `tcp_max_syn_backlog` without SYN cookies
/// (`tcp_conn_request`, 5.10 to 7.3). `u32::MAX`: that limit does not hold, or is not known.
#[inline(always)]
pub(super) fn most_half_open(net: *const u8) -> u32 {
    let (most_at, cookies_at) = (config!(net_max_syn_backlog), config!(net_syncookies));
    if net.is_null() || most_at == NO_REASON || cookies_at == NO_REASON {
        return u32::MAX;
    }
    // SAFETY: probing fields of the namespace. A number that once had four bytes is in the first of them.
    unsafe {
        if Probe::read::<u8>(net.add(cookies_at as usize)) != 0 {
            return u32::MAX;
        }
        let most = Probe::read::<u32>(net.add(most_at as usize));
        most - (most >> 2)
    }
}

/// Whether a listener has more half-open connections than that.
#[inline(always)]
pub(super) fn is_beyond(sock: u64, most: u32) -> bool {
    let sk = SockRef::<Probe>::remembered(sock);
    sock != 0 && sk.state() == Some(tcp_state::LISTEN) && sk.syn_queue_length().unwrap_or(0) > most
}

/// The listener of the port that has dropped a SYN since it was last looked at, and how many; 0 = none
/// that is known. A function of its own: its ways would be those of all that follows.
#[inline(never)]
fn stepped(netns: u32, port: u16, most: u32) -> (u64, u32) {
    let mut number = 0;
    while number < PAGES {
        let Some(group) = listeners::page(netns, port, number) else {
            break;
        };
        let mut found = stepped_on(group);
        if !is_full(found.0, most) {
            // It has dropped by a socket filter, or earlier: this SYN is another listener's.
            found = stepped_on(group);
        }
        if found.0 != 0 {
            return found;
        }
        number += 1;
    }
    (0, 0)
}

/// The first listener whose drop counter has risen since it was last looked at, and by how much. Leaves
/// at the first hit: the verifier's paths would multiply, and another listener's rise belongs to a SYN
/// that will ask for itself.
#[inline(never)]
fn stepped_on(group: *mut ListenerGroup) -> (u64, u32) {
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the arrays' length; a map value.
        unsafe {
            // An empty place reads as 0, which is what it has: no branch for the verifier to follow.
            let sock = (*group).socks[place];
            let drops = SockRef::<Probe>::remembered(sock).drops().unwrap_or(0);
            let steps = drops.wrapping_sub((*group).drops[place]);
            if steps != 0 {
                (*group).drops[place] = drops;
                return (sock, steps);
            }
        }
        place += 1;
    }
    (0, 0)
}

/// Whether a queue of a listener is full, or holds more half-open connections than `most`. Without a branch until the end: each would multiply the
/// verifier's paths through what follows.
#[inline(always)]
fn is_full(sock: u64, most: u32) -> bool {
    let sk = SockRef::<Probe>::remembered(sock);
    let limit = u64::from(sk.accept_queue_limit().unwrap_or(0));
    let accept = u64::from(sk.accept_queue_length().unwrap_or(0));
    let syn = u64::from(sk.syn_queue_length().unwrap_or(0));
    // The highest bit of each is set when that queue is longer than the limit, or the state another.
    let beyond =
        limit.wrapping_sub(accept) | limit.wrapping_sub(syn) | u64::from(most).wrapping_sub(syn);
    let differs = u64::from(sk.state().unwrap_or(0) ^ tcp_state::LISTEN).wrapping_neg();
    black_box((beyond & !differs) >> 63) != 0
}

/// Which queue is full; a socket filter's drop fills neither. `most` as [`most_half_open`] says.
#[inline(always)]
pub(super) fn fate_by_queues(sock: u64, most: u32) -> u32 {
    let sk = SockRef::<Probe>::remembered(sock);
    let limit = sk.accept_queue_limit().unwrap_or(0);
    if sk.state() != Some(tcp_state::LISTEN) {
        fate::TAKEN
    } else if sk.accept_queue_length().unwrap_or(0) > limit {
        fate::ACCEPT_QUEUE_FULL
    } else if sk.syn_queue_length().unwrap_or(0) > limit {
        fate::SYN_QUEUE_FULL
    } else if sk.syn_queue_length().unwrap_or(0) > most {
        fate::MAX_SYN_BACKLOG
    } else {
        fate::TAKEN
    }
}

/// Reports a refusal. `sock` is the listener, if known; `head` has the addresses of both ends.
#[inline(always)]
pub(super) fn report(fate: u32, sock: u64, head: &mut Head, count: u32, hook: u8) {
    let kind = match fate {
        fate::ACCEPT_QUEUE_FULL => kind::ACCEPT_DROP,
        fate::SYN_QUEUE_FULL | fate::COOKIE | fate::MAX_SYN_BACKLOG => kind::SYN_DROP,
        _ => {
            note!("a SYN: its fate is unknown", head: head, fate);
            return;
        }
    };
    if !wants(kind) {
        return;
    }
    let (mut length, mut limit, mut somaxconn) = (UNKNOWN_U32, UNKNOWN_U32, UNKNOWN_U32);
    let sk = SockRef::<Probe>::remembered(sock);
    if sock != 0 && sk.state() == Some(tcp_state::LISTEN) {
        // The SYN queue has the accept queue's limit (`inet_csk_reqsk_queue_is_full`, 5.10 to
        // 7.3).
        limit = if fate == fate::MAX_SYN_BACKLOG {
            most_half_open(sk.net().map_or(core::ptr::null(), |net| net))
        } else {
            sk.accept_queue_limit().unwrap_or(UNKNOWN_U32)
        };
        somaxconn = sk.somaxconn().unwrap_or(UNKNOWN_U32);
        length = if fate == fate::ACCEPT_QUEUE_FULL {
            sk.accept_queue_length().unwrap_or(UNKNOWN_U32)
        } else {
            sk.syn_queue_length().unwrap_or(UNKNOWN_U32)
        };
        head.flow.cookie = sk.kept_cookie().unwrap_or(0);
        head.inode = sk.inode();
        head.sock = sock;
        owner::last_user(head);
        if sk.family() == Some(AF_INET6) {
            head.flow.as_v4_mapped();
        }
    }
    emit::emit(kind, hook, head, |record: &mut QueueDropRecord| {
        record.length = length;
        record.limit = limit;
        record.reason = UNKNOWN_U32;
        record.somaxconn = somaxconn;
        record.backlog = listen::backlog(head.inode);
        record.count = count;
        record.by_max_syn_backlog = u8::from(fate == fate::MAX_SYN_BACKLOG);
        record.step = step::SYN;
        record.outcome = if fate == fate::COOKIE {
            outcome::COOKIE
        } else {
            outcome::DROPPED
        };
    });
}

/// A third ACK was refused: it raised the same counters, which must not be taken for a SYN's. False
/// when they say that it was not: the kernel counted no refusal since the last reading.
#[inline(always)]
pub(crate) fn forget_ack_drop(sk: &SockRef<Direct>) -> bool {
    let netns = sk.netns();
    let mut was_refused = true;
    if let Some(net) = sk.net()
        && let Some(now) = mib::refusals(net)
    {
        let before = baseline::before(netns, &now);
        was_refused = before.read != now.read || before.listen_overflows != now.listen_overflows;
    }
    listeners::note_drops(sk, netns, sk.num().unwrap_or(0));
    was_refused
}
