//! A table that never holds more rows than it may: the coldest go, and how many went is known.
//!
//! The coldest are those without an incident for the longest time. An eighth of them goes at once, so
//! that looking for them costs little even where every incident brings a new row.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

#[derive(Clone, Debug)]
struct Entry<V> {
    touched: u64,
    value: V,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Bounded<K, V> {
    rows: HashMap<K, Entry<V>, RandomState>,
    most: usize,
    turn: u64,
    left_out: u64,
}

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    /// For at most so many rows.
    pub fn new(most: usize) -> Self {
        Self {
            rows: HashMap::default(),
            most: most.max(1),
            turn: 0,
            left_out: 0,
        }
    }

    /// The row, made where there is none; from now on it is the warmest.
    pub fn touch(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.turn += 1;
        let touched = self.turn;
        if self.rows.len() >= self.most && !self.rows.contains_key(&key) {
            self.cool();
        }
        let entry = self.rows.entry(key).or_insert_with(|| Entry {
            touched,
            value: make(),
        });
        entry.touched = touched;
        &mut entry.value
    }

    /// Takes out the coldest eighth.
    #[cold]
    fn cool(&mut self) {
        let mut turns: Vec<u64> = self.rows.values().map(|entry| entry.touched).collect();
        let going = (turns.len() / 8).max(1);
        let (_, warmest_of_them, _) = turns.select_nth_unstable(going - 1);
        let limit = *warmest_of_them;
        self.rows.retain(|_, entry| entry.touched > limit);
        self.left_out += going as u64;
    }

    /// The row of that key.
    pub fn find(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|entry| &entry.value)
    }

    /// Every row, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.values().map(|entry| &entry.value)
    }

    /// How many rows went since the last [`Self::clear`]. One that came back was counted when it
    /// went.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.left_out = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coldest_go_first_and_are_counted() {
        let mut table = Bounded::new(16);
        for key in 0..16 {
            table.touch(key, || key);
        }
        table.touch(0, || 99);
        table.touch(16, || 16);
        let mut keys: Vec<i32> = table.values().copied().collect();
        keys.sort_unstable();
        // 1 and 2 were the coldest: 0 had been touched again.
        let left: Vec<i32> = [0].into_iter().chain(3..=16).collect();
        assert_eq!(keys, left);
        assert_eq!(table.left_out(), 2);
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        for most in [1, 2, 7, 100] {
            let mut table = Bounded::new(most);
            for key in 0..1000_u64 {
                table.touch(key % 333, || ());
                assert!(table.values().count() <= most);
            }
        }
    }
}
