//! The signals and their candidates.

use tcptrace_common::offsets::NONE;

use super::functions::{
    ACCEPTED, ACKS, ANSWERS, Family, OLDER_TIME_WAIT, REQUEST_TIMER, SYNS, TIME_WAIT, VALIDATION,
    WAIT_CLOSE,
};
use super::{Candidate, Hooks, Obstacle, Signal, Tier};
use crate::kernel::Kernel;
use crate::model::{Evidence, Kind};

const fn tracepoint(
    hook: &'static str,
    names: &'static [&'static str],
    blind_to: &'static str,
    obstacle: Obstacle,
) -> Candidate {
    Candidate {
        tier: Tier::Tracepoint,
        hooks: Hooks::Tracepoints(names),
        hook,
        evidence: Evidence::Seen,
        blind_to,
        served: 0,
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
    hook: "the kernel's counters",
    evidence: Evidence::Counted,
    blind_to: "the client, the queue at that instant, which listener when several dropped",
    served: 0,
    obstacle: nothing,
};

const SET_STATE: Candidate = tracepoint(
    "tp_btf/inet_sock_set_state",
    &["inet_sock_set_state"],
    "",
    nothing,
);
const RECEIVE_RESET: Candidate = tracepoint(
    "tp_btf/tcp_receive_reset",
    &["tcp_receive_reset"],
    "",
    nothing,
);
/// Which ACK was answered by a RST is known from the RST.
const DROPPED_ACK: Candidate = tracepoint(
    "tp_btf/kfree_skb",
    &["kfree_skb", "tcp_send_reset"],
    "",
    drop_socket,
);
const CONSUMED_SYN: Candidate =
    tracepoint("tp_btf/consume_skb", &["consume_skb"], "", packet_fields);
/// One timer hook of TIME_WAIT alone would mistake a restart for an end.
const TW_TIMERS: &[&str] = &["timer_start", "timer_cancel", "timer_expire_entry"];
const TW_STARTED: Candidate = tracepoint(
    "tp_btf/timer_start",
    TW_TIMERS,
    "the later change of an orphan from FIN_WAIT2 to TIME_WAIT",
    time_wait_timer,
);
const TW_CANCELLED: Candidate = tracepoint("tp_btf/timer_cancel", TW_TIMERS, "", time_wait_timer);
const TW_EXPIRED: Candidate =
    tracepoint("tp_btf/timer_expire_entry", TW_TIMERS, "", time_wait_timer);
const TW_SYN: Candidate = tracepoint(
    "tp_btf/timer_cancel",
    &[
        "timer_start",
        "timer_cancel",
        "timer_expire_entry",
        "consume_skb",
    ],
    "",
    time_wait_timer,
);
const NOT_MADE: Candidate = inferred(tracepoint(
    "tp_btf/inet_sock_set_state",
    TW_TIMERS,
    "",
    time_wait_timer,
));

const fn both(family: &Family, last: Candidate) -> [Candidate; 3] {
    let [first, second] = family.candidates(nothing);
    [first, second, last]
}

const fn or_counted(family: &Family, third: Candidate) -> [Candidate; 4] {
    let [first, second] = family.candidates(nothing);
    [first, second, third, COUNTED]
}

/// A turn of a TIME_WAIT socket, reported at `hook` and `breakpoint` by the function tiers.
const fn time_wait(
    names: [&'static str; 2],
    older: [&'static str; 2],
    last: Candidate,
) -> [Candidate; 5] {
    let [a, b] = TIME_WAIT.candidates(nothing);
    let [c, d] = OLDER_TIME_WAIT.candidates(nothing);
    let [by_btf, by_breakpoint] = names;
    let [older_by_btf, older_by_breakpoint] = older;
    [
        Candidate { hook: by_btf, ..a },
        Candidate {
            hook: older_by_btf,
            ..c
        },
        Candidate {
            hook: by_breakpoint,
            ..b
        },
        Candidate {
            hook: older_by_breakpoint,
            ..d
        },
        last,
    ]
}

const fn ended(names: [&'static str; 2], last: Candidate) -> [Candidate; 5] {
    time_wait(names, names, last)
}

const MADE: [&str; 2] = [
    "fentry/inet_twsk_hashdance_schedule",
    "kprobe/inet_twsk_hashdance_schedule",
];
const OLDER_MADE: [&str; 2] = ["fentry/__inet_twsk_schedule", "kprobe/__inet_twsk_schedule"];
const TAKEN_AWAY: [&str; 2] = [
    "fentry/inet_twsk_deschedule_put",
    "kprobe/inet_twsk_deschedule_put",
];
const LATE: [&str; 2] = [
    "fexit/tcp_timewait_state_process",
    "kretprobe/tcp_timewait_state_process",
];

/// Who accepted a connection: for every kind.
pub static ACCEPT: Signal = Signal {
    kind: Kind::State,
    part: "who accepted a connection",
    candidates: &both(
        &ACCEPTED,
        tracepoint(
            "tp_btf/tcp_rcv_space_adjust",
            &["tcp_rcv_space_adjust"],
            "who accepted a connection and has not read from it: looked up in /proc",
            nothing,
        ),
    ),
};

/// Every signal.
pub static SIGNALS: &[Signal] = &[
    Signal {
        kind: Kind::State,
        part: "transitions",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::RstSent,
        part: "of connections",
        candidates: &[tracepoint(
            "tp_btf/tcp_send_reset",
            &["tcp_send_reset"],
            "",
            nothing,
        )],
    },
    Signal {
        kind: Kind::RstSent,
        part: "without a socket",
        candidates: &{
            let [first, second] = ANSWERS.candidates(nothing);
            [
                tracepoint(
                    "tp_btf/tcp_send_reset",
                    &["tcp_send_reset"],
                    "",
                    reset_reason,
                ),
                first,
                second,
                inferred(tracepoint(
                    "tp_btf/kfree_skb",
                    &["kfree_skb"],
                    "RSTs that TIME_WAIT sockets answer with",
                    no_socket_reason,
                )),
            ]
        },
    },
    Signal {
        kind: Kind::RstReceived,
        part: "of connections",
        candidates: &[RECEIVE_RESET],
    },
    Signal {
        kind: Kind::RstReceived,
        part: "of handshakes",
        candidates: &ACKS.candidates(nothing),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "begin, drained, reset",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::LingerClose,
        part: "timed out",
        candidates: &both(
            &WAIT_CLOSE,
            tracepoint(
                "tp_btf/timer_expire_entry",
                &["timer_expire_entry"],
                "",
                sleeping_timer,
            ),
        ),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "interrupted",
        candidates: &both(
            &WAIT_CLOSE,
            tracepoint("tp_btf/timer_cancel", &["timer_cancel"], "", sleeping_timer),
        ),
    },
    Signal {
        kind: Kind::LingerClose,
        part: "really blocked",
        candidates: &both(
            &WAIT_CLOSE,
            tracepoint("tp_btf/timer_start", &["timer_start"], "", sleeping_timer),
        ),
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the ACK",
        candidates: &or_counted(&ACKS, DROPPED_ACK),
    },
    Signal {
        kind: Kind::AcceptDrop,
        part: "at the SYN",
        candidates: &or_counted(&SYNS, CONSUMED_SYN),
    },
    Signal {
        kind: Kind::SynDrop,
        part: "drops and cookies",
        candidates: &or_counted(&SYNS, CONSUMED_SYN),
    },
    Signal {
        kind: Kind::Retransmit,
        part: "segments",
        candidates: &[tracepoint(
            "tp_btf/tcp_retransmit_skb",
            &["tcp_retransmit_skb"],
            "",
            nothing,
        )],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "SYN-ACKs",
        candidates: &[tracepoint(
            "tp_btf/tcp_retransmit_synack",
            &["tcp_retransmit_synack"],
            "",
            nothing,
        )],
    },
    Signal {
        kind: Kind::Retransmit,
        part: "SYN-ACKs given up",
        candidates: &REQUEST_TIMER.candidates(nothing),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "enter",
        candidates: &time_wait(MADE, OLDER_MADE, TW_STARTED),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "overflow",
        candidates: &ended(
            ["fexit/inet_twsk_alloc", "kretprobe/inet_twsk_alloc"],
            NOT_MADE,
        ),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "expire",
        candidates: &ended(
            ["fentry/tw_timer_handler", "kprobe/tw_timer_handler"],
            TW_EXPIRED,
        ),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by connect()",
        candidates: &ended(TAKEN_AWAY, TW_CANCELLED),
    },
    Signal {
        kind: Kind::TimeWait,
        part: "reuse by a SYN",
        candidates: &ended(TAKEN_AWAY, TW_SYN),
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "by connections",
        candidates: &{
            let [first, second] = VALIDATION.candidates(nothing);
            [dropped(paws_reason), first, second]
        },
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "by TIME_WAIT sockets",
        candidates: &{
            let [a, b, c, d, _] = ended(LATE, COUNTED);
            [dropped(tw_paws_reason), a, b, c, d]
        },
    },
    Signal {
        kind: Kind::PawsDrop,
        part: "in handshakes",
        candidates: &{
            let [first, second] = ACKS.candidates(nothing);
            [dropped(tw_paws_reason), first, second]
        },
    },
    Signal {
        kind: Kind::Close,
        part: "summaries",
        candidates: &[SET_STATE],
    },
    Signal {
        kind: Kind::Close,
        part: "whether a RST ended it",
        candidates: &[RECEIVE_RESET],
    },
    Signal {
        kind: Kind::Close,
        part: "whether TIME_WAIT followed",
        candidates: &time_wait(MADE, OLDER_MADE, TW_STARTED),
    },
    Signal {
        kind: Kind::RstSent,
        part: "whose TIME_WAIT answered",
        candidates: &time_wait(MADE, OLDER_MADE, TW_STARTED),
    },
];

/// A drop with a reason of its own.
const fn dropped(obstacle: Obstacle) -> Candidate {
    tracepoint("tp_btf/kfree_skb", &["kfree_skb"], "", obstacle)
}

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
        return Some("kfree_skb does not tell the receiving socket on this kernel".to_owned());
    }
    None
}

fn paws_reason(kernel: &Kernel) -> Option<String> {
    no_reason(kernel, "TCP_RFC7323_PAWS", "timestamp rejects")
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
