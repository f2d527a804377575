//! Per kind and part: the hook that serves it, how sure it is, what it is blind to, and refusals in
//! the kernel's own words. Where a part is seen all the same, a refusal of a kind of hook for a reason
//! that was told before is not told again.

use std::collections::HashSet;

use super::page::Page;
use super::report::Signals;
use crate::kernel::attach::{AttachReport, Outcome};
use crate::kernel::tiers::FORKS;
use crate::model::{Kind, KindSet};

const TITLE: &str = "WHAT CAN BE SEEN";
/// Where the remarks below a row begin.
const REMARK_AT: usize = 17;

/// Everything, in the order of the kinds; or why nothing is known.
pub(super) fn all(page: &mut Page, signals: &Signals) {
    let report = match signals {
        Signals::Unknown(why) => {
            page.heading(TITLE);
            page.hang("  nothing", REMARK_AT, why);
            return;
        }
        Signals::Tried(report) => {
            page.heading(TITLE);
            report
        }
        Signals::Expected(report) => {
            page.heading("WHAT SHOULD BE SEEN, BY THE KERNEL'S TYPES (NOT TRIED)");
            report
        }
    };
    line(page, "KIND", "PART", "EVIDENCE", "HOOK");
    let mut told = Told::default();
    for kind in Kind::ALL {
        for (place, outcome) in report.of(*kind).enumerate() {
            let name = if place == 0 { kind.name() } else { "" };
            one(page, name, outcome, &mut told);
        }
    }
    page.line("");
    for (label, outcome, served, unserved) in aids(report) {
        let text = match outcome.chosen {
            Some(_) => format!("{served} by {}", outcome.hook),
            None => unserved.to_owned(),
        };
        page.hang(label, REMARK_AT, &text);
        told.refusals(page, outcome);
    }
    if matches!(signals, Signals::Tried(_)) {
        attached(page, report);
    }
}

/// One line: how many facts this kernel does not show, and which.
pub(super) fn coverage(page: &mut Page, signals: &Signals) {
    page.heading("COVERAGE");
    let text = match signals {
        Signals::Unknown(why) => format!("No hook is attached: {why}."),
        Signals::Tried(report) | Signals::Expected(report) => {
            format!("{}.", report.coverage(KindSet::ALL))
        }
    };
    page.hang("", 2, &format!("{text} Details: tcptrace doctor --hooks"));
}

/// What is no kind of its own: label, what became of it, with a hook, without one.
type Aid<'a> = (&'static str, &'a Outcome, &'static str, &'static str);

fn aids(report: &AttachReport) -> impl Iterator<Item = Aid<'_>> {
    let accept = report.accept.as_ref().map(|outcome| {
        let unserved = "owners after accept() are not learnt at once";
        ("  accept()", outcome, "owners after accept()", unserved)
    });
    let backlogs = report.backlogs.as_ref().map(|outcome| {
        let unserved = "backlogs are inferred from the limits of queues";
        ("  listen()", outcome, "backlogs of listeners", unserved)
    });
    let waits = report.waits.as_ref().map(|outcome| {
        let served = "how long connections wait for accept()";
        let unserved = "how long connections wait for accept() is not measured";
        ("  waits", outcome, served, unserved)
    });
    [accept, backlogs, waits].into_iter().flatten()
}

/// Kinds of hooks and reasons of refusals that were told.
#[derive(Default)]
struct Told(HashSet<(String, String)>);

impl Told {
    /// Those of a part that is seen all the same: only what is new.
    fn refusals(&mut self, page: &mut Page, outcome: &Outcome) {
        for refusal in &outcome.refusals {
            let is_new = self.0.insert(reason(refusal));
            if is_new || outcome.chosen.is_none() {
                page.hang("    refused", REMARK_AT, refusal);
            }
        }
    }
}

/// The kind of hook, entry and exit alike, and why it was refused, whichever function it was.
fn reason(refusal: &str) -> (String, String) {
    let (label, why) = refusal.split_once(": ").unwrap_or(("", refusal));
    let kind = match label.split('/').next().unwrap_or(label) {
        "fentry" | "fexit" => "fentry",
        "kprobe" | "kretprobe" => "kprobe",
        _ => label,
    };
    (kind.to_owned(), why.to_owned())
}

fn attached(page: &mut Page, report: &AttachReport) {
    page.hang(
        "  programs",
        REMARK_AT,
        &format!(
            "{} attached for this report, and detached again",
            report.attached.len()
        ),
    );
    page.hang(
        "  older sockets",
        REMARK_AT,
        &match &report.snapshot_refused {
            None => "owners are listed by iter/task_file".to_owned(),
            Some(why) => format!("owners are looked up in /proc, since iter/task_file: {why}"),
        },
    );
    page.hang(
        "  children",
        REMARK_AT,
        &match &report.forks_refused {
            None => format!("followed by tp_btf/{FORKS}"),
            Some(why) => format!("cannot be followed (--children, -- COMMAND): {why}"),
        },
    );
}

fn one(page: &mut Page, kind: &str, outcome: &Outcome, told: &mut Told) {
    let part = outcome.signal.part;
    match outcome.chosen {
        None => line(page, kind, part, "impossible", "-"),
        Some(candidate) => {
            line(page, kind, part, candidate.evidence.name(), &outcome.hook);
            if !candidate.blind_to.is_empty() {
                page.hang("    blind to", REMARK_AT, candidate.blind_to);
            }
        }
    }
    told.refusals(page, outcome);
}

fn line(page: &mut Page, kind: &str, part: &str, evidence: &str, hook: &str) {
    page.line(&format!("  {kind:<14} {part:<26} {evidence:<10} {hook}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tiers::SIGNALS;

    fn told(chosen: impl Fn(&Outcome) -> bool, refusal: Option<&str>) -> String {
        let outcomes = SIGNALS.iter().map(|signal| {
            let mut outcome = Outcome {
                signal,
                chosen: None,
                hook: String::new(),
                refusals: refusal.map(str::to_owned).into_iter().collect(),
            };
            if chosen(&outcome) {
                outcome.chosen = signal.candidates.first();
                outcome.hook = format!("a/{}", signal.part);
            }
            outcome
        });
        let report = AttachReport {
            outcomes: outcomes.collect(),
            ..AttachReport::default()
        };
        let mut page = Page::default();
        all(&mut page, &Signals::Tried(report));
        page.text().to_owned()
    }

    #[test]
    fn every_kind_and_part_has_its_line_and_its_hook() {
        let text = told(|_| true, None);
        for signal in SIGNALS {
            let line = text.lines().find(|line| {
                line.contains(signal.part) && line.ends_with(&format!("a/{}", signal.part))
            });
            let evidence = signal.candidates[0].evidence.name();
            assert!(
                line.is_some_and(|line| line.contains(evidence)),
                "{signal:?}"
            );
        }
        assert!(Kind::ALL.iter().all(|kind| text.contains(kind.name())));
    }

    #[test]
    fn a_part_without_a_hook_is_impossible_and_says_why() {
        let text = told(
            |outcome| outcome.signal.kind != Kind::TimeWait,
            Some("tp_btf/x: no \u{1b}[2J"),
        );
        let impossible = text
            .lines()
            .filter(|line| line.contains("impossible"))
            .count();
        let parts = SIGNALS
            .iter()
            .filter(|signal| signal.kind == Kind::TimeWait)
            .count();
        assert_eq!(impossible, parts);
        assert!(text.contains("refused      tp_btf/x: no ?[2J"));
    }

    #[test]
    fn a_long_refusal_is_kept_whole_within_the_columns() {
        let refusal = format!("tp_btf/x: {}", "the verifier says a lot ".repeat(40));
        let text = told(|_| false, Some(&refusal));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        let words = text.split_whitespace().filter(|word| *word == "verifier");
        assert_eq!(words.count(), 40 * SIGNALS.len());
    }
}
