//! Per kind and part: the hook that serves it, how certain its facts are, what it does not show, and
//! refusals in the kernel's own words. Where a part is observed anyway, a refusal of a kind of hook
//! is printed once per reason.

use std::collections::HashSet;

use super::namespaces;
use crate::model::Kind;
use crate::model::coverage::Coverage;
use crate::model::doctor::{Doctor, FactSource, FoundBy, SignalRow};
use crate::sink::page::Page;

/// Where the remarks below a row begin.
const REMARK_AT: usize = 17;
/// Where a hook begins that has a line of its own.
const HOOK_AT: usize = 44;

/// One line: how many facts this kernel does not show, and which.
pub(super) fn coverage(page: &mut Page, report: &Doctor<'_>) {
    page.heading("COVERAGE");
    let text = match report.untried {
        Some(why) => format!("No hook is attached: {why}."),
        None => {
            let facts = report.signals.iter().map(|row| (row.fact, row.served.tier));
            format!("{}.", Coverage::of(facts))
        }
    };
    page.hang("", 2, &format!("{text} Details: tcptrace doctor --hooks"));
}

/// The same in few words, where nothing was found.
pub(super) fn coverage_line(page: &mut Page, report: &Doctor<'_>) {
    let spaces = namespaces(report).len();
    let unread = match report.unseen.unwrap_or_default().len() {
        0 => String::new(),
        unread => format!(", {unread} not readable (--json)"),
    };
    let hooks = match report.untried {
        Some(_) => "no hook is attached (--hooks)".to_owned(),
        None => {
            let facts = report.signals.iter().map(|row| (row.fact, row.served.tier));
            let coverage = Coverage::of(facts);
            let visible = coverage.facts - coverage.hidden.len();
            format!("{visible} of {} facts (--hooks)", coverage.facts)
        }
    };
    page.line(&format!("Coverage: {spaces} netns, {hooks}{unread}"));
}

/// Everything, in the order of the kinds; or why nothing is known.
pub(super) fn all(page: &mut Page, report: &Doctor<'_>) {
    if report.tried || report.untried.is_some() {
        page.heading("COVERAGE");
    } else {
        page.heading("EXPECTED COVERAGE, BY THE KERNEL'S TYPES (NOTHING WAS ATTACHED)");
    }
    if let Some(why) = report.untried {
        page.hang("  nothing", REMARK_AT, why);
        return;
    }
    line(page, "KIND", "PART", "EVIDENCE", "HOOK");
    let mut printed = Printed::default();
    for kind in Kind::ALL {
        let rows = report.signals.iter().filter(|row| row.kind == *kind);
        for (place, row) in rows.enumerate() {
            let name = if place == 0 { kind.name() } else { "" };
            one(page, name, row, &mut printed);
        }
    }
    page.line("");
    for (label, outcome, served, unserved) in aids(report) {
        let text = match outcome.hook {
            Some(hook) => format!("{served} by {hook}"),
            None => unserved.to_owned(),
        };
        page.hang(label, REMARK_AT, &text);
        printed.refusals(page, outcome);
    }
    attached(page, report);
}

/// What is no kind of its own: label, what serves it, with a hook, without one.
type Aid<'a> = (&'static str, &'a FactSource<'a>, &'static str, &'static str);

fn aids<'a>(report: &'a Doctor<'_>) -> impl Iterator<Item = Aid<'a>> {
    let accept = report.accept.as_ref().map(|outcome| {
        let served = "the owner after accept(), reported";
        let unserved = "the owner after accept() is found at the first read or in /proc";
        ("  accept()", outcome, served, unserved)
    });
    let backlogs = report.backlogs.as_ref().map(|outcome| {
        let served = "the backlog of listeners, reported";
        let unserved = "the backlog of listeners is inferred from the limits of their queues";
        ("  listen()", outcome, served, unserved)
    });
    let waits = report.accept_waits.as_ref().map(|outcome| {
        let served = "how long connections wait for accept(), measured";
        let unserved = "how long connections wait for accept() is not measured";
        ("  waits", outcome, served, unserved)
    });
    [accept, backlogs, waits].into_iter().flatten()
}

/// Kinds of hooks and reasons of refusals that are on the page.
#[derive(Default)]
struct Printed(HashSet<(String, String)>);

impl Printed {
    /// Those of a part that is observed anyway: only what is new.
    fn refusals(&mut self, page: &mut Page, outcome: &FactSource<'_>) {
        for refusal in outcome.refusals {
            let is_new = self.0.insert(reason(refusal));
            if is_new || outcome.evidence.is_none() {
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

fn attached(page: &mut Page, report: &Doctor<'_>) {
    if let Some(programs) = report.programs {
        let text = format!(
            "{} attached for this report, and detached again",
            programs.len()
        );
        page.hang("  programs", REMARK_AT, &text);
    }
    if let Some(older) = &report.older_sockets {
        let text = match (older.by, older.refused) {
            (FoundBy::Iterator, _) => "owners are listed by iter/task_file".to_owned(),
            (FoundBy::Proc, why) => format!(
                "owners are looked up in /proc, because iter/task_file: {}",
                why.unwrap_or("is refused")
            ),
        };
        page.hang("  older sockets", REMARK_AT, &text);
    }
    if let Some(children) = &report.children {
        let text = match (&children.hook, children.refused) {
            (Some(hook), _) => format!("followed by {hook}"),
            (None, why) => format!(
                "cannot be followed (--children, -- COMMAND): {}",
                why.unwrap_or("not known why")
            ),
        };
        page.hang("  children", REMARK_AT, &text);
    }
}

fn one(page: &mut Page, kind: &str, row: &SignalRow<'_>, printed: &mut Printed) {
    match row.served.evidence {
        None => line(page, kind, row.part, "not visible", "-"),
        Some(evidence) => {
            let hook = row.served.hook.unwrap_or("-");
            line(page, kind, row.part, evidence.name(), hook);
            if let Some(blind_to) = row.served.blind_to {
                page.hang("    without", REMARK_AT, blind_to);
            }
        }
    }
    printed.refusals(page, &row.served);
}

fn line(page: &mut Page, kind: &str, part: &str, evidence: &str, hook: &str) {
    let cells = format!("  {kind:<14} {part:<26} {evidence:<8} ");
    if cells.len() + hook.len() <= page.columns() {
        page.line(&format!("{cells}{hook}"));
    } else {
        page.line(&cells);
        page.hang("", HOOK_AT, hook);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_is_too_long_for_the_terminal_has_its_own_line() {
        let hook = "fentry/inet_twsk_hashdance_schedule";
        let text = |columns| {
            let mut page = Page::default().in_columns(columns);
            line(&mut page, "time_wait", "enter", "seen", hook);
            page.text().to_owned()
        };
        assert_eq!(text(100).lines().count(), 1);
        let narrow = text(80);
        assert_eq!(narrow.lines().count(), 2, "{narrow}");
        assert!(narrow.lines().all(|line| line.len() <= 80), "{narrow}");
    }
    use crate::model::{Evidence, Tier};

    fn rows(is_served: impl Fn(Kind) -> bool, refusals: &[String]) -> Vec<SignalRow<'_>> {
        let row = |kind: &Kind| {
            let is_served = is_served(*kind);
            SignalRow {
                served: FactSource {
                    evidence: is_served.then_some(Evidence::Inferred),
                    hook: is_served.then_some("a/hook"),
                    tier: is_served.then_some(Tier::Tracepoint),
                    blind_to: is_served.then_some("its colour"),
                    refusals,
                },
                kind: *kind,
                part: "of something",
                fact: "something",
            }
        };
        Kind::ALL.iter().map(row).collect()
    }

    fn text(signals: Vec<SignalRow<'_>>) -> String {
        let report = Doctor {
            tried: true,
            signals,
            ..Doctor::default()
        };
        let mut page = Page::default();
        all(&mut page, &report);
        page.text().to_owned()
    }

    #[test]
    fn every_kind_has_its_line_with_evidence_and_hook() {
        let text = text(rows(|_| true, &[]));
        for kind in Kind::ALL {
            let is_of = |line: &&str| line.split_whitespace().next() == Some(kind.name());
            let line = text.lines().find(is_of).unwrap();
            assert!(line.contains("of something"), "{line}");
            assert!(line.ends_with("inferred a/hook"), "{line}");
        }
        assert!(text.contains("    without      its colour"));
    }

    #[test]
    fn what_is_not_visible_says_why_each_time_and_harmlessly() {
        let refusals = ["tp_btf/x: no \u{1b}[2J".to_owned()];
        let text = text(rows(|kind| kind != Kind::TimeWait, &refusals));
        let hidden = text.lines().filter(|line| line.contains("not visible"));
        assert_eq!(hidden.count(), 1);
        // Once for what is observed anyway, once for what is not.
        assert_eq!(text.matches("refused      tp_btf/x: no ?[2J").count(), 2);
    }

    #[test]
    fn a_long_refusal_is_whole_within_the_columns() {
        let refusals = [format!(
            "tp_btf/x: {}",
            "the verifier says a lot ".repeat(40)
        )];
        let text = text(rows(|_| false, &refusals));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        let words = text.split_whitespace().filter(|word| *word == "verifier");
        assert_eq!(words.count(), 40 * Kind::ALL.len());
    }

    #[test]
    fn coverage_is_one_sentence() {
        let report = Doctor {
            signals: rows(|kind| kind != Kind::TimeWait, &[]),
            ..Doctor::default()
        };
        let mut page = Page::default();
        coverage(&mut page, &report);
        let all = Kind::ALL.len();
        let expected =
            format!("COVERAGE\n  1 of {all} facts is not visible on this kernel: something.");
        assert!(page.text().starts_with(&expected), "{}", page.text());
    }
}
