//! The objects of `listeners`, `states` and `timewait`.

use serde_json::{Value, json};

use super::{
    count, count_or_null, head, object, one_of, one_of_or_null, or_null, queue_length_and_limit,
    reconciliation, said,
};
use crate::model::Family;
use crate::model::flow::TcpState;
use crate::model::incident::LimitedBy;
use crate::model::rows::{Anomaly, Held, LeftBy};

/// One object each: the rows, and what ends a snapshot.
pub(super) fn rows() -> [Value; 4] {
    [listener(), sockets(), time_wait_sockets(), snapshot()]
}

fn flag_or_null() -> Value {
    json!({ "type": ["boolean", "null"] })
}

fn decimal_or_null() -> Value {
    json!({ "type": ["number", "null"] })
}

fn owner() -> Value {
    json!({ "$ref": "#/$defs/owner" })
}

fn listener() -> Value {
    let refusals = [
        "accept_syn",
        "accept_ack",
        "accept_counted",
        "syn_queue",
        "cookies",
    ]
    .map(|name| (name, count()));
    let accepts = [
        ("measured", count()),
        (
            "older",
            said(
                count(),
                "established before watching began, so not measured",
            ),
        ),
        (
            "wait_us_p50",
            said(
                count_or_null(),
                "an upper bound, at most a quarter too long",
            ),
        ),
        ("wait_us_p99", count_or_null()),
        ("wait_us_max", count_or_null()),
        (
            "last_ms",
            said(count_or_null(), "since the last one; null: none"),
        ),
    ];
    let group = object(
        &[
            ("size", count()),
            ("length", said(count(), "waiting in all of them")),
            (
                "skew",
                said(
                    decimal_or_null(),
                    "the longest queue against an even share; null while nothing waits",
                ),
            ),
        ],
        &[],
    );
    let mut properties = head("listener");
    properties.extend([
        ("netns", count()),
        ("cookie", count()),
        (
            "family",
            one_of(Family::ALL.iter().map(|value| value.name())),
        ),
        ("local", json!({ "$ref": "#/$defs/endpoint" })),
        ("v6only", flag_or_null()),
        ("owner", said(owner(), "the first of its holders")),
        (
            "pids",
            said(
                json!({ "type": "array", "items": count() }),
                "every process known to hold it",
            ),
        ),
        ("accept_queue", queue_length_and_limit()),
        (
            "full",
            said(
                json!({ "type": "boolean" }),
                "length above limit: the next connection is refused",
            ),
        ),
        (
            "limited_by",
            said(
                one_of_or_null(LimitedBy::ALL.iter().map(|value| value.name())),
                "somaxconn: the limit equals it, the backlog is that or more; null: not known, or \
                 somaxconn was lowered since",
            ),
        ),
        (
            "backlog",
            said(
                count_or_null(),
                "what listen() was given (2147483647: no bound); null: somaxconn or more",
            ),
        ),
        (
            "backlog_seen",
            said(
                json!({ "type": "boolean" }),
                "false: inferred from a limit below somaxconn",
            ),
        ),
        (
            "syn_queue",
            said(
                queue_length_and_limit(),
                "of a group the length is that of all of it",
            ),
        ),
        (
            "drops",
            said(
                count_or_null(),
                "the socket's counter since it began: 1 a SYN, 2 a third ACK, socket filters too",
            ),
        ),
        (
            "drops_since_watch",
            said(count_or_null(), "null on the first look"),
        ),
        ("drops_per_second", decimal_or_null()),
        (
            "refusals",
            said(
                or_null(object(&refusals, &[])),
                "what hooks told since watching began; null without hooks",
            ),
        ),
        (
            "accepts",
            said(
                or_null(object(&accepts, &[])),
                "since watching began, established to accept(); null: not measured",
            ),
        ),
        ("group", said(or_null(group), "SO_REUSEPORT; null: alone")),
    ]);
    object(&properties, &[])
}

fn sockets() -> Value {
    let top = object(
        &[
            ("addr", json!({ "type": "string" })),
            ("port", said(count_or_null(), "null: several")),
            ("count", count()),
        ],
        &[],
    );
    let mut properties = head("sockets");
    properties.extend([
        ("netns", count()),
        (
            "state",
            one_of(TcpState::ALL.iter().map(|value| value.name())),
        ),
        (
            "held_by",
            one_of(Held::ALL.iter().map(|value| value.name())),
        ),
        ("owner", owner()),
        ("count", count()),
        ("unread_bytes", count()),
        ("unacked_bytes", said(count(), "a SYN or FIN counts 1")),
        ("resends_max", count()),
        (
            "silent_ms_max",
            said(
                count_or_null(),
                "longest time without data from the peer: evidence of age, not age",
            ),
        ),
        ("top_remote", or_null(top)),
        (
            "anomaly",
            one_of_or_null(Anomaly::ALL.iter().map(|value| value.name())),
        ),
    ]);
    object(&properties, &[])
}

fn time_wait_sockets() -> Value {
    let remote = object(
        &[
            ("addr", json!({ "type": "string" })),
            ("port", said(count_or_null(), "null: clients of a service")),
        ],
        &[],
    );
    let ports = object(
        &[
            ("used", said(count(), "by TIME_WAIT and live sockets")),
            ("range", said(count(), "ports in ip_local_port_range")),
        ],
        &[],
    );
    let mut properties = head("time_wait_sockets");
    properties.extend([
        ("netns", count()),
        ("owner", owner()),
        (
            "left_by",
            said(
                one_of(LeftBy::ALL.iter().map(|value| value.name())),
                "how the owner is known; inferred: the local port is that of its listener",
            ),
        ),
        (
            "service",
            said(
                count_or_null(),
                "local port of a listener; null: made from here",
            ),
        ),
        ("remote", remote),
        ("time_wait", count()),
        ("fin_wait2", said(count(), "the peer has not closed yet")),
        ("expiring_10s", count()),
        ("left_ms_min", count_or_null()),
        ("left_ms_max", count_or_null()),
        ("ports", or_null(ports)),
    ]);
    object(&properties, &[])
}

fn snapshot() -> Value {
    let settings = [
        "somaxconn",
        "tcp_max_syn_backlog",
        "tcp_abort_on_overflow",
        "tcp_syncookies",
        "tcp_tw_reuse",
        "tcp_tw_reuse_delay_ms",
        "tcp_tw_recycle",
        "tcp_max_tw_buckets",
        "tcp_timestamps",
        "tcp_fin_timeout_seconds",
        "tcp_max_orphans",
        "local_port_first",
        "local_port_last",
    ]
    .map(|name| (name, count_or_null()));
    let counters = [
        "accept_overflows",
        "syn_queue_drops",
        "syn_queue_cookies",
        "time_wait_overflows",
        "time_wait_reuses",
        "time_wait_entries",
        "orphans",
    ]
    .map(|name| (name, count_or_null()));
    let space = object(
        &[
            ("netns", count()),
            ("own", said(json!({ "type": "boolean" }), "tcptrace's own")),
            ("settings", object(&settings, &[])),
            (
                "counters",
                said(object(&counters, &[]), "since the namespace began"),
            ),
            (
                "since_watch",
                said(
                    or_null(object(&counters, &[])),
                    "null without hooks; time_wait_entries and orphans are levels",
                ),
            ),
        ],
        &[],
    );
    let mut properties = head("snapshot");
    properties.extend([
        (
            "of",
            said(
                one_of(["listeners", "states", "timewait"]),
                "ends each snapshot, after its rows, which bear the same ts",
            ),
        ),
        ("rows", said(count(), "how many there were")),
        (
            "watched_ms",
            said(count_or_null(), "how long hooks have been attached"),
        ),
        ("namespaces", json!({ "type": "array", "items": space })),
        (
            "unseen",
            said(
                json!({ "type": "array", "items": { "type": "string" } }),
                "why something is missing, in sentences",
            ),
        ),
        (
            "reconciliation",
            said(
                reconciliation(),
                "what hooks counted against the kernel's counters since watching began; empty without \
                 hooks, or with filters",
            ),
        ),
    ]);
    object(&properties, &[])
}
