//! Per signal an ordered list of candidates: where it can be heard, what that needs, what stays
//! unseen there. The first candidate that loads and attaches wins; refusals are kept.
//!
//! This is the seam for further tiers: a function hook is one more candidate before the
//! tracepoint's.

use std::fmt;

use tcptrace_common::offsets::NONE;

use super::Kernel;
use crate::model::{Evidence, Kind};

/// Kinds of hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// BTF tracepoints.
    Tracepoint,
    /// The kernel's counters.
    Counting,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tracepoint => "tracepoint",
            Self::Counting => "counting",
        })
    }
}

/// Why a candidate cannot serve on this kernel; `None` = it can be tried.
pub type Obstacle = fn(&Kernel) -> Option<String>;

/// One place where a signal can be heard.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Which kind of hook.
    pub tier: Tier,
    /// Name of the program in the object; empty for counting.
    pub program: &'static str,
    /// How a fact from here is known.
    pub evidence: Evidence,
    /// What cannot be seen here; empty = nothing.
    pub blind_to: &'static str,
    /// What is missing on this kernel.
    pub obstacle: Obstacle,
}

/// A signal, the kind it belongs to, its candidates.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Kind of incident.
    pub kind: Kind,
    /// Which part of the kind, for people.
    pub part: &'static str,
    /// Best first.
    pub candidates: &'static [Candidate],
}

const fn tracepoint(
    program: &'static str,
    blind_to: &'static str,
    obstacle: Obstacle,
) -> Candidate {
    Candidate {
        tier: Tier::Tracepoint,
        program,
        evidence: Evidence::Seen,
        blind_to,
        obstacle,
    }
}

/// A tracepoint whose fact follows from what it does not say.
const fn inferred(program: &'static str, blind_to: &'static str, obstacle: Obstacle) -> Candidate {
    Candidate {
        evidence: Evidence::Inferred,
        ..tracepoint(program, blind_to, obstacle)
    }
}

const COUNTED: Candidate = Candidate {
    tier: Tier::Counting,
    program: "",
    evidence: Evidence::Counted,
    blind_to: "the client, the queue at that instant, which listener when several dropped",
    obstacle: nothing,
};

/// Programs that remember owners: needed for every kind.
pub const OWNERS: &[&str] = &[
    "inet_sock_set_state",
    "tcp_destroy_sock",
    "tcp_rcv_space_adjust",
];

/// The program that follows children.
pub const FORKS: &str = "sched_process_fork";

/// Every signal.
pub const SIGNALS: &[Signal] = &[
    Signal {
        kind: Kind::State,
        part: "transitions",
        candidates: &[tracepoint("inet_sock_set_state", "", nothing)],
    },
    Signal {
        kind: Kind::RstSent,
        part: "resets",
        candidates: &[tracepoint(
            "tcp_send_reset",
            "resets without a socket on kernels that give no reset reason",
            nothing,
        )],
    },
    Signal {
        kind: Kind::RstReceived,
        part: "resets",
        candidates: &[tracepoint(
            "tcp_receive_reset",
            "resets of unfinished handshakes",
            nothing,
        )],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "begin, drained, reset",
        candidates: &[tracepoint("inet_sock_set_state", "", nothing)],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "timed out",
        candidates: &[tracepoint("timer_expire_entry", "", sleeping_timer)],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "interrupted",
        candidates: &[tracepoint("timer_cancel", "", sleeping_timer)],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "really blocked",
        candidates: &[tracepoint("timer_start", "", sleeping_timer)],
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the ACK",
        candidates: &[tracepoint("kfree_skb", "", drop_socket), COUNTED],
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the SYN",
        candidates: &[tracepoint("consume_skb", "", packet_fields), COUNTED],
    },
    Signal {
        kind: Kind::SynDrop,
        part: "drops and cookies",
        candidates: &[tracepoint("consume_skb", "", packet_fields), COUNTED],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "segments",
        candidates: &[tracepoint("tcp_retransmit_skb", "", nothing)],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "SYN-ACKs",
        candidates: &[tracepoint("tcp_retransmit_synack", "", nothing)],
    },
    Signal {
        kind: Kind::TimeWait,
        part: "enter",
        candidates: &[tracepoint(
            "timer_start",
            "the later change of an orphan from FIN_WAIT2 to TIME_WAIT",
            time_wait_timer,
        )],
    },
    Signal {
        kind: Kind::TimeWait,
        part: "overflow",
        candidates: &[inferred("timer_start", "", time_wait_timer)],
    },
    Signal {
        kind: Kind::TimeWait,
        part: "expire",
        candidates: &[tracepoint("timer_expire_entry", "", time_wait_timer)],
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by connect()",
        candidates: &[tracepoint("timer_cancel", "", time_wait_timer)],
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by a SYN",
        candidates: &[tracepoint("consume_skb", "", time_wait_timer)],
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "rejects",
        candidates: &[tracepoint("kfree_skb", "", paws_reason)],
    },
    Signal {
        kind: Kind::Close,
        part: "summaries",
        candidates: &[tracepoint("inet_sock_set_state", "", nothing)],
    },
    Signal {
        kind: Kind::Close,
        part: "whether a RST ended it",
        candidates: &[tracepoint("tcp_receive_reset", "", nothing)],
    },
    Signal {
        kind: Kind::Close,
        part: "whether TIME_WAIT followed",
        candidates: &[tracepoint("timer_start", "", time_wait_timer)],
    },
    Signal {
        kind: Kind::RstSent,
        part: "whose TIME_WAIT answered",
        candidates: &[tracepoint("timer_start", "", time_wait_timer)],
    },
];

fn nothing(_kernel: &Kernel) -> Option<String> {
    None
}

fn time_wait_timer(kernel: &Kernel) -> Option<String> {
    if kernel.offsets.tw_timer == NONE {
        return Some("this kernel's BTF has no inet_timewait_sock.tw_timer".to_owned());
    }
    kernel.tw_timer_handler.as_ref().err().cloned()
}

fn sleeping_timer(kernel: &Kernel) -> Option<String> {
    kernel.process_timeout.as_ref().err().cloned()
}

fn drop_socket(kernel: &Kernel) -> Option<String> {
    if !kernel.has_drop_socket {
        return Some("kfree_skb does not tell the receiving socket on this kernel".to_owned());
    }
    None
}

fn paws_reason(kernel: &Kernel) -> Option<String> {
    if kernel.drop_reason("TCP_RFC7323_PAWS").is_none() {
        return Some("this kernel has no drop reason for timestamp rejects".to_owned());
    }
    None
}

fn packet_fields(kernel: &Kernel) -> Option<String> {
    if kernel.offsets.skb_cb_tcp_flags == NONE {
        return Some("this kernel's BTF has no tcp_skb_cb.tcp_flags".to_owned());
    }
    None
}
