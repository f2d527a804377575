//! Processes that are followed with their descendants: kept by the kernel side, which adds each
//! child at its fork, so that even the shortest-lived one belongs.
//!
//! The map is keyed by number and holds the start of the process: both together are its identity, and
//! a stranger who was given the number later is none of them. A process joins at its fork or never:
//! who was found to be a stranger once need not be asked for again, which would cost a system call for
//! each incident of theirs.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use aya::maps::{HashMap, Map, MapData};
use foldhash::fast::RandomState;
use tcptrace_common::names;

/// Other processes remembered; beyond this the table is cleared.
const MOST: usize = 65_536;

/// The set, as the kernel side grows it.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Followed {
    /// Start in clock ticks since boot, by number in our PID namespace.
    map: HashMap<MapData, u32, u64>,
    roots: HashSet<(u32, u64)>,
    strangers: HashSet<(u32, u64), RandomState>,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followed")
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

impl Followed {
    /// Takes its map and puts the first processes in, each as (pid, start in clock ticks since boot).
    ///
    /// # Errors
    /// When the map is missing or full.
    pub fn open(
        maps: &mut BTreeMap<String, Map>,
        roots: impl IntoIterator<Item = (u32, u64)>,
    ) -> anyhow::Result<Self> {
        let map = maps
            .remove(names::FOLLOWED)
            .context("no map of followed processes")?;
        let mut followed = Self {
            map: HashMap::<_, u32, u64>::try_from(map)?,
            roots: HashSet::new(),
            strangers: HashSet::default(),
        };
        for (pid, start_ticks) in roots {
            followed.add(pid, start_ticks)?;
        }
        Ok(followed)
    }

    /// Follows one more process, and the children that it forks from now on; false when it is followed
    /// already.
    ///
    /// # Errors
    /// When the map is full.
    pub fn add(&mut self, pid: u32, start_ticks: u64) -> anyhow::Result<bool> {
        self.map
            .insert(pid, start_ticks, 0)
            .context("too many processes to follow")?;
        Ok(self.roots.insert((pid, start_ticks)))
    }

    /// Those that were put in, as (pid, start in clock ticks since boot).
    pub fn roots(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.roots.iter().copied()
    }

    /// Whether a process is one of them, or descends from one.
    pub fn contains(&mut self, pid: u32, start_ticks: u64) -> bool {
        let identity = (pid, start_ticks);
        if self.roots.contains(&identity) {
            return true;
        }
        if self.strangers.contains(&identity) {
            return false;
        }
        if self
            .map
            .get(&pid, 0)
            .is_ok_and(|start| start == start_ticks)
        {
            return true;
        }
        if self.strangers.len() >= MOST {
            self.strangers.clear();
        }
        self.strangers.insert(identity);
        false
    }
}
