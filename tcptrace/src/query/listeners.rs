//! Every listening socket: its queues, their limits, its refusals.
//!
//! Kernel facts (5.10 to 7.3): a queue of limit N is full when its length is above N, so N+1 fit.
//! The SYN queue has the same limit as the accept queue: min(backlog, somaxconn).
//! tcp_max_syn_backlog only acts without SYN cookies, on peers that have not proven themselves.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::interpret::filter::Filter;
use crate::interpret::listen::limited_by;
use crate::model::Endpoint;
use crate::model::activity::{Activity, Holder, Thread};
use crate::model::flow::TcpState;
use crate::model::incident::{LimitedBy, Queue};
use crate::model::rows::{AcceptWaits, Group, ListenerRow, Page};
use crate::model::snapshot::{Accepts, Snapshot, Socket, Space};

use super::folds::Folds;
use super::{is_shown, owner, page};

/// The table: full queues first, then most drops, then the longest queues.
#[must_use]
pub fn rows(snapshot: &Snapshot, folds: &Folds, filter: &Filter) -> Page<ListenerRow> {
    let mut rows = Vec::new();
    for space in &snapshot.spaces {
        let listeners = || {
            space
                .sockets
                .iter()
                .filter(|socket| socket.state == TcpState::Listen)
        };
        let mut places: HashMap<Endpoint, Vec<u32>> = HashMap::new();
        for socket in listeners() {
            places
                .entry(socket.local)
                .or_default()
                .push(socket.receive_queue);
        }
        let half_open = half_open(space);
        for socket in listeners().filter(|socket| is_shown(filter, space.netns, socket)) {
            let length = half_open.get(&socket.cookie).copied().unwrap_or(0);
            let group = places.get(&socket.local).and_then(|queues| group(queues));
            let mut row = row(snapshot.boot_ns, space, socket, length, group, folds);
            row.holders = holders(socket, &snapshot.activities);
            rows.push(row);
        }
    }
    let refused = |row: &ListenerRow| row.refusals.map_or(0, |refusals| refusals.refused());
    rows.sort_by_key(|row| {
        (
            !(row.is_full() || row.is_syn_full()),
            Reverse(row.drops_risen.unwrap_or(0).max(refused(row))),
            Reverse(row.drops),
            Reverse(row.accept_queue.length),
            row.netns,
            row.local.port,
            row.local.addr,
            row.cookie,
        )
    });
    page(snapshot, folds, rows)
}

fn row(
    now_ns: u64,
    space: &Space,
    socket: &Socket,
    half_open: u32,
    group: Option<Group>,
    folds: &Folds,
) -> ListenerRow {
    let somaxconn = space.settings.somaxconn;
    let limit = socket.send_queue;
    let drops_risen = folds.drops_risen(socket.cookie);
    let limited_by = limited_by(limit, somaxconn, socket.backlog);
    let inferred = (limited_by == Some(LimitedBy::Backlog)).then_some(limit);
    ListenerRow {
        netns: space.netns,
        family: socket.family,
        local: socket.local,
        v6only: socket.v6only,
        cookie: socket.cookie,
        owner: owner(socket),
        pids: socket.holders.iter().map(|process| process.pid).collect(),
        accept_queue: Queue {
            length: socket.receive_queue,
            limit,
        },
        limited_by,
        backlog: socket.backlog.or(inferred),
        backlog_is_seen: socket.backlog.is_some(),
        syn_queue: Queue {
            length: half_open,
            limit,
        },
        drops: socket.drops,
        drops_risen: drops_risen.map(|(risen, _)| risen),
        drops_per_second: drops_risen.map(|(_, rate)| rate),
        refusals: folds.refusals(space.netns, socket.local, socket.cookie),
        accepts: socket.accepts.map(|accepts| waits(&accepts, now_ns)),
        group,
        holders: Vec::new(),
    }
}

/// What the processes did that hold it, as far as they were looked at.
fn holders(socket: &Socket, activities: &[Arc<Activity>]) -> Vec<Holder> {
    let Some(inode) = socket.inode else {
        return Vec::new();
    };
    let link = format!("socket:[{inode}]");
    let waits_here = |thread: &Thread| {
        thread.call.as_ref().is_some_and(|call| {
            matches!(call.name, Some("accept" | "accept4"))
                && call.file.as_deref() == Some(link.as_str())
        })
    };
    let pids = socket.holders.iter().map(|process| process.pid);
    pids.filter_map(|pid| activities.iter().find(|one| one.process.pid == pid))
        .map(|activity| Holder {
            is_watching: activity.watched.as_ref().map(|all| all.contains(&inode)),
            is_accepting: activity.threads.iter().any(waits_here),
            activity: Arc::clone(activity),
        })
        .collect()
}

fn waits(accepts: &Accepts, now_ns: u64) -> AcceptWaits {
    let waits = accepts.waits;
    let ms_ago = |last_ns| now_ns.saturating_sub(last_ns) / 1_000_000;
    AcceptWaits {
        measured: accepts.measured,
        older: accepts.older,
        wait_us_p50: waits.map(|waits| waits.p50_us),
        wait_us_p99: waits.map(|waits| waits.p99_us),
        wait_us_max: waits.map(|waits| waits.max_us),
        last_ms: accepts.last_ns.map(ms_ago),
    }
}

/// `None` for a listener that is alone at its place.
fn group(queues: &[u32]) -> Option<Group> {
    let size = u32::try_from(queues.len()).ok().filter(|size| *size > 1)?;
    let length: u32 = queues.iter().sum();
    let longest = queues.iter().max().copied().unwrap_or(0);
    Some(Group {
        size,
        length,
        skew: (length > 0).then(|| f64::from(longest) * f64::from(size) / f64::from(length)),
    })
}

/// Half-open handshakes per listener, by cookie. The kernel does not say whose they are: the most
/// special listener of the port takes them, and each member of a group bears the whole number.
fn half_open(space: &Space) -> HashMap<u64, u32> {
    let mut by_cookie = HashMap::new();
    for (local, count) in &space.half_open {
        let fitting = |candidate: &Socket| rank(candidate, *local);
        let best = space.sockets.iter().filter_map(fitting).min();
        for socket in &space.sockets {
            if best.is_some() && fitting(socket) == best {
                *by_cookie.entry(socket.cookie).or_insert(0) += count;
            }
        }
    }
    by_cookie
}

/// How well a listener fits: 0 its very address, then the wildcard of the family, then a dual-stack
/// one. `None`: not at all.
pub(super) fn rank(socket: &Socket, local: Endpoint) -> Option<u8> {
    if socket.state != TcpState::Listen || socket.local.port != local.port {
        return None;
    }
    let any_v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let any_v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match (socket.local.addr, local.addr) {
        (own, asked) if own == asked => Some(0),
        (own, IpAddr::V4(_)) if own == any_v4 => Some(1),
        (own, IpAddr::V6(_)) if own == any_v6 => Some(1),
        (own, IpAddr::V4(_)) if own == any_v6 && socket.v6only != Some(true) => Some(2),
        _ => None,
    }
}
