//! The signals and their candidates.

use tcptrace_common::hook::{self, Family};
use tcptrace_common::offsets::NONE;

use super::functions::candidates;
use super::{Candidate, Hooks, Obstacle, Signal, nothing};
use crate::kernel::Kernel;
use crate::model::{Evidence, Kind, Tier};

/// Tracepoints of which the first reports.
const fn tracepoint(
    names: &'static [&'static str],
    blind_to: &'static str,
    obstacle: Obstacle,
) -> Candidate {
    Candidate {
        tier: Tier::Tracepoint,
        hooks: Hooks::Tracepoints(names),
        evidence: Evidence::Seen,
        blind_to,
        by_function: 0,
        obstacle,
    }
}

/// A tracepoint whose fact follows from what it does not say.
const fn inferred(candidate: Candidate) -> Candidate {
    Candidate {
        evidence: Evidence::Inferred,
        ..candidate
    }
}

const COUNTED: Candidate = Candidate {
    tier: Tier::Counting,
    hooks: Hooks::Counters,
    evidence: Evidence::Counted,
    blind_to: "the client, the queue at that instant, which listener when several dropped",
    by_function: 0,
    obstacle: nothing,
};

const SET_STATE: Candidate = tracepoint(&["inet_sock_set_state"], "", nothing);
const RECEIVE_RESET: Candidate = tracepoint(&["tcp_receive_reset"], "", nothing);
/// Which ACK was answered by a RST is known from the RST. Without a reason of its own an ACK for a
/// full queue was refused for that: the hook does not say so.
const DROPPED_ACK: Candidate = tracepoint(&["kfree_skb", "tcp_send_reset"], "", drop_socket);
const CONSUMED_SYN: Candidate = tracepoint(&["consume_skb"], "", packet_fields);
/// What no hook says of those that take over from orphans.
const ORPHANS: &str = "the later change of an orphan from FIN_WAIT2 to TIME_WAIT";
/// One timer hook of TIME_WAIT alone would mistake a restart for an end.
const TW_STARTED: Candidate = tracepoint(
    &["timer_start", "timer_cancel", "timer_expire_entry"],
    ORPHANS,
    time_wait_timer,
);
const TW_CANCELLED: Candidate = tracepoint(
    &["timer_cancel", "timer_start", "timer_expire_entry"],
    "",
    time_wait_timer,
);
const TW_EXPIRED: Candidate = tracepoint(
    &["timer_expire_entry", "timer_start", "timer_cancel"],
    "",
    time_wait_timer,
);
const TW_SYN: Candidate = tracepoint(
    &[
        "timer_cancel",
        "timer_start",
        "timer_expire_entry",
        "consume_skb",
    ],
    "",
    time_wait_timer,
);
const NOT_MADE: Candidate = inferred(tracepoint(
    &[
        "inet_sock_set_state",
        "timer_start",
        "timer_cancel",
        "timer_expire_entry",
    ],
    "",
    time_wait_timer,
));

/// The functions, then a tracepoint, which is blind to the same.
const fn then(family: Family, reporter: u8, last: Candidate) -> [Candidate; 3] {
    let [first, second] = candidates(family, reporter);
    let blind_to = last.blind_to;
    [
        Candidate { blind_to, ..first },
        Candidate { blind_to, ..second },
        last,
    ]
}

const fn or_counted(third: Candidate) -> [Candidate; 4] {
    let [first, second] = candidates(Family::Syns, hook::TCP_CONN_REQUEST);
    [first, second, third, COUNTED]
}

/// A close that sleeps: breakpoints miss the returns of functions that block.
const fn waiting(timer: Candidate) -> [Candidate; 2] {
    let [first, _] = candidates(Family::WaitClose, hook::SK_STREAM_WAIT_CLOSE);
    [first, timer]
}

/// The functions, which see what the tracepoint after them is blind to.
const fn unblind(family: Family, reporter: u8, last: Candidate) -> [Candidate; 3] {
    let [first, second] = candidates(family, reporter);
    [first, second, last]
}

/// Functions only where the tracepoint does not report everything.
const fn unless(first: Candidate, family: Family, reporter: u8) -> [Candidate; 3] {
    let [second, third] = candidates(family, reporter);
    [first, second, third]
}

/// Who accepted a connection: for every kind.
pub static ACCEPT: Signal = Signal {
    kind: Kind::State,
    part: "who accepted a connection",
    fact: "who accepted a connection",
    candidates: &unblind(
        Family::Accepted,
        hook::SECURITY_SOCK_GRAFT,
        tracepoint(
            &["tcp_rcv_space_adjust"],
            "the process that accepted a connection but has not read from it: looked up in /proc",
            nothing,
        ),
    ),
};

/// How long connections wait in an accept queue: for the table of listeners.
pub static WAITS: Signal = Signal {
    kind: Kind::State,
    part: "how long connections wait for accept()",
    fact: "how long connections wait for accept()",
    candidates: &candidates(Family::AcceptWaits, hook::INET_CSK_ACCEPT),
};

/// The backlogs of listeners: for what bounds their queues.
pub static LISTENED: Signal = Signal {
    kind: Kind::AcceptDrop,
    part: "the backlog given to listen()",
    fact: "the backlog given to listen()",
    candidates: &candidates(Family::Backlogs, hook::SYS_LISTEN),
};

/// Every signal.
pub static SIGNALS: &[Signal] = &[
    Signal {
        kind: Kind::State,
        part: "transitions",
        fact: "state changes",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::RstSent,
        part: "of connections",
        fact: "RSTs sent by connections",
        candidates: &[tracepoint(&["tcp_send_reset"], "", nothing)],
    },
    Signal {
        kind: Kind::RstSent,
        part: "without a socket",
        fact: "RSTs sent without a socket",
        candidates: &{
            let [first, second] = candidates(Family::Answers, hook::TCP_V4_SEND_RESET);
            [
                tracepoint(&["tcp_send_reset"], "", reset_reason),
                first,
                second,
                inferred(tracepoint(&["kfree_skb"], "", no_socket_reason)),
            ]
        },
    },
    Signal {
        kind: Kind::RstSent,
        part: "of TIME_WAIT sockets",
        fact: "RSTs sent by TIME_WAIT sockets",
        candidates: &unless(
            tracepoint(&["tcp_send_reset"], "", reset_reason),
            Family::Answers,
            hook::TCP_V4_SEND_RESET,
        ),
    },
    Signal {
        kind: Kind::RstReceived,
        part: "of connections",
        fact: "RSTs received by connections",
        candidates: &[RECEIVE_RESET],
    },
    Signal {
        kind: Kind::RstReceived,
        part: "of handshakes",
        fact: "RSTs to handshakes",
        candidates: &candidates(Family::Acks, hook::TCP_CHECK_REQ),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "begin, drained, reset",
        fact: "closes that linger",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "timed out",
        fact: "lingering closes that timed out",
        candidates: &waiting(tracepoint(&["timer_expire_entry"], "", sleeping_timer)),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "interrupted",
        fact: "lingering closes that were interrupted",
        candidates: &waiting(tracepoint(&["timer_cancel"], "", sleeping_timer)),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "really blocked",
        fact: "whether a lingering close blocked",
        candidates: &waiting(tracepoint(&["timer_start"], "", sleeping_timer)),
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the ACK",
        fact: "accept queue drops at the final ACK",
        candidates: &{
            let [first, second] = candidates(Family::Acks, hook::TCP_CHECK_REQ);
            let named = tracepoint(&["kfree_skb", "tcp_send_reset"], "", overflow_reason);
            [first, second, named, inferred(DROPPED_ACK), COUNTED]
        },
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the SYN",
        fact: "accept queue drops at the SYN",
        candidates: &or_counted(CONSUMED_SYN),
    },
    Signal {
        kind: Kind::SynDrop,
        part: "drops and cookies",
        fact: "SYN queue drops and cookies",
        candidates: &or_counted(CONSUMED_SYN),
    },
    Signal {
        kind: Kind::Retransmit,
        part: "segments",
        fact: "retransmitted segments",
        candidates: &[tracepoint(&["tcp_retransmit_skb"], "", nothing)],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "SYN-ACKs",
        fact: "retransmitted SYN-ACKs",
        candidates: &[tracepoint(&["tcp_retransmit_synack"], "", nothing)],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "SYN-ACKs given up",
        fact: "SYN-ACKs given up",
        candidates: &candidates(Family::RequestTimer, hook::REQSK_TIMER_HANDLER),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "enter",
        fact: "start of TIME_WAIT",
        candidates: &then(
            Family::TimeWait,
            hook::INET_TWSK_HASHDANCE_SCHEDULE,
            TW_STARTED,
        ),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "overflow",
        fact: "TIME_WAIT bucket overflow",
        candidates: &then(Family::TimeWait, hook::INET_TWSK_ALLOC, NOT_MADE),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "expire",
        fact: "end of TIME_WAIT",
        candidates: &then(Family::TimeWait, hook::TW_TIMER_HANDLER, TW_EXPIRED),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by connect()",
        fact: "TIME_WAIT reuse by connect()",
        candidates: &then(
            Family::TimeWait,
            hook::INET_TWSK_DESCHEDULE_PUT,
            TW_CANCELLED,
        ),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by a SYN",
        fact: "TIME_WAIT reuse by a SYN",
        candidates: &then(Family::TimeWait, hook::INET_TWSK_DESCHEDULE_PUT, TW_SYN),
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "by connections",
        fact: "PAWS drops by connections",
        candidates: &{
            let [second, third] = candidates(Family::Validation, hook::TCP_VALIDATE_INCOMING);
            let blind = dropped(paws_reason);
            [dropped(whose_paws), second, third, blind]
        },
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "whose connection it was",
        fact: "the connection of a PAWS drop",
        candidates: &unless(
            dropped(whose_paws),
            Family::Validation,
            hook::TCP_VALIDATE_INCOMING,
        ),
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "by TIME_WAIT sockets",
        fact: "PAWS drops by TIME_WAIT sockets",
        candidates: &unless(
            dropped(tw_paws_reason),
            Family::TimeWait,
            hook::TCP_TIMEWAIT_STATE_PROCESS,
        ),
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "in handshakes",
        fact: "PAWS drops in handshakes",
        candidates: &unless(dropped(tw_paws_reason), Family::Acks, hook::TCP_CHECK_REQ),
    },
    Signal {
        kind: Kind::Close,
        part: "summaries",
        fact: "connection summaries",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::Close,
        part: "whether a RST ended it",
        fact: "whether a RST ended a connection",
        candidates: &[RECEIVE_RESET],
    },
    Signal {
        kind: Kind::Close,
        part: "whether TIME_WAIT followed",
        fact: "whether TIME_WAIT followed a close",
        candidates: &then(
            Family::TimeWait,
            hook::INET_TWSK_HASHDANCE_SCHEDULE,
            TW_STARTED,
        ),
    },
    Signal {
        kind: Kind::TimedOut,
        part: "connections",
        fact: "connections given up",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::ConnectFailed,
        part: "in or after SYN_SENT",
        fact: "connect() that failed",
        candidates: &[tracepoint(
            &["inet_sock_set_state", "tcp_receive_reset"],
            "",
            nothing,
        )],
    },
    Signal {
        kind: Kind::ConnectFailed,
        part: "errors of the call",
        fact: "connect() and bind() that failed before the first SYN: no route, address in use",
        candidates: &candidates(Family::Calls, hook::TCP_V4_CONNECT),
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "whose TIME_WAIT rejected",
        fact: "the owner of a TIME_WAIT socket that dropped a packet",
        candidates: &then(
            Family::TimeWait,
            hook::INET_TWSK_HASHDANCE_SCHEDULE,
            TW_STARTED,
        ),
    },
    Signal {
        kind: Kind::RstSent,
        part: "whose TIME_WAIT answered",
        fact: "the owner of a TIME_WAIT socket that sent a RST",
        candidates: &then(
            Family::TimeWait,
            hook::INET_TWSK_HASHDANCE_SCHEDULE,
            TW_STARTED,
        ),
    },
];

/// A drop with a reason of its own.
const fn dropped(obstacle: Obstacle) -> Candidate {
    tracepoint(&["kfree_skb"], "", obstacle)
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

fn reset_reason(kernel: &Kernel) -> Option<String> {
    if !kernel.has_reset_reason() {
        return Some("tcp_send_reset is silent about them on this kernel".to_owned());
    }
    None
}

fn no_socket_reason(kernel: &Kernel) -> Option<String> {
    no_reason(kernel, "NO_SOCKET", "packets without a socket")
}

fn drop_socket(kernel: &Kernel) -> Option<String> {
    if !kernel.has_drop_socket {
        return Some("kfree_skb does not report the receiving socket on this kernel".to_owned());
    }
    None
}

fn paws_reason(kernel: &Kernel) -> Option<String> {
    no_reason(kernel, "TCP_RFC7323_PAWS", "timestamp rejects")
}

fn whose_paws(kernel: &Kernel) -> Option<String> {
    drop_socket(kernel).or_else(|| paws_reason(kernel))
}

fn overflow_reason(kernel: &Kernel) -> Option<String> {
    drop_socket(kernel).or_else(|| {
        no_reason(
            kernel,
            "TCP_LISTEN_OVERFLOW",
            "ACKs refused for a full queue",
        )
    })
}

fn tw_paws_reason(kernel: &Kernel) -> Option<String> {
    no_reason(
        kernel,
        "TCP_RFC7323_TW_PAWS",
        "timestamp rejects outside connections",
    )
}

fn no_reason(kernel: &Kernel, name: &str, what: &str) -> Option<String> {
    if kernel.drop_reason(name).is_none() {
        return Some(format!("this kernel has no drop reason for {what}"));
    }
    None
}

fn packet_fields(kernel: &Kernel) -> Option<String> {
    if kernel.offsets.skb_cb_tcp_flags == NONE {
        return Some("this kernel's BTF has no tcp_skb_cb.tcp_flags".to_owned());
    }
    None
}
