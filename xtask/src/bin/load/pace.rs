//! Operations at a given rate, and the clock that events bear.

use std::time::{Duration, Instant};

/// Lets operations through one by one.
pub(crate) struct Pace {
    next: Option<(Instant, Duration)>,
}

impl Pace {
    /// So many a second, shared by so many threads; `None` = no bound.
    pub(crate) fn new(rate: Option<u32>, threads: usize) -> Self {
        let threads = u32::try_from(threads).unwrap_or(1);
        let step = |rate: u32| Duration::from_secs(1) * threads / rate.max(1);
        Self {
            next: rate.map(|rate| (Instant::now(), step(rate))),
        }
    }

    /// Waits for the next turn; whether there are turns at all.
    pub(crate) fn wait(&mut self) -> bool {
        let Some((next, step)) = &mut self.next else {
            return false;
        };
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        *next += *step;
        true
    }
}

/// The boot clock, ns: the clock of events.
pub(crate) fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
