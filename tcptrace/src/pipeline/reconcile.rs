//! Our counts against the kernel's own counters, over the same interval and namespaces.

pub(super) mod persistent;
#[cfg(test)]
mod tests;

use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use crate::interpret::counter_rules::{RULES, Rule, hooks};
use crate::model::summary::{Reconciled, Verdict};
use crate::model::{Kind, KindSet};

/// The table of the summary. `unrecorded`: events that are missing in a recording; `None`: nobody knows
/// how many.
pub(super) fn rows(
    namespaces: &KernelCounters,
    ledger: &Ledger,
    kinds: KindSet,
    unrecorded: Option<u64>,
) -> Vec<Reconciled> {
    if !namespaces.is_known() {
        return Vec::new();
    }
    let has_gone = namespaces.has_gone(ledger.counts.keys().copied());
    let mut rows: Vec<Reconciled> = Vec::new();
    for (place, rule) in RULES.iter().enumerate() {
        let is_reported = rule.kinds.iter().all(|kind| kinds.contains(*kind));
        let is_first = || rows.iter().all(|row| row.counter != rule.counter);
        if !is_reported || !is_first() {
            continue;
        }
        let lost = rule.kinds.iter().map(|kind| ledger.lost_of(*kind)).sum();
        let mut sums = Sums {
            kernel: 0,
            ours: 0,
            counted: 0,
            at_edge: 0,
            lost,
            skipped: skipped(ledger, rule),
            unrecorded,
            has_gone,
            unread: namespaces.unread,
        };
        // What later kernels count apart.
        let joined = RULES.iter().enumerate().filter(|(_, other)| {
            other.joins == Some(rule.counter) && namespaces.rises(other.counter).next().is_none()
        });
        let places: Vec<usize> = joined.map(|(place, _)| place).chain([place]).collect();
        let mut is_there = false;
        for (inode, rise) in namespaces.rises(rule.counter) {
            is_there = true;
            sums.kernel += rise;
            if let Some(counts) = ledger.counts.get(&inode) {
                for place in &places {
                    sums.ours += counts.seen[*place];
                    sums.counted += counts.counted[*place];
                    sums.at_edge += counts.at_edge[*place];
                }
            }
        }
        if is_there {
            let (verdict, note) = sums.verdict(rule);
            rows.push(Reconciled {
                counter: rule.counter.into(),
                kernel: sums.kernel,
                ours: sums.ours,
                verdict,
                note,
            });
        }
    }
    rows
}

/// Runs that the kernel skipped of hooks that report a rule's kinds.
fn skipped(ledger: &Ledger, rule: &Rule) -> u64 {
    let feeds = |hook: &str| {
        // A hook of a recording of a time before hooks were named may be any.
        let function = hook.rsplit('/').next().unwrap_or(hook);
        let of_kind = |kind: &Kind| hooks(*kind).contains(&function);
        function.is_empty() || rule.kinds.iter().any(of_kind)
    };
    let skipped = ledger.skipped().iter();
    skipped
        .filter(|(hook, _)| feeds(hook))
        .map(|(_, count)| *count)
        .fold(0, u64::saturating_add)
}

/// What one counter is compared by.
#[derive(Clone, Copy, Debug)]
struct Sums {
    kernel: u64,
    ours: u64,
    counted: u64,
    /// Events that may be on the other side of a reading.
    at_edge: u64,
    lost: u64,
    /// Runs of its hooks that the kernel skipped.
    skipped: u64,
    unrecorded: Option<u64>,
    /// A namespace ended with its counters.
    has_gone: bool,
    /// Namespaces whose counters could not be read.
    unread: u32,
}

impl Sums {
    fn is_unrecorded(&self, count: u64) -> bool {
        self.unrecorded.is_none_or(|missing| count <= missing)
    }

    fn verdict(&self, rule: &Rule) -> (Verdict, Option<String>) {
        let unread = || format!("{} network namespaces could not be read", self.unread);
        if self.kernel == self.ours {
            return (Verdict::Exact, (self.unread > 0).then(unread));
        }
        let side = self.kernel.cmp(&self.ours);
        let note = if self.counted > 0 && self.kernel == self.ours + self.counted {
            format!(
                "{} were counted from this counter and not observed",
                self.counted
            )
        } else if self.kernel > self.ours && self.kernel - self.ours <= self.lost {
            let kinds: Vec<&str> = rule.kinds.iter().map(|kind| kind.name()).collect();
            format!(
                "{} events of kind {} were lost",
                self.lost,
                kinds.join(" or ")
            )
        } else if self.kernel > self.ours && self.kernel - self.ours <= self.skipped {
            let skipped = self.skipped;
            format!("the kernel skipped {skipped} runs of the hooks that report them")
        } else if self.kernel > self.ours && self.is_unrecorded(self.kernel - self.ours) {
            "events are missing in the recording".to_owned()
        } else if self.kernel.abs_diff(self.ours) <= self.at_edge {
            format!(
                "{} events arrived within 2 ms of reading the kernel's counters",
                self.at_edge
            )
        } else if let Some(gap) = rule.gaps.iter().find(|gap| side == gap.kernel_is) {
            gap.why.to_owned()
        } else if self.has_gone && self.ours > self.kernel {
            "a network namespace ended, and its counters with it".to_owned()
        } else if self.unread > 0 {
            unread()
        } else {
            return (Verdict::Differs, None);
        };
        (Verdict::Explained, Some(note))
    }
}
