//! How often something happened in each of the last 60 seconds, in 60 places.
//!
//! Seconds are those of the boot clock of the input, so a recording shows the rates it had. Input that is older than a
//! minute is not counted.

/// Seconds kept.
pub(in crate::tui) const SPAN: usize = 60;
/// Seconds that the rate of now is the mean of, the running one included.
const RECENT: u64 = 5;
const SECOND_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The youngest second there is a place for.
    last: u64,
    places: [u32; SPAN],
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            last: 0,
            places: [0; SPAN],
        }
    }
}

/// The place of a second.
const fn place(second: u64) -> usize {
    (second % SPAN as u64) as usize
}

impl Rate {
    /// It happened `count` times at that moment.
    pub fn add(&mut self, boot_ns: u64, count: u64) {
        let second = boot_ns / SECOND_NS;
        if second > self.last {
            let passed = (second - self.last).min(SPAN as u64);
            for gone in 0..passed {
                self.places[place(second - gone)] = 0;
            }
            self.last = second;
        }
        if self.last - second < SPAN as u64 {
            let place = &mut self.places[place(second)];
            *place = place.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    fn in_second(&self, second: u64) -> u32 {
        let is_kept = second <= self.last && self.last - second < SPAN as u64;
        if is_kept {
            self.places[place(second)]
        } else {
            0
        }
    }

    /// How often a second, now: the mean of the last seconds since `begin_ns`.
    pub fn per_second(&self, now_ns: u64, begin_ns: u64) -> f64 {
        let now = now_ns / SECOND_NS;
        let from = now.saturating_sub(RECENT - 1);
        let sum: u64 = (from..=now).map(|s| u64::from(self.in_second(s))).sum();
        let from_ns = (from * SECOND_NS).max(begin_ns);
        // A moment after the begin nothing can be said yet: the sum is then the best guess.
        let passed_ns = now_ns.saturating_sub(from_ns).max(SECOND_NS);
        sum as f64 * SECOND_NS as f64 / passed_ns as f64
    }

    /// The last minute, the oldest second first, the running one last.
    pub fn minute(&self, now_ns: u64) -> [u32; SPAN] {
        let now = now_ns / SECOND_NS;
        let mut minute = [0; SPAN];
        for (back, count) in minute.iter_mut().rev().enumerate() {
            if let Some(second) = now.checked_sub(back as u64) {
                *count = self.in_second(second);
            }
        }
        minute
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = SECOND_NS;

    #[test]
    fn the_rate_is_the_mean_of_the_last_seconds() {
        let mut rate = Rate::default();
        for second in 100..110 {
            rate.add(second * S, 10);
        }
        let now = 109 * S + S / 2;
        // Five places of ten each in 4.5 s.
        assert!((rate.per_second(now, 0) - 50.0 / 4.5).abs() < 1e-9);
        assert!(rate.per_second(now + 10 * S, 0) < f64::EPSILON);
    }

    #[test]
    fn a_run_that_has_just_begun_is_not_diluted() {
        let mut rate = Rate::default();
        rate.add(100 * S, 7);
        assert!((rate.per_second(100 * S + S / 2, 100 * S) - 7.0).abs() < 1e-9);
        assert!((rate.per_second(101 * S + S, 100 * S) - 3.5).abs() < 1e-9);
    }

    #[test]
    fn a_minute_forgets_what_is_older() {
        let mut rate = Rate::default();
        rate.add(10 * S, 1);
        rate.add(69 * S, 2);
        assert_eq!(rate.minute(69 * S)[0], 1);
        assert_eq!(rate.minute(69 * S)[59], 2);
        rate.add(70 * S, 3);
        assert_eq!(rate.minute(70 * S)[58..], [2, 3]);
        assert_eq!(rate.minute(70 * S).iter().sum::<u32>(), 5);
        rate.add(10 * S, 9);
        assert_eq!(rate.minute(70 * S).iter().sum::<u32>(), 5);
    }

    proptest! {
        #[test]
        fn a_minute_is_the_same_as_counting_by_hand(
            reported in proptest::collection::vec((0_u64..200, 1_u64..5), 0..60)
        ) {
            let mut rate = Rate::default();
            let mut reported = reported;
            reported.sort_unstable();
            for (second, count) in &reported {
                rate.add(second * S, *count);
            }
            let now = reported.last().map_or(0, |(second, _)| *second);
            let by_hand: u64 = reported.iter().filter(|(s, _)| s + 60 > now).map(|(_, c)| c).sum();
            prop_assert_eq!(rate.minute(now * S).iter().map(|c| u64::from(*c)).sum::<u64>(), by_hand);
        }

        #[test]
        fn no_moment_is_too_odd(reported: Vec<(u64, u64)>, now: u64, begin: u64) {
            let mut rate = Rate::default();
            for (at, count) in reported {
                rate.add(at, count);
            }
            prop_assert!(rate.per_second(now, begin).is_finite());
            rate.minute(now);
        }
    }
}
