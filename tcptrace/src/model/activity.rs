//! What the processes that hold a listener did between two looks at them: why they do not call
//! accept(). What could not be read is `None` and never a guess.

use std::sync::Arc;

use super::{Endpoint, Process};

/// Threads of a process that are looked at, at most; [`Activity::thread_count`] says how many there
/// are.
pub const MOST_THREADS: usize = 64;

/// One process between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Who.
    pub process: Arc<Process>,
    /// Its parent's process number.
    pub parent: u32,
    /// From the first look to the second, ms.
    pub looked_ms: u64,
    /// The debugger that traces it.
    pub tracer: Option<Tracer>,
    /// The leader first; at most [`MOST_THREADS`].
    pub threads: Vec<Thread>,
    /// How many threads it has.
    pub thread_count: u32,
    /// CPU time of all its threads between the two looks, ms.
    pub cpu_ms: Option<u64>,
    /// Descriptors that are open.
    pub open_files: Option<u64>,
    /// How many it may have open (`RLIMIT_NOFILE`, soft).
    pub open_files_limit: Option<u64>,
    /// What its control groups keep from it.
    pub cgroup: Cgroup,
    /// Inodes of the listeners in question that its epoll instances watch; `None`: it has no epoll
    /// instance, or they could not be read.
    pub watched: Option<Vec<u64>>,
}

/// Who traces a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracer {
    /// Its process number.
    pub pid: u32,
    /// Its name; `None`: it could not be read.
    pub comm: Option<String>,
}

/// One thread at the second look, and since the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// The state letter of /proc/PID/stat: `R` running or runnable, `S` sleeping, `D` waiting
    /// uninterruptibly, `T` stopped, `t` stopped by a debugger, `Z` ended.
    pub state: char,
    /// CPU time between the two looks, ms.
    pub cpu_ms: Option<u64>,
    /// Time between the two looks in which it was ready to run and had no CPU, ms.
    pub runnable_ms: Option<u64>,
    /// Whether it was given a CPU at all between the two looks.
    pub has_run: Option<bool>,
    /// The kernel function that it sleeps in (wchan).
    pub kernel_function: Option<String>,
    /// The system call that it is blocked in; `None`: it is running, or that may not be read.
    pub call: Option<Call>,
}

/// A system call that blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name; `None`: one that this version of tcptrace does not name.
    pub name: Option<&'static str>,
    /// Its number on this machine.
    pub number: u64,
    /// The descriptor that it is about; `None`: it is about none.
    pub descriptor: Option<u32>,
    /// What that descriptor refers to, as /proc/PID/fd shows it.
    pub file: Option<String>,
    /// The remote end of the connection that it is; `None`: it is none, or not among the sockets that
    /// were listed.
    pub peer: Option<Endpoint>,
}

/// What control groups keep from a process: its own one, or one above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The path of the group that is frozen; `None`: none is, or that is not known.
    pub frozen: Option<String>,
    /// The group that was throttled most between the two looks.
    pub throttled: Option<Throttled>,
    /// Time between the two looks in which a task of its group, or of the host where groups have no
    /// such figure, waited for memory (PSI), ms.
    pub memory_stalled_ms: Option<u64>,
}

/// A CPU quota at work between the two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// The group.
    pub path: String,
    /// Periods that began.
    pub periods: u64,
    /// Those in which the quota ran out.
    pub throttled: u64,
}

/// A process that holds a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it did.
    pub activity: Arc<Activity>,
    /// Whether one of its epoll instances watches this listener; `None`: it has none, or that is
    /// not known.
    pub is_watching: Option<bool>,
    /// Whether one of its threads waits in accept() on this listener.
    pub is_accepting: bool,
}
