//! The kernel's counters of the namespaces that are watched, at both ends of the run.

use std::collections::HashMap;

use crate::recording::{self, Standing};
use crate::source::mib::{Counters, delta};
use crate::survey::{self, CounterReading, Presence};

/// See the module.
#[derive(Debug)]
pub(super) struct KernelCounters {
    /// Which namespaces there were at the start.
    presence: Presence,
    before: HashMap<u32, Counters>,
    after: HashMap<u32, Counters>,
    /// Namespaces that could not be read, or were too many.
    pub(super) unread: u32,
    /// When the first reading began.
    begin_ns: u64,
    start_ns: u64,
    end_ns: u64,
    /// A recording says that one ended with its counters.
    has_gone: bool,
}

/// The counters of TCP, and others that explain them.
const RECORDED: [&str; 3] = ["Tcp.", "TcpExt.", "Ip6.OutNoRoutes"];

impl KernelCounters {
    /// As they were when a recording began and when it ended; without an end nothing can be compared.
    pub(super) fn recorded(start: &Standing, end: Option<&Standing>) -> Self {
        let all = |standing: &Standing| -> HashMap<u32, Counters> {
            let spaces = standing.counters.iter();
            spaces
                .map(|(inode, counters)| (*inode, counters.clone().into_iter().collect()))
                .collect()
        };
        let listed = start.counters.keys().copied().collect();
        Self {
            presence: if start.unread == 0 {
                Presence::of(listed)
            } else {
                Presence::unknown()
            },
            before: end.map_or_else(HashMap::new, |_| all(start)),
            after: end.map_or_else(HashMap::new, all),
            unread: end.map_or(start.unread, |end| end.unread.max(start.unread)),
            begin_ns: start.boot_ns,
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
        let read = survey::counters(watched);
        Self {
            presence: read.presence,
            before: read.counters,
            after: HashMap::new(),
            unread: read.unread,
            begin_ns: read.begin_ns,
            start_ns: read.boot_ns,
            end_ns: 0,
            has_gone: false,
        }
    }

    /// The run is over, from now on.
    pub(super) fn end(&mut self) {
        self.end_ns = survey::boot_ns();
    }

    /// Takes a later reading.
    pub(super) fn read(&mut self, reading: CounterReading) {
        let is_late =
            |netns: &&u32| !self.before.contains_key(*netns) && !self.presence.is_before(**netns);
        // Read now for the first time: how much they rose nobody knows.
        let late = reading.counters.keys().filter(is_late).count();
        let late = u32::try_from(late).unwrap_or(u32::MAX);
        self.unread = self.unread.max(reading.unread.saturating_add(late));
        self.after = reading.counters;
    }

    pub(super) fn begin_ns(&self) -> u64 {
        self.begin_ns
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

    /// Namespaces that were there at the end, and how much a counter rose in each. One that is
    /// certainly younger than the run began at 0; one that was only read late is left out.
    pub(super) fn rises<'a>(&'a self, counter: &'a str) -> impl Iterator<Item = (u32, u64)> + 'a {
        self.after.iter().filter_map(move |(inode, after)| {
            let rise = match self.before.get(inode) {
                Some(before) => u64::try_from(delta(before, after).value(counter)?).ok()?,
                None if self.presence.is_before(*inode) => after.value(counter)?,
                None => return None,
            };
            Some((*inode, rise))
        })
    }

    /// Whether [`Self::rises`] has the namespace.
    pub(super) fn is_compared(&self, inode: u32) -> bool {
        self.is_read(inode) && (self.before.contains_key(&inode) || self.presence.is_before(inode))
    }

    /// Whether the namespace's counters were there at the end.
    fn is_read(&self, inode: u32) -> bool {
        self.after.contains_key(&inode)
    }
}
