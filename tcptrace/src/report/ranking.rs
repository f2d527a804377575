//! Who has the most, in bounded memory.
//!
//! When there are too many the lighter half goes, and is counted. What is left is exact unless a key
//! went and came back; then it has at least what is said. The same input gives the same result.

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashTable};

/// How much a value counts.
pub(super) trait Weight {
    /// The heavier stays.
    fn weight(&self) -> u64;
}

impl Weight for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

/// Values by key.
#[derive(Clone, Debug)]
pub(super) struct Ranking<K, V> {
    table: HashTable<(K, V)>,
    hasher: FixedState,
    most: usize,
    /// Keys that went, one that came back counted again.
    gone: u64,
    gone_weight: u64,
}

impl<K: Hash + Eq + Ord, V: Weight + Default> Ranking<K, V> {
    /// Holds at most so many keys, 2 or more.
    pub(super) fn of(most: usize) -> Self {
        Self {
            table: HashTable::new(),
            hasher: FixedState::default(),
            most: most.max(2),
            gone: 0,
            gone_weight: 0,
        }
    }

    /// The value of a key, a new one if need be.
    pub(super) fn at<Q>(&mut self, key: &Q, own: impl FnOnce() -> K) -> &mut V
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        if self.table.len() >= self.most {
            let is_known = self.table.find(hash, |(known, _)| key.equivalent(known));
            if is_known.is_none() {
                self.halve();
            }
        }
        let hasher = &self.hasher;
        let entry = self.table.entry(
            hash,
            |(known, _)| key.equivalent(known),
            |(known, _)| hasher.hash_one(known),
        );
        let (_, value) = entry.or_insert_with(|| (own(), V::default())).into_mut();
        value
    }

    /// The value of a key that is held.
    pub(super) fn find<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |(known, _)| key.equivalent(known));
        found.map(|(_, value)| value)
    }

    fn halve(&mut self) {
        let mut weights: Vec<u64> = self.table.iter().map(|(_, value)| value.weight()).collect();
        weights.sort_unstable();
        let middle = weights.len() / 2;
        let limit = weights.get(middle).copied().unwrap_or(0);
        let mut equal_ones = weights[..middle].iter().filter(|w| **w == limit).count();
        let (mut gone, mut gone_weight) = (0_u64, 0_u64);
        self.table.retain(|(_, value)| {
            let weight = value.weight();
            let stays = weight > limit || (weight == limit && equal_ones == 0);
            if !stays {
                if weight == limit {
                    equal_ones -= 1;
                }
                gone += 1;
                gone_weight = gone_weight.saturating_add(weight);
            }
            stays
        });
        self.gone += gone;
        self.gone_weight = self.gone_weight.saturating_add(gone_weight);
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All that is held, the heaviest first, equal ones by their keys.
    pub(super) fn sorted(&self) -> Vec<(&K, &V)> {
        let mut all: Vec<(&K, &V)> = self.table.iter().map(|(key, value)| (key, value)).collect();
        all.sort_by(|(a_key, a), (b_key, b)| {
            (Reverse(a.weight()), *a_key).cmp(&(Reverse(b.weight()), *b_key))
        });
        all
    }

    /// The first of [`Self::sorted`], and what is behind them.
    pub(super) fn top(&self, count: usize) -> Top<'_, K, V> {
        let mut rows = self.sorted();
        let behind = rows.split_off(count.min(rows.len()));
        let weight: u64 = behind
            .iter()
            .map(|(_, value)| value.weight())
            .fold(self.gone_weight, u64::saturating_add);
        Top {
            rows,
            others: behind.len() as u64 + self.gone,
            others_weight: weight,
            is_exact: self.gone == 0,
        }
    }
}

/// The heaviest.
pub(super) struct Top<'a, K, V> {
    /// The heaviest first.
    pub(super) rows: Vec<(&'a K, &'a V)>,
    /// How many keys are not among them.
    pub(super) others: u64,
    /// What those have together.
    pub(super) others_weight: u64,
    /// Whether all keys were kept: if not, `others` may count one twice, and a row may have more.
    pub(super) is_exact: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(most: usize, keys: impl IntoIterator<Item = u32>) -> Ranking<u32, u64> {
        let mut ranking = Ranking::of(most);
        for key in keys {
            *ranking.at(&key, || key) += 1;
        }
        ranking
    }

    #[test]
    fn the_heaviest_come_first_and_equal_ones_by_key() {
        let ranking = ranking(10, [5, 1, 7, 1, 5, 9]);
        let top = ranking.top(3);
        assert_eq!(top.rows, [(&1, &2), (&5, &2), (&7, &1)]);
        assert_eq!((top.others, top.others_weight, top.is_exact), (1, 1, true));
    }

    #[test]
    fn a_flood_of_keys_leaves_the_heavy_ones_and_is_counted() {
        let flood = (0..10_000).flat_map(|key| [key, 70_000]);
        let ranking = ranking(64, flood);
        assert!(ranking.table.len() <= 64);
        let top = ranking.top(1);
        assert_eq!(top.rows, [(&70_000, &10_000)]);
        assert_eq!((top.others, top.others_weight), (10_000, 10_000));
        assert!(!top.is_exact);
    }

    #[test]
    fn keys_of_one_weight_do_not_all_go_at_once() {
        let ranking = ranking(8, 0..9);
        assert_eq!(ranking.table.len(), 5);
        assert_eq!(ranking.top(0).others, 9);
    }
}
