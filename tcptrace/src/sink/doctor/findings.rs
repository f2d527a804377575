//! What is wrong: each finding with its evidence, its cause and what to do.

use super::{SENTENCE_AT, left_out, observed};
use crate::model::doctor::Doctor;
use crate::model::finding::{Finding, Severity, topic_name};
use crate::sink::color::Impact;
use crate::sink::page::Page;

/// Findings printed.
const PRINTED: usize = 10;
/// Findings printed in a summary.
const BRIEF: usize = 3;

pub(super) fn all(page: &mut Page, report: &Doctor<'_>) {
    let findings = report.findings.unwrap_or_default();
    let is_wrong_now = findings.iter().any(Finding::is_wrong_now);
    page.heading(&format!("FINDINGS, OBSERVED FOR {}", observed(report)));
    if !is_wrong_now {
        page.line(
            "  Nothing is wrong now: no queue is full, no limit is reached, nothing is refused.",
        );
    }
    for (place, finding) in findings.iter().take(PRINTED).enumerate() {
        if place > 0 || !is_wrong_now {
            page.line("");
        }
        one(page, finding);
    }
    if let Some(left) = left_out(findings.len(), PRINTED) {
        page.hang("", 2, &format!("{left} more findings: --json lists them"));
    }
}

/// The worst few, each with its cause and the first step: for the summary of a run.
pub fn brief(page: &mut Page, findings: &[Finding]) {
    for finding in findings.iter().take(BRIEF) {
        title(page, finding);
        evidence(page, finding);
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

fn one(page: &mut Page, finding: &Finding) {
    title(page, finding);
    evidence(page, finding);
    why(page, finding);
    page.hang("  do first", SENTENCE_AT, &finding.do_first);
    if let Some(change) = &finding.do_then {
        page.hang("  then", SENTENCE_AT, &change.command);
        page.hang("  risk", SENTENCE_AT, &change.risk);
    }
}

/// What a finding rests on, each with its source unless the sentence or one before names it.
fn evidence(page: &mut Page, finding: &Finding) {
    let mut line = String::new();
    for proof in &finding.evidence {
        if !line.is_empty() {
            line.push_str("; ");
        }
        line.push_str(&proof.text);
        let source = proof.source.as_str();
        if source != "sock_diag" && !line.contains(source) {
            line.push_str(&format!(" ({source})"));
        }
    }
    page.hang("  evidence", SENTENCE_AT, &line);
}
