//! Processes that are followed with their descendants: kept by the kernel side, which adds each
//! child at its fork, so that even the shortest-lived one belongs.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context;
use aya::maps::{HashMap, Map, MapData};
use tcptrace_common::names;

/// The set, as the kernel side grows it.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Followed {
    map: HashMap<MapData, u32, u8>,
    roots: HashSet<u32>,
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
        })
    }

    /// Whether a process is one of them, or descends from one.
    pub fn contains(&mut self, pid: u32) -> bool {
        self.roots.contains(&pid) || self.map.get(&pid, 0).is_ok()
    }
}
