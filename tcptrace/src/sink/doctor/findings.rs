//! What is wrong: each finding with its evidence, its cause and what to do.

use super::{SENTENCE_AT, left_out, namespaces, observed};
use crate::model::Process;
use crate::model::doctor::Doctor;
use crate::model::finding::{Finding, Severity, topic_name};
use crate::sink::color::Impact;
use crate::sink::page::Page;

/// Findings printed, and those of them with evidence, cause and advice.
const PRINTED: usize = 10;
const WHOLE: usize = 3;
/// Characters of a container's id.
const SHORT_ID: usize = 12;
/// A shorter look misses what happens a few times a second.
const LEAST_MS: u64 = 1000;
const NOTHING_WRONG: &str =
    "Nothing is wrong now: no queue is full, no limit is reached, nothing is refused.";
const TOO_SHORT: &str = "Observed too briefly to know what is wrong now: use --for 2s or longer.";
/// Findings printed in a summary.
const BRIEF: usize = 3;

/// What is wrong, the worst few in full: the first is read on one screen.
pub(super) fn all(page: &mut Page, report: &Doctor<'_>) {
    let findings = report.findings.unwrap_or_default();
    let is_wrong_now = findings.iter().any(Finding::is_wrong_now);
    page.heading(&format!("FINDINGS, OBSERVED FOR {}", observed(report)));
    if is_too_short(report) {
        page.hang("", 2, TOO_SHORT);
    } else if !is_wrong_now {
        page.line(&format!("  {NOTHING_WRONG}"));
    }
    for (place, finding) in findings.iter().take(WHOLE).enumerate() {
        if place > 0 || !is_wrong_now {
            page.line("");
        }
        one(page, finding);
    }
    if findings.len() > WHOLE {
        page.line("");
    }
    for finding in findings.iter().take(PRINTED).skip(WHOLE) {
        title(page, finding);
    }
    if let Some(left) = left_out(findings.len(), PRINTED) {
        page.hang("", 2, &format!("{left} more findings: --json lists them"));
    }
}

/// Nothing was found: three lines.
pub(super) fn none(page: &mut Page, report: &Doctor<'_>) {
    page.line(if is_too_short(report) {
        TOO_SHORT
    } else {
        NOTHING_WRONG
    });
    let spaces = namespaces(report);
    let rose: usize = spaces
        .iter()
        .map(|space| {
            let counters = space.counters.iter().flatten();
            counters.filter(|one| one.count.total > 0).count()
        })
        .sum();
    let host = report.host.as_ref().map(|host| &host.settings);
    let groups = report.settings.iter().flatten().map(|group| &group.values);
    let changed = groups
        .chain(host)
        .flatten()
        .filter(|row| row.changed == Some(true))
        .count();
    page.line(&format!(
        "Observed {}. Error counters above 0: {rose}; changed settings: {changed} (--all-settings)",
        observed(report)
    ));
}

fn is_too_short(report: &Doctor<'_>) -> bool {
    report.looked_ms.unwrap_or(0) < LEAST_MS
}

/// The worst few, each with its cause and the first step: for the summary of a run.
pub fn brief(page: &mut Page, findings: &[Finding]) {
    for finding in findings.iter().take(BRIEF) {
        title(page, finding);
        who(page, finding);
        why(page, finding);
        page.hang("  do first", SENTENCE_AT, &finding.do_first);
    }
    if let Some(left) = left_out(findings.len(), BRIEF) {
        let more = if left == 1 { "finding" } else { "findings" };
        let text = format!("{left} more {more} of less weight: see the table below");
        page.hang("", SENTENCE_AT, &text);
    }
}

fn title(page: &mut Page, finding: &Finding) {
    let impact = match finding.severity {
        Severity::Broken => Some(Impact::Bad),
        Severity::Degraded | Severity::Risk => Some(Impact::Degraded),
        Severity::Note => None,
    };
    let label = format!("  {}", finding.severity.name().to_uppercase());
    let rate = finding
        .rate_per_s
        .map_or_else(String::new, |rate| format!(", {rate:.1} per second"));
    let sentence = finding.title.trim_end_matches('.');
    let title = format!("{sentence}{rate} [{}]", finding.id);
    page.hang_in(impact, &label, SENTENCE_AT, &title);
}

fn why(page: &mut Page, finding: &Finding) {
    let explain = finding.explain.map_or_else(String::new, |topic| {
        format!(" (tcptrace explain {})", topic_name(topic))
    });
    page.hang("  why", SENTENCE_AT, &format!("{}{explain}", finding.why));
}

/// The processes, where the title does not name them.
fn who(page: &mut Page, finding: &Finding) {
    let owners = finding.who.iter();
    let names: Vec<String> = owners
        .filter(|owner| !finding.title.contains(owner.process.display_name()))
        .map(|owner| {
            let (name, pid) = (owner.process.display_name(), owner.process.pid);
            place(&owner.process).map_or_else(
                || format!("{name} ({pid})"),
                |place| format!("{name} ({pid}) of {place}"),
            )
        })
        .collect();
    if !names.is_empty() {
        page.hang("  who", SENTENCE_AT, &names.join(", "));
    }
}

/// The container or unit of a process.
fn place(process: &Process) -> Option<String> {
    if let Some(container) = &process.container {
        let short = container.get(..SHORT_ID).unwrap_or(container);
        return Some(format!("container {short}"));
    }
    let group = process.cgroup.as_deref()?.rsplit('/').next()?;
    group.ends_with(".service").then(|| group.to_owned())
}

fn one(page: &mut Page, finding: &Finding) {
    title(page, finding);
    who(page, finding);
    why(page, finding);
    page.hang("  do first", SENTENCE_AT, &finding.do_first);
    if let Some(change) = &finding.do_then {
        page.hang("  then", SENTENCE_AT, &change.command);
        page.hang("  risk", SENTENCE_AT, &change.risk);
    }
    let evidence: Vec<String> = finding
        .evidence
        .iter()
        .map(|proof| match proof.source.as_str() {
            "sock_diag" => proof.text.clone(),
            source if proof.text.contains(source) => proof.text.clone(),
            source => format!("{} ({source})", proof.text),
        })
        .collect();
    page.hang("  evidence", SENTENCE_AT, &evidence.join("; "));
}
