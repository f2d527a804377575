//! TIME_WAIT by who left it and by remote end, and how many local ports that costs.
//!
//! The kernel has forgotten the process. It is known when hooks saw it leave; else, where the local
//! port is that of a listener, its process is the likely one and said to be inferred.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::interpret::filter::Filter;
use crate::model::flow::TcpState;
use crate::model::line::End;
use crate::model::rows::{LeftBy, Page, PortPressure, PortUse, TimeWaitRow};
use crate::model::snapshot::{Form, Snapshot, Socket, Space};
use crate::model::{Endpoint, Owner};

use super::folds::Folds;
use super::{owner, page, ports};

/// What ends within this long is expiring soon.
const SOON_MS: u32 = 10_000;

/// One row: whose, and between whom.
type Key = (Option<u32>, LeftBy, Option<u16>, IpAddr, Option<u16>);

/// The table: the largest first.
#[must_use]
pub fn rows(snapshot: &Snapshot, folds: &Folds, filter: &Filter) -> Page<TimeWaitRow> {
    let mut rows = Vec::new();
    let mut pressed: HashMap<u32, Vec<PortUse>> = HashMap::new();
    for space in &snapshot.spaces {
        let services = services(space);
        let mut ports = ports::of(space);
        let pressures = pressures(&ports);
        ports.retain(|one| one.remote.is_none() && one.used() * 2 >= one.range);
        pressed.insert(space.netns, ports);
        let mut heaps: BTreeMap<Key, TimeWaitRow> = BTreeMap::new();
        for socket in &space.sockets {
            let (Form::TimeWait, Some(remote)) = (socket.form, socket.remote) else {
                continue;
            };
            let listener = services.get(&socket.local.port);
            let (left, left_by) = who(space.netns, socket.local, remote, folds, listener.copied());
            let holder = left.as_ref().map(|owner| &*owner.process);
            if !filter.accepts_socket(&socket.flow(space.netns), holder) {
                continue;
            }
            let service = listener.map(|_| socket.local.port);
            let remote_port = listener.is_none().then_some(remote.port);
            let pid = holder.map(|process| process.pid);
            let heap = heaps
                .entry((pid, left_by, service, remote.addr, remote_port))
                .or_insert_with(|| TimeWaitRow {
                    netns: space.netns,
                    owner: left,
                    left_by,
                    service,
                    remote: End {
                        addr: remote.addr,
                        port: remote_port,
                    },
                    time_wait: 0,
                    fin_wait2: 0,
                    expiring: 0,
                    left_ms_min: None,
                    left_ms_max: None,
                    pressure: pressures
                        .get(&remote)
                        .copied()
                        .filter(|_| listener.is_none()),
                });
            add(heap, socket);
        }
        rows.extend(heaps.into_values());
    }
    rows.sort_by_key(|row| {
        (
            Reverse(row.time_wait + row.fin_wait2),
            row.netns,
            row.service,
            row.remote.addr,
            row.remote.port,
            row.owner.as_ref().map(|owner| owner.process.pid),
        )
    });
    let mut page = page(snapshot, folds, rows);
    for space in &mut page.spaces {
        space.ports = pressed.remove(&space.netns).unwrap_or_default();
    }
    page
}

fn add(row: &mut TimeWaitRow, socket: &Socket) {
    if socket.state == TcpState::FinWait2 {
        row.fin_wait2 += 1;
        return;
    }
    row.time_wait += 1;
    if let Some(ms) = socket.timer_ms {
        row.expiring += u64::from(ms < SOON_MS);
        row.left_ms_min = Some(row.left_ms_min.map_or(ms, |least| least.min(ms)));
        row.left_ms_max = row.left_ms_max.max(Some(ms));
    }
}

/// Who left it, and how that is known.
fn who(
    netns: u32,
    local: Endpoint,
    remote: Endpoint,
    folds: &Folds,
    listener: Option<&Socket>,
) -> (Option<Owner>, LeftBy) {
    if let Some(owner) = folds.left_by(netns, local, remote) {
        return (Some(owner.clone()), LeftBy::Learnt);
    }
    match listener.and_then(owner) {
        Some(owner) => (Some(owner), LeftBy::Inferred),
        None => (None, LeftBy::None),
    }
}

/// A listener per port. Of several, the one that most processes hold.
fn services(space: &Space) -> HashMap<u16, &Socket> {
    let mut services: HashMap<u16, &Socket> = HashMap::new();
    for socket in &space.sockets {
        if socket.state == TcpState::Listen {
            let known = services.entry(socket.local.port).or_insert(socket);
            if socket.holders.len() > known.holders.len() {
                *known = socket;
            }
        }
    }
    services
}

/// Ports in use per destination. A port is taken per local address: the address with most counts.
fn pressures(all: &[PortUse]) -> HashMap<Endpoint, PortPressure> {
    let mut pressures: HashMap<Endpoint, PortPressure> = HashMap::new();
    for ports in all {
        let Some(remote) = ports.remote else { continue };
        let entry = pressures.entry(remote).or_insert(PortPressure {
            used: 0,
            range: ports.range,
        });
        entry.used = entry.used.max(ports.used());
    }
    pressures
}
