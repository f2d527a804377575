//! What keeps one process from calling accept(), by what it did between two looks.

use crate::model::activity::{Activity, Call, Holder, Thread, Throttled, Tracer};

/// From this part of the time on a thread has no time left, in percent.
const BUSY_PERCENT: u64 = 80;
/// Up to this part of the time a process does nothing worth mentioning, in percent.
const IDLE_PERCENT: u64 = 10;
/// From this part of its periods on a quota holds a process up, in percent.
const THROTTLED_PERCENT: u64 = 25;
/// From this part of the time on a shortage of memory holds a process up, in percent.
const STALLED_PERCENT: u64 = 20;

/// One cause, the more certain first.
#[derive(Debug)]
pub(super) enum Cause<'a> {
    /// By a signal.
    Stopped,
    /// By a debugger.
    Traced(&'a Tracer),
    /// With its control group, which has this path.
    Frozen(&'a str),
    /// Open descriptors, and how many it may have.
    OutOfDescriptors(u64, u64),
    /// A thread that waits in the kernel, in state D.
    Uninterruptible(&'a Thread),
    /// Its control group's CPU quota.
    Throttled(&'a Throttled),
    /// A thread that is ready and gets no CPU.
    Starved(&'a Thread),
    /// A thread that computes; `None`: several together.
    Busy(Option<&'a Thread>),
    /// Its group waits for memory, ms.
    ShortOfMemory(u64),
    /// All its threads are blocked in calls; the one that speaks for them.
    Blocked(&'a Thread, &'a Call),
    /// It waits for events, and not for this listener.
    Idle(Waiting<'a>),
}

/// A process that waits for events while clients wait for it.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pub(super) call: &'a Call,
    pub(super) is_watching: Option<bool>,
}

impl Cause<'_> {
    /// Its place in the order above.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Traced(_) => 1,
            Self::Frozen(_) => 2,
            Self::OutOfDescriptors(..) => 3,
            Self::Uninterruptible(_) => 4,
            Self::Throttled(_) => 5,
            Self::Starved(_) => 6,
            Self::Busy(_) => 7,
            Self::ShortOfMemory(_) => 8,
            Self::Blocked(..) => 9,
            Self::Idle(_) => 10,
        }
    }

    /// Whether the process accepts nothing until the cause is gone, so that any queue fills.
    pub(super) const fn fills_any_queue(&self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Traced(_)
                | Self::Frozen(_)
                | Self::OutOfDescriptors(..)
                | Self::Uninterruptible(_)
        )
    }
}

/// The cause; `None`: what it did explains nothing.
pub(super) fn of(holder: &Holder) -> Option<Cause<'_>> {
    let activity = &*holder.activity;
    let live = || {
        activity
            .threads
            .iter()
            .filter(|thread| !matches!(thread.state, 'Z' | 'X'))
    };
    live().next()?;
    if live().all(|thread| matches!(thread.state, 'T' | 't')) {
        return Some(match &activity.tracer {
            Some(tracer) => Cause::Traced(tracer),
            None => Cause::Stopped,
        });
    }
    if let Some(path) = &activity.cgroup.frozen {
        return Some(Cause::Frozen(path));
    }
    // The last one is often kept in reserve, to refuse clients with.
    if let (Some(open), Some(limit)) = (activity.open_files, activity.open_files_limit)
        && open.saturating_add(1) >= limit
    {
        return Some(Cause::OutOfDescriptors(open, limit));
    }
    let is_stuck = |thread: &&Thread| thread.state == 'D' && !has_run(thread);
    let stuck = live().filter(is_stuck).count();
    if let Some(thread) = live().find(is_stuck)
        && (thread.tid == activity.process.pid || stuck * 2 >= live().count())
    {
        return Some(Cause::Uninterruptible(thread));
    }
    short_of_time(activity)
        .or_else(|| short_of_memory(activity))
        .or_else(|| waits(holder))
}

fn short_of_time(activity: &Activity) -> Option<Cause<'_>> {
    if let Some(quota) = &activity.cgroup.throttled
        && is_part(quota.throttled, quota.periods, THROTTLED_PERCENT)
    {
        return Some(Cause::Throttled(quota));
    }
    let looked = activity.looked_ms;
    let wanted = |thread: &Thread| {
        let cpu = thread.cpu_ms.unwrap_or(0);
        cpu.saturating_add(thread.runnable_ms.unwrap_or(0))
    };
    let busiest = activity
        .threads
        .iter()
        .max_by_key(|thread| wanted(thread))?;
    if is_part(wanted(busiest), looked, BUSY_PERCENT) {
        let is_starved = busiest.runnable_ms > busiest.cpu_ms;
        return Some(if is_starved {
            Cause::Starved(busiest)
        } else {
            Cause::Busy(Some(busiest))
        });
    }
    let is_busy = is_part(activity.cpu_ms.unwrap_or(0), looked, BUSY_PERCENT);
    is_busy.then_some(Cause::Busy(None))
}

fn short_of_memory(activity: &Activity) -> Option<Cause<'_>> {
    let stalled = activity.cgroup.memory_stalled_ms?;
    is_part(stalled, activity.looked_ms, STALLED_PERCENT).then_some(Cause::ShortOfMemory(stalled))
}

/// What a process waits for that has time enough.
fn waits(holder: &Holder) -> Option<Cause<'_>> {
    let activity = &*holder.activity;
    let cpu = activity.cpu_ms?;
    if !is_part(
        activity.looked_ms,
        cpu.saturating_mul(100 / IDLE_PERCENT),
        100,
    ) {
        return None;
    }
    let calls = || {
        let threads = activity.threads.iter();
        threads.filter_map(|thread| Some((thread, thread.call.as_ref()?)))
    };
    // Then it is about to take the next connection.
    if holder.is_accepting {
        return None;
    }
    if let Some((_, call)) = calls().find(|(_, call)| waits_for_events(call)) {
        return Some(Cause::Idle(Waiting {
            call,
            is_watching: holder.is_watching,
        }));
    }
    let leader = calls().find(|(thread, _)| thread.tid == activity.process.pid);
    let (thread, call) = match (leader, activity.threads.len()) {
        // A leader that waits for its threads says less than they do.
        (Some((thread, call)), 1) => (thread, call),
        _ => calls()
            .find(|(_, call)| call.name != Some("futex"))
            .or_else(|| calls().next())?,
    };
    // A thread whose call is hidden may wait for anything.
    let is_complete = calls().count() == activity.threads.len()
        && usize::try_from(activity.thread_count) == Ok(activity.threads.len());
    is_complete.then_some(Cause::Blocked(thread, call))
}

/// Whether a call returns when something arrives: the way a server waits for work.
fn waits_for_events(call: &Call) -> bool {
    matches!(
        call.name,
        Some(
            "accept"
                | "accept4"
                | "epoll_pwait"
                | "epoll_pwait2"
                | "epoll_wait"
                | "io_getevents"
                | "io_uring_enter"
                | "poll"
                | "ppoll"
                | "pselect6"
                | "select"
        )
    )
}

/// Whether a thread was given a CPU between the two looks.
pub(super) fn has_run(thread: &Thread) -> bool {
    thread
        .has_run
        .unwrap_or_else(|| thread.cpu_ms.is_none_or(|ms| ms > 0))
}

const fn is_part(part: u64, whole: u64, percent: u64) -> bool {
    part > 0 && part.saturating_mul(100) >= whole.saturating_mul(percent)
}
