//! What limits have cost: listeners that are full or have dropped, and counters of damage.

use std::cmp::Reverse;

use super::{SENTENCE_AT, left_out, name, namespaces, observed};
use crate::model::doctor::{Damage, Doctor, HurtListener, Namespace, Weight};
use crate::sink::color::Impact;
use crate::sink::page::Page;

/// Where the words of a counter begin.
const WORDS_AT: usize = 14;
/// Listeners printed.
const LISTENERS: usize = 20;
/// Namespaces whose counters are printed.
const SPACES: usize = 6;
/// A smaller part of all says nothing.
const LEAST_PERCENT: f64 = 0.1;

pub(super) fn listeners(page: &mut Page, report: &Doctor<'_>) {
    let mut rows: Vec<&HurtListener<'_>> = report.listeners.iter().flatten().collect();
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|row| Reverse((row.full, row.drops_rose, row.drops)));
    page.heading("LISTENERS THAT ARE FULL OR HAVE DROPPED");
    for row in rows.iter().take(LISTENERS) {
        let (mark, impact) = match (row.full, row.drops_rose.unwrap_or(0)) {
            (true, _) => ("FULL", Some(Impact::Bad)),
            (false, 1..) => ("DROPS", Some(Impact::Bad)),
            (false, 0) => ("dropped", Some(Impact::Degraded)),
        };
        let sentence = listener(report, row);
        page.hang_in(impact, &format!("  {mark}"), SENTENCE_AT, &sentence);
    }
    if let Some(left) = left_out(rows.len(), LISTENERS) {
        let more = format!("and {left} more: tcptrace listeners");
        page.hang("", SENTENCE_AT, &more);
    }
}

fn listener(report: &Doctor<'_>, row: &HurtListener<'_>) -> String {
    let whose = match (row.comm, row.pids) {
        (Some(comm), [pid]) => format!("{comm} ({pid}) at {}", row.local),
        (Some(comm), [pid, more @ ..]) => {
            format!("{comm} ({pid} +{}) at {}", more.len(), row.local)
        }
        _ => format!("the listener {}", row.local),
    };
    let is_own = |space: &&Namespace<'_>| space.own && space.netns == row.netns;
    let place = match namespaces(report).iter().find(is_own) {
        Some(_) => String::new(),
        None => format!(" in netns {}", row.netns),
    };
    let origin = row.limited_by.map_or_else(String::new, |limit| {
        format!(", which comes from {}", limit.name())
    });
    let drops = match (row.drops, row.drops_rose) {
        (None, _) => "this kernel does not report its drops".to_owned(),
        (Some(drops), Some(rose)) if rose > 0 => format!("drops {drops}, rising: +{rose}"),
        (Some(drops), _) => format!("drops {drops} since it began"),
    };
    let queue = row.accept_queue;
    format!(
        "{whose}{place}: {} wait for accept(), limit {}{origin}; {drops}",
        queue.length, queue.limit
    )
}

pub(super) fn counters(page: &mut Page, report: &Doctor<'_>) {
    let moved = |space: &Namespace<'_>| -> Vec<Damage> {
        let counters = space.counters.iter().flatten();
        let mut moved: Vec<Damage> = counters
            .filter(|one| one.count.total > 0)
            .copied()
            .collect();
        // Per mille: a share has no order of its own.
        let share = |one: &Damage| one.percent().map(|percent| (percent * 10.0) as u64);
        moved.sort_by_key(|one| (one.weight, Reverse(one.rose()), Reverse(share(one))));
        moved
    };
    let mut spaces: Vec<(&Namespace<'_>, Vec<Damage>)> = namespaces(report)
        .iter()
        .map(|space| (space, moved(space)))
        .filter(|(space, moved)| space.own || !moved.is_empty())
        .collect();
    let refused = |moved: &[Damage]| {
        let refusals = moved.iter().filter(|one| one.weight == Weight::Refused);
        refusals.map(|one| (one.rose(), one.count.total)).max()
    };
    spaces.sort_by_key(|(space, moved)| (!space.own, Reverse(refused(moved)), space.netns));
    for (space, moved) in spaces.iter().take(SPACES) {
        page.heading(&format!("COUNTED IN {} SINCE IT BEGAN", name(space)));
        match &space.counters {
            None => page.line("  unknown: see below"),
            Some(_) if moved.is_empty() => page.line("  No error counter has risen."),
            Some(_) => moved.iter().for_each(|one| counter(page, one, report)),
        }
    }
    if let Some(left) = left_out(spaces.len(), SPACES) {
        let more = format!("{left} more namespaces have error counters: --json lists them");
        page.hang("", 2, &more);
    }
}

fn counter(page: &mut Page, damage: &Damage, report: &Doctor<'_>) {
    let share = match (damage.percent(), damage.of, damage.of_total) {
        (Some(percent), Some(of), Some(total)) if percent >= LEAST_PERCENT => {
            format!("; {percent:.1} per 100 {of} ({total})")
        }
        _ => String::new(),
    };
    let rising = match damage.rose() {
        0 => String::new(),
        rose => format!("; RISING: +{rose} in {}", observed(report)),
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
