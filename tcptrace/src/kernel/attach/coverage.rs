//! What a kernel does not show of what was asked for: each gap with its reason, and all in one sentence.

use std::fmt;

use super::{AttachReport, Outcome};
use crate::model::KindSet;
use crate::model::Tier;

/// A fact that cannot be observed on this kernel, or only by counters.
#[derive(Clone, Copy, Debug)]
pub struct Gap<'a>(&'a Outcome);

/// How many facts were asked for, and which of them this kernel does not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Facts of the kinds asked for.
    pub facts: usize,
    /// Those that nothing reports.
    pub hidden: Vec<&'static str>,
    /// Those that counters report: how often, without the connection.
    pub counted: Vec<&'static str>,
}

impl AttachReport {
    /// What is missing of these kinds.
    pub fn gaps(&self, kinds: KindSet) -> impl Iterator<Item = Gap<'_>> {
        self.outcomes
            .iter()
            .filter(move |outcome| kinds.contains(outcome.signal.kind))
            .map(Gap)
            .filter(|gap| gap.is_hidden() || gap.is_counted())
    }

    /// How much of these kinds this kernel shows.
    pub fn coverage(&self, kinds: KindSet) -> Coverage {
        let asked = |outcome: &&Outcome| kinds.contains(outcome.signal.kind);
        let (hidden, counted): (Vec<_>, Vec<_>) = self.gaps(kinds).partition(Gap::is_hidden);
        let facts = |gaps: Vec<Gap<'_>>| gaps.iter().map(|gap| gap.0.signal.fact).collect();
        Coverage {
            facts: self.outcomes.iter().filter(asked).count(),
            hidden: facts(hidden),
            counted: facts(counted),
        }
    }

    /// Each gap in a line of its own, for those who ask by `TCPTRACE_LOG=attach=info`; by kind and part,
    /// as `doctor --hooks` names them.
    pub(super) fn log_gaps(&self) {
        for gap in self.gaps(KindSet::ALL) {
            let signal = gap.0.signal;
            let how = if gap.is_hidden() {
                "not visible"
            } else {
                "only counted"
            };
            let reason = gap.0.reason();
            log::info!(target: "attach", "{how}: {} ({}): {reason}", signal.kind, signal.part);
        }
    }
}

impl Gap<'_> {
    fn is_hidden(&self) -> bool {
        self.0.chosen.is_none()
    }

    fn is_counted(&self) -> bool {
        self.0.chosen.is_some_and(|c| c.tier == Tier::Counting)
    }
}

impl fmt::Display for Gap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.signal.fact)?;
        if self.is_counted() {
            f.write_str(" (only counted)")?;
        }
        write!(f, ": {}", self.0.reason())
    }
}

impl Coverage {
    /// Whether every fact can be observed.
    pub fn is_complete(&self) -> bool {
        self.hidden.is_empty() && self.counted.is_empty()
    }
}

/// One sentence, without its full stop.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_are = |count: usize| if count == 1 { "is" } else { "are" };
        let (all, hidden, counted) = (self.facts, self.hidden.len(), self.counted.len());
        if self.is_complete() {
            return write!(f, "All {all} facts are visible on this kernel");
        }
        if hidden > 0 {
            let names = self.hidden.join(", ");
            let verb = is_are(hidden);
            write!(
                f,
                "{hidden} of {all} facts {verb} not visible on this kernel: {names}"
            )?;
        }
        if counted > 0 {
            let (names, verb) = (self.counted.join(", "), is_are(counted));
            match hidden {
                0 => write!(
                    f,
                    "{counted} of {all} facts {verb} only counted on this kernel"
                )?,
                _ => write!(f, "; {counted} {verb} only counted")?,
            }
            write!(f, ": {names}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tiers::SIGNALS;
    use crate::model::{Evidence, Kind};

    /// Nothing shows RSTs received, SYNs at a full queue are counted, the rest is seen.
    fn report(has_gaps: bool) -> AttachReport {
        let outcomes = SIGNALS.iter().map(|signal| {
            let mut candidates = signal.candidates.iter();
            let chosen = match signal.kind {
                Kind::RstReceived if has_gaps => None,
                Kind::SynDrop if has_gaps => {
                    candidates.find(|one| one.evidence == Evidence::Counted)
                }
                _ => candidates.next(),
            };
            Outcome {
                signal,
                chosen,
                hook: String::new(),
                refusals: vec!["a/b: why".to_owned()],
            }
        });
        AttachReport {
            outcomes: outcomes.collect(),
            ..AttachReport::default()
        }
    }

    #[test]
    fn a_whole_view_is_one_short_sentence() {
        let coverage = report(false).coverage(KindSet::ALL);
        assert!(coverage.is_complete());
        let all = SIGNALS.len();
        assert_eq!(
            coverage.to_string(),
            format!("All {all} facts are visible on this kernel")
        );
    }

    #[test]
    fn what_is_missing_is_named_in_plain_words_among_the_kinds_asked_for() {
        let report = report(true);
        let asked = [Kind::RstReceived, Kind::SynDrop, Kind::LingerClose];
        let coverage = report.coverage(asked.into_iter().collect());
        assert_eq!(
            coverage.to_string(),
            "2 of 7 facts are not visible on this kernel: RSTs received by connections, RSTs to \
             handshakes; 1 is only counted: SYN queue drops and cookies"
        );
        let coverage = report.coverage([Kind::SynDrop].into_iter().collect());
        assert_eq!(
            coverage.to_string(),
            "1 of 1 facts is only counted on this kernel: SYN queue drops and cookies"
        );
        let gaps = report.gaps([Kind::SynDrop].into_iter().collect());
        let sentences: Vec<String> = gaps.map(|gap| gap.to_string()).collect();
        assert_eq!(
            sentences,
            ["SYN queue drops and cookies (only counted): a/b: why"]
        );
    }
}
