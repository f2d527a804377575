//! Which process a socket belongs to, and how that is known.

use std::sync::Arc;

use super::named;

named! {
    /// How an owner is known.
    Basis {
        /// The owner's own system call triggered the hook.
        Task = "task",
        /// Remembered from connect, accept, listen or an earlier call on that socket.
        Socket = "socket",
        /// A connection not accepted yet: the owner of its listener.
        Listener = "listener",
        /// Found in /proc.
        Snapshot = "snapshot",
    }
}

/// A process. `pid` and `start_ticks` together are its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// tgid, as seen in our PID namespace.
    pub pid: u32,
    /// Field 22 of /proc/PID/stat: start on the boot clock in ticks of 1/100 s.
    pub start_ticks: Option<u64>,
    /// Name of the thread-group leader; may hold any characters but NUL.
    pub comm: String,
    /// Path of the executable; `None` for kernel threads, or when it could not be read in time.
    pub exe: Option<String>,
    /// Effective user.
    pub uid: Option<u32>,
    /// cgroup path.
    pub cgroup: Option<String>,
    /// Container id found in the cgroup path.
    pub container: Option<String>,
}

/// The owner of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub process: Arc<Process>,
    /// How that is known.
    pub basis: Basis,
    /// How many processes hold the socket, when that is known and above 1.
    pub shared_by: Option<u32>,
    /// The thread that made the call, with basis `task` or `socket`.
    pub tid: Option<u32>,
    /// Every process that holds the socket, the owner among them, at most [`MOST_HOLDERS`]; only for
    /// a socket that several processes are known to hold. [`Self::shared_by`] says how many there are.
    pub holders: Option<Arc<[Arc<Process>]>>,
}

/// Holders of a shared socket that are named; further ones are only counted.
pub const MOST_HOLDERS: usize = 16;

impl Owner {
    /// The owner, then the other processes that hold the socket.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let others = self.holders.as_deref().unwrap_or_default().iter();
        let is_another = |process: &&Arc<Process>| !Arc::ptr_eq(process, &self.process);
        std::iter::once(&*self.process).chain(others.filter(is_another).map(|process| &**process))
    }
}

/// An owner as the kernel side heard it, before /proc was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// tgid, as seen in our PID namespace.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// As in [`Process`].
    pub start_ticks: u64,
    /// Name of the thread-group leader at that time.
    pub comm: [u8; 16],
    /// Effective user.
    pub uid: Option<u32>,
    /// How it is known.
    pub basis: Basis,
    /// How many processes held the socket when tracing began, when that is known.
    pub holders: Option<u32>,
    /// Whether the kernel side follows the process (`--children`, `-- COMMAND`).
    pub is_followed: bool,
    /// Whether [`super::Event::inode`] is that of the listener of a connection that nobody has
    /// accepted.
    pub has_listener_file: bool,
}
