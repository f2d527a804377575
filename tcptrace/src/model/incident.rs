//! What an event means: one variant per kind of the NDJSON contract.

use std::sync::Arc;

use super::flow::TcpState;
use super::{Flow, Kind, Owner, named};

named! {
    /// How a fact is known.
    Evidence {
        /// A hook says it.
        Seen = "seen",
        /// Follows from what hooks say, by a documented rule.
        Inferred = "inferred",
        /// From the kernel's counters.
        Counted = "counted",
    }
}

named! {
    /// Why a RST was sent.
    ResetCause {
        /// Closed with `SO_LINGER{1,0}`.
        LingerZero = "linger_zero",
        /// Closed with data unread, or data came after the close.
        UnreadData = "unread_data",
        /// `TCP_LINGER2` below 0.
        Linger2 = "linger2",
        /// connect() to `AF_UNSPEC`.
        Disconnect = "disconnect",
        /// Never accepted; the listener went away.
        ListenerClosed = "listener_closed",
        /// Nothing listens there.
        NoSocket = "no_socket",
        /// Accept queue full with `tcp_abort_on_overflow=1`.
        AcceptOverflow = "accept_overflow",
        /// Answer from a TIME_WAIT socket.
        TimeWait = "time_wait",
        /// Keepalive probes went unanswered.
        KeepaliveTimeout = "keepalive_timeout",
        /// `TCP_USER_TIMEOUT` passed.
        UserTimeout = "user_timeout",
        /// Closed, and the peer did not close within `tcp_fin_timeout`.
        FinTimeout = "fin_timeout",
        /// Too many orphans, or TCP memory exhausted.
        OutOfMemory = "out_of_memory",
        /// `ss -K` / SOCK_DESTROY.
        Aborted = "aborted",
        /// Bad ACK, bad SYN, PAWS: see the reason.
        Protocol = "protocol",
        /// None of these could be told.
        Unknown = "unknown",
    }
}

named! {
    /// What a received RST means.
    ResetMeaning {
        /// It answered our SYN.
        Refused = "refused",
        /// It killed a live connection.
        Reset = "reset",
        /// It came after our process had closed.
        AfterClose = "after_close",
    }
}

named! {
    /// How a lingering close ended.
    LingerOutcome {
        /// Everything was acknowledged.
        Drained = "drained",
        /// The linger time was up.
        TimedOut = "timed_out",
        /// A signal ended the wait.
        Interrupted = "interrupted",
        /// The connection died under it.
        Reset = "reset",
    }
}

named! {
    /// Handshake step of a refusal.
    Step {
        /// The SYN.
        Syn = "syn",
        /// The ACK that completes the handshake.
        Ack = "ack",
    }
}

named! {
    /// What the refused side got.
    DropOutcome {
        /// Silence.
        Dropped = "dropped",
        /// A RST.
        Reset = "reset",
        /// A SYN cookie.
        Cookie = "cookie",
    }
}

named! {
    /// Which setting bounds the accept queue.
    LimitedBy {
        /// What the program passed to listen().
        Backlog = "backlog",
        /// `net.core.somaxconn`.
        Somaxconn = "somaxconn",
        /// Both are equal.
        Both = "both",
    }
}

named! {
    /// What was sent again, and why.
    RetransmitType {
        /// SYN.
        Syn = "syn",
        /// SYN-ACK.
        SynAck = "syn_ack",
        /// Retransmission timeout.
        Rto = "rto",
        /// Fast retransmit in recovery.
        Fast = "fast",
        /// Tail loss probe.
        LossProbe = "loss_probe",
        /// FIN.
        Fin = "fin",
        /// None of these could be told.
        Other = "other",
    }
}

named! {
    /// Phase of a TIME_WAIT socket.
    TimeWaitPhase {
        /// Made.
        Enter = "enter",
        /// Gave way to a new connection of the same tuple.
        Reuse = "reuse",
        /// None could be made.
        Overflow = "overflow",
        /// Ended.
        Expire = "expire",
    }
}

named! {
    /// How a TIME_WAIT socket ended, with phase `expire`.
    TimeWaitEnd {
        /// Its time was up.
        Timeout = "timeout",
        /// Taken away early: by a RST, a new connection that was not seen, or with its namespace.
        Cancelled = "cancelled",
    }
}

named! {
    /// Where a segment was rejected for its timestamp.
    PawsWhere {
        /// By an established socket.
        Established = "established",
        /// By a TIME_WAIT socket.
        TimeWait = "time_wait",
        /// A pure ACK.
        Ack = "ack",
        /// The echoed timestamp was wrong.
        Echo = "echo",
    }
}

named! {
    /// Who closed first.
    ClosedBy {
        /// We.
        Local = "local",
        /// The peer.
        Remote = "remote",
        /// Both at once.
        Both = "both",
    }
}

named! {
    /// How a connection ended.
    CloseHow {
        /// Orderly.
        Fin = "fin",
        /// We reset it.
        RstSent = "rst_sent",
        /// The peer reset it.
        RstReceived = "rst_received",
        /// The peer went silent.
        Timeout = "timeout",
        /// Given up before it was established, or destroyed.
        Aborted = "aborted",
    }
}

/// Linger setting of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger {
    /// `SO_LINGER` is on.
    pub on: bool,
    /// Its time; `None` when the kernel's tick length is not known.
    pub seconds: Option<u64>,
}

/// Length and limit of a queue at that moment. Full means length above limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Entries.
    pub length: u32,
    /// `min(backlog, somaxconn)`.
    pub limit: u32,
}

/// An incident: what a line of output says.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Boot clock in the kernel hook, ns.
    pub boot_ns: u64,
    /// The connection.
    pub flow: Flow,
    /// TCP state when it happened, before the change it reports.
    pub state: Option<TcpState>,
    /// `None`: not known.
    pub owner: Option<Owner>,
    /// Which hook saw it, e.g. `tp_btf/tcp_send_reset`, or `sock_diag`.
    pub hook: &'static str,
    /// How it is known.
    pub evidence: Evidence,
    /// The rest, by kind.
    pub what: What,
}

/// The fields of one kind. `None` = not known.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the fields bear the names of the NDJSON contract"
)]
pub enum What {
    RstSent {
        cause: ResetCause,
        reason: Option<Arc<str>>,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        unread_bytes: Option<u32>,
        linger: Option<Linger>,
    },
    RstReceived {
        meaning: ResetMeaning,
    },
    LingerClose {
        linger_seconds: Option<u64>,
        blocked_ms: u64,
        outcome: LingerOutcome,
        unsent_bytes: Option<u32>,
        unacked_bytes: Option<u32>,
        remaining_bytes: Option<u32>,
    },
    AcceptDrop {
        step: Option<Step>,
        outcome: Option<DropOutcome>,
        queue: Option<Queue>,
        limited_by: Option<LimitedBy>,
        count: u64,
    },
    SynDrop {
        outcome: Option<DropOutcome>,
        queue: Option<Queue>,
        count: u64,
    },
    Retransmit {
        kind: RetransmitType,
        attempt: Option<u32>,
        bytes: u32,
        sequence: Option<u32>,
        segments: Option<u32>,
        error: Option<i32>,
        /// Nothing was sent: the request was dropped after its last attempt.
        gave_up: bool,
    },
    TimeWait {
        phase: TimeWaitPhase,
        substate: Option<TcpState>,
        timeout_ms: Option<u64>,
        ended_by: Option<TimeWaitEnd>,
        /// With `reuse`: who made the new connection (the incident's owner left the TIME_WAIT).
        new_owner: Option<Owner>,
    },
    PawsDrop {
        place: PawsWhere,
        reason: Option<Arc<str>>,
    },
    State {
        old: TcpState,
        new: TcpState,
        in_old_us: Option<u64>,
    },
    Close {
        duration_us: Option<u64>,
        bytes_sent: Option<u64>,
        bytes_received: Option<u64>,
        srtt_us: Option<u32>,
        retransmits: Option<u32>,
        closed_by: Option<ClosedBy>,
        how: Option<CloseHow>,
    },
}

impl What {
    /// The kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::RstSent { .. } => Kind::RstSent,
            Self::RstReceived { .. } => Kind::RstReceived,
            Self::LingerClose { .. } => Kind::LingerClose,
            Self::AcceptDrop { .. } => Kind::AcceptDrop,
            Self::SynDrop { .. } => Kind::SynDrop,
            Self::Retransmit { .. } => Kind::Retransmit,
            Self::TimeWait { .. } => Kind::TimeWait,
            Self::PawsDrop { .. } => Kind::PawsDrop,
            Self::State { .. } => Kind::State,
            Self::Close { .. } => Kind::Close,
        }
    }
}

impl Incident {
    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.what.kind()
    }
}
