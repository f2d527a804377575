//! connect() and bind() that failed in the call itself, by function hooks: the error that the program gets.
//!
//! An error before the first SYN (no route, no free port, an address that is in use or not this host's)
//! changes no state, or changes it back at once, and forgets the peer: `tcp_v4_connect`,
//! `tcp_v6_connect`, `inet_bind` and `inet6_bind` return it (5.10 to 7.3).

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::flow::{AF_INET, AF_INET6};
use tcptrace_common::kind::{self, basis};
use tcptrace_common::wire::{ConnectFailedRecord, UNKNOWN_U64, connect_failed};

use crate::emit::{emit, identify};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::memory::Memory;
use crate::note::note;
use crate::owner;
use crate::sock::{Address, PROTOCOL_TCP, Probe, SockRef, sock_of};

/// `ECONNREFUSED`: a RST or an ICMP message came while the SYN was being sent, and is reported as such.
const REFUSED: i32 = 111;
/// The highest error number (`MAX_ERRNO`).
const MOST: i32 = 4095;

/// The call under way on this CPU, where its end does not show the arguments.
#[map]
static CALLING: Memory<Calling> = Memory::new();

struct Calling {
    /// Who calls; 0 = nobody.
    task: Cell<u64>,
    /// `struct sock`
    sock: Cell<u64>,
    /// Where the address is that it was given.
    address: Cell<u64>,
}

/// A connect() begins. One for an IPv4 address on an inet6 socket continues as one for IPv4, whose end is
/// the one that is reported.
#[inline(always)]
pub(crate) fn before_connect(sock: u64, address: u64) {
    if let Some(calling) = CALLING.get() {
        calling.task.set(owner::pid_tgid());
        calling.sock.set(sock);
        calling.address.set(address);
    }
}

/// A bind() of a `struct socket` begins.
#[inline(always)]
pub(crate) fn before_bind(socket: u64, address: u64) {
    before_connect(sock_of(socket), address);
}

/// A connect() ends whose begin was kept.
#[inline(always)]
pub(crate) fn on_kept_connect_end(result: u64, hook: u8) {
    on_kept_end(result, 0, hook);
}

/// A bind() ends whose begin was kept.
#[inline(always)]
pub(crate) fn on_kept_bind_end(result: u64, hook: u8) {
    on_kept_end(result, connect_failed::BIND, hook);
}

#[inline(always)]
fn on_kept_end(result: u64, call: u8, hook: u8) {
    let Some(calling) = CALLING.get() else { return };
    if calling.task.get() != owner::pid_tgid() {
        note!("a call ended: its begin is missing", sock: 0, hook);
        return;
    }
    calling.task.set(0);
    on_end(
        calling.sock.get(),
        calling.address.get(),
        result,
        call,
        hook,
    );
}

/// `tcp_v4_connect(sk, uaddr, addr_len)` and `tcp_v6_connect` return.
#[inline(always)]
pub(crate) fn on_connect_end(sock: u64, address: u64, result: u64, hook: u8) {
    on_end(sock, address, result, 0, hook);
}

/// `inet_bind(sock, uaddr, addr_len)` and `inet6_bind` return.
#[inline(always)]
pub(crate) fn on_bind_end(socket: u64, address: u64, result: u64, hook: u8) {
    if result as i32 != 0 {
        on_end(sock_of(socket), address, result, connect_failed::BIND, hook);
    }
}

#[inline(always)]
fn on_end(sock: u64, address: u64, result: u64, call: u8, hook: u8) {
    let error = (result as i32).wrapping_neg();
    if error <= 0 || error > MOST || error == REFUSED || !wants(kind::CONNECT_FAILED) {
        return;
    }
    let sk = SockRef::<Probe>::remembered(sock);
    // Sockets of other protocols are bound by the same functions.
    if sock == 0 || sk.protocol() != Some(PROTOCOL_TCP) {
        return;
    }
    let (Some(family @ (AF_INET | AF_INET6)), Some(mut slot)) = (sk.family(), HeadSlot::claim())
    else {
        return;
    };
    let head = slot.head();
    identify(&sk, head);
    if let Some(given) = Address::read(address) {
        if call == 0 && given.is_v4_mapped() {
            // Reported where it continued as a connect() for IPv4.
            return;
        }
        let bytes = given.bytes_for(family);
        if call == 0 {
            head.flow.remote_addr = bytes;
            head.flow.remote_port = given.port;
        } else {
            head.flow.local_addr = bytes;
            head.flow.local_port = given.port;
        }
    }
    if owner::task_is_user() {
        owner::current(basis::TASK, &mut head.owner);
    }
    emit(
        kind::CONNECT_FAILED,
        hook,
        head,
        |record: &mut ConnectFailedRecord| {
            record.waited_ns = UNKNOWN_U64;
            record.sk_err = error;
            record.bits = connect_failed::RETURNED | call;
        },
    );
}
