//! Rows of the snapshot commands: what a line of their tables says.

use std::net::IpAddr;

use super::flow::TcpState;
use super::incident::{LimitedBy, Queue};
use super::snapshot::{Accepts, Settings, SpaceCounters};
use super::summary::Reconciled;
use super::{Endpoint, Family, Owner, named};

/// A finished table: the rows of one moment and what holds for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<R> {
    /// Boot clock when the snapshot was taken, ns.
    pub boot_ns: u64,
    /// The most telling first.
    pub rows: Vec<R>,
    /// The namespaces looked at.
    pub spaces: Vec<SpaceRow>,
    /// Why something is missing.
    pub unseen: Vec<String>,
    /// How long hooks have been watching, ms; `None` without hooks.
    pub watched_ms: Option<u64>,
    /// What hooks counted against the kernel's counters so far.
    pub reconciliation: Vec<Reconciled>,
}

/// One namespace with what was counted since watching began.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceRow {
    /// Inode number.
    pub netns: u32,
    /// Whether tcptrace runs in it.
    pub is_own: bool,
    /// Its settings.
    pub settings: Settings,
    /// Since the namespace began.
    pub counters: SpaceCounters,
    /// Since watching began; `None` on the first look.
    pub risen: Option<SpaceCounters>,
    /// Local addresses with half of their ports in use, over all destinations; only in `timewait`.
    pub ports: Vec<PortUse>,
}

/// Refusals of one listener that hooks told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// SYNs dropped, accept queue full.
    pub accept_syn: u64,
    /// Third ACKs dropped or reset, accept queue full.
    pub accept_ack: u64,
    /// Accept queue full, step not known: counted, not seen.
    pub accept_counted: u64,
    /// SYNs dropped, SYN queue full.
    pub syn_queue: u64,
    /// SYNs answered by a cookie, SYN queue full: nobody was refused.
    pub cookies: u64,
}

impl Refusals {
    /// Refused in all; one client that retries counts each time.
    pub const fn refused(&self) -> u64 {
        self.accept_syn + self.accept_ack + self.accept_counted + self.syn_queue
    }
}

/// Listeners of one address that share it by `SO_REUSEPORT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// How many.
    pub size: u32,
    /// Waiting connections of all.
    pub length: u32,
    /// The longest queue against an even share: 1 is even, `size` is all in one; `None` while
    /// nothing waits.
    pub skew: Option<f64>,
}

/// A row of `listeners`.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerRow {
    /// Namespace.
    pub netns: u32,
    /// Of the socket.
    pub family: Family,
    /// Where it listens.
    pub local: Endpoint,
    /// Whether an IPv6 listener refuses IPv4.
    pub v6only: Option<bool>,
    /// Socket cookie.
    pub cookie: u64,
    /// First holder; `None`: not known.
    pub owner: Option<Owner>,
    /// Every holder.
    pub pids: Vec<u32>,
    /// Length and limit of the accept queue.
    pub accept_queue: Queue,
    /// What the limit comes from.
    pub limited_by: Option<LimitedBy>,
    /// What listen() was given; `None`: not known.
    pub backlog: Option<u32>,
    /// Whether that was seen, rather than inferred from a limit below somaxconn.
    pub backlog_is_seen: bool,
    /// Length and limit of the SYN queue; with a group the length of all of it.
    pub syn_queue: Queue,
    /// The socket's drop counter since it began.
    pub drops: Option<u32>,
    /// How much that counter rose since it was first looked at; `None` on the first look.
    pub drops_risen: Option<u64>,
    /// The same per second, since the look before.
    pub drops_per_second: Option<f64>,
    /// What hooks told; `None` without hooks.
    pub refusals: Option<Refusals>,
    /// Waits for accept() since watching began; `None`: not measured.
    pub accepts: Option<Accepts>,
    /// Since a connection was last accepted, ms; `None`: none was since watching began.
    pub last_accept_ms: Option<u64>,
    /// Its `SO_REUSEPORT` group; `None` when it is alone.
    pub group: Option<Group>,
}

impl ListenerRow {
    /// Whether the next connection is refused.
    pub const fn is_full(&self) -> bool {
        self.accept_queue.length > self.accept_queue.limit
    }

    /// Whether the next SYN meets a full SYN queue.
    pub const fn is_syn_full(&self) -> bool {
        self.syn_queue.length > self.syn_queue.limit
    }
}

named! {
    /// Who holds a socket.
    Held {
        /// A process.
        Process = "process",
        /// Nobody yet: it waits in an accept queue.
        AcceptQueue = "accept_queue",
        /// Nobody yet: its handshake is not complete.
        SynQueue = "syn_queue",
        /// Nobody any more: closed, and the kernel finishes it.
        Orphan = "orphan",
        /// Nobody any more: a TIME_WAIT entry, not a whole socket.
        Minisock = "minisock",
        /// A process that could not be found.
        Unknown = "unknown",
    }
}

named! {
    /// What is wrong with sockets of one state and process.
    Anomaly {
        /// The peer closed and the process does not.
        CloseWaitPiling = "close_wait_piling",
        /// SYNs go unanswered.
        SynSentStuck = "syn_sent_stuck",
        /// Closed with data that does not get through.
        FinWait1Unsent = "fin_wait1_unsent",
        /// Near the limit of sockets without an owner.
        ManyOrphans = "many_orphans",
    }
}

/// A row of `states`.
#[derive(Clone, Debug, PartialEq)]
pub struct StateRow {
    /// Namespace.
    pub netns: u32,
    /// State.
    pub state: TcpState,
    /// Who holds these sockets.
    pub held: Held,
    /// With `process`.
    pub owner: Option<Owner>,
    /// How many.
    pub count: u64,
    /// Received and unread.
    pub unread_bytes: u64,
    /// Written and unacknowledged.
    pub unacked_bytes: u64,
    /// Most resends of one of them.
    pub resends_max: u8,
    /// Longest time without data from the peer: evidence of age, not age itself.
    pub silent_ms_max: Option<u32>,
    /// The remote end most of them share: address, and its port when that is shared too.
    pub top_remote: Option<(IpAddr, Option<u16>, u64)>,
    /// What is wrong.
    pub anomaly: Option<Anomaly>,
}

named! {
    /// How it is known who left a TIME_WAIT.
    LeftBy {
        /// Seen when it was left.
        Learnt = "learnt",
        /// Its local port is that of a listener: probably its process.
        Inferred = "inferred",
        /// Not known.
        None = "none",
    }
}

/// Local ports in use for one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPressure {
    /// Ports of the range taken by TIME_WAIT and live sockets, from the local address with most.
    pub used: u32,
    /// Ports in ip_local_port_range.
    pub range: u32,
}

impl PortPressure {
    /// In percent, rounded down.
    pub const fn percent(&self) -> u32 {
        if self.range == 0 {
            return 0;
        }
        (self.used as u64 * 100 / self.range as u64) as u32
    }
}

/// Local ports of one address that connect() and bind() would give out and that are in use.
#[derive(Clone, Debug, PartialEq)]
pub struct PortUse {
    /// The local address.
    pub local: IpAddr,
    /// The one destination; `None`: over all destinations.
    pub remote: Option<Endpoint>,
    /// Ports whose socket is not in TIME_WAIT.
    pub live: u32,
    /// Ports in TIME_WAIT only.
    pub time_wait: u32,
    /// Connections on these ports. As many as ports: each took a port of its own, as after bind().
    pub sockets: u32,
    /// Ports in ip_local_port_range.
    pub range: u32,
    /// Processes with most of the live ones, and how many each has.
    pub holders: Vec<(Owner, u32)>,
}

impl PortUse {
    /// Ports in use.
    pub const fn used(&self) -> u32 {
        self.live + self.time_wait
    }
}

/// A row of `timewait`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeWaitRow {
    /// Namespace.
    pub netns: u32,
    /// Who left them.
    pub owner: Option<Owner>,
    /// How that is known.
    pub left_by: LeftBy,
    /// The port of the local service; `None` for connections made from here.
    pub service: Option<u16>,
    /// The other end.
    pub remote: IpAddr,
    /// Its port; `None` for clients of a service, which come from many.
    pub remote_port: Option<u16>,
    /// In TIME_WAIT.
    pub time_wait: u64,
    /// In FIN_WAIT2 without an owner: the peer has not closed yet.
    pub fin_wait2: u64,
    /// End within ten seconds.
    pub expiring: u64,
    /// Shortest and longest time left of those in TIME_WAIT.
    pub left_ms: Option<(u32, u32)>,
    /// For connections made from here.
    pub pressure: Option<PortPressure>,
}
