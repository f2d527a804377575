//! Which sockets listen on a port, and whose they are.
//!
//! Each listener has an owner of its own, in `SOCKS`: one port may be listened to at several addresses
//! and by several processes (SO_REUSEPORT), who come and go. A connection that nobody has accepted
//! knows which listener it came from.

use tcptrace_common::kind::{basis, tcp_state};
use tcptrace_common::names::limited;
use tcptrace_common::wire::{self, Head};

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use super::{entry, holding};
use crate::full_maps;
use crate::maps::{GROUP, LISTENERS, ListenerGroup, ListenerKey, PAGES, SockEntry};
use crate::note::note;
use crate::sock::{Access, Probe, SockRef};

/// A port without listeners. In `.rodata`, since the stack is small.
static EMPTY: ListenerGroup = ListenerGroup {
    socks: [0; GROUP],
    drops: [0; GROUP],
    count: 0,
};

/// Some listeners of a port. Pages are without a gap from 0 on while anybody listens.
#[inline(always)]
pub(crate) fn page(netns: u32, port: u16, page: u16) -> Option<*mut ListenerGroup> {
    LISTENERS.get_ptr_mut(ListenerKey { netns, port, page })
}

/// A socket begins to listen, or is found listening.
#[inline(always)]
pub(crate) fn join<A: Access>(sk: &SockRef<A>, netns: u32, port: u16) {
    let drops = sk.drops().unwrap_or(0);
    let mut number = 0;
    while number < PAGES {
        let key = ListenerKey {
            netns,
            port,
            page: number,
        };
        if LISTENERS.get_ptr(key).is_none() && LISTENERS.insert(key, &EMPTY, 0).is_err() {
            // The listener of a refused SYN is then not known; the refusal is.
            full_maps::count(limited::LISTENERS);
            note!("no room to remember the listener", sock: sk.address(), port);
            break;
        }
        let Some(group) = LISTENERS.get_ptr_mut(key) else {
            break;
        };
        let place = take_place(group, sk.address(), drops);
        if place != 0 {
            if let Some(entry) = entry(sk.address()) {
                entry.place = number as u8 * GROUP as u8 + place as u8;
            }
            break;
        }
        number += 1;
    }
    add(netns, port, 1);
}

/// Records the drop counter of a listener, so that the next refused SYN shows as its next step.
#[inline(always)]
pub(crate) fn note_drops<A: Access>(sk: &SockRef<A>, netns: u32, port: u16) {
    let Some(place) = entry(sk.address()).and_then(|entry| usize::from(entry.place).checked_sub(1))
    else {
        return;
    };
    let Some(group) = page(netns, port, (place / GROUP) as u16) else {
        return;
    };
    let place = place % GROUP;
    // SAFETY: the index is below the arrays' length; a map value.
    unsafe {
        if (*group).socks[place] == sk.address() {
            (*group).drops[place] = sk.drops().unwrap_or(0);
        }
    }
}

/// One more listener of a port, or (`u64::MAX`) one less.
#[inline(always)]
fn add(netns: u32, port: u16, more: u64) {
    if let Some(first) = page(netns, port, 0) {
        // SAFETY: a map value, aligned to 8 bytes; added atomically.
        unsafe {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*first).count, more);
        }
    }
}

/// Takes a place for the listener; which one, counted from 1, or 0 when the page is full. Two that begin
/// at once on one page may overwrite each other's, which costs the name of one in refused SYNs, not a
/// count.
#[inline(never)]
fn take_place(group: *mut ListenerGroup, sock: u64, drops: u32) -> u32 {
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the arrays' length; a map value.
        unsafe {
            let slot = &raw mut (*group).socks[place];
            if *slot == 0 || *slot == sock {
                *slot = sock;
                (*group).drops[place] = drops;
                return place as u32 + 1;
            }
        }
        place += 1;
    }
    0
}

/// A listener is closed.
#[inline(always)]
pub(crate) fn leave(sock: u64, netns: u32, port: u16) {
    let mut number = 0;
    while number < PAGES {
        let Some(group) = page(netns, port, number) else {
            break;
        };
        if give_place(group, sock) != 0 {
            break;
        }
        number += 1;
    }
    add(netns, port, u64::MAX);
    // SAFETY: a map value.
    if page(netns, port, 0).is_some_and(|first| unsafe { (*first).count } == 0) {
        number = 0;
        while number < PAGES {
            let key = ListenerKey {
                netns,
                port,
                page: number,
            };
            if LISTENERS.remove(key).is_err() {
                break;
            }
            number += 1;
        }
    }
}

/// Whether the listener had a place here.
#[inline(never)]
fn give_place(group: *mut ListenerGroup, sock: u64) -> u32 {
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the arrays' length; a map value.
        unsafe {
            let slot = &raw mut (*group).socks[place];
            if *slot == sock {
                *slot = 0;
                (*group).drops[place] = 0;
                return 1;
            }
        }
        place += 1;
    }
    0
}

/// The listener of a port that has one alone; 0 = several, or none that is known.
#[inline(always)]
pub(crate) fn only(netns: u32, port: u16) -> u64 {
    // SAFETY: a map value.
    if page(netns, port, 0).is_none_or(|first| unsafe { (*first).count } != 1) {
        return 0;
    }
    let mut number = 0;
    while number < PAGES {
        let Some(group) = page(netns, port, number) else {
            break;
        };
        let sock = first_of(group);
        if sock != 0 {
            return sock;
        }
        number += 1;
    }
    0
}

#[inline(never)]
fn first_of(group: *mut ListenerGroup) -> u64 {
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the array's length; a map value.
        let sock = unsafe { (*group).socks[place] };
        if sock != 0 {
            return sock;
        }
        place += 1;
    }
    0
}

/// Whether another process than that of `tgid` listens here too.
#[inline(never)]
fn has_another(group: *mut ListenerGroup, tgid: u32) -> u32 {
    let mut place = 0;
    while place < GROUP {
        // SAFETY: the index is below the array's length; a map value.
        let sock = unsafe { (*group).socks[place] };
        if sock != 0 && entry(sock).is_none_or(|entry| entry.tgid != tgid) {
            return 1;
        }
        place += 1;
    }
    0
}

/// The owner of a connection that nobody has accepted: its listener's.
#[inline(always)]
pub(crate) fn owner_of_child(child: &SockEntry, head: &mut Head) {
    // One way on for all cases: the verifier would follow each apart.
    let listener = if is_its_listener(child) {
        child.listener
    } else {
        of_one_process(head.flow.netns, head.flow.local_port)
    };
    belongs_to(listener, head);
}

/// Whether the listener that the child came from is still there.
#[inline(always)]
fn is_its_listener(child: &SockEntry) -> bool {
    child.listener != 0
        // Memory is used again: a listener that is younger than its child is another one.
        && entry(child.listener).is_some_and(|listener| {
            listener.born_ns <= child.born_ns && listens(child.listener, listener)
        })
}

/// Whether it is a listener still, or was one until its close, which resets its children.
#[inline(always)]
fn listens(sock: u64, entry: &SockEntry) -> bool {
    entry.state_before_close == tcp_state::LISTEN
        || SockRef::<Probe>::remembered(sock).state() == Some(tcp_state::LISTEN)
}

/// The owner of whoever listens on the local port, when that is one process.
#[inline(always)]
pub(crate) fn owner_by_port(head: &mut Head) {
    belongs_to(of_one_process(head.flow.netns, head.flow.local_port), head);
}

/// A listener of the port, when all are one process's; 0 = none, or several processes'.
#[inline(never)]
fn of_one_process(netns: u32, port: u16) -> u64 {
    let Some(first) = page(netns, port, 0) else {
        return 0;
    };
    let sock = first_of(first);
    // SAFETY: a map value.
    let has_more = unsafe { (*first).count } > GROUP as u64;
    if sock == 0 || has_more {
        return 0;
    }
    match entry(sock) {
        Some(listener) if has_another(first, listener.tgid) == 0 => sock,
        _ => {
            note!("several processes listen on the port", sock: sock, port);
            0
        }
    }
}

/// The user side looks up who holds the listener (0 = none) by its file.
#[inline(always)]
fn belongs_to(sock: u64, head: &mut Head) {
    let Some(listener) = entry(sock) else {
        return;
    };
    if listener.owner.basis == basis::NONE {
        return;
    }
    head.owner = listener.owner;
    holding::check(listener, sock, &mut head.owner);
    head.owner.basis = basis::LISTENER;
    // While its children are reset it is closed already, by its owner.
    let is_closed = holding::is_zero(u64::from(listener.state_before_close ^ tcp_state::LISTEN));
    head.owner.bits |= wire::owner::HOLDS * is_closed;
    let inode = SockRef::<Probe>::remembered(sock).inode();
    if inode != 0 {
        head.inode = inode;
        head.owner.bits |= wire::owner::LISTENER_FILE;
    }
}
