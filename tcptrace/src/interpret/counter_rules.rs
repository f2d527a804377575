//! Which incidents feed which of the kernel's counters (sources of 5.10 to 7.3), and where the two
//! may differ though nothing went wrong.

use std::cmp::Ordering;

use crate::model::flow::TcpState;
use crate::model::incident::{
    CloseHow, DropOutcome, LimitedBy, PawsWhere, ResetCause, RetransmitType, TimeWaitPhase,
};
use crate::model::{Basis, Errno, Incident, Kind, What};

/// What one incident adds to a counter; 0 = another counter's business.
pub type Adds = fn(&Incident) -> u64;

/// A counter, the kinds that feed it, and by how much.
#[derive(Debug)]
pub struct Rule {
    /// The kernel's name, with its group.
    pub counter: &'static str,
    /// All of them are needed. Of several rules for one counter the first holds that has them.
    pub kinds: &'static [Kind],
    /// By how much one incident raises it.
    pub adds: Adds,
    /// Why the two may differ though nothing went wrong.
    pub gaps: &'static [Gap],
    /// The counter that kernels without this one raise instead.
    pub joins: Option<&'static str>,
}

/// A difference that has a known reason: on which side the larger count lies, and why.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// The kernel's count compared with ours.
    pub kernel_is: Ordering,
    /// One sentence.
    pub why: &'static str,
}

const fn exact(counter: &'static str, kinds: &'static [Kind], adds: Adds) -> Rule {
    Rule {
        counter,
        kinds,
        adds,
        gaps: &[],
        joins: None,
    }
}

impl Rule {
    const fn but(self, gaps: &'static [Gap]) -> Self {
        Self { gaps, ..self }
    }

    const fn joining(self, counter: &'static str) -> Self {
        Self {
            joins: Some(counter),
            ..self
        }
    }
}

const fn more(why: &'static str) -> Gap {
    Gap {
        kernel_is: Ordering::Greater,
        why,
    }
}

const fn less(why: &'static str) -> Gap {
    Gap {
        kernel_is: Ordering::Less,
        why,
    }
}

/// All of them, in the order of the summary.
pub const RULES: &[Rule] = &[
    exact("TcpExt.ListenOverflows", &[Kind::AcceptDrop], |incident| {
        refused(incident).0
    }),
    exact(
        "TcpExt.ListenDrops",
        &[Kind::AcceptDrop, Kind::SynDrop],
        |incident| {
            let (full_accept_queue, full_syn_queue) = refused(incident);
            full_accept_queue + full_syn_queue
        },
    )
    .but(&[more(
        "also counts SYNs refused for other reasons: no route, no memory, a security module",
    )]),
    exact(
        "TcpExt.TCPReqQFullDrop",
        &[Kind::SynDrop],
        |incident| match &incident.what {
            // No counter of its own but ListenDrops.
            What::SynDrop {
                limited_by: Some(LimitedBy::MaxSynBacklog),
                ..
            } => 0,
            _ => refused(incident).1,
        },
    ),
    exact(
        "TcpExt.TCPReqQFullDoCookies",
        &[Kind::SynDrop],
        |incident| match &incident.what {
            What::SynDrop {
                outcome: Some(DropOutcome::Cookie),
                count,
                ..
            } => *count,
            _ => 0,
        },
    )
    .but(&[more(
        "a SYN that wanted a cookie and met a full accept queue counts in both",
    )]),
    exact("Tcp.OutRsts", &[Kind::RstSent], |_| 1)
        .but(&[less("resets without a route are reported but not counted")]),
    exact("TcpExt.TCPAbortOnData", &[Kind::RstSent], |incident| {
        u64::from(matches!(
            reset(incident),
            Some((ResetCause::LingerZero, _) | (_, Some("TCP_ABORT_ON_DATA")))
        ))
    })
    .but(&[more(
        "also counts connections closed with SO_LINGER{1,0} before a handshake",
    )]),
    exact("TcpExt.TCPAbortOnClose", &[Kind::RstSent], |incident| {
        for_reason(incident, "TCP_ABORT_ON_CLOSE")
    }),
    exact("TcpExt.TCPAbortOnLinger", &[Kind::RstSent], |incident| {
        for_reason(incident, "TCP_ABORT_ON_LINGER")
    }),
    exact("TcpExt.TCPAbortOnTimeout", &[Kind::Close], |incident| {
        u64::from(matches!(
            &incident.what,
            What::Close {
                how: Some(CloseHow::Timeout),
                ..
            }
        ))
    })
    .but(&[more(
        "also counts connections that ended with an error reported by the network",
    )]),
    exact(
        "TcpExt.TCPAbortOnTimeout",
        &[Kind::TimedOut, Kind::ConnectFailed],
        |incident| match &incident.what {
            What::ConnectFailed { error, .. } => u64::from(*error == Some(Errno::Etimedout)),
            _ => 1,
        },
    )
    .but(&[more(
        "also counts connect() calls that ended with an error reported by the network",
    )]),
    exact("TcpExt.TCPAbortOnTimeout", &[Kind::RstSent], |incident| {
        u64::from(matches!(
            reset(incident),
            Some((ResetCause::KeepaliveTimeout | ResetCause::UserTimeout, _))
        ))
    })
    .but(&[more(
        "also counts connections given up without a RST: the kind timed_out reports them",
    )]),
    exact("TcpExt.TCPAbortOnMemory", &[Kind::RstSent], |incident| {
        u64::from(matches!(
            reset(incident),
            Some((ResetCause::OutOfMemory, _))
        ))
    })
    .but(&[more("also counts orphans that were dropped without a RST")]),
    exact("Tcp.EstabResets", &[Kind::State], |incident| {
        ended_from(incident, &[TcpState::Established, TcpState::CloseWait])
    }),
    exact("Tcp.AttemptFails", &[Kind::State], |incident| {
        ended_from(incident, &[TcpState::SynSent, TcpState::SynRecv])
    })
    .but(&[
        less("does not count attempts that the process itself closed"),
        more("also counts handshakes that the client reset"),
    ]),
    exact(
        "Tcp.RetransSegs",
        &[Kind::Retransmit],
        |incident| match &incident.what {
            What::Retransmit {
                segments,
                error,
                gave_up: false,
                ..
            } if !is_not_tried(*error) => u64::from(segments.unwrap_or(1)),
            _ => 0,
        },
    ),
    exact("TcpExt.TCPSynRetrans", &[Kind::Retransmit], |incident| {
        u64::from(matches!(
            &incident.what,
            What::Retransmit {
                kind: RetransmitType::Syn | RetransmitType::SynAck,
                gave_up: false,
                error,
                ..
            } if !is_not_tried(*error)
        ))
    }),
    exact("TcpExt.TW", &[Kind::TimeWait], |incident| {
        time_waits(incident, TimeWaitPhase::Enter)
    })
    .but(&[less(
        "before 6.1 the kernel counts a TIME_WAIT when it ends",
    )]),
    exact(
        "TcpExt.TCPTimeWaitOverflow",
        &[Kind::TimeWait],
        |incident| time_waits(incident, TimeWaitPhase::Overflow),
    ),
    exact("TcpExt.TWRecycled", &[Kind::TimeWait], |incident| {
        // The kernel counts what connect() takes over, not what a SYN does.
        u64::from(matches!(
            &incident.what,
            What::TimeWait {
                phase: TimeWaitPhase::Reuse,
                new_owner: Some(owner),
                ..
            } if owner.basis == Basis::Task
        ))
    }),
    exact("TcpExt.PAWSEstab", &[Kind::PawsDrop], |incident| {
        rejected(incident, PawsWhere::Established)
    }),
    exact("TcpExt.PAWSTimewait", &[Kind::PawsDrop], |incident| {
        rejected(incident, PawsWhere::TimeWait)
    })
    .joining("TcpExt.PAWSEstab"),
    exact("TcpExt.PAWSOldAck", &[Kind::PawsDrop], |incident| {
        rejected(incident, PawsWhere::Ack)
    })
    .joining("TcpExt.PAWSEstab"),
    exact("TcpExt.TSEcrRejected", &[Kind::PawsDrop], |incident| {
        rejected(incident, PawsWhere::Echo)
    })
    .joining("TcpExt.PAWSEstab"),
    exact("TcpExt.PAWSActive", &[Kind::PawsDrop], |_| 0).but(&[more(
        "SYN-ACKs that connect() rejects: no hook reports them",
    )]),
];

/// The tracepoints and functions that report a kind: a run of one that did not take place may be
/// why the kernel counts more. Names only, whatever the tier.
pub const fn hooks(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::State => &["inet_sock_set_state"],
        Kind::RstSent => &[
            "tcp_send_reset",
            "kfree_skb",
            "tcp_v4_send_reset",
            "tcp_v6_send_reset",
        ],
        Kind::RstReceived => &["tcp_receive_reset", "tcp_check_req", "tcp_get_cookie_sock"],
        Kind::LingerClose => &[
            "inet_sock_set_state",
            "timer_start",
            "timer_cancel",
            "timer_expire_entry",
            "sk_stream_wait_close",
        ],
        Kind::AcceptDrop => &[
            "consume_skb",
            "kfree_skb",
            "tcp_send_reset",
            "tcp_conn_request",
            "tcp_check_req",
            "tcp_get_cookie_sock",
        ],
        Kind::SynDrop => &["consume_skb", "tcp_conn_request"],
        Kind::TimedOut => &["inet_sock_set_state"],
        Kind::ConnectFailed => &[
            "inet_sock_set_state",
            "tcp_v4_connect",
            "tcp_v6_connect",
            "inet_bind",
            "inet6_bind",
        ],
        Kind::Retransmit => &[
            "tcp_retransmit_skb",
            "tcp_retransmit_synack",
            "reqsk_timer_handler",
        ],
        // The last state of its socket says that a TIME_WAIT is to come.
        Kind::TimeWait => &[
            "inet_sock_set_state",
            "timer_start",
            "timer_cancel",
            "timer_expire_entry",
            "consume_skb",
            "inet_twsk_hashdance_schedule",
            "__inet_twsk_schedule",
            "inet_twsk_alloc",
            "tw_timer_handler",
            "inet_twsk_deschedule_put",
            "tcp_timewait_state_process",
            "tcp_twsk_unique",
        ],
        Kind::PawsDrop => &[
            "kfree_skb",
            "tcp_validate_incoming",
            "tcp_timewait_state_process",
            "tcp_check_req",
            "tcp_get_cookie_sock",
        ],
        Kind::Close => &["inet_sock_set_state", "tcp_receive_reset"],
    }
}

/// Refused for a full accept queue, and for a full SYN queue.
fn refused(incident: &Incident) -> (u64, u64) {
    match &incident.what {
        What::AcceptDrop { count, .. } => (*count, 0),
        What::SynDrop {
            outcome: Some(DropOutcome::Dropped),
            count,
            ..
        } => (0, *count),
        _ => (0, 0),
    }
}

/// EAGAIN, ENOMEM, EBUSY, EINVAL, EHOSTUNREACH: `__tcp_retransmit_skb` reports these (from 6.16 on),
/// but ends before it counts.
const NOT_TRIED: [i32; 5] = [-11, -12, -16, -22, -113];

fn is_not_tried(error: Option<i32>) -> bool {
    error.is_some_and(|error| NOT_TRIED.contains(&error))
}

fn time_waits(incident: &Incident, wanted: TimeWaitPhase) -> u64 {
    match &incident.what {
        What::TimeWait { phase, .. } => u64::from(*phase == wanted),
        _ => 0,
    }
}

fn rejected(incident: &Incident, wanted: PawsWhere) -> u64 {
    match &incident.what {
        What::PawsDrop { place, .. } => u64::from(*place == wanted),
        _ => 0,
    }
}

fn ended_from(incident: &Incident, states: &[TcpState]) -> u64 {
    match &incident.what {
        What::State { old, new, .. } => u64::from(*new == TcpState::Close && states.contains(old)),
        _ => 0,
    }
}

fn for_reason(incident: &Incident, wanted: &str) -> u64 {
    let reason = reset(incident).and_then(|(_, reason)| reason);
    u64::from(reason == Some(wanted))
}

fn reset(incident: &Incident) -> Option<(ResetCause, Option<&str>)> {
    match &incident.what {
        What::RstSent { cause, reason, .. } => Some((*cause, reason.as_deref())),
        _ => None,
    }
}
