//! Our counts against the kernel's own counters, over the same interval and namespaces.

pub(super) mod persistent;
#[cfg(test)]
mod tests;

use tcptrace_common::kind;

use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use crate::interpret::counter_rules::{self, RULES, Rule};
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
    let both = Both {
        namespaces,
        ledger,
        kinds,
    };
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
            let (verdict, note) = sums.verdict(rule, &both);
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

/// Whether a run reports all that a rule needs.
fn holds(rule: &Rule, kinds: KindSet) -> bool {
    rule.kinds.iter().all(|kind| kinds.contains(*kind))
}

/// Both sides' counts, for the limits of gaps.
struct Both<'a> {
    namespaces: &'a KernelCounters,
    ledger: &'a Ledger,
    kinds: KindSet,
}

impl counter_rules::Sums for Both<'_> {
    fn kernel(&self, counter: &str) -> Option<u64> {
        let rises = self.namespaces.rises(counter).map(|(_, rise)| rise);
        rises.reduce(u64::saturating_add)
    }

    fn ours(&self, counter: &str) -> u64 {
        let mut rules = RULES.iter().enumerate();
        let rule = rules.find(|(_, rule)| rule.counter == counter && holds(rule, self.kinds));
        let counts = self.ledger.counts.iter();
        let compared = counts.filter(|(inode, _)| self.namespaces.is_compared(**inode));
        rule.map_or(0, |(place, _)| {
            compared.map(|(_, counts)| counts.seen[place]).sum()
        })
    }
}

/// Runs that the kernel skipped of hooks that report a rule's kinds.
fn skipped(ledger: &Ledger, rule: &Rule) -> u64 {
    let feeds = |hook: &str| {
        // A hook of a recording of a time before hooks were named may be any.
        let function = hook.rsplit('/').next().unwrap_or(hook);
        let of_kind = |kind: &Kind| kind::reporters(*kind as u16).contains(&function);
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
    /// Namespaces whose counters could not be read.
    unread: u32,
}

impl Sums {
    /// Whether the two agree, or which reasons together account for the difference. A reason accounts for as much
    /// as what it counts itself; what is left over differs.
    fn verdict(&self, rule: &Rule, both: &dyn counter_rules::Sums) -> (Verdict, Option<String>) {
        if self.kernel == self.ours {
            let unread = || format!("{} network namespaces could not be read", self.unread);
            return (Verdict::Exact, (self.unread > 0).then(unread));
        }
        let difference = self.kernel.abs_diff(self.ours);
        let reasons = self.reasons(rule, both);
        // One that suffices says more than several.
        if let Some((_, why)) = reasons.iter().find(|(limit, _)| difference <= *limit) {
            return (Verdict::Explained, Some(why.clone()));
        }
        let (mut left, mut said) = (difference, Vec::new());
        for (limit, why) in reasons.iter().filter(|(limit, _)| *limit > 0) {
            said.push(why.as_str());
            left = left.saturating_sub(*limit);
            if left == 0 {
                return (Verdict::Explained, Some(said.join("; ")));
            }
        }
        (Verdict::Differs, None)
    }

    /// Why the two may differ on the side that is larger, and by how much at most.
    fn reasons(&self, rule: &Rule, both: &dyn counter_rules::Sums) -> Vec<(u64, String)> {
        let mut reasons = Vec::new();
        if self.kernel > self.ours {
            let kinds: Vec<&str> = rule.kinds.iter().map(|kind| kind.name()).collect();
            let (counted, lost, skipped) = (self.counted, self.lost, self.skipped);
            reasons.push((
                counted,
                format!("{counted} were counted from this counter and not observed"),
            ));
            reasons.push((
                lost,
                format!("{lost} events of kind {} were lost", kinds.join(" or ")),
            ));
            reasons.push((
                skipped,
                format!("the kernel skipped {skipped} runs of the hooks that report them"),
            ));
            reasons.push((
                self.unrecorded.unwrap_or(u64::MAX),
                "events are missing in the recording".to_owned(),
            ));
        }
        reasons.push((
            self.at_edge,
            format!(
                "{} events arrived within 2 ms of reading the kernel's counters",
                self.at_edge
            ),
        ));
        let side = self.kernel.cmp(&self.ours);
        let gaps = rule.gaps.iter().filter(|gap| side == gap.kernel_is);
        reasons.extend(gaps.map(|gap| ((gap.limit)(both), gap.why.to_owned())));
        reasons
    }
}
