//! The report of `doctor` for people, made of the same object that `--json` writes.
//!
//! Short: what it leaves out is counted, and `--json` has all of it.

mod damage;
mod findings;
mod hooks;
mod machine;
mod settings;

use super::page::Page;
use crate::model::doctor::{Doctor, Namespace};

pub use findings::brief;

/// Where the sentences of findings and listeners begin.
const SENTENCE_AT: usize = 13;

/// What is wrong, the worst first; then listeners that are full, damage that was counted, settings that
/// were changed or matter to a finding (or all of them), and one line on what this kernel does not show. Where
/// nothing was found: three lines.
pub fn diagnosis(page: &mut Page, report: &Doctor<'_>, all_settings: bool) {
    match report.counters_error {
        Some(error) => {
            page.heading("TCP ON THIS HOST");
            page.row("not known", error);
        }
        None if report.findings.unwrap_or_default().is_empty() && !all_settings => {
            findings::none(page, report);
            hooks::coverage_line(page, report);
            return;
        }
        None => {
            findings::all(page, report);
            damage::listeners(page, report);
            damage::counters(page, report);
            settings::all(page, report, all_settings);
            not_visible(page, report);
        }
    }
    hooks::coverage(page, report);
    configuration(page, report);
}

/// What configuration files set: it holds for the other commands, too.
fn configuration(page: &mut Page, report: &Doctor<'_>) {
    for file in report.config {
        let says = match &file.skipped {
            Some(why) => format!("{} is not read: {why}", file.path),
            None if file.options.is_empty() => format!("{} sets nothing", file.path),
            None => format!("{} sets {}", file.path, file.options.join(", ")),
        };
        page.hang("CONFIG", SENTENCE_AT, &says);
    }
}

/// Privileges, the kernel's types, and the hook that serves each fact.
pub fn hooks(page: &mut Page, report: &Doctor<'_>) {
    if let Some(privileges) = &report.privileges {
        machine::privileges(page, privileges);
    }
    machine::kernel(page, report);
    hooks::all(page, report);
    configuration(page, report);
}

fn not_visible(page: &mut Page, report: &Doctor<'_>) {
    let reasons = report.unseen.unwrap_or_default();
    if reasons.is_empty() {
        return;
    }
    page.heading("NOT VISIBLE");
    for reason in reasons {
        page.hang("", 2, reason);
    }
}

/// Between the two looks.
fn observed(report: &Doctor<'_>) -> String {
    format!("{:.1}s", report.looked_ms.unwrap_or(0) as f64 / 1000.0)
}

fn namespaces<'a>(report: &'a Doctor<'_>) -> &'a [Namespace<'a>] {
    report.namespaces.as_deref().unwrap_or_default()
}

/// A namespace in a heading, and how to get there.
fn name(space: &Namespace<'_>) -> String {
    let processes = match space.processes {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    let netns = space.netns;
    match (space.own, space.pid, space.file) {
        (true, _, _) => format!("NETNS {netns} (own, {processes})"),
        (false, Some(pid), _) => format!("NETNS {netns} (pid {pid}, {processes})"),
        (false, None, Some(path)) => format!("NETNS {netns} ({path})"),
        (false, None, None) => format!("NETNS {netns}"),
    }
}

/// How many of a list do not fit; `None`: all do.
fn left_out(count: usize, printed: usize) -> Option<usize> {
    count.checked_sub(printed).filter(|left| *left > 0)
}
