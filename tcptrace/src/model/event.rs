//! A decoded signal with its owner: what hooks say, before anybody asks what it means.

use super::flow::TcpState;
use super::incident::{
    Call, DropOutcome, Evidence, LingerOutcome, PawsWhere, Queue, Step, TimeWaitPhase,
};
use super::owner::ReportedOwner;
use super::{Flow, Kind, Owner};

/// One fact from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Boot clock in the hook, ns.
    pub boot_ns: u64,
    /// Address of the socket: distinguishes sockets within one run.
    pub sock: Option<u64>,
    /// Inode of the socket's file; before accept of its listener's, where `heard` says so. `None` after
    /// close.
    pub inode: Option<u64>,
    /// The connection.
    pub flow: Flow,
    /// TCP state when it happened.
    pub state: Option<TcpState>,
    /// The owner as the kernel side knew it.
    pub heard: Option<ReportedOwner>,
    /// Filled by `attribute`.
    pub owner: Option<Owner>,
    /// Which hook.
    pub hook: &'static str,
    /// How the fact is known.
    pub evidence: Evidence,
    /// The fact.
    pub signal: Signal,
}

/// The fields of one signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// State transition.
    State(StateChange),
    /// RST sent.
    Reset(Reset),
    /// RST received; `dead`: the process had closed the socket before.
    ResetReceived {
        /// `SOCK_DEAD` was set.
        dead: bool,
    },
    /// A RST that ended a live connection whose peer had been silent before.
    ResetAfterSilence {
        /// Since the last data or acknowledgement came from the peer.
        silent_jiffies: u32,
    },
    /// Something sent again.
    Retransmit(Retransmit),
    /// Accept queue full.
    AcceptDrop(QueueDrop),
    /// SYN queue full.
    SynDrop(QueueDrop),
    /// `net.ipv4.tcp_max_syn_backlog` refused a SYN; the limit of the queue is what it allows.
    BacklogDrop(QueueDrop),
    /// TIME_WAIT.
    TimeWait(TimeWait),
    /// Lingering close.
    Linger(LingerEnd),
    /// Timestamp reject.
    Paws {
        /// `enum skb_drop_reason`
        reason: u32,
        /// Which check failed, if the hook itself reports it; otherwise the reason does.
        check: Option<PawsWhere>,
    },
    /// End of a connection.
    Close(CloseFacts),
    /// A connection given up.
    TimedOut(TimedOut),
    /// A socket that left SYN_SENT for CLOSE.
    ConnectFailed(ConnectFailed),
    /// A connect() or bind() that returned an error.
    CallFailed(CallFailed),
}

/// See [`Signal::State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said by the names")]
pub struct StateChange {
    pub old: TcpState,
    pub new: TcpState,
    pub in_old_ns: Option<u64>,
}

/// See [`Signal::Reset`]; meanings as in `tcptrace_common::wire::ResetRecord`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at the wire record")]
pub struct Reset {
    pub reason: Option<u32>,
    pub has_sock: bool,
    pub is_minisock: bool,
    pub is_reply: bool,
    pub is_dead: bool,
    pub is_owned: bool,
    pub has_socket: bool,
    pub listener_is_closing: bool,
    pub linger_on: bool,
    pub linger_jiffies: u64,
    pub linger2: i32,
    pub user_timeout_ms: u32,
    pub shutdown: u8,
    pub sk_err: i32,
    pub state_now: u8,
    pub queue: Option<Queue>,
    pub unsent_bytes: Option<u32>,
    pub unacked_bytes: Option<u32>,
    pub unread_bytes: Option<u32>,
}

/// See [`Signal::Retransmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at the wire record")]
pub struct Retransmit {
    pub sequence: u32,
    pub bytes: u32,
    pub segments: Option<u32>,
    pub attempt: Option<u32>,
    pub error: Option<i32>,
    pub ca_state: u8,
    pub pending: u8,
    pub tcp_flags: u8,
    pub is_syn_ack: bool,
    pub gave_up: bool,
}

/// See [`Signal::AcceptDrop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said by the names")]
pub struct QueueDrop {
    pub step: Option<Step>,
    pub outcome: Option<DropOutcome>,
    pub queue: Option<Queue>,
    pub count: u64,
    /// `net.core.somaxconn` of the namespace at that moment.
    pub somaxconn: Option<u32>,
    /// What listen() was given; `None` = not seen.
    pub backlog: Option<u32>,
}

/// See [`Signal::TimeWait`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said by the names")]
pub struct TimeWait {
    pub phase: TimeWaitPhase,
    pub substate: Option<TcpState>,
    pub timeout_jiffies: Option<u64>,
    pub is_cancelled: bool,
    /// With `reuse`: the new connection's; filled by `attribute`.
    pub new_owner: Option<Owner>,
}

/// See [`Signal::Linger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "said by the names")]
pub struct LingerEnd {
    pub start_ns: u64,
    pub linger_jiffies: u64,
    pub outcome: LingerOutcome,
    pub unsent_bytes: Option<u32>,
    pub unacked_bytes: Option<u32>,
    pub remaining_bytes: Option<u32>,
}

/// See [`Signal::Close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at the wire record")]
pub struct CloseFacts {
    pub duration_ns: Option<u64>,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub srtt_us: Option<u32>,
    pub retransmits: u32,
    pub sk_err: i32,
    pub rst_received: bool,
    pub has_time_wait: bool,
    pub is_owned: bool,
}

/// See [`Signal::TimedOut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at the wire record")]
pub struct TimedOut {
    pub silent_jiffies: Option<u32>,
    pub unsent_bytes: Option<u32>,
    pub unacked_bytes: Option<u32>,
    pub user_timeout_ms: u32,
    pub window: Option<u32>,
    pub sk_err: i32,
    pub retransmits: u8,
    pub probes: u8,
    pub is_dead: bool,
}

/// See [`Signal::ConnectFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at the wire record")]
pub struct ConnectFailed {
    pub waited_ns: Option<u64>,
    pub sk_err: i32,
    pub retransmits: u8,
    pub is_owned: bool,
    pub is_shut: bool,
    pub is_sent: bool,
    pub has_port: bool,
}

/// See [`Signal::CallFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFailed {
    /// Which call.
    pub call: Call,
    /// The error number that it returned, above 0.
    pub errno: i32,
}

impl Signal {
    /// The kind of incident it becomes.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::State(_) => Kind::State,
            Self::Reset(_) => Kind::RstSent,
            Self::ResetReceived { .. } | Self::ResetAfterSilence { .. } => Kind::RstReceived,
            Self::Retransmit(_) => Kind::Retransmit,
            Self::AcceptDrop(_) => Kind::AcceptDrop,
            Self::SynDrop(_) | Self::BacklogDrop(_) => Kind::SynDrop,
            Self::TimeWait(_) => Kind::TimeWait,
            Self::Linger(_) => Kind::LingerClose,
            Self::Paws { .. } => Kind::PawsDrop,
            Self::Close(_) => Kind::Close,
            Self::TimedOut(_) => Kind::TimedOut,
            Self::ConnectFailed(_) | Self::CallFailed(_) => Kind::ConnectFailed,
        }
    }
}
