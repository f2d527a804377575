//! Settings with their effect: of each group of namespaces that have all in common, and of the host.

use super::{left_out, name, namespaces};
use crate::model::doctor::{Doctor, Setting, SettingsGroup};
use crate::sink::color::Impact;
use crate::sink::page::Page;

/// Where effects begin.
const EFFECT_AT: usize = 51;
/// Characters of a value.
const VALUE_WIDTH: usize = 11;
/// Groups of namespaces whose settings are printed, and namespaces named of each.
const GROUPS: usize = 4;
const NAMED: usize = 3;

/// `is_whole`: those with their default value too.
pub(super) fn all(page: &mut Page, report: &Doctor<'_>, is_whole: bool) {
    let groups = report.settings.as_deref().unwrap_or_default();
    let mut left = 0;
    for group in groups.iter().take(GROUPS) {
        let rows = chosen(report, &group.values, is_whole, &mut left);
        if !rows.is_empty() {
            page.heading(&format!("SETTINGS OF {}", members(report, group)));
            table(page, &rows);
        }
    }
    if let Some(left) = left_out(groups.len(), GROUPS) {
        let more =
            format!("{left} more groups of namespaces have different settings: --json lists them");
        page.hang("", 2, &more);
    }
    let host = report.host.as_ref().map(|host| &host.settings);
    // Only the first namespace of the host shows them.
    if let Some(rows) = host.filter(|rows| rows.iter().any(|row| row.value.is_some())) {
        let rows = chosen(report, rows, is_whole, &mut left);
        if !rows.is_empty() {
            page.heading("SETTINGS OF THE WHOLE HOST");
            table(page, &rows);
        }
    }
    if left > 0 {
        page.heading("SETTINGS");
        let rest = format!(
            "{left} settings are at their defaults or follow from memory, and no finding names them: \
             tcptrace doctor --all-settings"
        );
        page.hang("", 2, &rest);
    }
}

/// The rows to be printed: those that were changed or that a finding names. Adds the others to `left`.
fn chosen<'a>(
    report: &Doctor<'_>,
    rows: &'a [Setting],
    is_whole: bool,
    left: &mut usize,
) -> Vec<&'a Setting> {
    let findings = report.findings.unwrap_or_default();
    let is_named = |row: &Setting| {
        findings.iter().any(|finding| {
            let is_evidence = finding
                .evidence
                .iter()
                .any(|proof| proof.source == row.name);
            let change = finding.do_then.as_ref();
            is_evidence || change.is_some_and(|change| change.command.contains(&*row.name))
        })
    };
    let (shown, rest): (Vec<&Setting>, Vec<&Setting>) = rows
        .iter()
        .partition(|row| is_whole || row.changed == Some(true) || is_named(row));
    *left += rest.len();
    shown
}

fn members(report: &Doctor<'_>, group: &SettingsGroup) -> String {
    let named = group.namespaces.iter().take(NAMED).map(|netns| {
        let space = namespaces(report)
            .iter()
            .find(|space| space.netns == *netns);
        space.map_or_else(|| format!("NETNS {netns}"), name)
    });
    let names = named.collect::<Vec<_>>().join(", ");
    match left_out(group.namespaces.len(), NAMED) {
        Some(more) => format!("{names} AND {more} MORE, ALL EQUAL"),
        None => names,
    }
}

fn table(page: &mut Page, rows: &[&Setting]) {
    page.hang(&columns("", "VALUE", "DEFAULT"), EFFECT_AT, "EFFECT HERE");
    let mut about = None;
    for row in rows {
        if about.is_some_and(|group| group != row.group) {
            page.line("");
        }
        about = Some(row.group);
        let value = match row.value.as_deref() {
            None => "-",
            Some("") => "none",
            Some(value) => value,
        };
        let default = match &row.default {
            _ if row.changed == Some(false) => "same",
            Some(default) if default.is_empty() => "none",
            Some(default) => default,
            None => "memory",
        };
        let effect = match (&row.value, &row.effect) {
            (None, _) => "this kernel or namespace does not have it",
            (Some(_), Some(effect)) => effect,
            (Some(_), None) => "tcptrace does not understand this value",
        };
        let name = row.name.trim_start_matches("net.");
        let changed = (row.changed == Some(true)).then_some(Impact::Degraded);
        let begin = columns(name, &cut(value), default);
        page.hang_in(changed, &begin, EFFECT_AT, effect);
    }
}

fn columns(name: &str, value: &str, default: &str) -> String {
    format!("  {name:<28} {value:<VALUE_WIDTH$} {default:<7}")
}

/// Long lists are summed up by their effect.
fn cut(value: &str) -> String {
    if value.chars().count() <= VALUE_WIDTH {
        return value.to_owned();
    }
    let begin: String = value.chars().take(VALUE_WIDTH - 1).collect();
    format!("{begin}…")
}
