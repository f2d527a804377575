//! TIME_WAIT: no tracepoint ever says the state, the minisock's timer does.
//!
//! Enter: `timer_start` with `tw_timer_handler`, then, on the same CPU and in the same softirq,
//! the change of the original socket to CLOSE. Overflow: that change without a timer, when the
//! kernel has counted one on this CPU. End: `timer_expire_entry`; an early `timer_cancel` is reuse
//! when the current task is connecting to the same remote end, or when a SYN of the same tuple
//! follows on this CPU; a restart of the same timer is neither.

use core::cell::Cell;

use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::macros::map;
use tcptrace_common::config::by_function;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{Head, TimeWaitRecord, UNKNOWN_U64, evidence, phase};

use super::baseline;
use super::mib;
use super::packet::netns_of;
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::maps::{is_reported_by_function, sock_bits};
use crate::memory::Memory;
use crate::note::note;
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

/// A TIME_WAIT minisock as its timer hooks see it.
struct Seen {
    /// Address of its timer; 0 = none.
    timer: Cell<u64>,
    timeout_jiffies: Cell<u64>,
    /// Its ends; `state` is the substate. The owner is not known here.
    head: Cell<Head>,
}

impl Seen {
    /// What is known of it. Only for as long as no interrupt can replace it: `is_of` and `timer` say
    /// whether one has.
    #[inline(always)]
    fn head(&self) -> &Head {
        // SAFETY: this CPU's own value of a map, made of integers.
        unsafe { &*self.head.as_ptr() }
    }

    #[inline(always)]
    fn copy_to(&self, other: &Self) {
        other.timer.set(self.timer.get());
        other.timeout_jiffies.set(self.timeout_jiffies.get());
        // SAFETY: two different cells of this CPU's own value.
        unsafe { other.head.as_ptr().write(*self.head.as_ptr()) };
    }
}

/// What the timers of TIME_WAIT said last on this CPU.
#[map]
static TIMERS: Memory<Timers> = Memory::new();

struct Timers {
    /// The minisock whose timer was just started.
    started: Seen,
    /// One whose socket was about to close when an interrupt brought the next.
    interrupted: Seen,
    /// The minisock whose timer was just cancelled before its time.
    cancelled: Seen,
}

/// The connect() in progress on this CPU, and the remote end it goes to.
#[map]
static CONNECTING: Memory<Connecting> = Memory::new();

struct Connecting {
    task: Cell<u64>,
    sock: Cell<u64>,
    address: Cell<[u64; 2]>,
    port: Cell<u32>,
}

/// The time a timer is set for.
#[inline(always)]
fn timeout_of(timer: *const u8) -> Option<u64> {
    let expires_at = offset!(timer_expires)?;
    // SAFETY: `expires` is a field of the trusted `timer_list`; the helper has no preconditions.
    unsafe {
        let expires = Direct::read::<u64>(timer.add(expires_at));
        Some(expires.wrapping_sub(bpf_jiffies64()))
    }
}

/// The minisock around a timer.
#[inline(always)]
fn minisock_of(timer: *const u8) -> Option<u64> {
    let timer_at = offset!(tw_timer)?;
    Some(timer as u64 - timer_at as u64)
}

/// Which connection a minisock stands for; the state is its substate.
#[inline(always)]
pub(super) fn identify(minisock: u64, known: &mut Head) {
    let tw = SockRef::<Probe>::minisock(minisock);
    let flow = tw.flow(tw.kept_cookie().unwrap_or(0));
    begin(known, now(), tw.tw_substate().unwrap_or(0));
    known.flow = flow;
}

/// `timer_start` of a minisock's timer.
#[inline(always)]
pub(crate) fn on_start(timer: *const u8) {
    if !is_watched() || is_reported_by_function(by_function::TIME_WAIT) {
        return;
    }
    let (Some(timers), Some(minisock), Some(timeout)) =
        (TIMERS.get(), minisock_of(timer), timeout_of(timer))
    else {
        return;
    };
    if timers.cancelled.timer.get() == timer as u64 {
        // Moved to another time, e.g. when the peer's FIN came: not a new one.
        timers.cancelled.timer.set(0);
        return;
    }
    report_cancelled(&timers.cancelled);
    let started = &timers.started;
    // In a system call (the backlog of a socket) the closing may be interrupted.
    if started.timer.get() != 0 {
        started.copy_to(&timers.interrupted);
    }
    note_timer(started, timer, minisock, timeout);
}

/// Keeps what a timer says.
#[inline(always)]
fn note_timer(seen: &Seen, timer: *const u8, minisock: u64, timeout: u64) {
    // SAFETY: this CPU's own value of a map; the kernel holds off softirqs while it moves the timer of
    // a minisock (`inet_twsk_schedule`, `inet_twsk_deschedule_put`, 5.10 to 7.3).
    identify(minisock, unsafe { &mut *seen.head.as_ptr() });
    seen.timeout_jiffies.set(timeout);
    seen.timer.set(timer as u64);
}

/// The original socket goes to CLOSE (`head.state` is the state before). The substate of the
/// minisock that took over, 0 without one.
/// A function of its own: the stack of its caller is nearly full.
#[inline(never)]
pub(crate) fn on_close(sk: &SockRef<Direct>, head: &Head) -> u8 {
    if config!(tw_timer_handler) == 0 {
        return 0;
    }
    if !may_follow(head.state) {
        return 0;
    }
    let Some(timers) = TIMERS.get() else {
        return 0;
    };
    let mut taken = take(&timers.started, head);
    if taken.timer == 0 {
        taken = take(&timers.interrupted, head);
    }
    let is_same = taken.timer != 0;
    // The counter is read in any case: a later comparison needs its value.
    let overflow = overflows(sk.net().map_or(0, |net| net as u64));
    if !is_same && !could_not_be_made(sk, overflow) {
        return 0;
    }
    let (substate, timeout_jiffies) = (taken.substate, taken.timeout_jiffies);
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
    substate
}

/// A minisock taken from where its timer left it; `timer` 0 = none.
struct Taken {
    timer: u64,
    timeout_jiffies: u64,
    substate: u8,
}

/// Takes the minisock that was made for this socket. An interrupt may put another one there at any
/// moment; it has removed that again when this continues, so the timer's address decides.
#[inline(always)]
fn take(seen: &Seen, head: &Head) -> Taken {
    let none = Taken {
        timer: 0,
        timeout_jiffies: UNKNOWN_U64,
        substate: 0,
    };
    let timer = seen.timer.get();
    let flow = &seen.head().flow;
    let is_its = timer != 0
        && flow.local_port == head.flow.local_port
        && flow.remote_port == head.flow.remote_port
        && flow.netns == head.flow.netns;
    if !is_its {
        return none;
    }
    let taken = Taken {
        timer,
        timeout_jiffies: seen.timeout_jiffies.get(),
        substate: seen.head().state,
    };
    // SAFETY: a cell of this CPU's own value; volatile, since an interrupt may have changed it.
    if unsafe { seen.timer.as_ptr().read_volatile() } != timer {
        note!("a TIME_WAIT began: an interrupt brought another", head: head, taken.substate);
        return none;
    }
    seen.timer.set(0);
    taken
}

/// Whether there was no minisock to be had. The kernel has counted that on this CPU just before
/// (`tcp_time_wait`, 5.10 to 7.3). Where the counter cannot be read, or its value before is not
/// known, the way in which the socket ended decides.
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
    let net = net as *const u8;
    let Some(now) = mib::time_wait_overflows(net) else {
        return overflow::UNKNOWN;
    };
    let before = baseline::overflows_before(netns_of(net), now);
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
pub(crate) fn on_connect(sk: &SockRef<Direct>) {
    if !wants(kind::TIME_WAIT) {
        return;
    }
    let Some(connecting) = CONNECTING.get() else {
        return;
    };
    let mut flow = FlowRecord::default();
    sk.ends_into(&mut flow);
    connecting.task.set(owner::pid_tgid());
    connecting.sock.set(sk.address());
    connecting.address.set(words(&flow.remote_addr));
    connecting.port.set(u32::from(flow.remote_port));
}

/// `timer_cancel` of a minisock's timer. The kernel also cancels a timer that it is about to
/// expire; that one is reported by [`on_expire`].
#[inline(always)]
pub(crate) fn on_cancel(timer: *const u8) {
    if !wants(kind::TIME_WAIT) || is_reported_by_function(by_function::TIME_WAIT) {
        return;
    }
    let (Some(timers), Some(connecting)) = (TIMERS.get(), CONNECTING.get()) else {
        return;
    };
    let cancelled = &timers.cancelled;
    report_cancelled(cancelled);
    let (Some(minisock), Some(timeout)) = (minisock_of(timer), timeout_of(timer)) else {
        return;
    };
    if (timeout as i64) <= 0 {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    identify(minisock, head);
    let is_connecting = connecting.task.get() == owner::pid_tgid()
        && is_in_connect(connecting.sock.get())
        && connecting.port.get() == u32::from(head.flow.remote_port)
        && ends_alike(&connecting.address.get(), &words(&head.flow.remote_addr));
    if !is_connecting {
        // SAFETY: as `note_timer`.
        unsafe { cancelled.head.as_ptr().write(*head) };
        cancelled.timeout_jiffies.set(timeout);
        cancelled.timer.set(timer as u64);
        return;
    }
    // A connect() takes one over at most.
    connecting.task.set(0);
    head.sock = connecting.sock.get();
    if owner::task_is_user() {
        owner::current(kind::basis::TASK, &mut head.owner);
    }
    ended(head, phase::REUSE, hook::TIMER_CANCEL);
}

/// Whether the call that a socket was last connected by still works on it: it does so in SYN_SENT and owns the
/// socket (`tcp_v4_connect`, 5.10 to 7.3). A connection that stands, or is gone, has left that state.
#[inline(always)]
fn is_in_connect(sock: u64) -> bool {
    let sk = SockRef::<Probe>::remembered(sock);
    sk.state() == Some(tcp_state::SYN_SENT) && sk.is_owned()
}

/// Whether a minisock waits for the next SYN to decide how it ended.
#[inline(always)]
pub(super) fn may_be_reused() -> bool {
    wants(kind::TIME_WAIT)
        && TIMERS
            .get()
            .is_some_and(|timers| timers.cancelled.timer.get() != 0)
}

/// A SYN that came in: it took over the minisock cancelled just before on this CPU if the tuple
/// is the same. The new connection belongs to the listener.
#[inline(always)]
pub(crate) fn on_syn(flow: &FlowRecord) {
    let Some(timers) = TIMERS.get() else {
        return;
    };
    let cancelled = &timers.cancelled;
    if cancelled.timer.get() == 0 {
        return;
    }
    cancelled.timer.set(0);
    // SAFETY: this CPU's own value of a map; softirqs do not interrupt each other, and system calls
    // only leave something here while they hold off softirqs.
    let head = unsafe { &mut *cancelled.head.as_ptr() };
    let is_same = head.flow.local_port == flow.local_port
        && head.flow.remote_port == flow.remote_port
        && ends_alike(&words(&head.flow.remote_addr), &words(&flow.remote_addr));
    if is_same {
        owner::listeners::owner_by_port(head);
    }
    ended(
        head,
        if is_same { phase::REUSE } else { phase::CANCEL },
        hook::TIMER_CANCEL,
    );
}

/// A packet was dropped: if a minisock was cancelled just before, it was a RST that killed it.
#[inline(always)]
pub(crate) fn on_drop() {
    if let Some(timers) = TIMERS.get() {
        report_cancelled(&timers.cancelled);
    }
}

/// `timer_expire_entry` of a minisock's timer: its time is up.
#[inline(always)]
pub(crate) fn on_expire(timer: *const u8) {
    if !wants(kind::TIME_WAIT) || is_reported_by_function(by_function::TIME_WAIT) {
        return;
    }
    let (Some(minisock), Some(mut slot)) = (minisock_of(timer), HeadSlot::claim()) else {
        return;
    };
    let head = slot.head();
    identify(minisock, head);
    ended(head, phase::EXPIRE, hook::TIMER_EXPIRE_ENTRY);
}

#[inline(always)]
fn report_cancelled(cancelled: &Seen) {
    if cancelled.timer.get() != 0 {
        cancelled.timer.set(0);
        ended(cancelled.head(), phase::CANCEL, hook::TIMER_CANCEL);
    }
}

/// Reports the end of a minisock.
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
