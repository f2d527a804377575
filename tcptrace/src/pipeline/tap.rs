//! Where a recording leaves the flow: behind attribution, before interpretation.
//!
//! What no filter lets through is not recorded; the books say how much that was. Whatever decides
//! over the order of what is shown is recorded with the events, so that a replay shows the same.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use crate::interpret::{HOLD_NS, is_held_back};
use crate::model::{Event, Kind, Sample};
use crate::recording::{Item, KernelCount, Recorder, Standing, Trouble, Want};

/// How often the same trouble is reported.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) recorder: Recorder,
    /// Moments of recorded events that interpretation still holds back.
    held_ns: VecDeque<u64>,
    /// Lost in the ring, as recorded last.
    lost: HashMap<Kind, u64>,
    reported_at: Option<Instant>,
    /// Since when the next file waits to begin.
    pub(super) rotation_since: Option<Instant>,
    /// The file is full, and there is to be no other.
    pub(super) is_full: bool,
}

impl Tap {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            held_ns: VecDeque::new(),
            lost: HashMap::new(),
            reported_at: None,
            rotation_since: None,
            is_full: false,
        }
    }

    /// An event that will be shown if it means anything.
    #[inline]
    pub(super) fn event(&mut self, event: &Event) {
        // A replay lets go by this event as the run does.
        self.let_go(event.boot_ns);
        if is_held_back(event) {
            self.held_ns.push_back(event.boot_ns);
        }
        self.recorder.event(event);
    }

    /// Everything held back long enough at that moment is let go. Recorded only where that concerns
    /// a recorded event: what is left out of a recording costs it nothing.
    #[inline]
    pub(super) fn tick(&mut self, boot_ns: u64) {
        if self.let_go(boot_ns) {
            self.recorder.item(&Item::Tick(boot_ns), boot_ns);
        }
    }

    fn let_go(&mut self, now_ns: u64) -> bool {
        let is_due = |held_ns: &u64| now_ns.saturating_sub(*held_ns) > HOLD_NS;
        let mut has_let_go = false;
        while self.held_ns.front().is_some_and(is_due) {
            self.held_ns.pop_front();
            has_let_go = true;
        }
        has_let_go
    }

    /// Everything held back was let go, at the end of the run.
    pub(super) fn release_all(&mut self, boot_ns: u64) {
        self.recorder.item(&Item::Tick(u64::MAX), boot_ns);
    }

    pub(super) fn undecodable(&mut self, kind: Option<Kind>, boot_ns: u64) {
        self.recorder.item(&Item::Undecodable(kind), boot_ns);
    }

    /// The kernel side's counters; only a new loss is a moment of the run.
    pub(super) fn kernel(&mut self, kind: Kind, filtered: u64, lost: u64, now_ns: u64) {
        if self.lost.insert(kind, lost).unwrap_or(0) < lost {
            let count = KernelCount { filtered, lost };
            self.recorder
                .item(&Item::Kernel(kind, count, now_ns), now_ns);
        }
    }

    pub(super) fn sample(&mut self, sample: &Sample) {
        let boot_ns = sample.boot_ns;
        self.recorder.item(&Item::Sample(sample.clone()), boot_ns);
    }

    pub(super) fn ending(&mut self, end_ns: u64) {
        self.recorder.item(&Item::Ending(end_ns), end_ns);
    }

    /// To be called now and then; whether the next file is to begin.
    pub(super) fn is_next_due(&mut self, now: Instant) -> bool {
        match self.recorder.tick(now) {
            Want::Nothing => false,
            Want::NextFile => true,
            Want::End => {
                self.is_full = true;
                false
            }
        }
    }

    /// What the disk did not accept, if that is due to be reported now.
    pub(super) fn trouble(&mut self, now: Instant) -> Option<Trouble> {
        let is_new = |reported: Instant| now.saturating_duration_since(reported) >= REPORT_EVERY;
        if !self.reported_at.is_none_or(is_new) {
            return None;
        }
        let trouble = self.recorder.trouble()?;
        self.reported_at = Some(now);
        Some(trouble)
    }
}

/// Where things stand by the readings of the counters that were taken last.
pub(super) fn standing(namespaces: &KernelCounters, ledger: &Ledger, boot_ns: u64) -> Standing {
    let kernel = Kind::ALL.iter().map(|kind| {
        let count = KernelCount {
            filtered: ledger.filtered_in_kernel(*kind),
            lost: ledger.lost_of(*kind),
        };
        (*kind, count)
    });
    Standing {
        boot_ns,
        counters: namespaces.readings(),
        unread: namespaces.unread,
        kernel: kernel
            .filter(|(_, count)| *count != KernelCount::default())
            .collect(),
        filtered: ledger.filtered_here(),
        skipped: ledger.skipped().clone(),
        has_gone: namespaces.has_gone(ledger.counts.keys().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Family, Flow, Signal};
    use crate::recording::{Files, Start};

    fn orphan(boot_ns: u64) -> Event {
        Event {
            boot_ns,
            sock: Some(boot_ns),
            inode: None,
            flow: Flow {
                family: Family::Inet,
                local: None,
                unbound: None,
                remote: None,
                netns: None,
                cookie: None,
            },
            state: None,
            heard: None,
            owner: None,
            hook: "test",
            evidence: Evidence::Seen,
            signal: Signal::ResetReceived { dead: true },
        }
    }

    #[test]
    fn ticks_are_recorded_for_recorded_events_only() {
        let path = std::env::temp_dir().join(format!("tcptrace-tap-{}", std::process::id()));
        let files = Files {
            path: path.clone(),
            max_bytes: None,
            rotation: None,
            overwrites: true,
        };
        let mut tap = Tap::new(Recorder::create(files, Start::default()).unwrap());
        // Events that a filter leaves out let others go, a hundred thousand of them nothing.
        (0..100_000).for_each(|ms| tap.tick(ms * 1_000_000));
        assert!(!tap.let_go(u64::MAX));
        tap.event(&orphan(1_000));
        tap.event(&orphan(2_000));
        assert!(!tap.let_go(1_000 + HOLD_NS));
        assert!(tap.let_go(2_001 + HOLD_NS), "both at once");
        assert!(!tap.let_go(u64::MAX));
        // A recorded event lets go in a replay as well.
        tap.event(&orphan(3_000));
        tap.event(&orphan(3_001 + HOLD_NS));
        assert!(!tap.let_go(3_001 + HOLD_NS));
        let outcome = tap.recorder.finish(&Standing::default());
        std::fs::remove_file(path).unwrap();
        assert!(outcome.bytes < 1_000, "{} bytes", outcome.bytes);
    }
}
