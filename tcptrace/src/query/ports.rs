//! Local ports in use, by local address: for each destination, and over all destinations.
//!
//! Kernel facts (5.10 to 7.3): connect() without a bind() needs a port that is free for its local
//! address, remote address and remote port, so a port can serve many destinations at once. bind()
//! with port 0 needs a port that nobody uses at that local address, whatever the destination.
//! Connections of a service share the port of their listener and take none.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::flow::TcpState;
use crate::model::rows::PortUse;
use crate::model::snapshot::{Form, Socket, Space};
use crate::model::{Basis, Endpoint, Owner, Process};

/// Processes named of one address.
const HOLDERS: usize = 3;

/// A local address, and one destination or all of them.
type Key = (IpAddr, Option<Endpoint>);

#[derive(Debug, Default)]
struct Ports<'a> {
    /// Whether a socket that is not in TIME_WAIT has it.
    by_port: HashMap<u16, bool>,
    sockets: u32,
    holders: BTreeMap<u32, (&'a Arc<Process>, u32)>,
}

/// Every address and destination with at least one port of the range, the fullest first; empty where
/// the range is not known.
#[must_use]
pub fn of(space: &Space) -> Vec<PortUse> {
    let Some((first, last)) = space.settings.ip_local_port_range else {
        return Vec::new();
    };
    let range = u32::from(last) - u32::from(first) + 1;
    let listening = |socket: &&Socket| socket.state == TcpState::Listen;
    let services: HashSet<u16> = space
        .sockets
        .iter()
        .filter(listening)
        .map(|socket| socket.local.port)
        .collect();
    let mut ports: BTreeMap<Key, Ports<'_>> = BTreeMap::new();
    for socket in &space.sockets {
        let (Some(remote), port) = (socket.remote, socket.local.port) else {
            continue;
        };
        if !(first..=last).contains(&port) || services.contains(&port) {
            continue;
        }
        for destination in [None, Some(remote)] {
            let key = (socket.local.addr, destination);
            ports.entry(key).or_default().add(socket);
        }
    }
    let mut uses: Vec<PortUse> = ports
        .into_iter()
        .map(|((local, remote), ports)| ports.finished(local, remote, range))
        .collect();
    // Stable: of one address the sum over all destinations comes before an equal destination.
    uses.sort_by_key(|one| Reverse(one.used()));
    uses
}

impl<'a> Ports<'a> {
    fn add(&mut self, socket: &'a Socket) {
        let is_live = !(socket.form == Form::TimeWait && socket.state == TcpState::TimeWait);
        *self.by_port.entry(socket.local.port).or_insert(false) |= is_live;
        self.sockets += 1;
        if let Some(holder) = socket.holders.first() {
            self.holders.entry(holder.pid).or_insert((holder, 0)).1 += 1;
        }
    }

    fn finished(self, local: IpAddr, remote: Option<Endpoint>, range: u32) -> PortUse {
        let live = self.by_port.values().filter(|is_live| **is_live).count();
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        let used = u32::try_from(self.by_port.len()).unwrap_or(u32::MAX);
        let mut holders: Vec<_> = self.holders.into_values().collect();
        holders.sort_by_key(|(process, count)| (Reverse(*count), process.pid));
        let owner = |process: &Arc<Process>| Owner {
            process: Arc::clone(process),
            basis: Basis::Snapshot,
            shared_by: None,
            tid: None,
            holders: None,
            is_stale: false,
        };
        PortUse {
            local,
            remote,
            live,
            time_wait: used - live,
            sockets: self.sockets,
            range,
            holders: holders
                .into_iter()
                .take(HOLDERS)
                .map(|(process, count)| (owner(process), count))
                .collect(),
        }
    }
}
