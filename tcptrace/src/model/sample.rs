//! How full things are at one moment: taken at intervals during a run, in addition to its incidents.

use std::sync::Arc;

use super::incident::Queue;
use super::{Endpoint, Family, Process};

/// The queues and levels of every network namespace that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Boot clock when it was taken, ns.
    pub boot_ns: u64,
    /// By rising number.
    pub spaces: Vec<SpaceSample>,
}

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceSample {
    /// Inode number.
    pub netns: u32,
    /// TIME_WAIT entries, including FIN_WAIT2; `None`: not reported.
    pub time_wait_entries: Option<u64>,
    /// Their limit, `net.ipv4.tcp_max_tw_buckets`.
    pub time_wait_limit: Option<u32>,
    /// Sockets without an owner, on the whole host.
    pub orphans: Option<u64>,
    /// Every listener.
    pub listeners: Vec<ListenerSample>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSample {
    /// Of the socket.
    pub family: Family,
    /// Where it listens.
    pub local: Endpoint,
    /// Socket cookie: distinguishes listeners of one address.
    pub cookie: u64,
    /// The first of those that hold it; `None`: not known.
    pub holder: Option<Arc<Process>>,
    /// Length and limit of the accept queue. Full means length above limit.
    pub accept_queue: Queue,
    /// The socket's drop counter since it began.
    pub drops: Option<u32>,
}
