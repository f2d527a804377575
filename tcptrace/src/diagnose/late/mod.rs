//! Why accept() is late: from what the holders of a listener did between two looks to one cause, with
//! its evidence and what to do first.
//!
//! A cause is named only where the facts show it; otherwise there is none, and the finding says what is
//! known without one. Where several processes hold a listener, those speak for it that wait for it
//! (in accept(), or by an epoll instance that watches it); where none does, all but a parent that only
//! waits for its children.

mod cause;
mod sentences;

use std::collections::BTreeMap;

use crate::model::activity::Holder;
use crate::model::finding::Proof;
use crate::model::rows::ListenerRow;
use cause::Cause;

/// Why a listener's queue is not emptied.
#[derive(Debug)]
pub(super) struct Late {
    /// The cause, in a sentence or two.
    pub(super) why: String,
    /// What to do before anything else.
    pub(super) do_first: String,
    /// What it rests on.
    pub(super) evidence: Vec<Proof>,
    /// Whether nothing is accepted until the cause is gone: then no limit of a queue is worth a word.
    pub(super) fills_any_queue: bool,
}

/// The cause; `None`: nobody was looked at, or nothing they did explains it.
pub(super) fn late(row: &ListenerRow) -> Option<Late> {
    let serving = serving(&row.holders);
    let found: Vec<(Cause<'_>, &Holder)> = serving
        .iter()
        .filter_map(|holder| Some((cause::of(holder)?, *holder)))
        .collect();
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    for (cause, _) in &found {
        *counts.entry(cause.rank()).or_default() += 1;
    }
    // What shows only that nothing happens explains less than anything else.
    let (cause, holder) = found.iter().max_by_key(|(cause, _)| {
        let same = counts.get(&cause.rank()).copied().unwrap_or(0);
        (
            !matches!(cause, Cause::Idle(_)),
            same,
            std::cmp::Reverse(cause.rank()),
        )
    })?;
    let same = counts.get(&cause.rank()).copied().unwrap_or(1);
    let mut why = sentences::why(cause, &holder.activity);
    let holders = row.pids.len().max(row.holders.len());
    if holders > 1 {
        why.push_str(&sentences::among(same, serving.len(), holders));
    }
    if let Some(group) = row.group {
        let others = group.length.saturating_sub(row.accept_queue.length);
        why.push_str(&sentences::in_group(group.size, others));
    }
    let mut evidence = sentences::evidence(cause, &holder.activity);
    if let Some(ms) = row.accepts.and_then(|accepts| accepts.last_ms) {
        evidence.push(Proof {
            text: format!("the last accept() was {} ago", sentences::duration(ms)),
            value: Some(ms),
            source: "accept()".to_owned(),
        });
    }
    Some(Late {
        why,
        do_first: sentences::do_first(cause, &holder.activity),
        evidence,
        fills_any_queue: cause.fills_any_queue(),
    })
}

/// The holders that speak for the listener.
fn serving(holders: &[Holder]) -> Vec<&Holder> {
    let waits_for_it = |holder: &&Holder| holder.is_accepting || holder.is_watching == Some(true);
    let waiting: Vec<&Holder> = holders.iter().filter(waits_for_it).collect();
    if !waiting.is_empty() {
        return waiting;
    }
    let is_parent = |one: &Holder| {
        let pid = one.activity.process.pid;
        holders.iter().any(|other| other.activity.parent == pid)
    };
    let workers: Vec<&Holder> = holders.iter().filter(|one| !is_parent(one)).collect();
    if workers.is_empty() {
        holders.iter().collect()
    } else {
        workers
    }
}
