//! State transitions: births and deaths of sockets, and everything that follows from them.

use tcptrace_common::config::by_function;
use tcptrace_common::kind::{self, basis, hook, tcp_state};
use tcptrace_common::wire::{Head, StateRecord, UNKNOWN_U64};

use super::{close, connect, linger, listen, minisock, reset, time_wait, timed_out};
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::maps::{SockEntry, UNTRIED, is_reported_by_function, sock_bits};
use crate::owner;
use crate::reentry::{self, AtWork};
use crate::sock::{Direct, PROTOCOL_TCP, SockRef};

/// `inet_sock_set_state(sk, old, new)`.
#[inline(always)]
pub(crate) fn on_set_state(sk: *const u8, old: i32, new: i32) {
    let Some(_at_work) = AtWork::begin() else {
        return;
    };
    changed(sk, old, new);
}

/// The same, where the kernel has skipped the program that calls [`on_set_state`].
#[inline(always)]
pub(crate) fn on_skipped_state(sk: *const u8, old: i32, new: i32) {
    if reentry::is_due() {
        changed(sk, old, new);
    }
}

/// Owner and flow are read only if something is reported: most state changes of a connection report nothing unless
/// states are requested.
#[inline(always)]
fn changed(sk: *const u8, old: i32, new: i32) {
    let (old, new) = (old as u8, new as u8);
    let base = SockRef::base(sk);
    if base.is_null() || !may_matter(&base, old, new) {
        return;
    }
    if !is_reported(old, new)
        && !may_end_badly(&base, old, new)
        && !linger::may_concern(&base, old, new)
    {
        remember(&base, old, new);
        return;
    }
    let sk = SockRef::or_null(sk);
    if !sk.is_tcp() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    begin(head, now(), old);
    head.sock = sk.address();
    let mut entry = if old == tcp_state::LISTEN && new == tcp_state::SYN_RECV {
        born_of_listener(&sk, head.time_ns)
    } else if new == tcp_state::SYN_SENT || new == tcp_state::LISTEN {
        owner::born_by_task(head.sock, head.time_ns)
    } else {
        owner::entry(head.sock)
    };
    let in_old = match entry.as_deref_mut() {
        Some(entry) => turn(entry, old, new, head.time_ns),
        None => UNKNOWN_U64,
    };
    let old = slot.launder::<0>(u32::from(old)) as u8;
    let new = slot.launder::<1>(u32::from(new)) as u8;
    if new == tcp_state::CLOSE {
        reset::on_closed(sk.address(), old);
    }
    linger::on_change(&sk, old, new, entry.as_deref_mut(), slot.head());
    let old = slot.launder::<0>(u32::from(old)) as u8;
    let new = slot.launder::<1>(u32::from(new)) as u8;
    if !is_reported(old, new) && !may_end_badly(&sk, old, new) {
        if let Some(entry) = entry {
            owner::changed(&sk, entry);
        }
        return;
    }
    let head = slot.head();
    sk.identify(entry.as_deref_mut(), head);
    owner::find_with(&sk, entry, head);
    let old = slot.launder::<0>(u32::from(old)) as u8;
    let new = slot.launder::<1>(u32::from(new)) as u8;
    if may_end_badly(&sk, old, new) {
        timed_out::on_close(&sk, old, slot.head());
        connect::on_close(&sk, old, slot.head());
    }
    let old = slot.launder::<0>(u32::from(old)) as u8;
    let new = slot.launder::<1>(u32::from(new)) as u8;
    report(&sk, old, new, in_old, slot.head());
}

/// Whether this change ends a connection that was given up, or a connect() that failed.
#[inline(always)]
fn may_end_badly(sk: &SockRef<Direct>, old: u8, new: u8) -> bool {
    new == tcp_state::CLOSE && (timed_out::may_concern(sk, old) || connect::may_concern(old))
}

/// Whether anything may follow from a change. Of the ten in the life of a pair of sockets four come in
/// softirq, in the midst of it, and mean nothing unless states are wanted: for those nothing is looked
/// up, which takes two loads instead of several hundred nanoseconds.
#[inline(always)]
fn may_matter(sk: &SockRef<Direct>, old: u8, new: u8) -> bool {
    wants(kind::STATE)
        || old == tcp_state::LISTEN
        || new == tcp_state::CLOSE
        || new == tcp_state::LISTEN
        || new == tcp_state::SYN_SENT
        || sk.is_owned()
        || linger::may_concern(sk, old, new)
}

/// A change that reports nothing: records what later changes, or a RST, need from it.
#[inline(always)]
fn remember(sk: &SockRef<Direct>, old: u8, new: u8) {
    // Also called for MPTCP, SCTP and DCCP.
    if sk.protocol() != Some(PROTOCOL_TCP) {
        return;
    }
    if old == tcp_state::LISTEN {
        born_of_listener(sk, now());
        return;
    }
    if new == tcp_state::SYN_SENT {
        if let Some(entry) = owner::born_by_task(sk.address(), now()) {
            // Now, so that its TIME_WAIT socket has it too.
            entry.cookie = sk.cookie();
        }
        time_wait::on_connect(sk);
        return;
    }
    if new == tcp_state::CLOSE {
        reset::on_closed(sk.address(), old);
    }
    if let Some(entry) = owner::entry(sk.address()) {
        if new == tcp_state::CLOSE {
            entry.state_before_close = old;
        }
        owner::changed(sk, entry);
    }
}

/// A connection is made of a listener.
/// kernel: its SYN_RECV comes while its state still reads LISTEN (5.10 to 7.3).
#[inline(always)]
fn born_of_listener(sk: &SockRef<Direct>, time: u64) -> Option<&'static mut SockEntry> {
    let child = owner::born(sk.address(), sock_bits::CHILD, time)?;
    child.listener = sk.cloned_from();
    Some(child)
}

/// Whether this change reports or records something for which the owner is needed.
#[inline(always)]
fn is_reported(old: u8, new: u8) -> bool {
    wants(kind::STATE)
        || old == tcp_state::LISTEN && new == tcp_state::CLOSE
        || new == tcp_state::LISTEN
        || new == tcp_state::CLOSE && (wants(kind::CLOSE) || time_wait::may_follow(old))
}

#[inline(always)]
fn report(sk: &SockRef<Direct>, old: u8, new: u8, in_old: u64, head: &mut Head) {
    match new {
        tcp_state::LISTEN => listen::on_listen(sk, &head.flow),
        tcp_state::SYN_SENT => time_wait::on_connect(sk),
        tcp_state::CLOSE if old == tcp_state::LISTEN => listen::on_unlisten(head),
        _ => {}
    }
    if new == tcp_state::CLOSE && old != tcp_state::LISTEN {
        let time_wait = if is_reported_by_function(by_function::TIME_WAIT) {
            minisock::made_for(head.sock)
        } else {
            time_wait::on_close(sk, head)
        };
        close::on_close(sk, head, time_wait);
    }
    if wants(kind::STATE) && old != new {
        emit(
            kind::STATE,
            hook::INET_SOCK_SET_STATE,
            head,
            |record: &mut StateRecord| {
                record.in_old_ns = in_old;
                record.old = old;
                record.new = new;
            },
        );
    }
}

/// Notes the change in what is remembered of the socket; the time spent in the old state.
#[inline(always)]
fn turn(entry: &mut SockEntry, old: u8, new: u8, time: u64) -> u64 {
    let since = entry.since_ns;
    if new == tcp_state::CLOSE {
        entry.state_before_close = old;
    }
    if old == new || !wants(kind::STATE) {
        return UNKNOWN_U64;
    }
    entry.since_ns = time;
    // A birth has just set `since`: the state before it is not one we timed.
    if since == 0 || since >= time {
        UNKNOWN_U64
    } else {
        time - since
    }
}

/// `tcp_destroy_sock(sk)`: forgets the socket, but leaves what was known for the RST that may
/// follow in the same softirq.
#[inline(always)]
pub(crate) fn on_destroy(sk: *const u8) {
    owner::forget(sk as u64);
}

/// `tcp_rcv_space_adjust(sk)`: runs in the reader's system call, and is the first that shows who
/// accepted a connection.
#[inline(always)]
pub(crate) fn on_read(sk: *const u8) {
    let sk = SockRef::base(sk);
    if sk.is_null() || !sk.is_owned() {
        return;
    }
    let tgid = (owner::pid_tgid() >> 32) as u32;
    match owner::entry(sk.address()) {
        Some(entry)
            if entry.tgid == tgid
                && entry.owner.basis != basis::NONE
                && entry.descriptor != UNTRIED =>
        {
            return;
        }
        Some(_) => {}
        None => {
            owner::born(sk.address(), 0, 0);
        }
    }
    if owner::task_is_user() {
        owner::remember(sk.address());
    }
}
