//! JSON Schema of the NDJSON output and of the doctor's report, built from the model's own lists of names so that it cannot
//! drift from them. Fields may be added in later versions, hence no `additionalProperties: false`.

mod checkup;
mod doctor;
mod rows;

use serde_json::{Map, Value, json};

use super::json::VERSION;
use crate::model::flow::TcpState;
use crate::model::incident::{
    CloseHow, ClosedBy, DropOutcome, Evidence, LimitedBy, LingerOutcome, PawsWhere, ResetCause,
    ResetMeaning, RetransmitType, Step, TimeWaitEnd, TimeWaitPhase,
};
use crate::model::loss::LossPlace;
use crate::model::summary::Verdict;
use crate::model::{Basis, Family, Kind};

/// The whole schema.
pub fn schema() -> Value {
    let kinds = Kind::ALL.iter().map(|&kind| incident(kind));
    let ends = [lost(), summary()];
    let lines: Vec<Value> = kinds.chain(ends).chain(rows::rows()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tcptrace NDJSON, version 1",
        "description": "One object a line; what doctor --json writes is $defs/doctor. null \
                        means not known. Fields may be added; a name here is not renamed and no \
                        field changes its meaning without raising v.",
        "oneOf": lines,
        "$defs": { "endpoint": endpoint(), "owner": owner(), "doctor": doctor::doctor() },
    })
}

/// An object all of whose properties are required, but those said to be optional.
fn object(properties: &[(&str, Value)], optional: &[&str]) -> Value {
    let required: Vec<&str> = properties
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !optional.contains(name))
        .collect();
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn said(mut value: Value, description: &str) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert("description".to_owned(), description.into());
    }
    value
}

fn or_null(value: Value) -> Value {
    let alternatives = vec![value, json!({ "type": "null" })];
    json!({ "oneOf": alternatives })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn count_or_null() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn one_of(names: impl IntoIterator<Item = &'static str>) -> Value {
    json!({ "enum": names.into_iter().collect::<Vec<_>>() })
}

fn one_of_or_null(names: impl IntoIterator<Item = &'static str>) -> Value {
    let names = names.into_iter().map(Value::from).chain([Value::Null]);
    json!({ "enum": names.collect::<Vec<_>>() })
}

/// The names of a model enum.
macro_rules! names {
    ($of:ident) => {
        $of::ALL.iter().map(|value| value.name())
    };
}

fn endpoint() -> Value {
    let addr = said(
        json!({ "type": "string" }),
        "a v4-mapped address is printed as IPv4",
    );
    let port = said(
        json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 65535 }),
        "null while a connect() has not chosen its port",
    );
    object(&[("addr", addr), ("port", port)], &[])
}

fn owner() -> Value {
    let basis = one_of(names!(Basis).chain(["none"]));
    object(
        &[
            (
                "pid",
                said(count_or_null(), "tgid, in the PID namespace of tcptrace"),
            ),
            (
                "start_ticks",
                said(
                    count_or_null(),
                    "field 22 of /proc/PID/stat; with pid the identity",
                ),
            ),
            (
                "comm",
                said(text_or_null(), "name of the thread-group leader"),
            ),
            ("exe", text_or_null()),
            ("uid", count_or_null()),
            ("cgroup", text_or_null()),
            ("container", text_or_null()),
            ("basis", said(basis, "how the owner is known")),
            (
                "shared_by",
                said(
                    count_or_null(),
                    "how many processes hold the socket, above 1",
                ),
            ),
        ],
        &[],
    )
}

fn queue() -> Value {
    or_null(queue_length_and_limit())
}

fn queue_length_and_limit() -> Value {
    object(&[("length", count()), ("limit", count())], &[])
}

/// What every line has.
fn head(kind: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("v", json!({ "const": VERSION })),
        (
            "ts",
            json!({ "type": "string", "format": "date-time", "description":
            "RFC 3339 UTC with nanoseconds, when it happened in the kernel" }),
        ),
        (
            "mono_ns",
            said(count(), "the same moment on the kernel's boot clock"),
        ),
        ("kind", json!({ "const": kind })),
    ]
}

fn incident(kind: Kind) -> Value {
    let mut properties = head(kind.name());
    properties.extend([
        (
            "netns",
            said(count_or_null(), "inode number of the network namespace"),
        ),
        (
            "cookie",
            said(count_or_null(), "socket cookie, as printed by ss -e"),
        ),
        (
            "family",
            said(
                one_of(names!(Family)),
                "of the socket, v4-mapped ones are inet6",
            ),
        ),
        ("local", or_null(json!({ "$ref": "#/$defs/endpoint" }))),
        ("remote", or_null(json!({ "$ref": "#/$defs/endpoint" }))),
        (
            "state",
            said(
                one_of_or_null(names!(TcpState)),
                "before the change reported",
            ),
        ),
        ("owner", json!({ "$ref": "#/$defs/owner" })),
        ("hook", json!({ "type": "string" })),
        ("evidence", one_of(names!(Evidence))),
    ]);
    properties.extend(own_fields(kind));
    let optional: &[&str] = match kind {
        Kind::TimeWait => &["new_owner"],
        Kind::Retransmit => &["gave_up"],
        _ => &[],
    };
    object(&properties, optional)
}

fn own_fields(kind: Kind) -> Vec<(&'static str, Value)> {
    match kind {
        Kind::RstSent => vec![
            ("cause", one_of(names!(ResetCause))),
            (
                "reason",
                said(text_or_null(), "the kernel's name of the reset reason"),
            ),
            ("unsent_bytes", said(count_or_null(), "written, never sent")),
            (
                "unacked_bytes",
                said(count_or_null(), "sent, not acknowledged"),
            ),
            (
                "unread_bytes",
                said(count_or_null(), "received, never read"),
            ),
            (
                "linger",
                or_null(object(
                    &[
                        ("on", json!({ "type": "boolean" })),
                        ("seconds", count_or_null()),
                    ],
                    &[],
                )),
            ),
        ],
        Kind::RstReceived => vec![("meaning", one_of(names!(ResetMeaning)))],
        Kind::LingerClose => vec![
            ("linger_seconds", count_or_null()),
            ("blocked_ms", count()),
            ("outcome", one_of(names!(LingerOutcome))),
            (
                "unsent_bytes",
                said(count_or_null(), "when the close began"),
            ),
            (
                "unacked_bytes",
                said(count_or_null(), "when the close began"),
            ),
            (
                "remaining_bytes",
                said(count_or_null(), "not acknowledged when it ended"),
            ),
        ],
        Kind::AcceptDrop => vec![
            ("step", one_of_or_null(names!(Step))),
            ("outcome", one_of_or_null(names!(DropOutcome))),
            ("queue", queue()),
            ("limited_by", one_of_or_null(names!(LimitedBy))),
            ("count", count()),
        ],
        Kind::SynDrop => vec![
            ("outcome", one_of_or_null(names!(DropOutcome))),
            ("queue", queue()),
            ("count", count()),
        ],
        Kind::Retransmit => vec![
            ("type", one_of(names!(RetransmitType))),
            ("attempt", count_or_null()),
            ("bytes", count()),
            ("sequence", count_or_null()),
            ("segments", count_or_null()),
            (
                "error",
                said(
                    json!({ "type": ["integer", "null"] }),
                    "0: it was transmitted",
                ),
            ),
            (
                "gave_up",
                said(
                    json!({ "const": true }),
                    "nothing was sent: the handshake was dropped after the attempts told; else absent",
                ),
            ),
        ],
        Kind::TimeWait => vec![
            ("phase", one_of(names!(TimeWaitPhase))),
            ("substate", one_of_or_null(names!(TcpState))),
            ("timeout_ms", count_or_null()),
            ("ended_by", one_of_or_null(names!(TimeWaitEnd))),
            ("new_owner", json!({ "$ref": "#/$defs/owner" })),
        ],
        Kind::PawsDrop => vec![
            ("where", one_of(names!(PawsWhere))),
            (
                "reason",
                said(text_or_null(), "the kernel's name of the drop reason"),
            ),
        ],
        Kind::State => vec![
            ("old", one_of(names!(TcpState))),
            ("new", one_of(names!(TcpState))),
            ("in_old_us", count_or_null()),
        ],
        Kind::Close => vec![
            ("duration_us", count_or_null()),
            ("bytes_sent", count_or_null()),
            ("bytes_received", count_or_null()),
            ("srtt_us", count_or_null()),
            ("retransmits", count_or_null()),
            ("closed_by", one_of_or_null(names!(ClosedBy))),
            ("how", one_of_or_null(names!(CloseHow))),
        ],
    }
}

fn lost() -> Value {
    let mut properties = head("lost");
    properties.extend([
        ("where", one_of(names!(LossPlace))),
        ("of_kind", one_of_or_null(names!(Kind))),
        ("count", count()),
    ]);
    object(&properties, &[])
}

fn by_kind() -> Value {
    let counts: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| (kind.name(), count()))
        .collect();
    object(&counts, &names!(Kind).collect::<Vec<_>>())
}

fn summary() -> Value {
    let owner = object(
        &[
            ("pid", count_or_null()),
            ("comm", text_or_null()),
            ("total", count()),
            ("by_kind", by_kind()),
        ],
        &[],
    );
    let tally = ["seen", "shown", "filtered", "rate_limited", "lost"].map(|name| (name, count()));
    let mut properties = head("summary");
    properties.extend([
        ("duration_ms", count()),
        ("by_kind", by_kind()),
        ("by_owner", json!({ "type": "array", "items": owner })),
        ("owners_left_out", count()),
        (
            "loss",
            said(
                object(&tally, &[]),
                "always seen = shown + filtered + rate_limited + lost",
            ),
        ),
        ("reconciliation", reconciliation()),
    ]);
    object(&properties, &[])
}

/// Our counts against the kernel's.
fn reconciliation() -> Value {
    let reconciled = object(
        &[
            ("counter", json!({ "type": "string" })),
            ("kernel", count()),
            ("ours", count()),
            ("verdict", one_of(names!(Verdict))),
            ("note", text_or_null()),
        ],
        &[],
    );
    json!({ "type": "array", "items": reconciled })
}
