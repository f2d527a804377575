//! accept() hands a connection to the process that called it.
//!
//! Hooked where the new socket is grafted to its file, since that neither blocks nor returns
//! anything: of the returns of a function that blocks a breakpoint misses all but a few.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use tcptrace_common::config::MEASURE_ACCEPTS;
use tcptrace_common::flow::{AF_INET, AF_INET6};
use tcptrace_common::names::limited;
use tcptrace_common::waits::{BUCKETS, Waits, bucket_of};

use crate::emit::now;
use crate::full_maps;
use crate::maps::{ACCEPTING, WAITS, sock_bits};
use crate::offsets::has;
use crate::owner;
use crate::sock::{PROTOCOL_TCP, Probe, SockRef};

/// In `.rodata`, since the stack is small.
static NO_WAITS: Waits = Waits::EMPTY;

/// `inet_csk_accept(sk, ...)`: which listener this task asks. It may block in there.
#[inline(always)]
pub(crate) fn on_ask(listener: u64) {
    if has(MEASURE_ACCEPTS) {
        // A full map loses the wait of one connection, which is then not counted either.
        let _ = ACCEPTING.insert(owner::pid_tgid(), listener, 0);
    }
}

/// `security_sock_graft(sk, socket)`: sockets of other protocols pass here as well.
#[inline(always)]
pub(crate) fn on_graft(sock: u64) {
    let sk = SockRef::<Probe>::remembered(sock);
    let is_inet = matches!(sk.family(), Some(AF_INET | AF_INET6));
    if !is_inet || sk.protocol() != Some(PROTOCOL_TCP) || !owner::task_is_user() {
        return;
    }
    let born_ns = match owner::entry(sock) {
        Some(entry) if entry.bits & sock_bits::CHILD != 0 => entry.born_ns,
        Some(_) => 0,
        None => {
            // Established before we watched: its age is not known.
            owner::born(sock, 0, 0);
            0
        }
    };
    if has(MEASURE_ACCEPTS) {
        waited(born_ns);
    }
    owner::remember(sock);
}

/// A connection leaves the accept queue it has been in since `born_ns` (0 = not known): the child
/// is made when the handshake is complete, and queued at once.
#[inline(always)]
fn waited(born_ns: u64) {
    let task = owner::pid_tgid();
    // SAFETY: copied at once; the entry is this task's own.
    let Some(listener) = (unsafe { ACCEPTING.get(task) }).copied() else {
        return;
    };
    let _ = ACCEPTING.remove(task);
    let inode = SockRef::<Probe>::remembered(listener).inode();
    if inode == 0 {
        return;
    }
    if WAITS.get_ptr(inode).is_none() && WAITS.insert(inode, &NO_WAITS, 0).is_err() {
        full_maps::count(limited::WAITS);
    }
    let Some(waits) = WAITS.get_ptr_mut(inode) else {
        return;
    };
    let time = now();
    // SAFETY: a map value; counts are added atomically, of the other two any writer's will do. The
    // index is below the array's length.
    unsafe {
        (*waits).last_ns = time;
        if born_ns == 0 {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*waits).older, 1);
            return;
        }
        let wait_us = time.saturating_sub(born_ns) / 1000;
        if wait_us > (*waits).max_us {
            (*waits).max_us = wait_us;
        }
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*waits).measured, 1);
        let bucket = (&raw mut (*waits).buckets)
            .cast::<u32>()
            .add(bucket_of(wait_us) & (BUCKETS - 1));
        atomic_xadd::<u32, u32, { AtomicOrdering::Relaxed }>(bucket, 1);
    }
}
