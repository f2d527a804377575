//! Closes that block in linger.
//!
//! Begin: `tcp_close` moves the socket to FIN_WAIT1 or LAST_ACK (or reports that state again) in
//! the closer's task, with SO_LINGER on and a time above 0. While it sleeps, the task has a timer
//! whose function is `process_timeout`. End: the state moves on (drained, reset), that timer
//! expires (timed out), or it is cancelled while a signal is pending (interrupted). Where function
//! hooks work, `sk_stream_wait_close` is the sleep.

use tcptrace_common::config::by_function;
use tcptrace_common::kind::{self, basis, hook, tcp_state};
use tcptrace_common::names::limited;
use tcptrace_common::wire::{Head, LingerRecord, UNKNOWN_U32, linger_end};

use crate::emit::{emit, identify};
use crate::filter::wants;
use crate::full_maps;
use crate::head_slot::HeadSlot;
use crate::maps::{LINGERING, LingerEntry, SockEntry, is_reported_by_function};
use crate::note::note;
use crate::offsets::{config, offset};
use crate::owner;
use crate::sock::{Access, Direct, Probe, SockRef};

/// `SHUTDOWN_MASK`: set by `tcp_close` before anything else.
const SHUTDOWN_BOTH: u8 = 3;

/// Whether a lingering close waits in this state (`sk_stream_closing`).
#[inline(always)]
fn waits_in(state: u8) -> bool {
    matches!(
        state,
        tcp_state::FIN_WAIT1 | tcp_state::CLOSING | tcp_state::LAST_ACK
    )
}

/// Whether a change of state may begin or end a close that waits.
#[inline(always)]
pub(crate) fn may_concern(sk: &SockRef<Direct>, old: u8, new: u8) -> bool {
    wants(kind::LINGER_CLOSE) && (waits_in(old) || waits_in(new)) && sk.linger_is_on()
}

/// A change of state.
#[inline(always)]
pub(crate) fn on_change(
    sk: &SockRef<Direct>,
    old: u8,
    new: u8,
    entry: Option<&mut SockEntry>,
    head: &mut Head,
) {
    if !wants(kind::LINGER_CLOSE) {
        return;
    }
    let Some(entry) = entry else { return };
    if waits_in(new) {
        if sk.is_owned() && sk.shutdown() == Some(SHUTDOWN_BOTH) && sk.linger_is_on() {
            begin(sk, old, entry, head.time_ns);
        }
        return;
    }
    if !waits_in(old) {
        return;
    }
    let task = entry.lingering;
    if task == 0 {
        return;
    }
    entry.lingering = 0;
    let Some(wait) = LINGERING.get_ptr(task) else {
        return;
    };
    // SAFETY: a map value, copied at once.
    let wait = unsafe { *wait };
    let _ = LINGERING.remove(task);
    // Acknowledged at once: nobody was blocked. Where sleeps are not seen, all are reported.
    let is_sleep_seen =
        config!(process_timeout) != 0 || is_reported_by_function(by_function::LINGER);
    if wait.slept == 0 && is_sleep_seen {
        return;
    }
    let err = sk.err().unwrap_or(0);
    let end = if new == tcp_state::CLOSE && err != 0 {
        linger_end::RESET
    } else {
        linger_end::DRAINED
    };
    let remaining = if end == linger_end::DRAINED {
        0
    } else {
        remaining(sk, old)
    };
    sk.identify(Some(&mut *entry), head);
    owner::find_with(sk, Some(entry), head);
    report(&wait, end, remaining, hook::INET_SOCK_SET_STATE, head);
}

#[inline(always)]
fn begin(sk: &SockRef<Direct>, old: u8, entry: &mut SockEntry, time: u64) {
    let linger_jiffies = sk.linger_jiffies().unwrap_or(0);
    if linger_jiffies == 0 || owner::task_is_exiting() {
        return;
    }
    // The FIN is not queued yet when the state changes; when close() finds an earlier shutdown's
    // FIN in flight, `old` says so and the FIN is not counted as a byte.
    let Some((unsent_bytes, unacked_bytes)) = sk.send_queues(old) else {
        return;
    };
    let task = owner::pid_tgid();
    let wait = LingerEntry {
        sock: sk.address(),
        start_ns: time,
        linger_jiffies,
        unsent_bytes,
        unacked_bytes,
        slept: 0,
        pad: 0,
    };
    if LINGERING.insert(task, wait, 0).is_ok() {
        entry.lingering = task;
    } else {
        full_maps::count(limited::LINGERING);
        note!("no room to remember the lingering close", sock: wait.sock, linger_jiffies);
    }
}

/// `timer_start` of a `process_timeout` timer by the current task: it goes to sleep.
#[inline(always)]
pub(crate) fn on_sleep() {
    if let Some(wait) = LINGERING.get_ptr_mut(owner::pid_tgid()) {
        // SAFETY: a map value; only this task writes it.
        unsafe { (*wait).slept = 1 };
    }
}

/// `timer_expire_entry` of a `process_timeout` timer: the linger time is up.
#[inline(always)]
pub(crate) fn on_timeout(timer: *const u8) {
    let (Some(task_at), Some(pid_at), Some(tgid_at)) = (
        offset!(process_timer_task),
        offset!(task_pid),
        offset!(task_tgid),
    ) else {
        return;
    };
    // SAFETY: `process_timer` begins with the timer, the task follows it; probing, a fault reads
    // as zero and finds no entry.
    let task = unsafe {
        let task = Probe::read::<*const u8>(timer.add(task_at));
        let pid = Probe::read::<u32>(task.add(pid_at));
        let tgid = Probe::read::<u32>(task.add(tgid_at));
        u64::from(tgid) << 32 | u64::from(pid)
    };
    let hook = hook::TIMER_EXPIRE_ENTRY;
    finish(task, linger_end::TIMED_OUT, hook);
}

/// `timer_cancel` of a `process_timeout` timer: the current task was woken early. It will wait on
/// unless the state moved (reported there) or a signal is pending.
#[inline(always)]
pub(crate) fn on_wake() {
    let task = owner::pid_tgid();
    if LINGERING.get_ptr(task).is_some() && signal_is_pending() {
        let hook = hook::TIMER_CANCEL;
        finish(task, linger_end::INTERRUPTED, hook);
    }
}

/// `sk_stream_wait_close(sk, timeout)`: a close waits, if it has a time to wait for.
#[inline(always)]
pub(crate) fn on_wait(timeout: u64) {
    if timeout != 0 {
        on_sleep();
    }
}

/// It returns: the state has moved on (reported there), a signal came, or the time is up.
#[inline(always)]
pub(crate) fn on_wait_end(hook: u8) {
    let task = owner::pid_tgid();
    if LINGERING.get_ptr(task).is_none() {
        return;
    }
    let end = if signal_is_pending() {
        linger_end::INTERRUPTED
    } else {
        linger_end::TIMED_OUT
    };
    finish(task, end, hook);
}

#[inline(always)]
fn finish(task: u64, end: u8, hook: u8) {
    // One copy of what follows, not one per end.
    let end = core::hint::black_box(end);
    let Some(wait) = LINGERING.get_ptr(task) else {
        return;
    };
    // SAFETY: a map value, copied at once.
    let wait = unsafe { *wait };
    // The closer holds a reference until it returns, so the socket is alive.
    let sk = SockRef::<Probe>::remembered(wait.sock);
    let state = sk.state().unwrap_or(0);
    if !waits_in(state) {
        return;
    }
    let _ = LINGERING.remove(task);
    if let Some(entry) = owner::entry(wait.sock) {
        entry.lingering = 0;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let head = slot.head();
    identify(&sk, head);
    owner::last_user(head);
    if head.owner.basis != basis::NONE {
        // The call that blocks is the owner's own.
        head.owner.basis = basis::TASK;
    }
    report(&wait, end, remaining(&sk, state), hook, head);
}

/// What is not acknowledged.
#[inline(always)]
fn remaining<A: Access>(sk: &SockRef<A>, state: u8) -> u32 {
    match sk.send_queues(state) {
        Some((unsent, unacked)) => unsent + unacked,
        None => UNKNOWN_U32,
    }
}

#[inline(always)]
fn report(wait: &LingerEntry, end: u8, remaining_bytes: u32, hook: u8, head: &Head) {
    emit(
        kind::LINGER_CLOSE,
        hook,
        head,
        |record: &mut LingerRecord| {
            record.start_ns = wait.start_ns;
            record.linger_jiffies = wait.linger_jiffies;
            record.unsent_bytes = wait.unsent_bytes;
            record.unacked_bytes = wait.unacked_bytes;
            record.remaining_bytes = remaining_bytes;
            record.end = end;
        },
    );
}

/// Whether a signal that is not blocked waits for the current task. Read from the queues, since
/// the bit of TIF_SIGPENDING differs between architectures.
#[inline(always)]
fn signal_is_pending() -> bool {
    let (Some(own_at), Some(blocked_at), Some(signal_at), Some(shared_at)) = (
        offset!(task_pending),
        offset!(task_blocked),
        offset!(task_signal),
        offset!(signal_shared_pending),
    ) else {
        return false;
    };
    // SAFETY: the running task; probing.
    unsafe {
        let task = aya_ebpf::helpers::generated::bpf_get_current_task() as *const u8;
        let own = Probe::read::<u64>(task.add(own_at));
        let blocked = Probe::read::<u64>(task.add(blocked_at));
        let signal = Probe::read::<*const u8>(task.add(signal_at));
        let shared = Probe::read::<u64>(signal.add(shared_at));
        (own | shared) & !blocked != 0
    }
}
