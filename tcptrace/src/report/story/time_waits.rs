//! How many TIME_WAIT entries there were, and who made and lost them.

use crate::model::incident::TimeWaitPhase;
use crate::model::{Incident, Sample, What};
use crate::report::bins::{Grid, Peak, Series};
use crate::report::ranking::{Ranking, Weight};
use crate::report::who::{Members, Who, WhoRef};

/// Namespaces and programs distinguished at most.
const MOST: usize = 512;

/// The entries of a network namespace.
#[derive(Debug, Default)]
pub(in crate::report) struct Entries {
    pub(in crate::report) over_time: Series<Peak>,
    pub(in crate::report) peak: u64,
    pub(in crate::report) last: Option<u64>,
    pub(in crate::report) limit: Option<u32>,
}

impl Weight for Entries {
    fn weight(&self) -> u64 {
        self.peak
    }
}

/// What a program did about TIME_WAIT, by phase.
#[derive(Debug, Default)]
pub(in crate::report) struct Phases {
    pub(in crate::report) members: Members,
    pub(in crate::report) by_phase: [u64; TimeWaitPhase::ALL.len()],
}

impl Weight for Phases {
    fn weight(&self) -> u64 {
        self.by_phase.iter().sum()
    }
}

/// All of it.
#[derive(Debug)]
pub(in crate::report) struct TimeWaits {
    pub(in crate::report) spaces: Ranking<u32, Entries>,
    pub(in crate::report) owners: Ranking<Who, Phases>,
    pub(in crate::report) by_phase: [u64; TimeWaitPhase::ALL.len()],
    pub(in crate::report) over_time: [Series<u64>; TimeWaitPhase::ALL.len()],
}

impl Default for TimeWaits {
    fn default() -> Self {
        Self {
            spaces: Ranking::of(MOST),
            owners: Ranking::of(MOST),
            by_phase: Default::default(),
            over_time: Default::default(),
        }
    }
}

impl TimeWaits {
    pub(super) fn sample(&mut self, sample: &Sample, grid: &Grid, wall_ns: i64) {
        for space in &sample.spaces {
            let Some(count) = space.time_wait_entries else {
                continue;
            };
            // A namespace that never has any needs no history.
            if count == 0 && self.spaces.find(&space.netns).is_none() {
                continue;
            }
            let entries = self.spaces.at(&space.netns, || space.netns);
            entries.over_time.put(grid, wall_ns, Peak(Some(count)));
            entries.peak = entries.peak.max(count);
            entries.last = Some(count);
            entries.limit = space.time_wait_limit.or(entries.limit);
        }
    }

    pub(super) fn incident(&mut self, incident: &Incident, grid: &Grid, wall_ns: i64) {
        let What::TimeWait { phase, .. } = &incident.what else {
            return;
        };
        let at = *phase as usize;
        let who = WhoRef::of(incident.owner.as_ref());
        let owner = self.owners.at(&who, || who.owned());
        if let Some(known) = &incident.owner {
            owner.members.join(&known.process);
        }
        owner.by_phase[at] += 1;
        self.by_phase[at] += 1;
        self.over_time[at].put(grid, wall_ns, 1);
    }
}
