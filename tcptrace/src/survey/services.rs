//! Who serves a listener that a service manager made and still holds: the program that holds what was accepted.

use std::collections::{HashMap, HashSet};

use crate::attribute::holders::{self, Query};
use crate::attribute::serving;
use crate::model::flow::TcpState;
use crate::model::snapshot::{Form, Socket, Space};
use crate::source::netns::{self, Netns};
use crate::source::sock_diag::{self, States};

/// Processes that hold connections, by local port.
type Users = HashMap<u16, HashSet<u32>>;

/// Puts the serving process first among the holders of each such listener. `has_connections` when the sockets of
/// the space are not its listeners alone; else those that matter are looked for here, where there is anything to decide.
pub(super) fn put_first(space: &mut Space, found: &Netns, has_connections: bool) {
    let shared: Vec<&Socket> = space.sockets.iter().filter(is_shared).collect();
    let ports: HashSet<u16> = shared.iter().map(|socket| socket.local.port).collect();
    if ports.is_empty() {
        return;
    }
    let users = if has_connections {
        users_among(&space.sockets, &ports)
    } else {
        let pids = shared.iter().flat_map(|socket| &socket.holders);
        let mut pids: Vec<u32> = pids.map(|process| process.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        users_of(found, &ports, &pids)
    };
    for listener in space
        .sockets
        .iter_mut()
        .filter(|socket| is_shared(&&**socket))
    {
        order(listener, &users);
    }
}

/// Whether processes of several names hold the listener.
fn is_shared(socket: &&Socket) -> bool {
    let comms: HashSet<&str> = socket
        .holders
        .iter()
        .map(|process| process.comm.as_str())
        .collect();
    socket.state == TcpState::Listen && comms.len() > 1
}

fn users_among(sockets: &[Socket], ports: &HashSet<u16>) -> Users {
    let mut users = Users::new();
    let is_connection = |socket: &&Socket| {
        let is_open = socket.form == Form::Full && socket.state != TcpState::Listen;
        is_open && ports.contains(&socket.local.port)
    };
    for socket in sockets.iter().filter(is_connection) {
        let pids = socket.holders.iter().map(|process| process.pid);
        users.entry(socket.local.port).or_default().extend(pids);
    }
    users
}

/// Nobody where that cannot be read: then the order of the holders stays.
fn users_of(found: &Netns, ports: &HashSet<u16>, pids: &[u32]) -> Users {
    let open =
        States::one(sock_diag::state::ESTABLISHED) | States::one(sock_diag::state::CLOSE_WAIT);
    let mut by_inode = HashMap::new();
    let listed = netns::with(found, || {
        sock_diag::for_each(open, |row| {
            if let Some(inode) = row.inode.filter(|_| ports.contains(&row.local.port())) {
                by_inode.insert(inode, row.local.port());
            }
        })
    });
    if !matches!(listed, Ok(Ok(_))) {
        return Users::new();
    }
    let wanted = by_inode.keys().copied().collect();
    let held = holders::scan(&Query {
        wanted: Some(&wanted),
        candidates: Some(pids),
        ..Query::default()
    });
    let mut users = Users::new();
    for (inode, pid) in held.unwrap_or_default().pairs() {
        if let Some(port) = by_inode.get(inode) {
            users.entry(*port).or_default().insert(*pid);
        }
    }
    users
}

fn order(listener: &mut Socket, users: &Users) {
    let holders = &mut listener.holders;
    let (Some(users), Some(maker)) = (users.get(&listener.local.port), holders.first()) else {
        return;
    };
    let served = serving(maker, holders, |process| users.contains(&process.pid));
    let is_served = |pid: u32| served.as_ref().is_some_and(|served| served.pid == pid);
    if let Some(place) = holders.iter().position(|holder| is_served(holder.pid)) {
        holders[..=place].rotate_right(1);
    }
}
