//! What is wrong with TCP here, for people: the findings first, the worst of them first; then
//! listeners that are full, damage that was counted, and settings with their effect.

use std::cmp::Reverse;

use super::page::Page;
use crate::diagnose::damage;
use crate::diagnose::settings::{self, Alike};
use crate::diagnose::{hurt, is_wrong_now, whose};
use crate::model::doctor::{Damage, Setting, Weight};
use crate::model::finding::{self, Finding, topic_name};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey, WayIn};
use crate::sink::color::Impact;

/// Where effects begin.
const EFFECT_AT: usize = 51;
/// Where the words of a counter begin.
const WORDS_AT: usize = 14;
/// Where the sentences of findings begin.
const FINDING_AT: usize = 13;
/// Namespaces whose counters are printed; --json has all.
const SPACES: usize = 6;
/// Groups of namespaces whose settings are printed, and namespaces named of each.
const GROUPS: usize = 4;
const NAMED: usize = 3;
/// A smaller part of all tells nothing.
const LEAST_PERCENT: f64 = 0.1;
/// Listeners printed.
const LISTENERS: usize = 20;
/// Findings printed.
const FINDINGS: usize = 10;

/// All of it.
pub(super) fn all(page: &mut Page, survey: &Result<Survey, String>, findings: &[Finding]) {
    let survey = match survey {
        Ok(survey) => survey,
        Err(error) => {
            page.heading("TCP ON THIS HOST");
            page.row("not known", error);
            return;
        }
    };
    found(page, survey, findings);
    listeners(page, survey);
    counters(page, survey);
    settings(page, survey);
    unseen(page, &survey.unseen);
}

fn settings(page: &mut Page, survey: &Survey) {
    let groups = settings::alike(survey);
    for group in groups.iter().take(GROUPS) {
        page.heading(&format!("SETTINGS OF {}", members(group)));
        table(page, &group.rows);
    }
    if let Some(left) = groups.len().checked_sub(GROUPS + 1) {
        let more = format!(
            "{} more groups of namespaces have settings of their own: --json lists them",
            left + 1
        );
        page.hang("", 2, &more);
    }
    let host = settings::of_the_host(&survey.host);
    if survey.host.way_in.is_some() {
        page.heading("SETTINGS OF THE WHOLE HOST");
        table(page, &host);
    }
}

fn members(group: &Alike<'_>) -> String {
    let names: Vec<String> = group
        .spaces
        .iter()
        .take(NAMED)
        .map(|space| name(space))
        .collect();
    let names = names.join(", ");
    match group.spaces.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{names} AND {more} MORE, ALL ALIKE"),
        _ => names,
    }
}

fn name(space: &Space) -> String {
    let processes = match space.processes {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    match &space.way_in {
        WayIn::Own => format!("NETNS {} (own, {processes})", space.netns),
        WayIn::Pid(pid) => format!("NETNS {} (pid {pid}, {processes})", space.netns),
        WayIn::Named(path) => format!("NETNS {} ({path})", space.netns),
    }
}

fn table(page: &mut Page, rows: &[Setting]) {
    page.hang(&columns("", "VALUE", "DEFAULT"), EFFECT_AT, "EFFECT HERE");
    let mut about = None;
    for row in rows {
        if about.is_some_and(|group| group != row.group) {
            page.line("");
        }
        about = Some(row.group);
        let value = row.value.as_deref().map_or("-", |value| value);
        let value = if value.is_empty() { "none" } else { value };
        let default = match &row.default {
            _ if row.changed == Some(false) => "same",
            Some(default) if default.is_empty() => "none",
            Some(default) => default,
            None => "memory",
        };
        let effect = match (&row.value, &row.effect) {
            (None, _) => "this kernel or namespace does not have it",
            (Some(_), Some(effect)) => effect,
            (Some(_), None) => "this value is not understood",
        };
        let name = row.name.trim_start_matches("net.");
        let changed = (row.changed == Some(true)).then_some(Impact::Degraded);
        page.hang_in(
            changed,
            &columns(name, &cut(value), default),
            EFFECT_AT,
            effect,
        );
    }
}

fn columns(name: &str, value: &str, default: &str) -> String {
    format!("  {name:<28} {value:<11} {default:<7}")
}

/// Long lists are told by their effect.
fn cut(value: &str) -> String {
    if value.chars().count() <= 11 {
        return value.to_owned();
    }
    let kept: String = value.chars().take(10).collect();
    format!("{kept}…")
}

fn counters(page: &mut Page, survey: &Survey) {
    let mut spaces: Vec<(&Space, Vec<Damage>)> = survey
        .spaces
        .iter()
        .map(|space| (space, damage::moved(space)))
        .filter(|(space, moved)| space.is_own() || !moved.is_empty())
        .collect();
    let refused = |moved: &[Damage]| {
        let refusals = moved.iter().filter(|one| one.weight == Weight::Refused);
        refusals.map(|one| (one.rose(), one.count.total)).max()
    };
    spaces.sort_by_key(|(space, moved)| (!space.is_own(), Reverse(refused(moved)), space.netns));
    for (space, moved) in spaces.iter().take(SPACES) {
        page.heading(&format!("COUNTED IN {}, SINCE IT BEGAN", name(space)));
        match &space.counters {
            None => page.line("  not known: see below"),
            Some(_) if moved.is_empty() => {
                page.line("  none of the counters of trouble has risen");
            }
            Some(_) => moved.iter().for_each(|one| counter(page, one, survey)),
        }
    }
    if let Some(left) = spaces.len().checked_sub(SPACES + 1) {
        let more = format!(
            "{} more namespaces have counters of trouble: --json lists them",
            left + 1
        );
        page.hang("", 2, &more);
    }
}

fn counter(page: &mut Page, damage: &Damage, survey: &Survey) {
    let share = match (damage.percent(), damage.of, damage.of_total) {
        (Some(percent), Some(of), Some(total)) if percent >= LEAST_PERCENT => {
            format!("; {percent:.1} per 100 {of} ({total})")
        }
        _ => String::new(),
    };
    let rising = match damage.rose() {
        0 => String::new(),
        rose => format!("; RISING: +{rose} in {}", seconds(survey)),
    };
    let explain = damage
        .topic
        .map_or_else(String::new, |topic| format!(": tcptrace explain {topic}"));
    let impact = match (damage.rose(), damage.weight) {
        (0, Weight::Degraded) => None,
        (0, Weight::Refused) | (_, Weight::Degraded) => Some(Impact::Degraded),
        (_, Weight::Refused) => Some(Impact::Bad),
    };
    page.hang_in(
        impact,
        &format!("  {:>10}  ", damage.count.total),
        WORDS_AT,
        &format!(
            "{}{share}{rising} ({}{explain})",
            damage.says, damage.counter
        ),
    );
}

fn seconds(survey: &Survey) -> String {
    format!("{:.1}s", survey.looked_ms as f64 / 1000.0)
}

fn listeners(page: &mut Page, survey: &Survey) {
    let mut rows: Vec<(&Space, &ListenerRow)> = survey
        .spaces
        .iter()
        .flat_map(|space| hurt(space).map(move |row| (space, row)))
        .collect();
    if rows.is_empty() {
        return;
    }
    let worst = |row: &ListenerRow| (row.is_full(), row.drops_risen, row.drops);
    rows.sort_by_key(|(_, row)| Reverse(worst(row)));
    page.heading("LISTENERS THAT ARE FULL, OR HAVE DROPPED");
    for (space, row) in rows.iter().take(LISTENERS) {
        let (mark, impact) = match (row.is_full(), row.drops_risen.unwrap_or(0)) {
            (true, _) => ("FULL", Some(Impact::Bad)),
            (false, 1..) => ("DROPS", Some(Impact::Bad)),
            (false, 0) => ("dropped", Some(Impact::Degraded)),
        };
        page.hang_in(
            impact,
            &format!("  {mark}"),
            FINDING_AT,
            &listener(space, row),
        );
    }
    if let Some(left) = rows.len().checked_sub(LISTENERS + 1) {
        page.hang(
            "",
            FINDING_AT,
            &format!("and {} more: tcptrace listeners", left + 1),
        );
    }
}

fn listener(space: &Space, row: &ListenerRow) -> String {
    let binds = row.limited_by.map_or_else(String::new, |binds| {
        format!(", which comes from {}", binds.name())
    });
    let drops = match (row.drops, row.drops_risen) {
        (None, _) => "drops are not reported".to_owned(),
        (Some(drops), Some(rose)) if rose > 0 => format!("drops {drops}, rising: +{rose}"),
        (Some(drops), _) => format!("drops {drops} since it began"),
    };
    let place = if space.is_own() {
        String::new()
    } else {
        format!(" in netns {}", space.netns)
    };
    let queue = row.accept_queue;
    format!(
        "{}{place}: {} wait for accept(), limit {}{binds}; {drops}",
        whose(row),
        queue.length,
        queue.limit
    )
}

fn found(page: &mut Page, survey: &Survey, findings: &[Finding]) {
    page.heading(&format!("FINDINGS, LOOKED AT FOR {}", seconds(survey)));
    if !is_wrong_now(findings) {
        page.line(
            "  Nothing is wrong now: no queue is full, no limit is reached, nothing is refused.",
        );
    }
    for (place, finding) in findings.iter().take(FINDINGS).enumerate() {
        if place > 0 || !is_wrong_now(findings) {
            page.line("");
        }
        one(page, finding);
    }
    if let Some(left) = findings.len().checked_sub(FINDINGS + 1) {
        let more = format!("{} more findings: --json lists them", left + 1);
        page.hang("", 2, &more);
    }
}

fn one(page: &mut Page, finding: &Finding) {
    let impact = match finding.severity {
        finding::Severity::Broken => Some(Impact::Bad),
        finding::Severity::Degraded | finding::Severity::Risk => Some(Impact::Degraded),
        finding::Severity::Note => None,
    };
    let label = format!("  {}", finding.severity.name().to_uppercase());
    let rate = finding
        .rate_per_s
        .map_or_else(String::new, |rate| format!(", {rate:.1} a second"));
    let title = format!("{}{rate} [{}]", finding.title, finding.id);
    page.hang_in(impact, &label, FINDING_AT, &title);
    let evidence: Vec<String> = finding
        .evidence
        .iter()
        .map(|proof| match proof.source.as_str() {
            "sock_diag" => proof.text.clone(),
            source if proof.text.contains(source) => proof.text.clone(),
            source => format!("{} ({source})", proof.text),
        })
        .collect();
    page.hang("  evidence", FINDING_AT, &evidence.join("; "));
    let explain = finding.explain.map_or_else(String::new, |topic| {
        format!(" (tcptrace explain {})", topic_name(topic))
    });
    page.hang("  why", FINDING_AT, &format!("{}{explain}", finding.why));
    page.hang("  do first", FINDING_AT, &finding.do_first);
    if let Some(change) = &finding.do_then {
        page.hang("  then", FINDING_AT, &change.command);
        page.hang("  risk", FINDING_AT, &change.risk);
    }
}

fn unseen(page: &mut Page, unseen: &[String]) {
    if unseen.is_empty() {
        return;
    }
    page.heading("NOT VISIBLE");
    for why in unseen {
        page.hang("", 2, why);
    }
}

#[cfg(test)]
mod tests;
