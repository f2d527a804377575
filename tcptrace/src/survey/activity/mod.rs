//! What the processes that hold a listener do between two looks at them: evidence for why accept() is
//! late. Reads only, and only processes that hold a listener which is full or refuses clients, at most
//! [`MOST_PROCESSES`]; what a process hides, or the kernel does not have, stays `None`.
//!
//! It sleeps between the two looks, so only a survey may call it, never the reader of the ring.

mod calls;
mod cgroups;
mod files;
mod process;
mod text;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attribute::holders::{self, Query};
use crate::model::activity::{Activity, Call};
use crate::model::flow::TcpState;
use crate::model::snapshot::{Snapshot, Socket, Space};
use crate::model::{Endpoint, Process};
use crate::source::sock_diag::SockRow;
use cgroups::Mounts;
use process::Reading;

/// Processes that one look asks, at most.
const MOST_PROCESSES: usize = 48;
/// Between two looks where no earlier one is at hand.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The first look at some processes.
#[derive(Debug, Default)]
pub struct Activities {
    first: HashMap<u32, (Instant, Reading)>,
}

impl Activities {
    /// Looks at the processes that hold these listeners where they are full.
    pub fn of_full<'a>(listeners: impl IntoIterator<Item = &'a SockRow>) -> Self {
        let is_full = |row: &&SockRow| row.rqueue > row.wqueue;
        let full = listeners.into_iter().filter(is_full);
        let wanted: HashSet<u64> = full.filter_map(|row| row.inode).collect();
        let mut activities = Self::default();
        if wanted.is_empty() {
            return activities;
        }
        let query = Query {
            wanted: Some(&wanted),
            ..Query::default()
        };
        let found = holders::scan(&query).unwrap_or_default();
        let pids: HashSet<u32> = found.pairs().iter().map(|(_, pid)| *pid).collect();
        activities.begin(pids.into_iter());
        activities
    }

    /// Looks at those of these processes that were not looked at before.
    fn begin(&mut self, pids: impl Iterator<Item = u32>) {
        let mounts = Mounts::read();
        for pid in pids {
            if self.first.len() >= MOST_PROCESSES {
                return;
            }
            if self.first.contains_key(&pid) {
                continue;
            }
            if let Some(reading) = Reading::take(pid, &mounts) {
                self.first.insert(pid, (Instant::now(), reading));
            }
        }
    }

    /// The second look, at the processes that hold a listener of `snapshot` which is full, or of which
    /// `is_refusing` says, by its namespace and itself, that it refuses clients. Fills in
    /// [`Snapshot::activities`].
    pub fn explain(mut self, snapshot: &mut Snapshot, is_refusing: impl Fn(u32, &Socket) -> bool) {
        let is_hurt = |netns: u32, socket: &Socket| {
            let is_full = socket.receive_queue > socket.send_queue;
            socket.state == TcpState::Listen && (is_full || is_refusing(netns, socket))
        };
        let mut hurt = Vec::new();
        for space in &snapshot.spaces {
            let here = space.sockets.iter();
            hurt.extend(here.filter(|socket| is_hurt(space.netns, socket)));
        }
        // Where there are too many, the longest queues hold most clients.
        hurt.sort_by_key(|socket| std::cmp::Reverse(socket.receive_queue));
        let inodes: HashSet<u64> = hurt.iter().filter_map(|socket| socket.inode).collect();
        let mut seen = HashSet::new();
        let wanted: Vec<Arc<Process>> = hurt
            .iter()
            .flat_map(|socket| &socket.holders)
            .filter(|process| seen.insert(process.pid))
            .take(MOST_PROCESSES)
            .cloned()
            .collect();
        if wanted.is_empty() {
            return;
        }
        let is_new = |process: &&Arc<Process>| !self.first.contains_key(&process.pid);
        let new: Vec<u32> = wanted.iter().filter(is_new).map(|one| one.pid).collect();
        if !new.is_empty() {
            self.first
                .retain(|pid, _| wanted.iter().any(|process| process.pid == *pid));
            self.begin(new.into_iter());
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let mounts = Mounts::read();
        for process in wanted {
            if let Some((at, first)) = self.first.get(&process.pid)
                && let Some(second) = Reading::take(process.pid, &mounts)
                && let Some(mut activity) = activity(&process, first, &second, *at, &inodes)
            {
                for call in activity.threads.iter_mut().flat_map(|one| &mut one.call) {
                    call.peer = peer(&snapshot.spaces, call);
                }
                snapshot.activities.push(Arc::new(activity));
            }
        }
    }
}

/// The remote end of the connection that a call is about.
fn peer(spaces: &[Space], call: &Call) -> Option<Endpoint> {
    let inode = holders::parse_socket_link(call.file.as_ref()?.as_bytes())?;
    let sockets = spaces.iter().flat_map(|space| &space.sockets);
    sockets
        .filter(|socket| socket.inode == Some(inode))
        .find_map(|socket| socket.remote)
}

/// What happened between two readings; `None`: the number was given to another process since.
fn activity(
    process: &Arc<Process>,
    first: &Reading,
    second: &Reading,
    first_at: Instant,
    inodes: &HashSet<u64>,
) -> Option<Activity> {
    let is_same = first.start_ticks == second.start_ticks
        && process
            .start_ticks
            .is_none_or(|start| start == second.start_ticks);
    if !is_same {
        return None;
    }
    let looked = first_at.elapsed();
    let pid = process.pid;
    let (open_files, open_files_limit) = process::open_files(pid);
    Some(Activity {
        process: Arc::clone(process),
        parent: second.parent,
        looked_ms: u64::try_from(looked.as_millis()).unwrap_or(u64::MAX),
        tracer: process::tracer(pid),
        cpu_ms: Some(second.cpu_ms.saturating_sub(first.cpu_ms)),
        thread_count: second.thread_count,
        threads: second
            .threads
            .iter()
            .map(|thread| {
                let before = first.threads.iter().find(|one| one.tid == thread.tid);
                process::thread(pid, thread, before)
            })
            .collect(),
        open_files,
        open_files_limit,
        cgroup: cgroups::between(&first.cgroups, &second.cgroups),
        watched: process::watched(pid, inodes),
    })
}
