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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Endpoint, Family, Process};

    fn process(pid: u32, comm: &str) -> Arc<Process> {
        Arc::new(Process {
            pid,
            start_ticks: Some(u64::from(pid)),
            comm: comm.to_owned(),
            ..Process::default()
        })
    }

    fn socket(state: TcpState, port: u16, holders: &[&Arc<Process>]) -> Socket {
        Socket {
            family: Family::Inet,
            state,
            form: Form::Full,
            local: Endpoint {
                addr: [10, 0, 0, 1].into(),
                port,
            },
            remote: None,
            cookie: 1,
            inode: Some(5),
            receive_queue: 0,
            send_queue: 0,
            resends: 0,
            timer_ms: None,
            drops: None,
            silent_ms: None,
            sending: None,
            v6only: None,
            backlog: None,
            accepts: None,
            holders: holders.iter().copied().cloned().collect(),
        }
    }

    #[test]
    fn who_holds_what_was_accepted_comes_before_who_made_the_listener() {
        let manager = process(1, "systemd");
        let (master, worker) = (process(7, "nginx"), process(8, "nginx"));
        let mut listener = socket(TcpState::Listen, 80, &[&manager, &master, &worker]);
        let connection = |port| socket(TcpState::Established, port, &[&worker]);
        let first = |listener: &Socket| listener.holders.first().map(|holder| holder.pid);
        let ports = HashSet::from([80]);
        // Of another port, and of nobody: the order stays.
        let elsewhere = [connection(81), socket(TcpState::Established, 80, &[])];
        order(&mut listener, &users_among(&elsewhere, &ports));
        assert_eq!(first(&listener), Some(1));
        order(&mut listener, &users_among(&[connection(80)], &ports));
        let pids: Vec<u32> = listener.holders.iter().map(|holder| holder.pid).collect();
        assert_eq!(pids, [7, 1, 8]);
    }

    #[test]
    fn a_listener_of_one_program_is_nothing_to_decide() {
        let (master, worker) = (process(7, "nginx"), process(8, "nginx"));
        assert!(!is_shared(&&socket(
            TcpState::Listen,
            80,
            &[&master, &worker]
        )));
        let manager = process(1, "systemd");
        assert!(is_shared(&&socket(
            TcpState::Listen,
            80,
            &[&manager, &worker]
        )));
        assert!(!is_shared(&&socket(
            TcpState::Established,
            80,
            &[&manager, &worker]
        )));
    }
}
