//! The rules, one by one.

use std::cmp::Ordering;

use super::adds::{
    aborted_on_data, attempt_failed, beyond_max_syn_backlog, closed_before_answer, closed_by,
    connect_timed_out, cookies, ended_from, failed_by_network, recycled, refused, rejected,
    reset_by_timer, reset_for, retransmitted, syn_acks, syn_retransmitted, time_waits, timed_out,
    timeouts,
};
use super::{Adds, Gap, Limit, Rule};
use crate::model::Kind;
use crate::model::flow::TcpState;
use crate::model::incident::{CloseHow, PawsWhere, ResetCause, TimeWaitPhase};

const fn exact(counter: &'static str, kinds: &'static [Kind], adds: Adds) -> Rule {
    Rule {
        counter,
        kinds,
        adds,
        gaps: &[],
        joins: None,
    }
}

/// A counter of what is no incident: all of it is the gap.
const fn not_reported(counter: &'static str, kinds: &'static [Kind], gaps: &'static [Gap]) -> Rule {
    exact(counter, kinds, |_| 0).but(gaps)
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

const fn more(why: &'static str, limit: Limit) -> Gap {
    Gap {
        kernel_is: Ordering::Greater,
        why,
        limit,
    }
}

const fn less(why: &'static str, limit: Limit) -> Gap {
    Gap {
        kernel_is: Ordering::Less,
        why,
        limit,
    }
}

const BEYOND_MAX_SYN_BACKLOG: &str = "SYNs beyond tcp_max_syn_backlog";
const CLOSED_BEFORE_ANSWER: &str = "connections closed before the answer";
const FAILED_BY_NETWORK: &str = "connections that the network refused";
const ABORTED: &str = "closes of destroyed connections";
const SYN_ACKS: &str = "SYN-ACKs sent again";

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
        |sums| {
            // What no counter of a full queue, and no incident, accounts for.
            let queues = sums.rise("TcpExt.ListenOverflows") + sums.rise("TcpExt.TCPReqQFullDrop");
            let named = queues + sums.ours(BEYOND_MAX_SYN_BACKLOG);
            sums.rise("TcpExt.ListenDrops").saturating_sub(named)
        },
    )]),
    exact("TcpExt.TCPReqQFullDrop", &[Kind::SynDrop], |incident| {
        refused(incident).1 - beyond_max_syn_backlog(incident)
    }),
    exact(
        BEYOND_MAX_SYN_BACKLOG,
        &[Kind::SynDrop],
        beyond_max_syn_backlog,
    ),
    exact("TcpExt.TCPReqQFullDoCookies", &[Kind::SynDrop], cookies).but(&[more(
        "a SYN that wanted a cookie and met a full accept queue counts in both",
        |sums| sums.rise("TcpExt.ListenOverflows"),
    )]),
    not_reported(
        "TcpExt.TCPDeferAcceptDrop",
        &[Kind::AcceptDrop],
        &[more(
            "handshakes that TCP_DEFER_ACCEPT holds back until the client sends are no incidents",
            |sums| sums.rise("TcpExt.TCPDeferAcceptDrop"),
        )],
    ),
    exact("Tcp.OutRsts", &[Kind::RstSent], |_| 1).but(&[less(
        "IPv6 resets without a route are reported but not counted",
        |sums| sums.rise("Ip6.OutNoRoutes"),
    )]),
    not_reported(
        "TcpExt.TCPAbortFailed",
        &[Kind::RstSent],
        &[more(
            "counts resets that found no memory or no route: rst_sent does not say so",
            |sums| sums.rise("TcpExt.TCPAbortFailed"),
        )],
    ),
    not_reported(
        "TcpExt.TCPSYNChallenge",
        &[Kind::RstSent],
        &[more(
            "SYNs for an established connection are answered by an ACK: no incident",
            |sums| sums.rise("TcpExt.TCPSYNChallenge"),
        )],
    ),
    exact(
        "TcpExt.TCPAbortOnData",
        &[Kind::RstSent, Kind::ConnectFailed],
        aborted_on_data,
    )
    .but(&[more(
        "also counts connections closed with SO_LINGER{1,0} before a handshake",
        |sums| sums.ours(CLOSED_BEFORE_ANSWER),
    )]),
    exact("TcpExt.TCPAbortOnData", &[Kind::RstSent], aborted_on_data).but(&[more(
        "also counts connections closed with SO_LINGER{1,0} before a handshake",
        |sums| sums.rise("Tcp.ActiveOpens"),
    )]),
    exact(
        CLOSED_BEFORE_ANSWER,
        &[Kind::ConnectFailed],
        closed_before_answer,
    ),
    exact("TcpExt.TCPAbortOnClose", &[Kind::RstSent], |incident| {
        reset_for(incident, "TCP_ABORT_ON_CLOSE", &[ResetCause::UnreadData])
    }),
    exact("TcpExt.TCPAbortOnLinger", &[Kind::RstSent], |incident| {
        reset_for(incident, "TCP_ABORT_ON_LINGER", &[ResetCause::Linger2])
    }),
    exact(
        "TcpExt.TCPAbortOnTimeout",
        &[Kind::TimedOut, Kind::ConnectFailed],
        |incident| timed_out(incident) + connect_timed_out(incident),
    )
    .but(&[more(
        "also counts connect() calls that ended with an error reported by the network",
        |sums| sums.ours(FAILED_BY_NETWORK),
    )]),
    exact(FAILED_BY_NETWORK, &[Kind::ConnectFailed], failed_by_network),
    exact("TcpExt.TCPAbortOnTimeout", &[Kind::TimedOut], timed_out).but(&[more(
        "also counts connect() calls: the kind connect_failed reports them",
        |sums| sums.rise("Tcp.AttemptFails"),
    )]),
    exact("TcpExt.TCPAbortOnTimeout", &[Kind::Close], |incident| {
        closed_by(incident, CloseHow::Timeout)
    })
    .but(&[more(
        "also counts connections that ended with an error reported by the network",
        |sums| sums.ours(ABORTED),
    )]),
    exact(ABORTED, &[Kind::Close], |incident| {
        closed_by(incident, CloseHow::Aborted)
    }),
    exact("TcpExt.TCPAbortOnTimeout", &[Kind::RstSent], reset_by_timer).but(&[more(
        "also counts connections given up without a RST: the kind timed_out reports them",
        |sums| sums.rise("TcpExt.TCPTimeouts") + sums.rise("TcpExt.TCPWinProbe"),
    )]),
    exact("TcpExt.TCPAbortOnMemory", &[Kind::RstSent], |incident| {
        reset_for(incident, "TCP_ABORT_ON_MEMORY", &[ResetCause::OutOfMemory])
    })
    .but(&[more(
        "also counts orphans that were dropped without a RST",
        |sums| sums.rise("TcpExt.TCPTimeouts"),
    )]),
    exact("Tcp.EstabResets", &[Kind::State], |incident| {
        ended_from(incident, &[TcpState::Established, TcpState::CloseWait])
    }),
    exact(
        "Tcp.AttemptFails",
        &[Kind::ConnectFailed, Kind::RstReceived],
        attempt_failed,
    )
    .but(&[more(
        "also counts handshakes that the client reset, which only function hooks report",
        |sums| sums.rise("TcpExt.EmbryonicRsts"),
    )]),
    exact("Tcp.AttemptFails", &[Kind::State], |incident| {
        ended_from(incident, &[TcpState::SynSent, TcpState::SynRecv])
    })
    .but(&[
        // The states alone do not distinguish these, and no counter does.
        less(
            "does not count attempts that the process itself closed",
            |sums| sums.ours("Tcp.AttemptFails"),
        ),
        more("also counts handshakes that the client reset", |sums| {
            sums.rise("TcpExt.EmbryonicRsts")
        }),
    ]),
    exact("Tcp.RetransSegs", &[Kind::Retransmit], retransmitted),
    exact(
        "TcpExt.TCPSynRetrans",
        &[Kind::Retransmit],
        syn_retransmitted,
    ),
    exact(
        "TcpExt.TCPTimeouts",
        &[Kind::Retransmit, Kind::TimedOut, Kind::ConnectFailed],
        timeouts,
    )
    .but(&[
        more(
            "also counts SYN-ACKs that were given up or could not be sent, which only functions report",
            // What the timers of connections did is held against RetransSegs.
            |sums| sums.rise("TcpExt.TCPTimeouts"),
        ),
        less(
            "what is sent again without waiting, because the client's SYN came again or behind a \
             timeout, is no timeout",
            |sums| sums.ours(SYN_ACKS) + sums.rise("TcpExt.TCPSlowStartRetrans"),
        ),
    ]),
    exact(SYN_ACKS, &[Kind::Retransmit], syn_acks),
    not_reported(
        "TcpExt.TCPZeroWindowDrop",
        &[Kind::Retransmit],
        &[more(
            "segments that came while this host's own window was shut are no incidents",
            |sums| sums.rise("TcpExt.TCPZeroWindowDrop"),
        )],
    ),
    exact("TcpExt.TW", &[Kind::TimeWait], |incident| {
        time_waits(incident, TimeWaitPhase::Enter)
    })
    .but(&[less(
        "before 6.1 the kernel counts a TIME_WAIT when it ends",
        // TCPPLBRehash came with 6.2.
        |sums| match sums.kernel("TcpExt.TCPPLBRehash") {
            Some(_) => 0,
            None => sums.ours("TcpExt.TW"),
        },
    )]),
    exact(
        "TcpExt.TCPTimeWaitOverflow",
        &[Kind::TimeWait],
        |incident| time_waits(incident, TimeWaitPhase::Overflow),
    ),
    exact("TcpExt.TWRecycled", &[Kind::TimeWait], recycled),
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
    not_reported(
        "TcpExt.PAWSActive",
        &[Kind::PawsDrop],
        &[more(
            "SYN-ACKs that connect() rejects: no hook reports them",
            |sums| sums.rise("TcpExt.PAWSActive"),
        )],
    ),
];
