//! TIME_WAIT by function hooks: the minisock's making, its end, and packets that reach it.
//!
//! Made: `inet_twsk_alloc` (NULL = over the bucket limit, or no memory), then the function that
//! starts its timer. Ended: its timer's function, or `inet_twsk_deschedule_put`, which is reuse
//! when `tcp_twsk_unique` or `tcp_timewait_state_process` has just allowed it.

use tcptrace_common::config::NO_REASON;
use tcptrace_common::kind::{self, basis, tcp_state};
use tcptrace_common::wire::{OwnerRecord, TimeWaitRecord, UNKNOWN_U64, check, phase};

use super::mib::Mib;
use super::{paws, time_wait};
use crate::emit::{emit, head, identify, now};
use crate::filter::wants;
use crate::offsets::{config, offset};
use crate::owner;
use crate::sock::{Probe, SockRef};

/// `TCP_TW_SYN` (`enum tcp_tw_status`, 5.10 to 7.3): a SYN may take the minisock's place.
const TW_SYN: u64 = 3;

/// `inet_twsk_alloc(sk, death_row, state)` returns a minisock, or NULL (0).
#[inline(always)]
pub(crate) fn on_alloc(sock: u64, substate: u64, minisock: u64, hook: u8) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    scratch.tw_of = sock;
    scratch.tw_substate = substate;
    if minisock != 0 || !wants(kind::TIME_WAIT) {
        return;
    }
    let sk = SockRef::<Probe>::remembered(sock);
    let known = &mut scratch.syn;
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
    if let Some(scratch) = owner::scratch() {
        scratch.tw_of = sock;
        scratch.tw_substate = substate;
    }
}

/// `inet_twsk_alloc` returns to whom [`before_alloc`] has seen.
#[inline(always)]
pub(crate) fn on_alloc_end(minisock: u64, hook: u8) {
    if let Some(scratch) = owner::scratch() {
        on_alloc(scratch.tw_of, scratch.tw_substate, minisock, hook);
    }
}

/// `inet_twsk_hashdance_schedule(tw, sk, hashinfo, timeout)`, which is the only maker of
/// minisocks from 6.12 on.
#[inline(always)]
pub(crate) fn on_hashdance_schedule(sock: u64, timeout: u64, hook: u8) {
    made(sock, timeout, hook);
}

/// `__inet_twsk_schedule(tw, timeout, rearm)` of kernels before; a rearmed one is not new.
#[inline(always)]
pub(crate) fn on_schedule(timeout: u64, is_rearmed: u64, hook: u8) {
    // A bool: the rest of the argument is not defined.
    if is_rearmed & 0xff != 0 {
        return;
    }
    if let Some(scratch) = owner::scratch() {
        made(scratch.tw_of, timeout, hook);
    }
}

/// A minisock takes over from `sock`.
#[inline(always)]
fn made(sock: u64, timeout: u64, hook: u8) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    if sock == 0 || scratch.tw_of != sock {
        return;
    }
    let substate = scratch.tw_substate as u8;
    scratch.tw_of = 0;
    // For the summary of the connection, which closes next on this CPU.
    scratch.tw_made = sock;
    if !time_wait::is_watched() {
        return;
    }
    let sk = SockRef::<Probe>::remembered(sock);
    let known = &mut scratch.syn;
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
    let Some(scratch) = owner::scratch() else {
        return 0;
    };
    if scratch.tw_made != sock {
        return 0;
    }
    scratch.tw_made = 0;
    scratch.tw_substate as u8
}

/// `tw_timer_handler(timer)`: its time is up.
#[inline(always)]
pub(crate) fn on_timer(timer: u64, hook: u8) {
    let Some(timer_at) = offset!(tw_timer) else {
        return;
    };
    ended(timer - timer_at as u64, phase::EXPIRE, hook, 0);
}

/// `tcp_twsk_unique(sk, sktw)` returns: 1 = the connecting socket may take the tuple.
#[inline(always)]
pub(crate) fn on_unique(sock: u64, minisock: u64, answer: u64) {
    if answer & 0xffff_ffff == 0 {
        return;
    }
    if let Some(scratch) = owner::scratch() {
        scratch.takeover.minisock = minisock;
        scratch.takeover.task = owner::pid_tgid();
        scratch.takeover.sock = sock;
    }
}

/// As [`on_unique`] where the result comes without the arguments: keeps them.
#[inline(always)]
pub(crate) fn before_unique(sock: u64, minisock: u64) {
    if let Some(scratch) = owner::scratch() {
        scratch.candidate.minisock = minisock;
        scratch.candidate.task = owner::pid_tgid();
        scratch.candidate.sock = sock;
    }
}

/// `tcp_twsk_unique` returns to whom [`before_unique`] has seen.
#[inline(always)]
pub(crate) fn on_unique_end(answer: u64) {
    if let Some(scratch) = owner::scratch()
        && scratch.candidate.task == owner::pid_tgid()
    {
        on_unique(scratch.candidate.sock, scratch.candidate.minisock, answer);
    }
}

/// `tcp_timewait_state_process(tw, skb)`.
#[inline(always)]
pub(crate) fn on_packet(minisock: u64, skb: u64) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let window = &mut scratch.late;
    window.open(minisock, skb);
    // Where a drop reason tells of timestamps, the counter is not needed.
    if config!(drop_tw_paws) == NO_REASON
        && let Some(mib) = SockRef::<Probe>::minisock(minisock)
            .net()
            .and_then(Mib::tcp_ext)
    {
        window.paws_rejects = mib.value(config!(mib_paws_rejects));
        window.counters.read = 1;
    }
}

/// It returns a `enum tcp_tw_status`.
#[inline(always)]
pub(crate) fn on_packet_end(answer: u64, hook: u8) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let window = &mut scratch.late;
    let Some((minisock, _skb)) = window.close() else {
        return;
    };
    if answer & 0xffff_ffff == TW_SYN {
        scratch.takeover.minisock = minisock;
        scratch.takeover.task = 0;
        scratch.takeover.sock = 0;
        return;
    }
    if window.counters.read == 0 {
        return;
    }
    let tw = SockRef::<Probe>::minisock(minisock);
    let Some(mib) = tw.net().and_then(Mib::tcp_ext) else {
        return;
    };
    if mib.value(config!(mib_paws_rejects)) == window.paws_rejects {
        return;
    }
    let known = &mut scratch.syn;
    let flow = tw.flow(tw.kept_cookie().unwrap_or(0));
    *known = head(now(), tcp_state::TIME_WAIT, flow, OwnerRecord::default());
    known.sock = minisock;
    paws::report(known, NO_REASON, check::TIME_WAIT, hook);
}

/// `inet_twsk_deschedule_put(tw)`: taken away before its time.
#[inline(always)]
pub(crate) fn on_deschedule(minisock: u64, hook: u8) {
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let takeover = scratch.takeover;
    if takeover.minisock != minisock {
        ended(minisock, phase::CANCEL, hook, 0);
        return;
    }
    scratch.takeover.minisock = 0;
    // Another task's leave was not used on this CPU.
    if takeover.task != 0 && takeover.task != owner::pid_tgid() {
        ended(minisock, phase::CANCEL, hook, 0);
        return;
    }
    ended(minisock, phase::REUSE, hook, takeover.sock);
}

/// A minisock's end. On reuse the owner is the new connection's: the task that connects with
/// `connecting`, or (0) the listener whose SYN came.
#[inline(always)]
fn ended(minisock: u64, phase: u8, hook: u8, connecting: u64) {
    if !time_wait::is_watched() {
        return;
    }
    let Some(scratch) = owner::scratch() else {
        return;
    };
    let known = &mut scratch.syn;
    time_wait::identify(minisock, known);
    if phase == phase::REUSE {
        if connecting == 0 {
            owner::of_listener(known);
        } else {
            known.sock = connecting;
            if owner::task_is_user() {
                owner::current(basis::TASK, &mut known.owner);
            }
        }
    }
    time_wait::ended(known, phase, hook);
}
