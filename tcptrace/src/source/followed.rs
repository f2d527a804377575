//! Processes that are followed with their descendants: kept by the kernel side, which adds each
//! child at its fork, so that even the shortest-lived one belongs.
//!
//! A process joins at its fork or never: who was found to be a stranger once need not be asked for
//! again, which would cost a system call for each incident of theirs.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use aya::maps::{HashMap, Map, MapData};
use foldhash::fast::RandomState;
use tcptrace_common::names;

/// Strangers remembered; beyond this they are learnt anew.
const MOST: usize = 65_536;

/// The set, as the kernel side grows it.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Followed {
    map: HashMap<MapData, u32, u8>,
    roots: HashSet<u32>,
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
    /// Takes its map and puts the first processes in.
    ///
    /// # Errors
    /// When the map is missing or full.
    pub fn open(maps: &mut BTreeMap<String, Map>, roots: &HashSet<u32>) -> anyhow::Result<Self> {
        let map = maps
            .remove(names::FOLLOWED)
            .context("no map of followed processes")?;
        let mut map = HashMap::<_, u32, u8>::try_from(map)?;
        for pid in roots {
            map.insert(pid, 1, 0)
                .context("cannot follow so many processes")?;
        }
        Ok(Self {
            map,
            roots: roots.clone(),
            strangers: HashSet::default(),
        })
    }

    /// Whether a process is one of them, or descends from one. It is known by its pid and start;
    /// without the start it may be another one next time.
    pub fn contains(&mut self, pid: u32, start_ticks: Option<u64>) -> bool {
        if self.roots.contains(&pid) {
            return true;
        }
        let identity = start_ticks.map(|start| (pid, start));
        if identity.is_some_and(|identity| self.strangers.contains(&identity)) {
            return false;
        }
        if self.map.get(&pid, 0).is_ok() {
            return true;
        }
        if self.strangers.len() >= MOST {
            self.strangers.clear();
        }
        self.strangers.extend(identity);
        false
    }
}
