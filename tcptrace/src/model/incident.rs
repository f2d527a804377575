//! What an event means: one variant per kind of the NDJSON contract.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::TcpState;
use super::kinds::{Cause, Put, is_default, key, kinds, names_of};
use super::owner::{self, OwnerObject};
use super::{Errno, Flow, Owner, named};

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
        /// Closed with data unread.
        UnreadData = "unread_data",
        /// Data arrived after the process had closed: the peer was still sending.
        LateData = "late_data",
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
        /// None of these could be determined.
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
    /// Which setting bounds a queue.
    LimitedBy {
        /// What the program passed to listen().
        Backlog = "backlog",
        /// `net.core.somaxconn`.
        Somaxconn = "somaxconn",
        /// Both are equal.
        Both = "both",
        /// `net.ipv4.tcp_max_syn_backlog`, with SYN cookies off: SYNs only.
        MaxSynBacklog = "max_syn_backlog",
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
        /// None of these could be determined.
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

named! {
    /// Which limit a connection met whose peer did not answer any more.
    TimeoutCause {
        /// Data was sent again `tcp_retries2` times.
        Retransmits = "retransmits",
        /// Keepalive probes went unanswered.
        Keepalive = "keepalive",
        /// `TCP_USER_TIMEOUT` passed.
        UserTimeout = "user_timeout",
        /// The peer's window stayed shut, and probes of it went unanswered.
        ZeroWindow = "zero_window",
        /// The handshake was never completed.
        Syn = "syn",
        /// The process had closed; the rest of its data, or the FIN, was never acknowledged.
        Orphan = "orphan",
    }
}

named! {
    /// How a connect() came to nothing.
    ConnectOutcome {
        /// The call failed, or would have: `error` says why.
        Failed = "failed",
        /// The process closed the socket before the peer had answered: its own time limit, a signal, or
        /// its end.
        Closed = "closed",
    }
}

named! {
    /// A system call.
    Call {
        /// connect()
        Connect = "connect",
        /// bind()
        Bind = "bind",
    }
}

/// Linger setting of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Linger {
    /// `SO_LINGER` is on.
    pub on: bool,
    /// The linger time, seconds; null: the kernel's tick length is not known.
    pub seconds: Option<u64>,
}

/// Length and limit of a queue at that moment. Full means length above limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Queue {
    /// Entries in the queue.
    pub length: u32,
    /// Its limit: the queue is full when length is above it.
    pub limit: u32,
}

impl Queue {
    /// Whether the next entry is refused.
    pub const fn is_full(&self) -> bool {
        self.length > self.limit
    }
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

/// How bad a kind is, unless its fields say better or worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// Data lost, or a connection refused or killed.
    Bad,
    /// Service got worse.
    Degraded,
    /// Ordinary life.
    Info,
}

kinds! {
    /// A TCP state transition.
    State = "state", rank 12, Info, on_request {
        /// State before.
        old: TcpState;
        /// State after.
        new: TcpState;
        /// Time spent in the old state, microseconds.
        in_old_us: Option<u64>;
    }

    /// A RST was sent.
    RstSent = "rst_sent", rank 5, Bad, shown, cause cause {
        /// Why the RST was sent.
        cause: ResetCause;
        /// The kernel's name of the reset reason; null: this kernel does not report one.
        reason: Option<Arc<str>>;
        /// Bytes written by the process and never sent.
        unsent_bytes: Option<u32>;
        /// Bytes sent and not acknowledged.
        unacked_bytes: Option<u32>;
        /// Bytes received and never read.
        unread_bytes: Option<u32>;
        /// The socket's `SO_LINGER` setting.
        linger: Option<Linger>;
    }

    /// A RST was received.
    RstReceived = "rst_received", rank 6, Bad, shown, cause meaning {
        /// What it did.
        meaning: ResetMeaning;
    }

    /// A close() that blocked in linger has returned.
    LingerClose = "linger_close", rank 7, Bad, shown, cause outcome {
        /// The linger time that was set, seconds.
        linger_seconds: Option<u64>;
        /// How long close() blocked, milliseconds.
        blocked_ms: u64;
        /// How the wait ended.
        outcome: LingerOutcome;
        /// Bytes written and not yet sent when the close began.
        unsent_bytes: Option<u32>;
        /// Bytes sent and not acknowledged when the close began.
        unacked_bytes: Option<u32>;
        /// Bytes not acknowledged when the wait ended.
        remaining_bytes: Option<u32>;
    }

    /// A connection was refused because the accept queue was full.
    AcceptDrop = "accept_drop", rank 1, Bad, shown, cause step {
        /// The step of the handshake that was refused.
        step: Option<Step>;
        /// What the client got.
        outcome: Option<DropOutcome>;
        /// The accept queue at that moment.
        queue: Option<Queue>;
        /// Which setting bounds the accept queue.
        limited_by: Option<LimitedBy>;
        /// How many refusals: 1, or more where evidence is `counted`.
        count: u64;
    }

    /// A SYN was dropped, or answered with a cookie, because the SYN queue was full.
    SynDrop = "syn_drop", rank 2, Bad, shown, cause outcome {
        /// What the client got.
        outcome: Option<DropOutcome>;
        /// The SYN queue at that moment.
        queue: Option<Queue>;
        /// Which setting bounds the SYN queue: the accept queue's, or `tcp_max_syn_backlog`.
        limited_by: Option<LimitedBy>;
        /// How many SYNs: 1, or more where evidence is `counted`.
        count: u64;
    }

    /// A segment or a SYN-ACK was sent again.
    Retransmit = "retransmit", rank 9, Degraded, shown, cause kind {
        /// What was sent again, and why.
        kind as "type": RetransmitType;
        /// Which attempt in a row by the retransmission timer; null: not sent by that timer, or not known.
        attempt: Option<u32>;
        /// Payload of the segments sent again, bytes.
        bytes: u32;
        /// Sequence number of the first byte.
        sequence: Option<u32>;
        /// Segments on the wire; null: not known.
        segments: Option<u32>;
        /// Error number of a failed transmission; null: it was transmitted, or not known.
        error: Option<i32>;
        /// true: nothing was sent, the handshake was dropped after its last attempt. Otherwise absent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gave_up: bool, if *gave_up;
    }

    /// A TIME_WAIT socket began, ended, was reused, or could not be created.
    TimeWait = "time_wait", rank 10, Info, shown, cause phase {
        /// What happened to it.
        phase: TimeWaitPhase;
        /// `TIME_WAIT`, or `FIN_WAIT2` where the peer has not closed yet.
        substate: Option<TcpState>;
        /// Its lifetime, milliseconds.
        timeout_ms: Option<u64>;
        /// How it ended, with phase `expire`.
        ended_by: Option<TimeWaitEnd>;
        /// With phase `reuse` only: the process that made the new connection (`owner` left the TIME_WAIT).
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "owner::or_none")]
        #[schemars(with = "OwnerObject")]
        new_owner: Option<Owner>, if *phase == TimeWaitPhase::Reuse;
    }

    /// A segment was rejected for its timestamp.
    PawsDrop = "paws_drop", rank 8, Degraded, shown, cause place {
        /// Which check rejected it.
        place as "where": PawsWhere;
        /// The kernel's name of the drop reason.
        reason: Option<Arc<str>>;
    }

    /// A connection ended: its whole life.
    Close = "close", rank 11, Info, on_request, cause how {
        /// From its first state to its end, microseconds; null: it began before tracing.
        duration_us: Option<u64>;
        /// Payload sent, each byte once.
        bytes_sent: Option<u64>;
        /// Payload received.
        bytes_received: Option<u64>;
        /// Smoothed round-trip time at the end, microseconds; null: never measured.
        srtt_us: Option<u32>;
        /// Segments sent again.
        retransmits: Option<u32>;
        /// Which side closed first.
        closed_by: Option<ClosedBy>;
        /// How the connection ended.
        how: Option<CloseHow>;
    }

    /// A connection was given up because nothing came back.
    TimedOut = "timed_out", rank 3, Bad, shown, cause cause {
        /// Which limit it met.
        cause: TimeoutCause;
        /// How long nothing had come from the peer, milliseconds.
        silent_ms: Option<u64>;
        /// How often data was sent again, or a probe sent, since the last answer.
        resends: Option<u32>;
        /// Bytes sent and not acknowledged.
        unacked_bytes: Option<u32>;
        /// Bytes written by the process and never sent.
        unsent_bytes: Option<u32>;
        /// What the process gets from its next call. Not ETIMEDOUT where the network had reported another
        /// error before.
        error: Option<Errno>;
    }

    /// A connect() failed, or its socket was closed before the answer. A refusal by a RST is `rst_received`.
    ConnectFailed = "connect_failed", rank 4, Bad, shown, cause error {
        /// Whether it failed, or was closed before the answer.
        outcome: ConnectOutcome;
        /// Which system call it was.
        call: Call;
        /// What the call fails with, now or when the process asks for the result; null: no error, as the
        /// process itself closed.
        error: Option<Errno>;
        /// Since connect() began, milliseconds.
        after_ms: Option<u64>;
        /// SYNs sent.
        syns: Option<u32>;
    }
}

impl Incident {
    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.what.kind()
    }
}
