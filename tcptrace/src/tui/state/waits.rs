//! TIME_WAIT by the process that left it, and how full each namespace is of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::bounded::Bounded;
use super::count::{Count, Who, renew, who};
use super::latest::Numbered;
use crate::model::incident::TimeWaitPhase;
use crate::model::{Process, Sample, What};

/// Processes kept at most.
const MOST: usize = 512;
/// Pairs of process and peer kept at most.
const MOST_REMOTES: usize = 1024;

/// What a process left in TIME_WAIT.
#[derive(Clone, Debug, Default)]
pub struct WaitRow {
    /// Identity.
    pub who: Who,
    /// `None`: the owner is not known.
    pub process: Option<Arc<Process>>,
    /// Whatever happened.
    pub count: Count,
    /// Made.
    pub entered: u64,
    /// Gave way to a new connection.
    pub reused: u64,
    /// Ended.
    pub expired: u64,
    /// Could not be made.
    pub overflowed: u64,
}

impl WaitRow {
    /// Those whose begin was seen and whose end was not; `None` when more ends than begins were
    /// seen, since some are then older than the run.
    pub fn held(&self) -> Option<u64> {
        self.entered.checked_sub(self.reused + self.expired)
    }
}

/// To whom a process left TIME_WAITs.
#[derive(Clone, Debug)]
pub struct RemoteRow {
    /// Who left them.
    pub who: Who,
    /// The remote end's address.
    pub addr: IpAddr,
    /// How many.
    pub entered: u64,
}

/// How full a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceLevel {
    /// Inode number.
    pub netns: u32,
    /// Entries that exist; `None`: not reported.
    pub entries: Option<u64>,
    /// How many there may be.
    pub limit: Option<u32>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Waits {
    rows: Bounded<Who, WaitRow>,
    remotes: Bounded<(Who, IpAddr), RemoteRow>,
    levels: Vec<SpaceLevel>,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            rows: Bounded::new(MOST),
            remotes: Bounded::new(MOST_REMOTES),
            levels: Vec::new(),
        }
    }
}

impl Waits {
    pub(super) fn on(&mut self, numbered: &Numbered) {
        let incident = &*numbered.incident;
        let What::TimeWait { phase, .. } = &incident.what else {
            return;
        };
        let who = who(incident);
        let row = self.rows.touch(who, || WaitRow {
            who,
            ..WaitRow::default()
        });
        row.count.add(numbered);
        renew(&mut row.process, incident);
        match phase {
            TimeWaitPhase::Enter => row.entered += 1,
            TimeWaitPhase::Reuse => row.reused += 1,
            TimeWaitPhase::Overflow => row.overflowed += 1,
            TimeWaitPhase::Expire => row.expired += 1,
        }
        if let (TimeWaitPhase::Enter, Some(end)) = (phase, incident.flow.remote) {
            let make = || RemoteRow {
                who,
                addr: end.addr,
                entered: 0,
            };
            self.remotes.touch((who, end.addr), make).entered += 1;
        }
    }

    pub(super) fn look(&mut self, sample: &Sample) {
        self.levels.clear();
        self.levels
            .extend(sample.spaces.iter().map(|space| SpaceLevel {
                netns: space.netns,
                entries: space.time_wait_entries,
                limit: space.time_wait_limit,
            }));
        // Those that are not known come last.
        self.levels
            .sort_by_key(|level| (std::cmp::Reverse(level.entries), level.netns));
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &WaitRow> {
        self.rows.values()
    }

    /// Namespaces, the fullest first; empty before the first sample.
    pub fn levels(&self) -> &[SpaceLevel] {
        &self.levels
    }

    /// To whom one process left them, or all did: the most first.
    pub fn remotes(&self, of: Option<Who>) -> Vec<(IpAddr, u64)> {
        let mut found: Vec<(IpAddr, u64)> = Vec::new();
        let rows = self.remotes.values();
        for row in rows.filter(|row| of.is_none_or(|who| who == row.who)) {
            found.push((row.addr, row.entered));
        }
        found.sort_unstable();
        found.dedup_by(|next, first| {
            let is_same = next.0 == first.0;
            if is_same {
                first.1 += next.1;
            }
            is_same
        });
        found.sort_by_key(|(_, entered)| std::cmp::Reverse(*entered));
        found
    }

    /// How many rows went for room.
    pub fn left_out(&self) -> u64 {
        self.rows.left_out()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.remotes.clear();
    }
}
