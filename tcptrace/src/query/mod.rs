//! From snapshots of the kernel's sockets, and folds of incidents, to the rows of `listeners`,
//! `states` and `timewait`.
//!
//! Pure: no clock, no system call; `survey` takes the snapshot. What a snapshot does not contain stays `None`; nothing
//! here fails.

pub mod folds;
pub mod listeners;
pub mod ports;
pub mod states;
#[cfg(test)]
mod tests;
pub mod timewait;

use crate::interpret::filter::Filter;
use crate::model::owner::MOST_HOLDERS;
use crate::model::rows::{Page, SpaceRow};
use crate::model::snapshot::{Snapshot, Socket, Space, SpaceCounters};
use crate::model::{Basis, Owner};

use folds::Folds;

/// The first holder, said to be found in /proc, with how many share.
fn owner(socket: &Socket) -> Option<Owner> {
    Some(Owner {
        is_stale: false,
        process: socket.holders.first()?.clone(),
        basis: Basis::Snapshot,
        shared_by: u32::try_from(socket.holders.len())
            .ok()
            .filter(|holders| *holders > 1),
        tid: None,
        holders: (socket.holders.len() > 1)
            .then(|| socket.holders.iter().take(MOST_HOLDERS).cloned().collect()),
    })
}

/// Whether a socket passes the filter by its own facts.
fn is_shown(filter: &Filter, netns: u32, socket: &Socket) -> bool {
    let holders = socket.holders.iter().map(|process| &**process);
    filter.accepts_socket(&socket.flow(netns), holders)
}

fn page<R>(snapshot: &Snapshot, folds: &Folds, rows: Vec<R>) -> Page<R> {
    Page {
        boot_ns: snapshot.boot_ns,
        rows,
        spaces: snapshot
            .spaces
            .iter()
            .map(|space| space_row(space, folds))
            .collect(),
        unseen: snapshot.unseen.clone(),
        reconciliation: snapshot.reconciliation.clone(),
        watched_ms: folds
            .watching_since_ns()
            .map(|since| snapshot.boot_ns.saturating_sub(since) / 1_000_000),
    }
}

fn space_row(space: &Space, folds: &Folds) -> SpaceRow {
    SpaceRow {
        netns: space.netns,
        is_own: space.is_own,
        settings: space.settings.clone(),
        counters: space.counters,
        risen: folds
            .first_counters(space.netns)
            .map(|first| risen(&first, &space.counters)),
        ports: Vec::new(),
    }
}

/// How much counters rose; levels stay what they are.
fn risen(first: &SpaceCounters, now: &SpaceCounters) -> SpaceCounters {
    let rise = |first: Option<u64>, now: Option<u64>| Some(now?.saturating_sub(first?));
    SpaceCounters {
        accept_overflows: rise(first.accept_overflows, now.accept_overflows),
        syn_queue_drops: rise(first.syn_queue_drops, now.syn_queue_drops),
        syn_queue_cookies: rise(first.syn_queue_cookies, now.syn_queue_cookies),
        deferred_acks: rise(first.deferred_acks, now.deferred_acks),
        time_wait_overflows: rise(first.time_wait_overflows, now.time_wait_overflows),
        time_wait_reuses: rise(first.time_wait_reuses, now.time_wait_reuses),
        time_wait_entries: now.time_wait_entries,
        orphans: now.orphans,
    }
}
