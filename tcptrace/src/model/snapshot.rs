//! What the kernel holds at one moment: its sockets and settings, namespace by namespace.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::activity::Activity;
use super::flow::TcpState;
use super::summary::Reconciled;
use super::{Endpoint, Family, Flow, Process};

/// The sockets of every network namespace that could be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Boot clock when it was taken, ns.
    pub boot_ns: u64,
    /// By rising number.
    pub spaces: Vec<Space>,
    /// Why something is missing, one sentence each; empty when nothing is.
    pub unseen: Vec<String>,
    /// What hooks counted against the kernel's counters so far; empty without hooks, or when a
    /// filter leaves out what the kernel counts.
    pub reconciliation: Vec<Reconciled>,
    /// What processes did that hold a listener which is full or refuses clients.
    pub activities: Vec<Arc<Activity>>,
}

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Inode number.
    pub netns: u32,
    /// Whether tcptrace runs in it.
    pub is_own: bool,
    /// Its settings.
    pub settings: Settings,
    /// Its counters since the namespace began.
    pub counters: SpaceCounters,
    /// Its sockets, of the states asked for.
    pub sockets: Vec<Socket>,
    /// Half-open handshakes per local end; connections by SYN cookies have none.
    pub half_open: Vec<(Endpoint, u32)>,
}

/// Settings for queues, orphans and TIME_WAIT; `None` where this kernel or namespace does not show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[allow(missing_docs, reason = "the fields bear the kernel's names")]
#[schemars(inline)]
pub struct Settings {
    pub somaxconn: Option<u32>,
    pub tcp_max_syn_backlog: Option<u32>,
    pub tcp_abort_on_overflow: Option<u32>,
    pub tcp_syncookies: Option<u32>,
    pub tcp_tw_reuse: Option<u32>,
    pub tcp_tw_reuse_delay_ms: Option<u32>,
    pub tcp_tw_recycle: Option<u32>,
    pub tcp_max_tw_buckets: Option<u32>,
    pub tcp_timestamps: Option<u32>,
    #[serde(rename = "tcp_fin_timeout_seconds")]
    pub tcp_fin_timeout_secs: Option<u32>,
    pub tcp_max_orphans: Option<u32>,
    #[serde(flatten, serialize_with = "first_and_last")]
    #[schemars(with = "PortRange")]
    pub ip_local_port_range: Option<(u16, u16)>,
    #[serde(skip)]
    pub tcp_syn_retries: Option<u32>,
    #[serde(skip)]
    pub tcp_syn_linear_timeouts: Option<u32>,
    #[serde(skip)]
    pub tcp_rto_max_ms: Option<u32>,
}

/// `ip_local_port_range` as NDJSON has it.
#[derive(Serialize, JsonSchema)]
struct PortRange {
    local_port_first: Option<u16>,
    local_port_last: Option<u16>,
}

fn first_and_last<S: Serializer>(range: &Option<(u16, u16)>, to: S) -> Result<S::Ok, S::Error> {
    PortRange {
        local_port_first: range.map(|(first, _)| first),
        local_port_last: range.map(|(_, last)| last),
    }
    .serialize(to)
}

/// Counters and levels of a namespace; `None` where this kernel has no such counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SpaceCounters {
    /// `TcpExt.ListenOverflows`: refusals for a full accept queue.
    pub accept_overflows: Option<u64>,
    /// `TcpExt.TCPReqQFullDrop`: SYNs dropped for a full SYN queue.
    pub syn_queue_drops: Option<u64>,
    /// `TcpExt.TCPReqQFullDoCookies`: SYNs answered by a cookie for a full SYN queue.
    pub syn_queue_cookies: Option<u64>,
    /// `TcpExt.TCPDeferAcceptDrop`: ACKs that TCP_DEFER_ACCEPT held back until the client sends data.
    pub deferred_acks: Option<u64>,
    /// `TcpExt.TCPTimeWaitOverflow`: TIME_WAITs that could not be made.
    pub time_wait_overflows: Option<u64>,
    /// `TcpExt.TWRecycled`: TIME_WAITs taken over by connect().
    pub time_wait_reuses: Option<u64>,
    /// TIME_WAIT entries now, FIN_WAIT2 ones too.
    pub time_wait_entries: Option<u64>,
    /// Sockets without an owner now, on the whole host.
    pub orphans: Option<u64>,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Of the socket: a v4-mapped peer is still `Inet6`.
    pub family: Family,
    /// State; for a [`Form::TimeWait`] entry its substate.
    pub state: TcpState,
    /// Which kind of kernel object.
    pub form: Form,
    /// This end.
    pub local: Endpoint,
    /// The other end; `None` for a listener.
    pub remote: Option<Endpoint>,
    /// Socket cookie.
    pub cookie: u64,
    /// Inode of its file; `None` where no file refers to it.
    pub inode: Option<u64>,
    /// Received and unread; of a listener the length of its accept queue.
    pub receive_queue: u32,
    /// Written and unacknowledged; of a listener the limit of its accept queue.
    pub send_queue: u32,
    /// Resends since the last progress.
    pub resends: u8,
    /// Until its timer fires; `None` when none runs.
    pub timer_ms: Option<u32>,
    /// The socket's own drop counter.
    pub drops: Option<u32>,
    /// Since the last data came in; `None` when not asked for, or no whole socket.
    pub silent_ms: Option<u32>,
    /// How its sending gets on; `None` when not asked for, or no whole socket.
    pub sending: Option<Sending>,
    /// Whether an IPv6 socket refuses IPv4.
    pub v6only: Option<bool>,
    /// What listen() was given; `None` where that was not seen.
    pub backlog: Option<u32>,
    /// Of a listener, while accept() is watched.
    pub accepts: Option<Accepts>,
    /// Processes that hold it, by rising pid; empty when none is known.
    pub holders: Vec<Arc<Process>>,
}

/// How a connection gets on, by its `struct tcp_info`; `None`: this kernel does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// Written and never sent.
    pub unsent_bytes: Option<u32>,
    /// The persist timer runs: nothing is on its way, and data waits for the peer's window to open.
    pub is_probing: bool,
    /// Since data last went out.
    pub last_sent_ms: Option<u32>,
    /// Since an acknowledgement last came in.
    pub last_ack_ms: Option<u32>,
    /// Payload of a full segment.
    pub segment_bytes: Option<u32>,
    /// What the peer is ready to take, bytes (5.4 and newer).
    pub peer_window: Option<u32>,
    /// What this end is ready to take, bytes (6.2 and newer).
    pub own_window: Option<u32>,
    /// How long the peer's window held data back, in the whole life of the connection.
    pub held_back_ms: Option<u64>,
}

/// How long connections waited in an accept queue since watching began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepts {
    /// Accepted, their wait measured.
    pub measured: u64,
    /// Accepted, but established before watching began.
    pub older: u64,
    /// The waits of those measured; `None` without any.
    pub waits: Option<Waits>,
    /// When the last one was accepted, boot clock, ns; `None`: none was.
    pub last_ns: Option<u64>,
}

/// The distribution of waits. Percentiles are upper bounds, at most a quarter too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said by the names")]
pub struct Waits {
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// A time for people: `940us`, `12ms`, `2.1s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micros(
    /// Microseconds.
    pub u64,
);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 0..10_000 => write!(f, "{us}us"),
            us @ 10_000..2_000_000 => write!(f, "{}ms", us / 1000),
            us => write!(f, "{}.{}s", us / 1_000_000, us % 1_000_000 / 100_000),
        }
    }
}

/// What a socket is in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A whole socket.
    Full,
    /// A handshake in the SYN queue.
    Request,
    /// A TIME_WAIT entry, in TIME_WAIT or FIN_WAIT2.
    TimeWait,
}

impl Socket {
    /// The connection as filters judge it.
    pub fn flow(&self, netns: u32) -> Flow {
        Flow {
            family: self.family,
            local: Some(self.local),
            unbound: None,
            remote: self.remote,
            netns: Some(netns),
            cookie: Some(self.cookie),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_their_unit() {
        let texts =
            [0, 9_999, 10_000, 1_999_999, 2_000_000, 61_250_000].map(|us| Micros(us).to_string());
        assert_eq!(texts, ["0us", "9999us", "10ms", "1999ms", "2.0s", "61.2s"]);
    }
}
