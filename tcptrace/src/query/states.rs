//! Sockets by state and process, and what is wrong with them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::interpret::filter::Filter;
use crate::model::flow::TcpState;
use crate::model::rows::{Anomaly, Held, Page, StateRow, TopRemote};
use crate::model::snapshot::{Form, Sending, Snapshot, Socket, Space};
use crate::model::{Basis, Endpoint, Owner};

use super::folds::Folds;
use super::listeners::rank;
use super::{is_shown, owner, page};

/// So many in CLOSE_WAIT at one process are a pile.
const PILE: u64 = 10;
/// One in CLOSE_WAIT that received nothing for so long is a leak: a request takes less.
const LEAK_MS: u32 = 60_000;
/// A SYN sent so often again has been unanswered for 3 s or longer: for 7 s where no pause is linear
/// (before 6.5).
const STUCK_RESENDS: u8 = 3;

/// So many resends without an acknowledgement are no delay any more, with [`STALLED_MS`].
const STALLED_RESENDS: u8 = 3;
/// A sender or a window without progress for so long is stuck; flow control alone takes less.
const STALLED_MS: u64 = 1000;

/// Rows of one state and holder.
#[derive(Debug)]
struct Heap<'a> {
    row: StateRow,
    remotes: HashMap<(IpAddr, u16), u64>,
    sample: &'a Socket,
    /// Everything written and not acknowledged, bytes.
    queued: u64,
    /// Longest time without data from the peer, of those whose own window is shut.
    own_shut_ms: Option<u32>,
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
            row.anomaly = anomaly(&row, (heap.queued, heap.own_shut_ms), space, orphan_limit);
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
                unacked_bytes: Some(0),
                unsent_bytes: Some(0),
                window_shut: 0,
                window_shut_ms_max: None,
                stuck: 0,
                stuck_ms_max: None,
                own_window_shut: Some(0),
                resends_max: 0,
                silent_ms_max: None,
                top_remote: None,
                anomaly: None,
            },
            remotes: HashMap::new(),
            sample: holder,
            queued: 0,
            own_shut_ms: None,
        });
    // The one that most processes share speaks for the row.
    if holder.holders.len() > heap.sample.holders.len() {
        heap.sample = holder;
    }
    let row = &mut heap.row;
    row.count += 1;
    if socket.state != TcpState::Listen {
        row.unread_bytes += u64::from(socket.receive_queue);
        heap.queued += u64::from(socket.send_queue);
        add_sending(row, &mut heap.own_shut_ms, socket);
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

/// What waits to be acknowledged, what waits to be sent, and what for.
fn add_sending(row: &mut StateRow, own_shut_ms: &mut Option<u32>, socket: &Socket) {
    let queued = u64::from(socket.send_queue);
    let add = |sum: Option<u64>, bytes: Option<u64>| Some(sum?.saturating_add(bytes?));
    let Some(sending) = &socket.sending else {
        // The kernel's stand-ins for handshakes and for TIME_WAIT send nothing.
        let nothing = (queued == 0).then_some(0);
        row.unacked_bytes = add(row.unacked_bytes, nothing);
        row.unsent_bytes = add(row.unsent_bytes, nothing);
        return;
    };
    // Both are read one after the other while the connection is active.
    let unsent = sending
        .unsent_bytes
        .map(|bytes| u64::from(bytes).min(queued));
    row.unsent_bytes = add(row.unsent_bytes, unsent);
    row.unacked_bytes = add(row.unacked_bytes, unsent.map(|unsent| queued - unsent));
    if is_window_shut(socket, sending) {
        row.window_shut += 1;
        row.window_shut_ms_max = row.window_shut_ms_max.max(shut_ms(sending));
    } else if let Some(ms) = sending.last_ack_ms.map(u64::from)
        && is_sending(socket.state)
        && queued > 0
        && socket.resends >= STALLED_RESENDS
        && ms >= STALLED_MS
    {
        row.stuck += 1;
        row.stuck_ms_max = row.stuck_ms_max.max(Some(ms));
    }
    match sending.own_window {
        None => row.own_window_shut = None,
        Some(0) if socket.receive_queue > 0 => {
            row.own_window_shut = add(row.own_window_shut, Some(1));
            *own_shut_ms = (*own_shut_ms).max(socket.silent_ms);
        }
        Some(_) => {}
    }
}

/// Whether a socket in this state sends data, or the end of it.
fn is_sending(state: TcpState) -> bool {
    !matches!(
        state,
        TcpState::Listen | TcpState::SynSent | TcpState::SynRecv | TcpState::TimeWait
    )
}

/// Whether data waits for the peer to read. The timer for probes also runs where this host itself could
/// not send: then the peer has room for a segment.
fn is_window_shut(socket: &Socket, sending: &Sending) -> bool {
    let segment = sending.segment_bytes.unwrap_or(1);
    socket.send_queue > 0
        && is_sending(socket.state)
        && match sending.peer_window {
            None => sending.is_probing,
            Some(0) => true,
            Some(bytes) => sending.is_probing && bytes < segment,
        }
}

/// An upper bound of how long the window has been shut with data waiting: no data went out since, and
/// the kernel counts how long windows held data back.
fn shut_ms(sending: &Sending) -> Option<u64> {
    let since_sent = sending.last_sent_ms.map(u64::from)?;
    Some(
        sending
            .held_back_ms
            .map_or(since_sent, |ms| ms.min(since_sent)),
    )
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

fn anomaly(
    row: &StateRow,
    (queued, own_shut_ms): (u64, Option<u32>),
    space: &Space,
    orphan_limit: Option<u32>,
) -> Option<Anomaly> {
    let is_long = |ms: Option<u64>| ms.is_some_and(|ms| ms >= STALLED_MS);
    match row.state {
        TcpState::CloseWait
            if row.held == Held::Process
                && (row.count >= PILE || row.silent_ms_max.is_some_and(|ms| ms >= LEAK_MS)) =>
        {
            Some(Anomaly::CloseWaitPiling)
        }
        TcpState::SynSent if row.resends_max >= STUCK_RESENDS => Some(Anomaly::SynSentStuck),
        // The FIN itself takes one number of the sequence.
        TcpState::FinWait1 if queued > row.count => Some(Anomaly::FinWait1Unsent),
        _ if row.stuck > 0 => Some(Anomaly::SendStuck),
        _ if is_long(row.window_shut_ms_max) => Some(Anomaly::PeerWindowShut),
        _ if is_long(own_shut_ms.map(u64::from)) => Some(Anomaly::OwnWindowShut),
        _ if row.held == Held::Orphan => {
            let (orphans, limit) = (space.counters.orphans?, orphan_limit?);
            (orphans.saturating_mul(2) >= u64::from(limit)).then_some(Anomaly::ManyOrphans)
        }
        _ => None,
    }
}
