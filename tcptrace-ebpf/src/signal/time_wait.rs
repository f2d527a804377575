//! TIME_WAIT: no tracepoint ever says the state, the minisock's timer does.
//!
//! Enter: `timer_start` with `tw_timer_handler`, then, on the same CPU and in the same softirq,
//! the change of the original socket to CLOSE. Overflow: that change without a timer, when the
//! kernel has counted one on this CPU. End: `timer_expire_entry`; an early `timer_cancel` is reuse
//! when the current task is connecting to the same remote end, or when a SYN of the same tuple
//! follows on this CPU; a restart of the same timer is neither.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use tcptrace_common::config::{NO_REASON, served};
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{Head, OwnerRecord, TimeWaitRecord, UNKNOWN_U64, evidence, phase};

use super::mib::Mib;
use super::minisock;
use crate::emit::{emit, head, now};
use crate::filter::wants;
use crate::maps::{OverflowsSeen, TIME_WAIT_OVERFLOWS, TwSeen, served, sock_bits};
use crate::offsets::{config, offset};
use crate::owner;
use crate::sock::{Access, Direct, Probe, SockRef};

/// TIME_WAIT is watched for its own sake, and to know who is behind a RST it sends.
#[inline(always)]
pub(super) fn is_watched() -> bool {
    wants(kind::TIME_WAIT) || wants(kind::RST_SENT) || wants(kind::PAWS_DROP)
}

/// Whether a minisock takes over from a socket that closes in this state.
#[inline(always)]
pub(super) fn may_follow(old: u8) -> bool {
    is_watched() && (old == tcp_state::FIN_WAIT2 || old == tcp_state::CLOSING)
}

/// The minisock around a timer.
#[inline(always)]
fn seen(timer: *const u8) -> Option<TwSeen> {
    let (timer_at, expires_at) = (offset!(tw_timer)?, offset!(timer_expires)?);
    let mut seen = TwSeen {
        timer: timer as u64,
        timeout_jiffies: 0,
        head: Head::default(),
    };
    identify(timer as u64 - timer_at as u64, &mut seen.head);
    // SAFETY: `expires` is a field of the trusted `timer_list`; the helper has no preconditions.
    unsafe {
        let expires = Direct::read::<u64>(timer.add(expires_at));
        seen.timeout_jiffies = expires.wrapping_sub(bpf_jiffies64());
    }
    Some(seen)
}

/// Which connection a minisock stands for; the state is its substate.
#[inline(always)]
pub(super) fn identify(minisock: u64, known: &mut Head) {
    let tw = SockRef::<Probe>::minisock(minisock);
    let flow = tw.flow(tw.kept_cookie().unwrap_or(0));
    let mut substate = 0;
    if let Some(at) = offset!(tw_substate) {
        // SAFETY: probing a minisock that is alive in the hook.
        substate = unsafe { Probe::read::<u8>((minisock as *const u8).add(at)) };
    }
    *known = head(now(), substate, flow, OwnerRecord::default());
}

/// `timer_start` of a minisock's timer.
#[inline(always)]
pub(crate) fn on_start(timer: *const u8) {
    if !is_watched() || served(served::TIME_WAIT) {
        return;
    }
    let Some(scratch) = owner::scratch() else {
        return;
    };
    if scratch.cancelled.timer == timer as u64 {
        // Moved to another time, e.g. when the peer's FIN came: not a new one.
        scratch.cancelled.timer = 0;
        return;
    }
    report_cancelled(&mut scratch.cancelled);
    // In a system call (the backlog of a socket) the closing may be interrupted.
    if scratch.tw.timer != 0 {
        scratch.tw_interrupted = scratch.tw;
    }
    if let Some(seen) = seen(timer) {
        scratch.tw = seen;
    }
}

/// The original socket goes to CLOSE (`head.state` is the state before). The substate of the
/// minisock that took over, 0 without one.
/// A function of its own: the stack of its caller is nearly full.
#[inline(never)]
pub(crate) fn on_close(sk: &SockRef<Direct>, head: &Head) -> u8 {
    if served(served::TIME_WAIT) {
        return minisock::made_for(head.sock);
    }
    if config!(tw_timer_handler) == 0 {
        return 0;
    }
    if !may_follow(head.state) {
        return 0;
    }
    let Some(scratch) = owner::scratch() else {
        return 0;
    };
    let tw = if is_of(&scratch.tw, head) {
        &mut scratch.tw
    } else {
        &mut scratch.tw_interrupted
    };
    let is_same = is_of(tw, head);
    // The counter is read in any case: its value must be known before it has to tell.
    let overflow = overflows(sk.net().map_or(0, |net| net as u64));
    if !is_same && !could_not_be_made(sk, overflow) {
        return 0;
    }
    let (substate, timeout_jiffies) = if is_same {
        (tw.head.state, tw.timeout_jiffies)
    } else {
        (0, UNKNOWN_U64)
    };
    emit(
        kind::TIME_WAIT,
        if is_same {
            hook::TIMER_START
        } else {
            hook::INET_SOCK_SET_STATE
        },
        head,
        |record: &mut TimeWaitRecord| {
            record.substate = substate;
            record.timeout_jiffies = timeout_jiffies;
            if is_same {
                record.phase = phase::ENTER;
            } else {
                record.phase = phase::OVERFLOW;
                record.head.evidence = evidence::INFERRED;
            }
        },
    );
    if is_same {
        tw.timer = 0;
    }
    substate
}

/// Whether a minisock was made for this socket.
#[inline(always)]
fn is_of(tw: &TwSeen, head: &Head) -> bool {
    tw.timer != 0
        && tw.head.flow.local_port == head.flow.local_port
        && tw.head.flow.remote_port == head.flow.remote_port
        && tw.head.flow.netns == head.flow.netns
}

/// Whether there was no minisock to be had. The kernel has counted that on this CPU just before
/// (`tcp_time_wait`, 5.10 to 7.3). Where the counter cannot be read, or its value before is not
/// known, the way the socket ended tells.
#[inline(always)]
fn could_not_be_made(sk: &SockRef<Direct>, overflow: u32) -> bool {
    match overflow {
        overflow::CAME => true,
        overflow::NONE => false,
        _ => died_without_one(sk),
    }
}

/// What the counter of TIME_WAITs that could not be made says since it was last read.
mod overflow {
    pub(super) const NONE: u32 = 0;
    pub(super) const CAME: u32 = 1;
    pub(super) const UNKNOWN: u32 = 2;
}

/// One of [`overflow`], for a namespace and this CPU.
#[inline(always)]
fn overflows(net: u64) -> u32 {
    let (net, number) = (net as *const u8, config!(mib_time_wait_overflows));
    let (Some(mib), Some(inum_at)) = (Mib::tcp_ext(net), offset!(net_inum)) else {
        return overflow::UNKNOWN;
    };
    if number == NO_REASON {
        return overflow::UNKNOWN;
    }
    // SAFETY: probing a field of the namespace.
    let netns = unsafe { Probe::read::<u32>(net.add(inum_at)) };
    let now = OverflowsSeen {
        identity: mib.identity(net),
        count: mib.value(number),
    };
    let mut before = OverflowsSeen {
        identity: 0,
        count: 0,
    };
    match TIME_WAIT_OVERFLOWS.get_ptr_mut(netns) {
        // SAFETY: this CPU's slot of a map value.
        Some(seen) => before = unsafe { seen.replace(now) },
        None => {
            let _ = TIME_WAIT_OVERFLOWS.insert(netns, now, 0);
        }
    }
    if now.count == 0 || before == now {
        overflow::NONE
    } else if before.identity == now.identity {
        overflow::CAME
    } else {
        overflow::UNKNOWN
    }
}

/// Whether an orderly end should have made a minisock but did not: nothing reset, aborted or
/// timed out the socket, no system call closes it now, and TCP_LINGER2 allows the state.
#[inline(always)]
fn died_without_one(sk: &SockRef<Direct>) -> bool {
    let was_reset =
        owner::entry(sk.address()).is_some_and(|entry| entry.bits & sock_bits::RST_RECEIVED != 0);
    !was_reset && !sk.is_owned() && sk.err() == Some(0) && sk.linger2().unwrap_or(0) >= 0
}

/// connect(): notes where this task goes.
#[inline(always)]
pub(crate) fn on_connect(head: &Head) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    scratch.connect_task = owner::pid_tgid();
    scratch.connect_sock = head.sock;
    scratch.connect_addr = words(&head.flow.remote_addr);
    scratch.connect_port = u32::from(head.flow.remote_port);
}

/// `timer_cancel` of a minisock's timer. The kernel also cancels a timer that it is about to
/// expire; that one is reported by [`on_expire`].
#[inline(always)]
pub(crate) fn on_cancel(timer: *const u8) {
    if !wants(kind::TIME_WAIT) || served(served::TIME_WAIT) {
        return;
    }
    let Some(scratch) = owner::scratch() else {
        return;
    };
    report_cancelled(&mut scratch.cancelled);
    let Some(mut seen) = seen(timer) else { return };
    if (seen.timeout_jiffies as i64) <= 0 {
        return;
    }
    let is_connecting = scratch.connect_task == owner::pid_tgid()
        && scratch.connect_port == u32::from(seen.head.flow.remote_port)
        && ends_alike(&scratch.connect_addr, &words(&seen.head.flow.remote_addr));
    if !is_connecting {
        scratch.cancelled = seen;
        return;
    }
    let head = &mut seen.head;
    head.sock = scratch.connect_sock;
    if owner::task_is_user() {
        owner::current(kind::basis::TASK, &mut head.owner);
    }
    ended(head, phase::REUSE, hook::TIMER_CANCEL);
}

/// A SYN that came in: it took over the minisock cancelled just before on this CPU if the tuple
/// is the same. The new connection belongs to the listener.
#[inline(always)]
pub(crate) fn on_syn(flow: &FlowRecord, cancelled: &mut TwSeen) {
    if cancelled.timer == 0 {
        return;
    }
    let is_same = cancelled.head.flow.local_port == flow.local_port
        && cancelled.head.flow.remote_port == flow.remote_port
        && ends_alike(
            &words(&cancelled.head.flow.remote_addr),
            &words(&flow.remote_addr),
        );
    cancelled.timer = 0;
    if is_same {
        owner::listeners::owner_by_port(&mut cancelled.head);
    }
    ended(
        &cancelled.head,
        if is_same { phase::REUSE } else { phase::CANCEL },
        hook::TIMER_CANCEL,
    );
}

/// A packet was dropped: if a minisock was cancelled just before, it was a RST that killed it.
#[inline(always)]
pub(crate) fn on_drop() {
    if let Some(scratch) = owner::scratch() {
        report_cancelled(&mut scratch.cancelled);
    }
}

/// `timer_expire_entry` of a minisock's timer: its time is up.
#[inline(always)]
pub(crate) fn on_expire(timer: *const u8) {
    if !wants(kind::TIME_WAIT) || served(served::TIME_WAIT) {
        return;
    }
    if let Some(seen) = seen(timer) {
        ended(&seen.head, phase::EXPIRE, hook::TIMER_EXPIRE_ENTRY);
    }
}

#[inline(always)]
fn report_cancelled(cancelled: &mut TwSeen) {
    if cancelled.timer != 0 {
        cancelled.timer = 0;
        ended(&cancelled.head, phase::CANCEL, hook::TIMER_CANCEL);
    }
}

/// Tells the end of a minisock.
#[inline(always)]
pub(super) fn ended(head: &Head, phase: u8, hook: u8) {
    emit(
        kind::TIME_WAIT,
        hook,
        head,
        |record: &mut TimeWaitRecord| {
            record.timeout_jiffies = UNKNOWN_U64;
            record.phase = phase;
            record.substate = head.state;
        },
    );
}

#[inline(always)]
fn words(addr: &[u8; 16]) -> [u64; 2] {
    let at = addr.as_ptr().cast::<u64>();
    // SAFETY: both words lie inside the 16 bytes.
    unsafe { [at.read_unaligned(), at.add(1).read_unaligned()] }
}

/// Whether two addresses are one, v4-mapped or not: the minisock of a v4-mapped socket is IPv4.
#[inline(always)]
fn ends_alike(a: &[u64; 2], b: &[u64; 2]) -> bool {
    v4_of(a) == v4_of(b) && (a == b || v4_of(a) != 0)
}

/// The IPv4 address in it, in memory order; 0 = none.
#[inline(always)]
fn v4_of(addr: &[u64; 2]) -> u64 {
    let mapped = u64::from(u32::from_ne_bytes([0, 0, 0xff, 0xff]));
    if addr[1] == 0 {
        addr[0] & 0xffff_ffff
    } else if addr[0] == 0 && addr[1] & 0xffff_ffff == mapped {
        addr[1] >> 32
    } else {
        0
    }
}
