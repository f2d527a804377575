//! How much time may go into look-ups in /proc, and so into waiting for them.

use std::time::{Duration, Instant};

/// Look-ups per second among processes that are likely; each takes some 50 us for a process with a few
/// descriptors.
pub(super) const LIKELY_PER_SECOND: u32 = 1000;
/// Walks through all of /proc per second; each takes a millisecond for 500 processes.
pub(super) const WALKS_PER_SECOND: u32 = 4;
/// Time per second for each of the two: where processes have many descriptors a single look-up takes
/// milliseconds. Each has its own, so that a long walk does not keep a likely process from being asked.
const TIME_PER_SECOND: Duration = Duration::from_millis(100);
const SECOND_NS: u64 = 1_000_000_000;

/// What is left of this second's.
#[derive(Debug)]
pub(super) struct Budget {
    /// Of a second, for each of the two.
    pub(super) time_per_second: Duration,
    second: u64,
    pub(super) likely: u32,
    pub(super) walks: u32,
    spent_on_likely: Duration,
    spent_on_walks: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            time_per_second: TIME_PER_SECOND,
            second: 0,
            likely: 0,
            walks: 0,
            spent_on_likely: Duration::ZERO,
            spent_on_walks: Duration::ZERO,
        }
    }
}

impl Budget {
    /// Whether a new second of the boot clock has begun, and with it a new budget. A walk that took
    /// longer than a second's time is paid for by the seconds that follow.
    pub(super) fn turn(&mut self, now_ns: u64) -> bool {
        let second = now_ns / SECOND_NS;
        if second == self.second {
            return false;
        }
        let seconds = u32::try_from(second.saturating_sub(self.second)).unwrap_or(u32::MAX);
        let regained = self.time_per_second.saturating_mul(seconds);
        self.spent_on_likely = self.spent_on_likely.saturating_sub(regained);
        self.spent_on_walks = self.spent_on_walks.saturating_sub(regained);
        self.second = second;
        self.likely = 0;
        self.walks = 0;
        true
    }

    /// Looks among likely processes, if the budget allows.
    pub(super) fn likely<T>(&mut self, look: impl FnOnce() -> T) -> Option<T> {
        if self.likely >= LIKELY_PER_SECOND || self.spent_on_likely >= self.time_per_second {
            return None;
        }
        self.likely += 1;
        Some(timed(&mut self.spent_on_likely, look))
    }

    /// Walks through all of /proc, if the budget allows.
    pub(super) fn walk<T>(&mut self, look: impl FnOnce() -> T) -> Option<T> {
        if self.walks >= WALKS_PER_SECOND || self.spent_on_walks >= self.time_per_second {
            return None;
        }
        self.walks += 1;
        Some(timed(&mut self.spent_on_walks, look))
    }

    /// A walk took so much longer than it was waited for.
    pub(super) fn walk_took(&mut self, took: Duration) {
        self.spent_on_walks = self.spent_on_walks.saturating_add(took);
    }
}

/// Adds the time that `look` takes to `spent`.
fn timed<T>(spent: &mut Duration, look: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let answer = look();
    *spent = spent.saturating_add(begin.elapsed());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_walk_is_paid_for_by_the_seconds_that_follow() {
        let mut budget = Budget::default();
        let walk = || std::thread::sleep(TIME_PER_SECOND * 2 + TIME_PER_SECOND / 4);
        assert!(budget.walk(walk).is_some());
        assert!(budget.walk(|| ()).is_none());
        assert!(
            budget.likely(|| ()).is_some(),
            "a likely process costs little"
        );
        assert!(budget.turn(SECOND_NS) && !budget.turn(SECOND_NS + 1));
        assert!(budget.walk(|| ()).is_none());
        assert!(budget.turn(2 * SECOND_NS));
        assert!(budget.likely(|| ()).is_some() && budget.walk(|| ()).is_some());
    }
}
