//! Reads what a process and its threads do from /proc. Two readings a moment apart show what happened in
//! between; what a call waits for is read once, at the second.

use std::collections::HashSet;
use std::fs;

use super::calls;
use super::cgroups::{self, Mounts};
use super::files::{MOST_BYTES, bytes, link, numbers, string};
use super::text::{self, Scheduled};
use crate::attribute::proc::parse_stat;
use crate::model::activity::{Call, MOST_THREADS, Thread, Tracer};

/// Descriptors of a process among which epoll instances are looked for, at most.
const MOST_DESCRIPTORS: usize = 4096;
/// The length of a clock tick of /proc/PID/stat, ms: `USER_HZ` is 100 on every architecture that Linux
/// has eBPF on.
const TICK_MS: u64 = 10;

/// One look.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) start_ticks: u64,
    pub(super) parent: u32,
    pub(super) cpu_ms: u64,
    pub(super) thread_count: u32,
    /// The leader first, at most [`MOST_THREADS`].
    pub(super) threads: Vec<ThreadReading>,
    pub(super) cgroups: cgroups::Reading,
}

/// One thread at one look.
#[derive(Debug)]
pub(super) struct ThreadReading {
    pub(super) tid: u32,
    comm: String,
    state: char,
    cpu_ms: u64,
    scheduled: Option<Scheduled>,
}

impl Reading {
    /// Looks; `None`: there is no such process.
    pub(super) fn take(pid: u32, mounts: &Mounts) -> Option<Self> {
        let stat = parse_stat(&bytes(format!("/proc/{pid}/stat"))?)?;
        let mut tids: Vec<u32> = numbers(format!("/proc/{pid}/task"), usize::MAX);
        tids.sort_unstable_by_key(|tid| (*tid != pid, *tid));
        tids.truncate(MOST_THREADS);
        let threads = tids.into_iter().filter_map(|tid| {
            let dir = format!("/proc/{pid}/task/{tid}");
            let stat = parse_stat(&bytes(format!("{dir}/stat"))?)?;
            Some(ThreadReading {
                tid,
                comm: stat.comm,
                state: stat.state,
                cpu_ms: stat.cpu_ticks.saturating_mul(TICK_MS),
                scheduled: string(format!("{dir}/schedstat"))
                    .as_deref()
                    .and_then(text::scheduled),
            })
        });
        Some(Self {
            threads: threads.collect(),
            start_ticks: stat.start_ticks,
            parent: stat.ppid,
            cpu_ms: stat.cpu_ticks.saturating_mul(TICK_MS),
            thread_count: stat.threads,
            cgroups: mounts.of_process(pid),
        })
    }
}

/// A thread since `before`, `None`: it is younger than the first look.
pub(super) fn thread(pid: u32, now: &ThreadReading, before: Option<&ThreadReading>) -> Thread {
    let dir = format!("/proc/{pid}/task/{}", now.tid);
    let both = before.and_then(|before| Some((before.scheduled?, now.scheduled?)));
    let since =
        |of: fn(&Scheduled) -> u64| both.map(|(before, now)| of(&now).saturating_sub(of(&before)));
    let by_ticks = before.map(|before| now.cpu_ms.saturating_sub(before.cpu_ms));
    Thread {
        tid: now.tid,
        comm: now.comm.clone(),
        state: now.state,
        cpu_ms: since(|times| times.cpu_ns)
            .map(|ns| ns / 1_000_000)
            .or(by_ticks),
        runnable_ms: since(|times| times.runnable_ns).map(|ns| ns / 1_000_000),
        has_run: since(|times| times.times).map(|times| times > 0),
        kernel_function: string(format!("{dir}/wchan"))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty() && name != "0"),
        call: string(format!("{dir}/syscall"))
            .as_deref()
            .and_then(text::blocked_in)
            .map(|call| named(&dir, call)),
    }
}

fn named(dir: &str, call: text::BlockedIn) -> Call {
    let name = calls::name(call.number).filter(|_| !call.is_compat);
    let descriptor = name
        .filter(|name| calls::has_descriptor(name))
        .and_then(|_| u32::try_from(call.first_argument).ok());
    let file = descriptor.and_then(|number| link(format!("{dir}/fd/{number}")));
    Call {
        name,
        number: call.number,
        descriptor,
        file,
        peer: None,
    }
}

/// The debugger of a process.
pub(super) fn tracer(pid: u32) -> Option<Tracer> {
    let pid = text::tracer(&string(format!("/proc/{pid}/status"))?)?;
    let comm = string(format!("/proc/{pid}/comm")).map(|name| name.trim_end().to_owned());
    Some(Tracer { pid, comm })
}

/// How many descriptors a process has open, and how many it may have.
pub(super) fn open_files(pid: u32) -> (Option<u64>, Option<u64>) {
    let path = format!("/proc/{pid}/fd");
    // Since 6.2 the size of the directory is the number of descriptors.
    let size = fs::metadata(&path).map(|data| data.len()).ok();
    let open = size.filter(|size| *size > 0).or_else(|| {
        let entries = fs::read_dir(&path).ok()?;
        Some(entries.count() as u64)
    });
    let limit = string(format!("/proc/{pid}/limits"))
        .as_deref()
        .and_then(text::open_files_limit);
    (open, limit)
}

/// Which of the listeners the epoll instances of a process watch; `None`: it has no instance, or not
/// all of them could be read.
pub(super) fn watched(pid: u32, inodes: &HashSet<u64>) -> Option<Vec<u64>> {
    let descriptors = numbers(format!("/proc/{pid}/fd"), MOST_DESCRIPTORS + 1);
    let mut found = Vec::new();
    let mut has_instance = false;
    for number in descriptors.iter().take(MOST_DESCRIPTORS) {
        let target = link(format!("/proc/{pid}/fd/{number}"));
        if target.as_deref() != Some("anon_inode:[eventpoll]") {
            continue;
        }
        has_instance = true;
        let info = string(format!("/proc/{pid}/fdinfo/{number}"))?;
        text::watched(&info, inodes, &mut found);
        if info.len() as u64 >= MOST_BYTES {
            return None;
        }
    }
    (has_instance && descriptors.len() <= MOST_DESCRIPTORS).then_some(found)
}
