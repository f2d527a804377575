//! State transitions: births and deaths of sockets, and everything that follows from them.

use tcptrace_common::kind::{self, basis, hook, tcp_state};
use tcptrace_common::wire::{OwnerRecord, StateRecord, UNKNOWN_U64};

use super::{close, linger, listen, time_wait};
use crate::emit::{emit, head, now};
use crate::filter::wants;
use crate::maps::{SOCKS, sock_bits};
use crate::owner;
use crate::sock::{Direct, SockRef};

/// `inet_sock_set_state(sk, old, new)`.
#[inline(always)]
pub(crate) fn on_set_state(sk: *const u8, old: u8, new: u8) {
    let Some(sk) = SockRef::trusted(sk) else {
        return;
    };
    if !sk.is_tcp() {
        return;
    }
    let time = now();
    // kernel: the SYN_RECV of a child comes while its state still reads LISTEN (5.10 to 7.3).
    let is_child_birth = old == tcp_state::LISTEN && new == tcp_state::SYN_RECV;
    if is_child_birth {
        owner::born(sk.address(), sock_bits::CHILD, time);
    } else if new == tcp_state::SYN_SENT || new == tcp_state::LISTEN {
        owner::born_by_task(sk.address(), time);
    }
    let in_old = turn(&sk, old, new, time);
    let mut head = head(time, old, sk.flow(sk.cookie()), OwnerRecord::default());
    head.sock = sk.address();
    head.inode = sk.inode();
    owner::find(&sk, &mut head);
    match new {
        tcp_state::LISTEN => listen::on_listen(&sk, &head.flow),
        tcp_state::SYN_SENT => time_wait::on_connect(&head),
        tcp_state::CLOSE if old == tcp_state::LISTEN => listen::on_unlisten(&head),
        _ => {}
    }
    linger::on_change(&sk, old, new, &head);
    if new == tcp_state::CLOSE && old != tcp_state::LISTEN {
        let time_wait = time_wait::on_close(&sk, &head);
        close::on_close(&sk, &head, time_wait);
    }
    if wants(kind::STATE) && old != new {
        emit(
            kind::STATE,
            hook::INET_SOCK_SET_STATE,
            &head,
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
fn turn(sk: &SockRef<Direct>, old: u8, new: u8, time: u64) -> u64 {
    if new == tcp_state::CLOSE
        && let Some(scratch) = owner::scratch()
    {
        scratch.closed = sk.address();
        scratch.closed_from = u64::from(old);
    }
    let Some(entry) = owner::entry(sk.address()) else {
        return UNKNOWN_U64;
    };
    let since = entry.since_ns;
    if new == tcp_state::CLOSE {
        entry.state_before_close = old;
    }
    if old == new {
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
    let address = sk as u64;
    let Some(entry) = owner::entry(address) else {
        return;
    };
    if let Some(scratch) = owner::scratch() {
        scratch.destroyed = address;
        scratch.destroyed_entry = *entry;
    }
    let _ = SOCKS.remove(address);
}

/// `tcp_rcv_space_adjust(sk)`: runs in the reader's system call, and is the first that tells who
/// accepted a connection.
#[inline(always)]
pub(crate) fn on_read(sk: *const u8) {
    let sk = SockRef::base(sk);
    if sk.is_null() || !sk.is_owned() {
        return;
    }
    let tgid = (owner::pid_tgid() >> 32) as u32;
    match owner::entry(sk.address()) {
        Some(entry) if entry.tgid == tgid && entry.owner.basis != basis::NONE => return,
        Some(_) => {}
        None => {
            owner::born(sk.address(), 0, 0);
        }
    }
    if owner::task_is_user() {
        let mut owner = OwnerRecord::default();
        owner::current(basis::TASK, &mut owner);
        owner::remember(sk.address(), &owner);
    }
}
