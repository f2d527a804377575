//! The sentences for each cause.

use super::cause::{Cause, Waiting, has_run};
use crate::model::activity::{Activity, Call, Thread};
use crate::model::finding::Proof;

/// The cause in a sentence.
pub(super) fn why(cause: &Cause<'_>, activity: &Activity) -> String {
    let who = who(activity);
    match cause {
        Cause::Stopped => format!(
            "{who} is stopped by a signal (state T) and accepts nothing until it is continued."
        ),
        Cause::Traced(tracer) => format!(
            "{who} is stopped by {} (process {}), which traces it.",
            tracer.comm.as_deref().unwrap_or("a debugger"),
            tracer.pid
        ),
        Cause::Frozen(path) => format!(
            "{who} is frozen with its control group {path} (docker pause, systemctl freeze) and \
             accepts nothing."
        ),
        Cause::OutOfDescriptors(open, limit) => format!(
            "{who} has {open} of {limit} file descriptors open: accept() fails with EMFILE, and \
             finished handshakes stay in the queue."
        ),
        Cause::Uninterruptible(thread) => format!(
            "{who} waits inside the kernel{} and cannot be interrupted (state D). The usual cause is a disk \
             or network file system that does not answer.",
            function(thread)
        ),
        Cause::Throttled(quota) => format!(
            "{who} is throttled: it used up the CPU quota of its control group {} in {} of {} periods.",
            quota.path, quota.throttled, quota.periods
        ),
        Cause::Starved(thread) => format!(
            "{who} gets too little CPU: {} was ready to run but waited for a CPU for {} of the time.",
            of(thread, activity),
            percent(thread.runnable_ms, activity)
        ),
        Cause::Busy(Some(thread)) => format!(
            "{who} is busy: {} used a CPU for {} of the time and has none left for accept().",
            of(thread, activity),
            percent(thread.cpu_ms, activity)
        ),
        Cause::Busy(None) => format!(
            "{who} is busy: its threads together used {} of a CPU, so it probably has no time left \
             for accept().",
            percent(activity.cpu_ms, activity)
        ),
        Cause::ShortOfMemory(ms) => format!(
            "{who} probably waits for memory: tasks of its control group, or of the host, waited for {} of \
             the time.",
            percent(Some(*ms), activity)
        ),
        Cause::Blocked(thread, call) => blocked(&who, thread, call, activity),
        Cause::Idle(waiting) => idle(&who, waiting),
    }
}

fn blocked(who: &str, thread: &Thread, call: &Call, activity: &Activity) -> String {
    let subject = match activity.threads.len() {
        1 => format!("{who} is blocked"),
        threads => format!(
            "all {threads} threads of {who} are blocked, {}",
            of(thread, activity)
        ),
    };
    let since = if has_run(thread) {
        "and it calls accept() too rarely"
    } else {
        "and none calls accept()"
    };
    format!("{subject} in {}, {since}.", called(call))
}

fn idle(who: &str, waiting: &Waiting<'_>) -> String {
    let call = called(waiting.call);
    match waiting.is_watching {
        Some(true) => format!(
            "{who} waits in {call} and does not accept, although it watches this listener: its accept loop \
             missed an event, or was paused."
        ),
        Some(false) => format!(
            "{who} waits in {call} and does not watch this listener any more: programs remove it when they \
             reach their own limit on connections, or after accept() fails."
        ),
        None => format!("{who} waits in {call} and does not accept, although clients wait."),
    }
}

/// What to do first.
pub(super) fn do_first(cause: &Cause<'_>, activity: &Activity) -> String {
    let pid = activity.process.pid;
    match cause {
        Cause::Stopped => format!(
            "Continue it: kill -CONT {pid}. Then find out what stopped it: kill -STOP, Ctrl-Z, or a \
             background job that used its terminal."
        ),
        Cause::Traced(tracer) => format!(
            "Make the debugger continue or detach it, or end process {}.",
            tracer.pid
        ),
        Cause::Frozen(_) => "Thaw the group: docker unpause, systemctl thaw, or write 0 to its \
                             cgroup.freeze (version 1: THAWED to freezer.state)."
            .to_owned(),
        Cause::OutOfDescriptors(_, limit) => format!(
            "Find out what they are: ls -l /proc/{pid}/fd, tcptrace states --pid {pid}. prlimit --pid {pid} \
             --nofile={} raises the limit at once; LimitNOFILE= of its unit, or its own configuration, \
             raises it permanently.",
            limit.saturating_mul(4).max(1024)
        ),
        Cause::Uninterruptible(_) => format!(
            "Find out what it waits for: cat /proc/{pid}/stack, dmesg, and the disk or file server behind \
             it. Signals do not reach it."
        ),
        Cause::Throttled(_) => {
            "Raise the quota (cpu.max, CPUQuota= of the unit, limits.cpu of the container), or find out \
                                what uses it up."
                .to_owned()
        }
        Cause::Starved(_) => format!(
            "Find out what uses the CPUs of this host: top. Move it to another host, lower its weight, or \
             add CPUs. perf top -p {pid} shows whether this process itself uses them."
        ),
        Cause::Busy(_) => format!(
            "Find out what it computes: perf top -p {pid}, or the profiler of its language. Start more \
             workers, or move long work out of the thread that accepts."
        ),
        Cause::ShortOfMemory(_) => {
            "Find out what uses the memory, and compare it with memory.max of the group: ps --sort -rss, \
             memory.stat."
                .to_owned()
        }
        Cause::Blocked(_, call) => free(call, pid),
        Cause::Idle(_) => format!(
            "Compare its own limit on connections (worker_connections, maxconn, maxConnections) with its \
             number of connections: tcptrace states --pid {pid}. Its log shows whether accept() failed."
        ),
    }
}

/// How to free a process that is blocked in a call.
fn free(call: &Call, pid: u32) -> String {
    let stacks =
        format!("gdb -p {pid} -batch -ex 'thread apply all bt', or the tool of its language");
    match call.name {
        Some("futex" | "futex_waitv" | "semtimedop") => {
            format!("Find out which lock it waits for, and which thread holds it: {stacks}.")
        }
        Some("clock_nanosleep" | "nanosleep") => {
            format!("Find the call that sleeps in a thread that should accept: {stacks}.")
        }
        Some("wait4" | "waitid") => {
            format!(
                "Find the child it waits for: ps --ppid {pid}. Do not wait in a thread that accepts."
            )
        }
        Some("flock" | "fcntl") => "Find the process that holds the file lock: lslocks.".to_owned(),
        _ if call.descriptor.is_some() => "Find out why the other end of that descriptor does not answer. \
                                           Set a timeout, and do not wait for it in a thread that accepts."
            .to_owned(),
        _ => format!("Find out where it is: {stacks}."),
    }
}

/// What the cause rests on.
pub(super) fn evidence(cause: &Cause<'_>, activity: &Activity) -> Vec<Proof> {
    let pid = activity.process.pid;
    let proof = |text: String, value: Option<u64>, file: &str| Proof {
        text,
        value,
        source: format!("/proc/{pid}/{file}"),
    };
    let looked = duration(activity.looked_ms);
    let running = |thread: &Thread| {
        let ms = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |ms| ms.to_string());
        format!(
            "{}: {} ms on a CPU and {} ms waiting for one, within {looked}",
            of(thread, activity),
            ms(thread.cpu_ms),
            ms(thread.runnable_ms)
        )
    };
    let mut proofs = match cause {
        Cause::Stopped | Cause::Traced(_) => {
            let state = activity.threads.first().map_or('T', |thread| thread.state);
            let text = match activity.threads.len() {
                1 => format!("its only thread is in state {state}"),
                threads => format!("all {threads} threads are in state {state}"),
            };
            vec![proof(text, Some(activity.threads.len() as u64), "stat")]
        }
        Cause::Frozen(path) => vec![Proof {
            text: format!("the control group {path} is frozen"),
            value: None,
            source: "cgroup".to_owned(),
        }],
        Cause::OutOfDescriptors(open, limit) => vec![
            proof(format!("{open} descriptors are open"), Some(*open), "fd"),
            proof(format!("it may open {limit}"), Some(*limit), "limits"),
        ],
        Cause::Uninterruptible(thread) => vec![proof(
            format!("{} is in state D{}", of(thread, activity), function(thread)),
            None,
            "stat",
        )],
        Cause::Throttled(quota) => vec![Proof {
            text: format!(
                "throttled in {} of {} periods within {looked}",
                quota.throttled, quota.periods
            ),
            value: Some(quota.throttled),
            source: "cpu.stat".to_owned(),
        }],
        Cause::Starved(thread) => vec![proof(running(thread), thread.runnable_ms, "schedstat")],
        Cause::Busy(Some(thread)) => vec![proof(running(thread), thread.cpu_ms, "schedstat")],
        Cause::Busy(None) => {
            let ms = activity.cpu_ms.unwrap_or(0);
            let text = format!("{ms} ms on CPUs within {looked}");
            vec![proof(text, activity.cpu_ms, "stat")]
        }
        Cause::ShortOfMemory(ms) => vec![Proof {
            text: format!("tasks waited for memory for {ms} ms of {looked}"),
            value: Some(*ms),
            source: "memory.pressure".to_owned(),
        }],
        Cause::Blocked(thread, call) => {
            let moved = if has_run(thread) {
                String::new()
            } else {
                format!(" and has not run within {looked}")
            };
            let name = call.name.unwrap_or("a system call");
            let (subject, function) = (of(thread, activity), function(thread));
            let text = format!("{subject} is in {name}(){function}{moved}");
            vec![proof(text, None, "syscall")]
        }
        Cause::Idle(waiting) => {
            let used = activity.cpu_ms.unwrap_or(0);
            let text = format!(
                "it waits in {} and used {used} ms of CPU within {looked}",
                called(waiting.call)
            );
            vec![proof(text, Some(used), "syscall")]
        }
    };
    if let (Some(tracer), false) = (&activity.tracer, matches!(cause, Cause::Traced(_))) {
        let comm = tracer.comm.as_deref().unwrap_or("a process");
        let text = format!("{comm} ({}) traces it", tracer.pid);
        proofs.push(proof(text, Some(tracer.pid.into()), "status"));
    }
    proofs
}

/// How many of the processes that hold a listener are concerned.
pub(super) fn among(same: usize, serving: usize, holders: usize) -> String {
    if same == serving && serving < holders {
        format!(
            " {holders} processes hold this listener; {serving} of them serve{} it.",
            plural_s(serving)
        )
    } else {
        format!(" That holds for {same} of the {holders} processes that hold this listener.")
    }
}

const fn plural_s(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}

/// What that means among listeners that share an address.
pub(super) fn in_group(size: u32, waiting_elsewhere: u32) -> String {
    let elsewhere = match waiting_elsewhere {
        0 => "none waits".to_owned(),
        1 => "only 1 waits".to_owned(),
        count => format!("only {count} wait"),
    };
    format!(
        " It is one of {size} sockets that share this address by SO_REUSEPORT: the kernel keeps sending it \
         its share of the clients, about 1 in {size}, although {elsewhere} at the others."
    )
}

/// A time in ms for people.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

fn who(activity: &Activity) -> String {
    let process = &activity.process;
    format!("{} ({})", process.display_name(), process.pid)
}

fn of(thread: &Thread, activity: &Activity) -> String {
    if activity.threads.len() == 1 {
        "its only thread".to_owned()
    } else {
        format!("thread {} ({})", thread.comm, thread.tid)
    }
}

fn function(thread: &Thread) -> String {
    let name = thread.kernel_function.as_deref();
    name.map_or_else(String::new, |name| format!(" in {name}"))
}

fn percent(ms: Option<u64>, activity: &Activity) -> String {
    let percent = ms.unwrap_or(0).saturating_mul(100) / activity.looked_ms.max(1);
    format!("{} %", percent.min(100))
}

/// A call in words: `read() on descriptor 7 (pipe:[81])`.
fn called(call: &Call) -> String {
    let name = match call.name {
        Some(name) => format!("{name}()"),
        None => format!("system call {}", call.number),
    };
    let purpose = match call.name {
        Some("futex" | "futex_waitv") => ", waiting for a lock or another thread",
        Some("clock_nanosleep" | "nanosleep") => ", which only sleeps",
        _ => "",
    };
    let is_poll = call.file.as_deref() == Some("anon_inode:[eventpoll]");
    let Some(descriptor) = call.descriptor.filter(|_| !is_poll) else {
        return format!("{name}{purpose}");
    };
    let file = match (&call.peer, &call.file) {
        (Some(peer), _) => format!(" (TCP to {peer})"),
        (None, Some(file)) => format!(" ({file})"),
        (None, None) => String::new(),
    };
    format!("{name} on descriptor {descriptor}{file}")
}
