//! At the end of a scenario: everything that the run's tracer reported about its namespace against the
//! counters of that namespace, which began at 0 with the scenario. The rules are written here a second
//! time, over the printed events, so that a wrong rule of the tracer shows.

use std::cmp::Ordering;

use serde_json::Value;

use super::counters::Counters;
use super::expect::field;
use super::shared::Shared;

type Adds = fn(&Value) -> i64;

struct Rule {
    counter: &'static str,
    adds: Adds,
    /// On which side the kernel may be, and why.
    gaps: &'static [(Ordering, &'static str)],
    /// The counter of kernels that have no such one.
    joins: Option<&'static str>,
    /// The part of a kind that reports it, where another tier may not see it.
    reported_by: Option<(&'static str, &'static str)>,
}

const EXACT: Rule = Rule {
    counter: "",
    adds: |_| 0,
    gaps: &[],
    joins: None,
    reported_by: None,
};

const RULES: &[Rule] = &[
    Rule {
        counter: "TcpExt.ListenOverflows",
        adds: |event| is(event, "accept_drop", &[]) * count(event),
        reported_by: Some(("accept_drop", "at the ACK")),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.ListenDrops",
        adds: |event| {
            (is(event, "accept_drop", &[]) + is(event, "syn_drop", &[("outcome", "dropped")]))
                * count(event)
        },
        gaps: &[(Ordering::Greater, "SYNs refused for other reasons")],
        reported_by: Some(("accept_drop", "at the ACK")),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.TCPReqQFullDrop",
        adds: |event| {
            let of_sysctl = is(event, "syn_drop", &[("limited_by", "max_syn_backlog")]);
            (is(event, "syn_drop", &[("outcome", "dropped")]) - of_sysctl) * count(event)
        },
        ..EXACT
    },
    Rule {
        counter: "TcpExt.TCPReqQFullDoCookies",
        adds: |event| is(event, "syn_drop", &[("outcome", "cookie")]) * count(event),
        gaps: &[(Ordering::Greater, "cookies that met a full accept queue")],
        ..EXACT
    },
    Rule {
        counter: "Tcp.OutRsts",
        adds: |event| is(event, "rst_sent", &[]),
        reported_by: Some(("rst_sent", "of TIME_WAIT sockets")),
        ..EXACT
    },
    Rule {
        counter: "Tcp.EstabResets",
        adds: |event| ended(event, &["ESTABLISHED", "CLOSE_WAIT"]),
        ..EXACT
    },
    Rule {
        counter: "Tcp.AttemptFails",
        adds: |event| ended(event, &["SYN_SENT", "SYN_RECV"]),
        gaps: &[
            (Ordering::Less, "attempts that the process itself closed"),
            (Ordering::Greater, "handshakes that the client reset"),
        ],
        ..EXACT
    },
    Rule {
        counter: "Tcp.RetransSegs",
        adds: |event| is(event, "retransmit", &[]) * segments(event),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.TW",
        adds: |event| is(event, "time_wait", &[("phase", "enter")]),
        gaps: &[(Ordering::Less, "counted when it ends, before 6.1")],
        ..EXACT
    },
    Rule {
        counter: "TcpExt.TCPTimeWaitOverflow",
        adds: |event| is(event, "time_wait", &[("phase", "overflow")]),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.PAWSEstab",
        adds: |event| is(event, "paws_drop", &[("where", "established")]),
        reported_by: Some(("paws_drop", "by TIME_WAIT sockets")),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.PAWSTimewait",
        adds: |event| is(event, "paws_drop", &[("where", "time_wait")]),
        joins: Some("TcpExt.PAWSEstab"),
        ..EXACT
    },
    Rule {
        counter: "TcpExt.PAWSOldAck",
        adds: |event| is(event, "paws_drop", &[("where", "ack")]),
        joins: Some("TcpExt.PAWSEstab"),
        ..EXACT
    },
];

fn is(event: &Value, kind: &str, wanted: &[(&str, &str)]) -> i64 {
    let is_it = field(event, "kind") == kind && wanted.iter().all(|(k, v)| field(event, k) == v);
    i64::from(is_it)
}

fn count(event: &Value) -> i64 {
    field(event, "count").as_i64().unwrap_or(0)
}

/// EAGAIN, ENOMEM, EBUSY, EINVAL, EHOSTUNREACH: given up before anything was counted.
const NOT_TRIED: [i64; 5] = [-11, -12, -16, -22, -113];

fn segments(event: &Value) -> i64 {
    let error = field(event, "error").as_i64();
    if field(event, "gave_up") == true || error.is_some_and(|error| NOT_TRIED.contains(&error)) {
        return 0;
    }
    field(event, "segments").as_i64().unwrap_or(1)
}

fn ended(event: &Value, from: &[&str]) -> i64 {
    let is_from = from.iter().any(|state| field(event, "old") == state);
    is(event, "state", &[("new", "CLOSE")]) * i64::from(is_from)
}

/// What does not add up, of everything reported about a namespace.
pub(crate) fn differences(shared: &Shared, netns: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    // What happens between settling and counting is on one side only: then once more.
    for _ in 0..3 {
        if !shared.settle(netns) {
            break;
        }
        let counters = Counters::read();
        wrong = RULES
            .iter()
            .filter_map(|rule| {
                let adds = adds(rule, &counters);
                let of = |event: &Value| adds.iter().map(|add| add(event)).sum::<i64>();
                let ours = shared.with(netns, 0, |events| events.iter().map(of).sum());
                difference(rule, counters.find(rule.counter)?, ours, shared)
            })
            .collect();
        if wrong.is_empty() {
            break;
        }
    }
    wrong
}

/// What is added up for a counter, with that of counters this kernel does not have.
fn adds(rule: &Rule, counters: &Counters) -> Vec<Adds> {
    let is_joined =
        |other: &&Rule| other.joins == Some(rule.counter) && counters.find(other.counter).is_none();
    let joined = RULES.iter().filter(is_joined).map(|rule| rule.adds);
    joined.chain([rule.adds]).collect()
}

fn difference(rule: &Rule, kernel: i64, ours: i64, shared: &Shared) -> Option<String> {
    let side = kernel.cmp(&ours);
    let is_known = rule.gaps.iter().any(|(gap, _)| *gap == side);
    let is_unseen = || {
        rule.reported_by
            .is_some_and(|(kind, part)| shared.cannot_see(kind, part).is_some())
    };
    if side == Ordering::Equal || is_known || (side == Ordering::Greater && is_unseen()) {
        return None;
    }
    Some(format!(
        "  {} does not add up: kernel {kernel}, reported {ours}",
        rule.counter
    ))
}
