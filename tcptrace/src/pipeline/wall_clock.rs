//! The wall clock may be set while a run lasts; events are stamped by the boot clock, which nobody sets.

use std::time::{Duration, Instant};

use super::Pipeline;
use crate::sink::Sink;
use crate::survey;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// What is no step but the inaccuracy of reading two clocks one after the other.
const LEAST_NS: u64 = 10_000_000;

/// How the wall clock stood to the boot clock when it was looked at last.
#[derive(Debug)]
pub(super) struct WallClock {
    boot_to_wall_ns: i64,
    looked: Option<Instant>,
}

impl WallClock {
    /// As it stands now.
    pub(super) fn begin() -> Self {
        Self {
            boot_to_wall_ns: survey::clock().boot_to_wall_ns,
            looked: None,
        }
    }

    /// By how much it was set since the last look, if it was: ns, positive forward.
    fn step(&mut self, boot_to_wall_ns: i64) -> Option<i64> {
        let step = boot_to_wall_ns.saturating_sub(self.boot_to_wall_ns);
        if step.unsigned_abs() < LEAST_NS {
            return None;
        }
        self.boot_to_wall_ns = boot_to_wall_ns;
        Some(step)
    }
}

impl<S: Sink> Pipeline<S> {
    /// Looks at the wall clock now and then: times of lines and the recording follow it.
    pub(super) fn follow_wall_clock(&mut self, now: Instant) {
        let clock = &mut self.wall_clock;
        if clock
            .looked
            .is_some_and(|looked| now.saturating_duration_since(looked) < EVERY)
        {
            return;
        }
        clock.looked = Some(now);
        let boot_to_wall_ns = survey::clock().boot_to_wall_ns;
        let Some(step_ns) = clock.step(boot_to_wall_ns) else {
            return;
        };
        self.delivery.set_clock(boot_to_wall_ns, step_ns);
        if let Some(tap) = &mut self.tap {
            tap.recorder
                .clock(boot_to_wall_ns, step_ns, survey::boot_ns());
        }
    }
}

/// What people should know of it.
pub(super) fn text_of(step_ns: i64) -> String {
    let (seconds, way) = (
        step_ns.unsigned_abs() / 1_000_000_000,
        if step_ns > 0 { "forward" } else { "back" },
    );
    let millis = step_ns.unsigned_abs() / 1_000_000 % 1000;
    format!(
        "the wall clock was set {way} by {seconds}.{millis:03} s: from here on, times are those of the new \
         clock"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_reported_once_and_inaccuracy_is_none() {
        let mut clock = WallClock {
            boot_to_wall_ns: 5_000_000_000,
            looked: None,
        };
        assert_eq!(clock.step(5_009_999_999), None);
        assert_eq!(clock.step(3_605_000_000_000), Some(3_600_000_000_000));
        assert_eq!(clock.step(3_605_000_000_000), None);
        assert_eq!(clock.step(3_603_500_000_000), Some(-1_500_000_000));
        let text = text_of(-1_500_000_000);
        assert!(text.contains("back by 1.500 s"), "{text}");
        assert!(text_of(3_600_000_000_000).contains("forward by 3600.000 s"));
    }
}
