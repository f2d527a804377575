//! Where a recording leaves the flow: behind attribution, before interpretation.
//!
//! What no filter lets through is not recorded; the books say how much that was. Whatever decides
//! over the order of what is shown is recorded with the events, so that a replay shows the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use crate::model::{Event, Kind, Sample};
use crate::recording::{Item, KernelCount, Recorder, Standing, Trouble, Want};

/// How often the same trouble is told.
const TOLD: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) recorder: Recorder,
    /// Lost in the ring, as recorded last.
    lost: HashMap<Kind, u64>,
    told_at: Option<Instant>,
    /// Since when the next file waits to begin.
    pub(super) rotation_since: Option<Instant>,
    /// The file is full, and there is to be no other.
    pub(super) is_full: bool,
}

impl Tap {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            lost: HashMap::new(),
            told_at: None,
            rotation_since: None,
            is_full: false,
        }
    }

    /// An event that will be shown if it means anything.
    #[inline]
    pub(super) fn event(&mut self, event: &Event) {
        self.recorder.event(event);
    }

    /// Everything held back until then was let go.
    pub(super) fn tick(&mut self, boot_ns: u64) {
        self.recorder.item(&Item::Tick(boot_ns), boot_ns);
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

    /// What the disk did not take, if that is to be told now.
    pub(super) fn trouble(&mut self, now: Instant) -> Option<Trouble> {
        let is_new = |told: Instant| now.saturating_duration_since(told) >= TOLD;
        if !self.told_at.is_none_or(is_new) {
            return None;
        }
        let trouble = self.recorder.trouble()?;
        self.told_at = Some(now);
        Some(trouble)
    }
}

/// Where things stand by the readings of the counters that were taken last.
pub(super) fn standing(
    namespaces: &KernelCounters,
    ledger: &Ledger,
    boot_ns: u64,
    skipped: u64,
) -> Standing {
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
        skipped,
        has_gone: namespaces.has_gone(ledger.counts.keys().copied()),
    }
}
