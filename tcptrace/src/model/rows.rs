//! Rows of the snapshot commands: what a line of their tables says.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::activity::Holder;
use super::flow::TcpState;
use super::incident::{LimitedBy, Queue};
use super::line::End;
use super::owner::{self, OwnerObject};
use super::snapshot::{Settings, SpaceCounters, Waits};
use super::summary::Reconciled;
use super::{Endpoint, Family, Owner, named};

/// A finished table: the rows of one moment and what holds for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<R> {
    /// Boot clock when the snapshot was taken, ns.
    pub boot_ns: u64,
    /// The most important first.
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

named! {
    /// The command a snapshot belongs to.
    SnapshotOf {
        /// `tcptrace listeners`
        Listeners = "listeners",
        /// `tcptrace states`
        States = "states",
        /// `tcptrace timewait`
        Timewait = "timewait",
    }
}

/// A row that is an object of its own.
pub trait Row: Serialize + JsonSchema {
    /// The kind of its object.
    const KIND: &'static str;
    /// The command that shows it.
    const OF: SnapshotOf;
}

impl Row for ListenerRow {
    const KIND: &'static str = "listener";
    const OF: SnapshotOf = SnapshotOf::Listeners;
}

impl Row for StateRow {
    const KIND: &'static str = "sockets";
    const OF: SnapshotOf = SnapshotOf::States;
}

impl Row for TimeWaitRow {
    const KIND: &'static str = "time_wait_sockets";
    const OF: SnapshotOf = SnapshotOf::Timewait;
}

/// The object that ends a snapshot, after its rows.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct SnapshotEnd<'a> {
    /// Ends each snapshot, after its rows, which have the same ts.
    pub of: SnapshotOf,
    /// How many rows there were.
    pub rows: usize,
    /// How long hooks have been attached, milliseconds; null: no hooks.
    pub watched_ms: Option<u64>,
    /// The network namespaces looked at.
    pub namespaces: &'a [SpaceRow],
    /// Why something is missing, in sentences.
    pub unseen: &'a [String],
    /// What hooks counted against the kernel's counters since watching began; empty without hooks, or
    /// with filters.
    pub reconciliation: &'a [Reconciled],
}

impl<R: Row> Page<R> {
    /// What ends it.
    pub fn end(&self) -> SnapshotEnd<'_> {
        SnapshotEnd {
            of: R::OF,
            rows: self.rows.len(),
            watched_ms: self.watched_ms,
            namespaces: &self.spaces,
            unseen: &self.unseen,
            reconciliation: &self.reconciliation,
        }
    }
}

/// One namespace with what was counted since watching began.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SpaceRow {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Whether tcptrace runs in it.
    #[serde(rename = "own")]
    pub is_own: bool,
    /// Its settings.
    pub settings: Settings,
    /// Counted since the namespace began.
    pub counters: SpaceCounters,
    /// Counted since watching began; null without hooks. `time_wait_entries` and `orphans` are levels.
    #[serde(rename = "since_watch")]
    pub risen: Option<SpaceCounters>,
    /// Local addresses with half of their ports in use, over all destinations; only in `timewait`.
    #[serde(skip)]
    pub ports: Vec<PortUse>,
}

/// Refusals of one listener that hooks reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Group {
    /// How many listeners.
    pub size: u32,
    /// Connections waiting in all of them.
    pub length: u32,
    /// The longest queue against an even share: 1 is even, `size` is all in one; null while nothing
    /// waits.
    pub skew: Option<f64>,
}

/// Waits for accept() since watching began. Percentiles are upper bounds, at most a quarter too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AcceptWaits {
    /// Connections accepted whose wait was measured.
    pub measured: u64,
    /// Connections accepted but established before watching began, so not measured.
    pub older: u64,
    /// Half of them waited up to this long, microseconds.
    pub wait_us_p50: Option<u64>,
    /// 99 of 100 waited up to this long, microseconds.
    pub wait_us_p99: Option<u64>,
    /// The longest wait, microseconds.
    pub wait_us_max: Option<u64>,
    /// Since the last accept(), milliseconds; null: none since watching began.
    pub last_ms: Option<u64>,
}

impl AcceptWaits {
    /// The distribution; `None` where nothing was measured.
    pub fn waits(&self) -> Option<Waits> {
        Some(Waits {
            p50_us: self.wait_us_p50?,
            p99_us: self.wait_us_p99?,
            max_us: self.wait_us_max?,
        })
    }
}

/// A row of `listeners`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ListenerRow {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// The kernel's socket cookie, as printed by ss -e.
    pub cookie: u64,
    /// Family of the socket.
    pub family: Family,
    /// Where it listens.
    #[schemars(with = "End")]
    pub local: Endpoint,
    /// Whether an IPv6 listener refuses IPv4.
    pub v6only: Option<bool>,
    /// The first of the processes that hold it.
    #[serde(serialize_with = "owner::write_or_none")]
    #[schemars(with = "OwnerObject")]
    pub owner: Option<Owner>,
    /// Every process known to hold it.
    pub pids: Vec<u32>,
    /// Length and limit of the accept queue.
    #[serde(flatten, serialize_with = "accept_queue_and_full")]
    #[schemars(with = "AcceptQueue")]
    pub accept_queue: Queue,
    /// What the limit comes from. `somaxconn`: the limit equals it, the backlog is that or more; null:
    /// not known, or somaxconn was lowered since.
    pub limited_by: Option<LimitedBy>,
    /// What listen() was given (2147483647: no bound); null: somaxconn or more.
    pub backlog: Option<u32>,
    /// false: the backlog is inferred from a limit below somaxconn.
    #[serde(rename = "backlog_seen")]
    pub backlog_is_seen: bool,
    /// Length and limit of the SYN queue; of a group the length is that of all of it.
    pub syn_queue: Queue,
    /// The socket's drop counter since it began: 1 for a SYN, 2 for a third ACK, socket filters too.
    pub drops: Option<u32>,
    /// How much that counter rose since it was first looked at; null on the first look.
    #[serde(rename = "drops_since_watch")]
    pub drops_risen: Option<u64>,
    /// The same per second, since the look before.
    pub drops_per_second: Option<f64>,
    /// What hooks counted since watching began; null without hooks.
    pub refusals: Option<Refusals>,
    /// Waits from established to accept(), since watching began; null: not measured.
    pub accepts: Option<AcceptWaits>,
    /// Its `SO_REUSEPORT` group; null: it is alone.
    pub group: Option<Group>,
    /// What the processes that hold it did, where it is full or refuses clients; empty: not looked at.
    #[serde(skip)]
    pub holders: Vec<Holder>,
}

/// What a row says of the accept queue.
#[derive(Serialize, JsonSchema)]
struct AcceptQueue {
    /// The accept queue.
    accept_queue: Queue,
    /// Length above limit: the next connection is refused.
    full: bool,
}

fn accept_queue_and_full<S: Serializer>(queue: &Queue, to: S) -> Result<S::Ok, S::Error> {
    let (accept_queue, full) = (*queue, queue.is_full());
    AcceptQueue { accept_queue, full }.serialize(to)
}

impl ListenerRow {
    /// Whether the next connection is refused.
    pub const fn is_full(&self) -> bool {
        self.accept_queue.is_full()
    }

    /// Whether the next SYN meets a full SYN queue.
    pub const fn is_syn_full(&self) -> bool {
        self.syn_queue.is_full()
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
        /// Data is sent again and again, and no acknowledgement comes.
        SendStuck = "send_stuck",
        /// Data waits for a second or longer since the peer does not read.
        PeerWindowShut = "peer_window_shut",
        /// The peer may not send for a second or longer since the process does not read.
        OwnWindowShut = "own_window_shut",
    }
}

/// The remote end that most sockets of a row share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct TopRemote {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; null: several.
    pub port: Option<u16>,
    /// How many sockets have it.
    pub count: u64,
}

/// A row of `states`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StateRow {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// TCP state of these sockets.
    pub state: TcpState,
    /// Who holds these sockets.
    #[serde(rename = "held_by")]
    pub held: Held,
    /// The process, where `held_by` is `process`; where it is `accept_queue` the owner of the listener,
    /// with basis `listener`.
    #[serde(serialize_with = "owner::write_or_none")]
    #[schemars(with = "OwnerObject")]
    pub owner: Option<Owner>,
    /// How many sockets.
    pub count: u64,
    /// Bytes received and unread.
    pub unread_bytes: u64,
    /// Bytes sent and not acknowledged; a SYN or FIN counts 1. null: not known.
    pub unacked_bytes: Option<u64>,
    /// Bytes written and never sent; a FIN that waits behind them counts 1. null: not known.
    pub unsent_bytes: Option<u64>,
    /// How many have data that the peer has no room for: its window is shut.
    pub window_shut: u64,
    /// The longest of these: time since data last went out, milliseconds. The window was shut at most
    /// that long. null: none, or not known.
    pub window_shut_ms_max: Option<u64>,
    /// How many sent data again three times or more since the last acknowledgement, a second or longer ago.
    pub stuck: u64,
    /// The longest of these: time since the last acknowledgement, milliseconds; null: none.
    pub stuck_ms_max: Option<u64>,
    /// How many have unread data and no room left, so that the peer may not send; null: this kernel does
    /// not report it (before 6.2).
    pub own_window_shut: Option<u64>,
    /// Most resends of one of them.
    pub resends_max: u8,
    /// Longest time without data from the peer, milliseconds: evidence of age, not age itself.
    pub silent_ms_max: Option<u32>,
    /// The remote end that most of them share.
    pub top_remote: Option<TopRemote>,
    /// What is wrong with them.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TimeWaitRow {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// The process that left them.
    #[serde(serialize_with = "owner::write_or_none")]
    #[schemars(with = "OwnerObject")]
    pub owner: Option<Owner>,
    /// How the owner is known.
    pub left_by: LeftBy,
    /// Port of the local service; null: the connections were made from here.
    pub service: Option<u16>,
    /// The remote end; without a port for clients of a service, which come from many.
    pub remote: End,
    /// Sockets in TIME_WAIT.
    pub time_wait: u64,
    /// Sockets in FIN_WAIT2 without an owner: the peer has not closed yet.
    pub fin_wait2: u64,
    /// Sockets that end within ten seconds.
    #[serde(rename = "expiring_10s")]
    pub expiring: u64,
    /// Shortest time left of those in TIME_WAIT, milliseconds.
    pub left_ms_min: Option<u32>,
    /// Longest time left of those in TIME_WAIT, milliseconds.
    pub left_ms_max: Option<u32>,
    /// Local ports in use, for connections made from here.
    #[serde(rename = "ports")]
    pub pressure: Option<PortPressure>,
}
