//! Sockets by state and process, and what is wrong with them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::interpret::filter::Filter;
use crate::model::flow::TcpState;
use crate::model::rows::{Anomaly, Held, Page, StateRow, TopRemote};
use crate::model::snapshot::{Form, Snapshot, Socket, Space};
use crate::model::{Basis, Endpoint, Owner};

use super::folds::Folds;
use super::listeners::rank;
use super::{is_shown, owner, page};

/// So many in CLOSE_WAIT at one process are a pile.
const PILE: u64 = 10;
/// One in CLOSE_WAIT that received nothing for so long is a leak: a request takes less.
const LEAK_MS: u32 = 60_000;
/// A SYN sent so often again has been unanswered for 7 s.
const STUCK_RESENDS: u8 = 3;

/// Rows of one state and holder.
#[derive(Debug)]
struct Heap<'a> {
    row: StateRow,
    remotes: HashMap<(IpAddr, u16), u64>,
    sample: &'a Socket,
}

/// The table: what is wrong first, then the largest.
#[must_use]
pub fn rows(snapshot: &Snapshot, folds: &Folds, filter: &Filter) -> Page<StateRow> {
    let orphan_limit = snapshot
        .spaces
        .iter()
        .find_map(|space| space.settings.tcp_max_orphans);
    let mut rows = Vec::new();
    for space in &snapshot.spaces {
        let mut heaps: BTreeMap<(TcpState, Held, u32), Heap<'_>> = BTreeMap::new();
        let mut listeners = HashMap::new();
        for socket in &space.sockets {
            if is_shown(filter, space.netns, socket) {
                let held = held(socket);
                let holder = match held {
                    Held::AcceptQueue => *listeners
                        .entry(socket.local)
                        .or_insert_with(|| listener(space, socket.local)),
                    _ => None,
                };
                add(&mut heaps, space, socket, held, holder.unwrap_or(socket));
            }
        }
        for heap in heaps.into_values() {
            let mut row = heap.row;
            row.owner = match row.held {
                Held::Process => owner(heap.sample),
                Held::AcceptQueue => owner(heap.sample).map(|owner| Owner {
                    basis: Basis::Listener,
                    ..owner
                }),
                _ => None,
            };
            row.top_remote = top(&heap.remotes);
            row.anomaly = anomaly(&row, space, orphan_limit);
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| {
        let pid = row.owner.as_ref().map(|owner| owner.process.pid);
        (
            row.anomaly.is_none(),
            Reverse(row.count),
            row.netns,
            row.state,
            pid,
        )
    });
    page(snapshot, folds, rows)
}

fn add<'a>(
    heaps: &mut BTreeMap<(TcpState, Held, u32), Heap<'a>>,
    space: &Space,
    socket: &'a Socket,
    held: Held,
    holder: &'a Socket,
) {
    let pid = holder.holders.first().map_or(0, |process| process.pid);
    let heap = heaps
        .entry((socket.state, held, pid))
        .or_insert_with(|| Heap {
            row: StateRow {
                netns: space.netns,
                state: socket.state,
                held,
                owner: None,
                count: 0,
                unread_bytes: 0,
                unacked_bytes: 0,
                resends_max: 0,
                silent_ms_max: None,
                top_remote: None,
                anomaly: None,
            },
            remotes: HashMap::new(),
            sample: holder,
        });
    // The one that most processes share speaks for the row.
    if holder.holders.len() > heap.sample.holders.len() {
        heap.sample = holder;
    }
    let row = &mut heap.row;
    row.count += 1;
    if socket.state != TcpState::Listen {
        row.unread_bytes += u64::from(socket.receive_queue);
        row.unacked_bytes += u64::from(socket.send_queue);
        // Before a connection is established the kernel has no such time.
        if !matches!(socket.state, TcpState::SynSent | TcpState::SynRecv) {
            row.silent_ms_max = row.silent_ms_max.max(socket.silent_ms);
        }
    }
    row.resends_max = row.resends_max.max(socket.resends);
    if let Some(remote) = socket.remote {
        *heap.remotes.entry((remote.addr, remote.port)).or_insert(0) += 1;
    }
}

/// The listener whose accept queue a connection to `local` waits in: the one that fits best. `None`:
/// there is none, or several share that address, and the kernel does not say which has it.
fn listener(space: &Space, local: Endpoint) -> Option<&Socket> {
    let best = space
        .sockets
        .iter()
        .filter_map(|one| rank(one, local))
        .min()?;
    let mut fitting = space
        .sockets
        .iter()
        .filter(|one| rank(one, local) == Some(best));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// Who holds a socket. One without a file is either not accepted yet, or closed already; only
/// a closed one is past ESTABLISHED by its own side.
fn held(socket: &Socket) -> Held {
    match (socket.form, socket.inode) {
        (Form::Request, _) => Held::SynQueue,
        (Form::TimeWait, _) => Held::Minisock,
        (Form::Full, Some(_)) if socket.holders.is_empty() => Held::Unknown,
        (Form::Full, Some(_)) => Held::Process,
        (Form::Full, None) => match socket.state {
            TcpState::FinWait1 | TcpState::FinWait2 | TcpState::LastAck | TcpState::Closing => {
                Held::Orphan
            }
            TcpState::SynRecv | TcpState::Established | TcpState::CloseWait => Held::AcceptQueue,
            _ => Held::Unknown,
        },
    }
}

/// The address most of them talk to, with its port when one port has them all.
fn top(remotes: &HashMap<(IpAddr, u16), u64>) -> Option<TopRemote> {
    let mut by_address: BTreeMap<IpAddr, (u64, Option<u16>)> = BTreeMap::new();
    for ((address, port), count) in remotes {
        by_address
            .entry(*address)
            .and_modify(|(sum, port)| {
                *sum += count;
                *port = None;
            })
            .or_insert((*count, Some(*port)));
    }
    let (addr, (count, port)) = by_address
        .into_iter()
        .max_by_key(|(address, (count, _))| (*count, Reverse(*address)))?;
    Some(TopRemote { addr, port, count })
}

fn anomaly(row: &StateRow, space: &Space, orphan_limit: Option<u32>) -> Option<Anomaly> {
    match row.state {
        TcpState::CloseWait
            if row.held == Held::Process
                && (row.count >= PILE || row.silent_ms_max.is_some_and(|ms| ms >= LEAK_MS)) =>
        {
            Some(Anomaly::CloseWaitPiling)
        }
        TcpState::SynSent if row.resends_max >= STUCK_RESENDS => Some(Anomaly::SynSentStuck),
        // The FIN itself takes one number of the sequence.
        TcpState::FinWait1 if row.unacked_bytes > row.count => Some(Anomaly::FinWait1Unsent),
        _ if row.held == Held::Orphan => {
            let (orphans, limit) = (space.counters.orphans?, orphan_limit?);
            (orphans.saturating_mul(2) >= u64::from(limit)).then_some(Anomaly::ManyOrphans)
        }
        _ => None,
    }
}
