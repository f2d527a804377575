//! What the programs remember of listeners, by the inode of their file: the backlog they were given,
//! and how long connections waited for accept(). Reads maps, knows no socket.

use std::collections::BTreeMap;

use anyhow::Context;
use aya::maps::{HashMap, Map, MapData};
use tcptrace_common::names;
use tcptrace_common::waits::{self, upper_us};

use crate::model::snapshot::{Accepts, Waits};

/// The maps of listeners.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Listens {
    backlogs: HashMap<MapData, u64, u32>,
    waits: HashMap<MapData, u64, waits::Waits>,
}

impl Listens {
    /// Takes its maps; the programs keep writing to them.
    ///
    /// # Errors
    /// When a map is missing.
    pub fn open(maps: &mut BTreeMap<String, Map>) -> anyhow::Result<Self> {
        let mut take = |name: &str| maps.remove(name).with_context(|| format!("no map {name}"));
        Ok(Self {
            backlogs: HashMap::try_from(take(names::BACKLOGS)?)?,
            waits: HashMap::try_from(take(names::WAITS)?)?,
        })
    }

    /// What listen() was given; `None` where that was not seen.
    pub fn backlog(&self, inode: u64) -> Option<u32> {
        self.backlogs.get(&inode, 0).ok()
    }

    /// The accepts of a listener so far.
    pub fn accepts(&self, inode: u64) -> Accepts {
        self.waits
            .get(&inode, 0)
            .map_or_else(|_| Accepts::default(), |waits| accepts(&waits))
    }

    /// Forgets the accepts of listeners that are gone, to make room.
    pub fn keep(&mut self, is_there: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self
            .waits
            .keys()
            .filter_map(Result::ok)
            .filter(|inode| !is_there(*inode))
            .collect();
        for inode in gone {
            // Gone already is as good.
            let _gone = self.waits.remove(&inode);
        }
    }
}

fn accepts(waits: &waits::Waits) -> Accepts {
    // The buckets are counted after the total: their own sum is what they can be asked for.
    let total: u64 = waits.buckets.iter().map(|count| u64::from(*count)).sum();
    Accepts {
        measured: waits.measured,
        older: waits.older,
        waits: (total > 0).then(|| Waits {
            p50_us: percentile(waits, total, 50).min(waits.max_us),
            p99_us: percentile(waits, total, 99).min(waits.max_us),
            max_us: waits.max_us,
        }),
        last_ns: (waits.last_ns > 0).then_some(waits.last_ns),
    }
}

/// The least bound that so many percent of the waits do not exceed.
fn percentile(waits: &waits::Waits, total: u64, percent: u64) -> u64 {
    let needed = (total * percent).div_ceil(100);
    let mut sum = 0;
    for (bucket, count) in waits.buckets.iter().enumerate() {
        sum += u64::from(*count);
        if sum >= needed {
            return upper_us(bucket);
        }
    }
    waits.max_us
}

#[cfg(test)]
mod tests {
    use tcptrace_common::waits::bucket_of;

    use super::*;

    fn after(waited_us: &[u64]) -> Accepts {
        let mut waits = waits::Waits {
            last_ns: 77,
            ..waits::Waits::EMPTY
        };
        for wait in waited_us {
            waits.buckets[bucket_of(*wait)] += 1;
            waits.measured += 1;
            waits.max_us = waits.max_us.max(*wait);
        }
        accepts(&waits)
    }

    #[test]
    fn percentiles_bound_the_waits_from_above() {
        let mut waited: Vec<u64> = vec![100; 98];
        waited.extend([50_000, 2_000_000]);
        let found = after(&waited);
        let waits = found.waits.unwrap();
        assert_eq!(found.measured, 100);
        assert!((100..=125).contains(&waits.p50_us), "{waits:?}");
        assert!((50_000..=62_500).contains(&waits.p99_us), "{waits:?}");
        assert_eq!(waits.max_us, 2_000_000);
        assert_eq!(found.last_ns, Some(77));
    }

    #[test]
    fn a_bound_is_never_above_the_longest_wait() {
        let waits = after(&[1000]).waits.unwrap();
        assert_eq!(
            (waits.p50_us, waits.p99_us, waits.max_us),
            (1000, 1000, 1000)
        );
    }

    #[test]
    fn nothing_accepted_is_no_wait_of_zero() {
        assert_eq!(accepts(&waits::Waits::EMPTY), Accepts::default());
        assert_eq!(Accepts::default().waits, None);
    }
}
