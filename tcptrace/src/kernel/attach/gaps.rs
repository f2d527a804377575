//! What this kernel does not show of what was asked for.

use std::fmt;

use super::{AttachReport, Outcome};
use crate::model::coverage::Coverage;
use crate::model::{KindSet, Tier};

/// A fact that cannot be observed on this kernel, or only by counters. Displays as its name and the
/// reason.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a> {
    outcome: &'a Outcome,
    is_counted: bool,
}

impl<'a> Gap<'a> {
    /// `None`: the fact is observed.
    fn of(outcome: &'a Outcome) -> Option<Self> {
        let is_counted = match outcome.tier() {
            None => false,
            Some(Tier::Counting) => true,
            Some(_) => return None,
        };
        Some(Self {
            outcome,
            is_counted,
        })
    }
}

impl Outcome {
    fn tier(&self) -> Option<Tier> {
        self.chosen.map(|candidate| candidate.tier)
    }
}

impl AttachReport {
    fn of_kinds(&self, kinds: KindSet) -> impl Iterator<Item = &Outcome> {
        let outcomes = self.outcomes.iter();
        outcomes.filter(move |outcome| kinds.contains(outcome.signal.kind))
    }

    /// What is missing of these kinds.
    pub fn gaps(&self, kinds: KindSet) -> impl Iterator<Item = Gap<'_>> {
        self.of_kinds(kinds).filter_map(Gap::of)
    }

    /// How much of these kinds this kernel shows.
    pub fn coverage(&self, kinds: KindSet) -> Coverage {
        let facts = self.of_kinds(kinds);
        Coverage::of(facts.map(|outcome| (outcome.signal.fact, outcome.tier())))
    }

    /// Each gap in a line of its own, for those who ask by `TCPTRACE_LOG=attach=info`; by kind and part,
    /// as `doctor --hooks` names them.
    pub(super) fn log_gaps(&self) {
        for gap in self.gaps(KindSet::ALL) {
            let how = if gap.is_counted {
                "only counted"
            } else {
                "not visible"
            };
            let (signal, reason) = (gap.outcome.signal, gap.outcome.reason());
            log::info!(target: "attach", "{how}: {} ({}): {reason}", signal.kind, signal.part);
        }
    }
}

impl fmt::Display for Gap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_counted {
            " (only counted)"
        } else {
            ""
        };
        let (fact, reason) = (self.outcome.signal.fact, self.outcome.reason());
        write!(f, "{fact}{how}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tiers::SIGNALS;
    use crate::model::Kind;

    #[test]
    fn gaps_are_those_of_the_kinds_asked_for_with_their_reasons() {
        let outcomes = SIGNALS.iter().map(|signal| {
            let mut candidates = signal.candidates.iter();
            Outcome {
                signal,
                chosen: match signal.kind {
                    Kind::RstReceived => None,
                    Kind::SynDrop => candidates.find(|one| one.tier == Tier::Counting),
                    _ => candidates.next(),
                },
                hook: String::new(),
                refusals: vec!["a/b: why".to_owned()],
            }
        });
        let report = AttachReport {
            outcomes: outcomes.collect(),
            ..AttachReport::default()
        };
        let asked: KindSet = [Kind::SynDrop, Kind::LingerClose].into_iter().collect();
        let sentences: Vec<String> = report.gaps(asked).map(|gap| gap.to_string()).collect();
        assert_eq!(
            sentences,
            ["SYN queue drops and cookies (only counted): a/b: why"]
        );
        let coverage = report.coverage(asked);
        assert_eq!((coverage.facts, coverage.counted.len()), (5, 1));
        assert_eq!(report.coverage(KindSet::ALL).hidden.len(), 2);
    }
}
