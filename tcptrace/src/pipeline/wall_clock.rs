//! The wall clock may be set while a run lasts; events are stamped by the boot clock, which nobody sets.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Pipeline;
use crate::sink::Sink;
use crate::survey;

/// How often it is looked at while records keep coming.
const EVERY: Duration = Duration::from_millis(10);
/// What is no step but the inaccuracy of reading two clocks one after the other.
const LEAST_NS: u64 = 10_000_000;

/// How the wall clock stood to the boot clock when it was looked at last.
#[derive(Debug)]
pub(super) struct WallClock {
    boot_to_wall_ns: i64,
    looked: Option<Instant>,
    pending: Option<Step>,
}

/// The clock was set, which holds for what comes after this place in the ring.
#[derive(Clone, Copy, Debug)]
struct Step {
    step_ns: i64,
    ring_end: u64,
}

/// Wakes whoever waits when the wall clock is set.
pub(super) struct ClockSet(Option<AsyncFd<OwnedFd>>);

impl ClockSet {
    /// Without a timer, which a process with too few descriptors cannot have, nobody is woken: the clock is looked at
    /// when the next record comes, which then has the time of before.
    pub(super) fn new() -> Self {
        let timer =
            Self::timer().inspect_err(|why| log::debug!("no timer on the wall clock: {why}"));
        Self(timer.ok())
    }

    /// A timer that ends in centuries, and is cancelled when the clock is set (timerfd_clock_was_set(), 5.10 to 7.3).
    fn timer() -> io::Result<AsyncFd<OwnedFd>> {
        let never = Timespec {
            tv_sec: 1 << 33,
            tv_nsec: 0,
        };
        let zero = Timespec::default();
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let when = Itimerspec {
            it_interval: zero,
            it_value: never,
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&timer, flags, &when)?;
        // SAFETY: the descriptor is owned by the AsyncFd and never replaced: it stays open and the same until it is
        // deregistered.
        Ok(unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?)
    }

    /// Returns when the clock was set.
    pub(super) async fn wait(&self) {
        let Some(timer) = &self.0 else {
            return std::future::pending().await;
        };
        if let Ok(mut ready) = timer.readable().await {
            // It says ECANCELED, and waits for the next time.
            let why = rustix::io::read(timer.get_ref(), &mut [0; 8]).err();
            log::debug!("the wall clock was set: {why:?}");
            ready.clear_ready();
        }
    }
}

impl WallClock {
    /// As it stands now.
    pub(super) fn begin() -> Self {
        Self {
            boot_to_wall_ns: survey::clock().boot_to_wall_ns,
            looked: None,
            pending: None,
        }
    }

    /// It was set: the next look is not put off.
    pub(super) const fn look_again(&mut self) {
        self.looked = None;
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
    /// Looks at the wall clock now and then: times of lines and the recording follow it. What is in the ring by then
    /// was before it was set.
    pub(super) fn follow_wall_clock(&mut self, now: Instant) {
        let clock = &mut self.wall_clock;
        if clock.pending.is_some()
            || clock
                .looked
                .is_some_and(|looked| now.saturating_duration_since(looked) < EVERY)
        {
            return;
        }
        clock.looked = Some(now);
        clock.pending = clock
            .step(survey::clock().boot_to_wall_ns)
            .map(|step_ns| Step {
                step_ns,
                ring_end: self.live.end(),
            });
    }

    /// From here on the new time holds, if what was before it was set has been read.
    pub(super) fn set_wall_clock(&mut self) {
        let clock = &mut self.wall_clock;
        let Some(Step { step_ns, .. }) = clock
            .pending
            .take_if(|step| self.live.has_read_to(step.ring_end))
        else {
            return;
        };
        let boot_to_wall_ns = clock.boot_to_wall_ns;
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
            pending: None,
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
