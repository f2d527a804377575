//! How the boot clock, by which events are stamped, stands to the wall clock.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::model::Clock;

/// How they stand now.
pub fn now() -> Clock {
    let (boot, wall) = (
        clock_gettime(ClockId::Boottime),
        clock_gettime(ClockId::Realtime),
    );
    let nanos = |time: Timespec| time.tv_sec.saturating_mul(1_000_000_000) + time.tv_nsec;
    Clock {
        boot_to_wall_ns: nanos(wall).saturating_sub(nanos(boot)),
        start_boot_ns: nanos(boot).unsigned_abs(),
    }
}
