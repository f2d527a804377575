//! What really happened: which process held which socket when, under which name, and what the kernel
//! had to do with it. Every moment is a window, from before the call until after it.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Boot clock, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) to: u64,
}

pub(super) type SocketId = usize;
pub(super) type ProcessId = usize;

/// Something about a process that changes: each value from its window on, until the next one's.
pub(super) type History<T> = Vec<(Window, T)>;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u64,
    pub(super) start_ticks: u64,
    pub(super) names: History<String>,
    pub(super) uids: History<u64>,
}

/// A process has descriptors of a socket.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) process: ProcessId,
    pub(super) from: Window,
    pub(super) to: Option<Window>,
}

/// A RST that the socket has sent, or may have.
#[derive(Clone, Debug)]
pub(super) struct Reset {
    pub(super) at: Window,
    /// One of these.
    pub(super) causes: Vec<&'static str>,
    /// Unsent, unacknowledged and unread bytes just before.
    pub(super) bytes: Option<[i64; 3]>,
    pub(super) is_certain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Listener,
    Client,
    /// Of this listener.
    Child(SocketId),
    /// The port where nobody listens.
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    /// Closed by its last holder; the kernel does the rest.
    Orphan,
    /// Reset.
    Dead,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) name: usize,
    pub(super) role: Role,
    pub(super) netns: u64,
    pub(super) is_inet6: bool,
    pub(super) cookie: Option<u64>,
    pub(super) local: SocketAddr,
    pub(super) remote: Option<SocketAddr>,
    pub(super) peer: Option<SocketId>,
    pub(super) holds: Vec<Hold>,
    pub(super) accepted: Option<Window>,
    pub(super) life: Life,
    /// When its last descriptor was closed, also one that nobody had any more.
    pub(super) closed: Option<Window>,
    pub(super) has_linger_zero: bool,
    /// Written bytes go out at once (TCP_NODELAY).
    pub(super) is_prompt: bool,
    pub(super) resets: Vec<Reset>,
    /// RSTs that must have come, and those that may have.
    pub(super) resets_received: (usize, usize),
    pub(super) written: u64,
    /// Of these never sent.
    pub(super) unsent: u64,
    /// Written when the peer could no longer take it.
    pub(super) written_late: u64,
    /// What the peer had written when this was closed.
    pub(super) received: Option<u64>,
    /// Two processes worked on it at once: what came of it is not certain.
    pub(super) is_racy: bool,
    /// Who threw the last descriptor away without ever having it.
    pub(super) discarded_by: Option<ProcessId>,
}

/// Everything that a script did.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) processes: Vec<Process>,
    pub(super) sockets: Vec<Socket>,
    by_ends: HashMap<(u64, SocketAddr, Option<SocketAddr>), SocketId>,
}

/// Whether a window may cover the time.
const fn may_have_begun(window: Window, at: u64) -> bool {
    window.from <= at
}

pub(super) fn values_at<T>(history: &History<T>, at: u64) -> impl Iterator<Item = &T> {
    let entries = history.iter().enumerate();
    entries.filter_map(move |(place, (begin, value))| {
        let is_over = history.get(place + 1).is_some_and(|(next, _)| next.to < at);
        (may_have_begun(*begin, at) && !is_over).then_some(value)
    })
}

impl Hold {
    pub(super) fn is_certain(&self, at: u64) -> bool {
        self.from.to <= at && self.to.is_none_or(|to| at <= to.from)
    }

    pub(super) fn is_possible(&self, at: u64) -> bool {
        may_have_begun(self.from, at) && self.to.is_none_or(|to| at <= to.to)
    }
}

impl Socket {
    /// Those who may have held it last before `at`.
    pub(super) fn last_holders(&self, at: u64) -> Vec<ProcessId> {
        let ended = self.holds.iter().filter(|hold| hold.from.from <= at);
        let ended: Vec<(&Hold, Window)> = ended
            .filter_map(|hold| Some((hold, hold.to?)))
            .filter(|(_, to)| to.from <= at)
            .collect();
        let last = ended.iter().map(|(_, to)| to.from).max().unwrap_or(0);
        let late = ended.iter().filter(|(_, to)| to.to >= last);
        late.map(|(hold, _)| hold.process).collect()
    }

    pub(super) fn is_held_certainly(&self, at: u64) -> bool {
        self.holds.iter().any(|hold| hold.is_certain(at))
    }

    pub(super) fn is_held_possibly(&self, at: u64) -> bool {
        self.holds.iter().any(|hold| hold.is_possible(at))
    }
}

impl Truth {
    pub(super) fn add_process(&mut self, process: Process) -> ProcessId {
        self.processes.push(process);
        self.processes.len() - 1
    }

    pub(super) fn add_socket(&mut self, socket: Socket) -> SocketId {
        let id = self.sockets.len();
        let ends = (
            socket.netns,
            canonical(socket.local),
            socket.remote.map(canonical),
        );
        self.by_ends.insert(ends, id);
        self.sockets.push(socket);
        id
    }

    pub(super) fn find(
        &self,
        netns: u64,
        local: SocketAddr,
        remote: Option<SocketAddr>,
    ) -> Option<SocketId> {
        self.by_ends.get(&(netns, local, remote)).copied()
    }

    pub(super) fn begin_hold(&mut self, socket: SocketId, process: ProcessId, from: Window) {
        self.sockets[socket].holds.push(Hold {
            process,
            from,
            to: None,
        });
    }

    pub(super) fn end_hold(&mut self, socket: SocketId, process: ProcessId, to: Window) {
        let holds = self.sockets[socket].holds.iter_mut();
        let mut open = holds.filter(|hold| hold.process == process && hold.to.is_none());
        if let Some(hold) = open.next() {
            hold.to = Some(to);
        }
    }

    /// A RST went out of `socket`: its peer gets it, unless that is no full socket any more.
    pub(super) fn reset(&mut self, socket: SocketId, reset: Reset) {
        let is_certain = reset.is_certain;
        let unsent = reset.bytes.map_or(0, |[unsent, ..]| unsent.unsigned_abs());
        self.sockets[socket].unsent = unsent;
        self.sockets[socket].resets.push(reset);
        self.sockets[socket].life = Life::Dead;
        let Some(peer) = self.sockets[socket].peer else {
            return;
        };
        let peer = &mut self.sockets[peer];
        let must = usize::from(peer.life == Life::Open && is_certain);
        if peer.life != Life::Dead {
            peer.resets_received.0 += must;
            peer.resets_received.1 += 1;
        }
        if peer.life == Life::Open {
            peer.life = Life::Dead;
            let written = self.sockets[socket].written - unsent;
            let peer = self.sockets[socket].peer.expect("just had");
            self.sockets[peer].received.get_or_insert(written);
        }
    }
}

/// As the tracer prints it: an IPv4 address in IPv6 is an IPv4 address.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether these unsent, unacknowledged and unread bytes may be what was seen a moment before: an
/// acknowledgement may have come since, for all that was sent, and what was unsent may have gone out.
pub(super) fn may_be(stated: [Option<i64>; 3], seen: [i64; 3]) -> bool {
    let [unsent, unacked, unread] = seen;
    let later = [
        [unsent, unacked],
        [unsent, 0],
        [0, unsent],
        [0, unsent + unacked],
        [0, 0],
    ];
    let queues = later.map(|[unsent, unacked]| [Some(unsent), Some(unacked)]);
    stated[2] == Some(unread) && queues.contains(&[stated[0], stated[1]])
}
