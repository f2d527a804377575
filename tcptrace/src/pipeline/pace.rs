//! When the ring is read again: at the next record, or after a tick.
//!
//! A wake-up costs the process that is watched as much as 200 records, so where records flow the
//! reader ticks; a record that comes alone is shown at once. Longer ticks for many records: a reading
//! costs us some 80 us even for one record (measured at 200 a second, most of it in the kernel), which
//! is then shared by more of them.

use std::time::Duration;

/// Wake-ups this short after the one before are a flow.
const HURRIED: Duration = Duration::from_millis(1);
/// So many of them in a row, and the reader ticks.
const HURRIED_MOST: u32 = 4;

/// The shortest tick, and the longest: a sixth of the time in which a million records a second
/// fill the default ring.
const TICK: Duration = Duration::from_millis(1);
const TICK_MOST: Duration = Duration::from_millis(4);
/// Records so close to each other are a flood, and a tick should bring so many of them: a small
/// part of the default ring.
const FLOOD: Duration = Duration::from_micros(64);
const WISHED: u32 = 512;

/// The longest tick for who draws a few times a second only: what comes at 1000 a second is then read
/// 50 times, and the default ring still holds ten times what a load has ever put there in between.
const TICK_PATIENT: Duration = Duration::from_millis(20);

/// What to do before the next reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// Sleep until a record wakes us.
    Sleep,
    /// Wait so long.
    Tick(Duration),
}

/// See the module. It gets the result of each reading and decides how long to pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    hurried: u32,
    is_patient: bool,
}

impl Pace {
    /// For who need not know at once: fewer readings, and no wake-up while records come.
    pub(super) const fn patient() -> Self {
        Self {
            hurried: 0,
            is_patient: true,
        }
    }

    /// After a reading that brought `taken` records, `since` after the one before.
    pub(super) fn next(&mut self, taken: usize, since: Duration) -> Pause {
        if self.is_patient {
            let Some(taken) = u32::try_from(taken).ok().filter(|taken| *taken > 0) else {
                return Pause::Sleep;
            };
            return Pause::Tick(
                (since / taken)
                    .saturating_mul(WISHED)
                    .clamp(TICK, TICK_PATIENT),
            );
        }
        let is_flow = taken > 0 && (since < HURRIED || self.hurried == HURRIED_MOST);
        self.hurried = if is_flow {
            HURRIED_MOST.min(self.hurried + 1)
        } else {
            0
        };
        if self.hurried < HURRIED_MOST {
            return Pause::Sleep;
        }
        let each = since / u32::try_from(taken).unwrap_or(u32::MAX);
        // What came within a fraction of a tick says nothing about the next one.
        if each > FLOOD || since < TICK / 2 {
            return Pause::Tick(TICK);
        }
        Pause::Tick((each * WISHED).clamp(TICK, TICK_MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// A pace that ticks.
    fn ticking() -> Pace {
        let mut pace = Pace::default();
        for _ in 0..HURRIED_MOST {
            pace.next(1, micros(100));
        }
        pace
    }

    #[test]
    fn records_that_come_alone_are_waited_for_asleep() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            assert_eq!(pace.next(1, micros(5000)), Pause::Sleep);
        }
    }

    #[test]
    fn a_short_burst_does_not_make_a_flow() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            assert_eq!(pace.next(1, micros(5000)), Pause::Sleep);
            assert_eq!(pace.next(3, micros(20)), Pause::Sleep);
            assert_eq!(pace.next(1, micros(20)), Pause::Sleep);
        }
    }

    #[test]
    fn a_flow_is_read_by_the_tick_until_it_runs_dry() {
        let mut pace = ticking();
        for _ in 0..10 {
            assert_eq!(pace.next(3, micros(1500)), Pause::Tick(TICK));
        }
        assert_eq!(pace.next(0, micros(1500)), Pause::Sleep);
        assert_eq!(pace.next(1, micros(100)), Pause::Sleep);
    }

    #[test]
    fn a_flood_makes_ticks_longer_and_a_fiercer_one_shorter_again() {
        let mut pace = ticking();
        assert_eq!(pace.next(100, micros(1000)), Pause::Tick(TICK_MOST));
        let tick = Pause::Tick(micros(2 * 512));
        assert_eq!(pace.next(2000, micros(4000)), tick);
        assert_eq!(pace.next(4096, micros(2000)), Pause::Tick(TICK));
    }

    #[test]
    fn a_moment_says_nothing_about_the_rate() {
        assert_eq!(ticking().next(40, micros(50)), Pause::Tick(TICK));
    }

    #[test]
    fn who_has_patience_is_woken_only_out_of_silence() {
        let mut pace = Pace::patient();
        assert_eq!(pace.next(1, micros(900_000)), Pause::Tick(TICK_PATIENT));
        assert_eq!(pace.next(20, micros(20_000)), Pause::Tick(TICK_PATIENT));
        assert_eq!(pace.next(2000, micros(20_000)), Pause::Tick(micros(5120)));
        assert_eq!(pace.next(4096, micros(1000)), Pause::Tick(TICK));
        assert_eq!(pace.next(0, micros(20_000)), Pause::Sleep);
    }

    #[test]
    fn any_reading_is_answered() {
        for taken in [0, 1, usize::MAX] {
            for since in [Duration::ZERO, Duration::MAX] {
                ticking().next(taken, since);
                Pace::patient().next(taken, since);
            }
        }
    }
}
