//! Network namespaces that are watched: their counters at both ends of the run.

use std::collections::HashMap;

use rustix::time::{ClockId, clock_gettime};

use crate::recording::{self, Standing};
use crate::source::mib::{Counters, delta};
use crate::source::netns;

/// Namespaces whose counters are read; a host with more is reconciled for these only.
const MOST: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Namespaces {
    watched: Vec<u32>,
    before: HashMap<u32, Counters>,
    after: HashMap<u32, Counters>,
    /// Namespaces that could not be read, or were too many.
    pub(super) unread: u32,
    start_ns: u64,
    end_ns: u64,
    /// A recording says that one ended with its counters.
    has_gone: bool,
}

/// The groups of counters that tell of TCP.
const RECORDED: [&str; 2] = ["Tcp.", "TcpExt."];

impl Namespaces {
    /// As they were when a recording began and when it ended; without an end nothing can be compared.
    pub(super) fn recorded(start: &Standing, end: Option<&Standing>) -> Self {
        let all = |standing: &Standing| -> HashMap<u32, Counters> {
            let spaces = standing.counters.iter();
            spaces
                .map(|(inode, counters)| (*inode, counters.clone().into_iter().collect()))
                .collect()
        };
        Self {
            watched: Vec::new(),
            before: end.map_or_else(HashMap::new, |_| all(start)),
            after: end.map_or_else(HashMap::new, all),
            unread: end.map_or(start.unread, |end| end.unread.max(start.unread)),
            start_ns: start.boot_ns,
            end_ns: end.map_or(start.boot_ns, |end| end.boot_ns),
            has_gone: end.is_some_and(|end| end.has_gone),
        }
    }

    /// The counters of TCP as they were read last.
    pub(super) fn readings(&self) -> std::collections::BTreeMap<u32, recording::Counters> {
        let last = if self.after.is_empty() {
            &self.before
        } else {
            &self.after
        };
        let of_tcp = |name: &str| RECORDED.iter().any(|group| name.starts_with(group));
        let spaces = last.iter().map(|(inode, counters)| {
            let counters = counters.iter().filter(|(name, _)| of_tcp(name));
            let counters = counters.map(|(name, value)| (name.to_owned(), value));
            (*inode, counters.collect())
        });
        spaces.collect()
    }

    /// Whether one of these namespaces ended with its counters.
    pub(super) fn has_gone(&self, mut with_events: impl Iterator<Item = u32>) -> bool {
        self.has_gone || with_events.any(|inode| !self.is_read(inode))
    }

    /// Reads the counters; `watched` empty = all.
    pub(super) fn begin(watched: &[u32]) -> Self {
        let mut all = Self {
            watched: watched.to_vec(),
            before: HashMap::new(),
            after: HashMap::new(),
            unread: 0,
            start_ns: 0,
            end_ns: 0,
            has_gone: false,
        };
        let (counters, unread) = all.read();
        all.before = counters;
        all.unread = unread;
        all.start_ns = boot_ns();
        all
    }

    /// Reads them again.
    pub(super) fn end(&mut self) {
        self.end_ns = boot_ns();
        let (counters, unread) = self.read();
        self.after = counters;
        self.unread = self.unread.max(unread);
    }

    /// Reads them while the run goes on.
    pub(super) fn look(&mut self) {
        let (counters, unread) = self.read();
        self.after = counters;
        self.unread = unread;
    }

    pub(super) fn start_ns(&self) -> u64 {
        self.start_ns
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// Whether any counters could be read.
    pub(super) fn is_known(&self) -> bool {
        !self.before.is_empty()
    }

    /// Namespaces that were there at the end, and how much a counter rose in each. One that came
    /// meanwhile began at 0.
    pub(super) fn rises<'a>(&'a self, counter: &'a str) -> impl Iterator<Item = (u32, u64)> + 'a {
        self.after.iter().filter_map(move |(inode, after)| {
            let rise = match self.before.get(inode) {
                Some(before) => u64::try_from(delta(before, after).value(counter)?).ok()?,
                None => after.value(counter)?,
            };
            Some((*inode, rise))
        })
    }

    /// Whether the namespace's counters were there at the end.
    fn is_read(&self, inode: u32) -> bool {
        self.after.contains_key(&inode)
    }

    fn read(&self) -> (HashMap<u32, Counters>, u32) {
        let found = if self.watched.is_empty() {
            netns::scan().map(|scan| scan.found).unwrap_or_default()
        } else {
            let find = |inode: &u32| netns::find(u64::from(*inode)).ok().flatten();
            self.watched.iter().filter_map(find).collect()
        };
        let mut unread = 0;
        let mut counters = HashMap::new();
        for netns in &found {
            let Ok(inode) = u32::try_from(netns.inode) else {
                continue;
            };
            match (counters.len() < MOST).then(|| Counters::read(netns)) {
                Some(Ok(read)) => {
                    counters.insert(inode, read);
                }
                Some(Err(_)) | None => unread += 1,
            }
        }
        (counters, unread)
    }
}

/// The boot clock, ns.
pub(super) fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}
