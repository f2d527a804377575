//! The kernel's boot clock, which its hooks use, and its offset from the wall clock.
//!
//! A process in a time namespace of its own reads another boot clock, also in /proc (time_namespaces(7)). The
//! difference does not change while the process lives.

use std::sync::OnceLock;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::model::Clock;

/// The wall clock is read between two readings of the boot clock; the closest of so many counts.
const READINGS: u32 = 3;

/// What /proc and the clock of this process have more than the kernel's boot clock, ns; 0 outside of a time
/// namespace.
pub fn namespace_offset_ns() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        boot_offset(&text).unwrap_or(0)
    })
}

/// The line `boottime SECONDS NANOSECONDS`, of which the seconds may be negative.
fn boot_offset(text: &str) -> Option<i64> {
    let mut words = text
        .lines()
        .find_map(|line| line.strip_prefix("boottime"))?
        .split_ascii_whitespace()
        .map(str::parse::<i64>);
    let (seconds, nanos) = (words.next()?.ok()?, words.next()?.ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The kernel's boot clock, ns.
pub fn boot_ns() -> u64 {
    let now = nanos(clock_gettime(ClockId::Boottime));
    now.saturating_sub(namespace_offset_ns())
        .max(0)
        .unsigned_abs()
}

/// How the clocks stand now.
pub fn now() -> Clock {
    let mut best: Option<(u64, Clock)> = None;
    for _ in 0..READINGS {
        let before = boot_ns();
        let wall_ns = nanos(clock_gettime(ClockId::Realtime));
        let between = boot_ns().saturating_sub(before);
        let clock = Clock {
            boot_to_wall_ns: wall_ns.saturating_sub_unsigned(before.saturating_add(between / 2)),
            start_boot_ns: before,
        };
        if best.is_none_or(|(least, _)| between < least) {
            best = Some((between, clock));
        }
    }
    best.map_or_else(Clock::default, |(_, clock)| clock)
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_the_kernel_writes_them() {
        let text = "monotonic           0         0\nboottime      -86400  500000000\n";
        assert_eq!(boot_offset(text), Some(-86_399_500_000_000));
        assert_eq!(boot_offset("monotonic 1 2\n"), None);
        assert_eq!(boot_offset("boottime x 2\n"), None);
        assert_eq!(boot_offset("boottime 9223372036854775807 2\n"), None);
    }

    #[test]
    fn the_clocks_stand_as_the_standard_library_reads_them() {
        let clock = now();
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970");
        let reported = clock.boot_to_wall_ns.saturating_add_unsigned(boot_ns());
        let difference = reported.abs_diff(i64::try_from(wall.as_nanos()).expect("before 2262"));
        assert!(difference < 1_000_000_000, "{difference} ns");
        assert!(clock.start_boot_ns <= boot_ns());
    }
}
