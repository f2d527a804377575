//! TIME_WAIT by function hooks: the minisock's making, its end, and packets that reach it.
//!
//! Made: `inet_twsk_alloc` (NULL = over the bucket limit, or no memory), then the function that
//! starts its timer. Ended: its timer's function, or `inet_twsk_deschedule_put`, which is reuse
//! when `tcp_twsk_unique` or `tcp_timewait_state_process` has just allowed it.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::config::NO_REASON;
use tcptrace_common::kind::{self, basis, tcp_state};
use tcptrace_common::wire::{TimeWaitRecord, UNKNOWN_U64, check, phase};

use super::mib::Mib;
use super::window::Window;
use super::{paws, time_wait};
use crate::emit::{begin as begin_head, emit, identify, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::memory::Memory;
use crate::note::note;
use crate::offsets::{config, offset};
use crate::owner;
use crate::sock::{Probe, SockRef};

/// `TCP_TW_SYN` (`enum tcp_tw_status`, 5.10 to 7.3): a SYN may take the minisock's place.
const TW_SYN: u64 = 3;

/// What turns into TIME_WAIT on this CPU: in a system call, and in a softirq that interrupts it.
#[map]
static TURNING: Memory<[Turn; 2]> = Memory::new();

/// One socket on its way.
struct Turn {
    /// Its address; 0 = none.
    sock: Cell<u64>,
    /// The minisock made for it; 0 = not made yet.
    minisock: Cell<u64>,
    /// The minisock's substate.
    substate: Cell<u64>,
    /// The task, or the one that is interrupted.
    task: Cell<u64>,
    /// Non-zero once the minisock waits: its socket closes next.
    is_scheduled: Cell<u64>,
}

impl Turn {
    #[inline(always)]
    fn begin(&self, sock: u64, substate: u64, minisock: u64) {
        self.sock.set(sock);
        self.minisock.set(minisock);
        self.substate.set(substate);
        self.task.set(owner::pid_tgid());
        self.is_scheduled.set(0);
    }

    #[inline(always)]
    fn copy_to(&self, other: &Self) {
        other.sock.set(self.sock.get());
        other.minisock.set(self.minisock.get());
        other.substate.set(self.substate.get());
        other.task.set(self.task.get());
        other.is_scheduled.set(self.is_scheduled.get());
    }
}

/// Begins a turn. One that is not over was interrupted, and waits.
#[inline(always)]
fn begin(sock: u64, substate: u64, minisock: u64) {
    let Some([now, interrupted]) = TURNING.get() else {
        return;
    };
    if now.sock.get() != 0 {
        now.copy_to(interrupted);
    }
    now.begin(sock, substate & 0xff, minisock);
}

/// `inet_twsk_alloc(sk, death_row, state)` returns a minisock, or NULL (0).
#[inline(always)]
pub(crate) fn on_alloc(sock: u64, substate: u64, minisock: u64, hook: u8) {
    if minisock != 0 {
        begin(sock, substate, minisock);
        return;
    }
    not_made(sock, substate, hook);
}

/// There was no minisock to be had for this socket.
#[inline(always)]
fn not_made(sock: u64, substate: u64, hook: u8) {
    if !wants(kind::TIME_WAIT) {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let sk = SockRef::<Probe>::remembered(sock);
    let known = slot.draft();
    identify(&sk, known);
    owner::find(&sk, known);
    emit(
        kind::TIME_WAIT,
        hook,
        known,
        |record: &mut TimeWaitRecord| {
            record.phase = phase::OVERFLOW;
            record.substate = substate as u8;
            record.timeout_jiffies = UNKNOWN_U64;
        },
    );
}

/// As [`on_alloc`] where the result comes without the arguments: keeps them.
#[inline(always)]
pub(crate) fn before_alloc(sock: u64, substate: u64) {
    begin(sock, substate, 0);
}

/// `inet_twsk_alloc` returns to whom [`before_alloc`] has seen.
#[inline(always)]
pub(crate) fn on_alloc_end(minisock: u64, hook: u8) {
    let Some([now, interrupted]) = TURNING.get() else {
        return;
    };
    // A softirq ends before the code that it interrupted continues.
    let is_open = |turn: &Turn| {
        turn.sock.get() != 0 && turn.minisock.get() == 0 && turn.task.get() == owner::pid_tgid()
    };
    let turn = if is_open(now) { now } else { interrupted };
    if !is_open(turn) {
        note!("a minisock was made: its entry is missing", sock: 0, hook);
        return;
    }
    turn.minisock.set(minisock);
    if minisock == 0 {
        let sock = turn.sock.get();
        turn.sock.set(0);
        not_made(sock, turn.substate.get(), hook);
    }
}

/// `inet_twsk_hashdance_schedule(tw, sk, hashinfo, timeout)`, which is the only maker of
/// minisocks from 6.12 on; `__inet_twsk_schedule(tw, timeout, rearm)` of kernels before.
#[inline(always)]
pub(crate) fn on_hashdance_schedule(minisock: u64, timeout: u64, hook: u8) {
    on_schedule(minisock, timeout, 0, hook);
}

/// `__inet_twsk_schedule(tw, timeout, rearm)`; a rearmed one is not new. A minisock takes over from the
/// socket it was made for.
#[inline(always)]
pub(crate) fn on_schedule(minisock: u64, timeout: u64, is_rearmed: u64, hook: u8) {
    // A bool: the rest of the argument is not defined.
    if is_rearmed & 0xff != 0 {
        return;
    }
    let Some([now, interrupted]) = TURNING.get() else {
        return;
    };
    let is_its = |turn: &Turn| turn.sock.get() != 0 && turn.minisock.get() == minisock;
    let turn = if is_its(now) { now } else { interrupted };
    if !is_its(turn) {
        note!("a TIME_WAIT began: its socket is not known", sock: 0, minisock);
        return;
    }
    // The summary of the connection needs it, which closes next on this CPU.
    turn.is_scheduled.set(1);
    if !time_wait::is_watched() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let substate = turn.substate.get() as u8;
    let sk = SockRef::<Probe>::remembered(turn.sock.get());
    let known = slot.draft();
    identify(&sk, known);
    owner::find(&sk, known);
    emit(
        kind::TIME_WAIT,
        hook,
        known,
        |record: &mut TimeWaitRecord| {
            record.phase = phase::ENTER;
            record.substate = substate;
            // The argument is an int: its upper half is not defined.
            record.timeout_jiffies = timeout & 0xffff_ffff;
        },
    );
}

/// The substate of the minisock that was made for this socket just before, 0 without one.
#[inline(always)]
pub(super) fn made_for(sock: u64) -> u8 {
    let Some([now, interrupted]) = TURNING.get() else {
        return 0;
    };
    let is_its = |turn: &Turn| turn.sock.get() == sock && turn.is_scheduled.get() != 0;
    let turn = if is_its(now) { now } else { interrupted };
    if !is_its(turn) {
        return 0;
    }
    turn.sock.set(0);
    turn.substate.get() as u8
}

/// `tw_timer_handler(timer)`: its time is up.
#[inline(always)]
pub(crate) fn on_timer(timer: u64, hook: u8) {
    let Some(timer_at) = offset!(tw_timer) else {
        return;
    };
    ended(timer - timer_at as u64, phase::EXPIRE, hook, 0);
}

/// The minisock that is about to make way on this CPU. Nothing interrupts between the leave and its
/// use: the kernel holds off softirqs there (`__inet_check_established`, `tcp_v4_rcv`, 5.10 to 7.3).
#[map]
static TAKEOVER: Memory<Takeover> = Memory::new();

/// One that may be asked for, while the question is open.
#[map]
static CANDIDATE: Memory<Takeover> = Memory::new();

struct Takeover {
    minisock: Cell<u64>,
    /// The task that connects; 0 = a SYN came.
    task: Cell<u64>,
    /// The socket that connects.
    sock: Cell<u64>,
}

impl Takeover {
    #[inline(always)]
    fn allow(&self, minisock: u64, task: u64, sock: u64) {
        self.minisock.set(minisock);
        self.task.set(task);
        self.sock.set(sock);
    }
}

/// The packet for a TIME_WAIT socket.
#[map]
static LATE: Memory<Window> = Memory::new();

/// `tcp_twsk_unique(sk, sktw)` returns: 1 = the connecting socket may take the tuple.
#[inline(always)]
pub(crate) fn on_unique(sock: u64, minisock: u64, answer: u64) {
    if answer & 0xffff_ffff == 0 {
        return;
    }
    if let Some(takeover) = TAKEOVER.get() {
        takeover.allow(minisock, owner::pid_tgid(), sock);
    }
}

/// As [`on_unique`] where the result comes without the arguments: keeps them.
#[inline(always)]
pub(crate) fn before_unique(sock: u64, minisock: u64) {
    if let Some(candidate) = CANDIDATE.get() {
        candidate.allow(minisock, owner::pid_tgid(), sock);
    }
}

/// `tcp_twsk_unique` returns to whom [`before_unique`] has seen.
#[inline(always)]
pub(crate) fn on_unique_end(answer: u64) {
    if let Some(candidate) = CANDIDATE.get()
        && candidate.task.get() == owner::pid_tgid()
    {
        on_unique(candidate.sock.get(), candidate.minisock.get(), answer);
    }
}

/// `tcp_timewait_state_process(tw, skb)`.
#[inline(always)]
pub(crate) fn on_packet(minisock: u64, skb: u64) {
    let Some(window) = LATE.get() else {
        return;
    };
    window.open(minisock, skb);
    // Where a drop reason reports timestamps, the counter is not needed.
    if config!(drop_tw_paws) == NO_REASON
        && let Some(mib) = SockRef::<Probe>::minisock(minisock)
            .net()
            .and_then(Mib::tcp_ext)
    {
        window
            .paws_rejects
            .set(mib.value(config!(mib_paws_rejects)));
        window.base.set(mib.base());
    }
}

/// It returns a `enum tcp_tw_status`.
#[inline(always)]
pub(crate) fn on_packet_end(minisock: u64, skb: u64, answer: u64, hook: u8) {
    let (Some(window), Some(takeover)) = (LATE.get(), TAKEOVER.get()) else {
        return;
    };
    let Some((minisock, _skb)) = window.close(minisock, skb) else {
        note!("a packet for a TIME_WAIT: its entry is missing", sock: minisock, hook);
        return;
    };
    if answer & 0xffff_ffff == TW_SYN {
        takeover.allow(minisock, 0, 0);
        return;
    }
    if window.base.get() == 0 {
        return;
    }
    let tw = SockRef::<Probe>::minisock(minisock);
    let Some(mib) = tw.net().and_then(Mib::tcp_ext) else {
        return;
    };
    if mib.base() != window.base.get() {
        note!("a packet for a TIME_WAIT: the CPU changed", sock: minisock, hook);
        return;
    }
    let before = window.paws_rejects.get();
    let rejects = mib.value(config!(mib_paws_rejects)).wrapping_sub(before);
    if rejects == 0 {
        return;
    }
    paws::not_the_backlogs(mib, rejects);
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.draft();
    begin_head(known, now(), tcp_state::TIME_WAIT);
    known.flow = tw.flow(tw.kept_cookie().unwrap_or(0));
    known.sock = minisock;
    paws::report(known, NO_REASON, check::TIME_WAIT, hook);
}

/// `inet_twsk_deschedule_put(tw)`: taken away before its time.
#[inline(always)]
pub(crate) fn on_deschedule(minisock: u64, hook: u8) {
    let Some(takeover) = TAKEOVER.get() else {
        return;
    };
    if takeover.minisock.get() != minisock {
        ended(minisock, phase::CANCEL, hook, 0);
        return;
    }
    takeover.minisock.set(0);
    // Another task's leave was not used on this CPU.
    let task = takeover.task.get();
    if task != 0 && task != owner::pid_tgid() {
        ended(minisock, phase::CANCEL, hook, 0);
        return;
    }
    ended(minisock, phase::REUSE, hook, takeover.sock.get());
}

/// A minisock's end. On reuse the owner is the new connection's: the task that connects with
/// `connecting`, or (0) the listener whose SYN came.
#[inline(always)]
fn ended(minisock: u64, phase: u8, hook: u8, connecting: u64) {
    if !time_wait::is_watched() {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let known = slot.draft();
    time_wait::identify(minisock, known);
    if phase == phase::REUSE {
        if connecting == 0 {
            owner::listeners::owner_by_port(known);
        } else {
            known.sock = connecting;
            if owner::task_is_user() {
                owner::current(basis::TASK, &mut known.owner);
            }
        }
    }
    time_wait::ended(known, phase, hook);
}
