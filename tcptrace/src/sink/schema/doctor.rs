//! The report of `tcptrace doctor --json`.

use serde_json::{Map, Value, json};

use super::checkup;
use crate::model::line::VERSION;
use crate::model::{Evidence, Kind, Tier};

/// An object all of whose properties are required, but those said to be optional.
pub(super) fn object(properties: &[(&str, Value)], optional: &[&str]) -> Value {
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

pub(super) fn said(mut value: Value, description: &str) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert("description".to_owned(), description.into());
    }
    value
}

pub(super) fn or_null(value: Value) -> Value {
    let alternatives = vec![value, json!({ "type": "null" })];
    json!({ "oneOf": alternatives })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn count_or_null() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

pub(super) fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn one_of(names: impl IntoIterator<Item = &'static str>) -> Value {
    json!({ "enum": names.into_iter().collect::<Vec<_>>() })
}

pub(super) fn one_of_or_null(names: impl IntoIterator<Item = &'static str>) -> Value {
    let names = names.into_iter().map(Value::from).chain([Value::Null]);
    json!({ "enum": names.collect::<Vec<_>>() })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// The whole object.
pub(super) fn doctor() -> Value {
    let rows = list(&signal(true));
    let untried = "why nothing is known of the signals; signals is empty then";
    let seen = [
        ("v", json!({ "const": VERSION })),
        ("kind", json!({ "const": "doctor" })),
        ("privileges", said(or_null(privileges()), "null with --btf")),
        ("kernel", or_null(kernel())),
        ("kernel_error", text_or_null()),
        (
            "tried",
            said(boolean(), "programs were attached; false: judged by types"),
        ),
        ("untried", said(text_or_null(), untried)),
        ("signals", said(rows, "every part of every kind")),
        (
            "accept",
            said(or_null(signal(false)), "how accept() tells the new owner"),
        ),
        (
            "backlogs",
            said(or_null(signal(false)), "how listen() tells its backlog"),
        ),
        (
            "accept_waits",
            said(
                or_null(signal(false)),
                "how the wait for accept() is measured",
            ),
        ),
        (
            "programs",
            said(or_null(list(&text())), "those attached for the report"),
        ),
        ("older_sockets", or_null(older_sockets())),
        ("children", or_null(children())),
    ];
    let all: Vec<_> = seen.into_iter().chain(checkup::fields()).collect();
    object(&all, &[])
}

fn privileges() -> Value {
    let capability = object(
        &[
            ("name", text()),
            ("held", json!({ "type": ["boolean", "null"] })),
            (
                "lacking",
                said(text_or_null(), "what does not work without it"),
            ),
            ("required", said(boolean(), "nothing works without it")),
        ],
        &[],
    );
    let levels = ["none", "integrity", "confidentiality"];
    object(
        &[
            ("capabilities", list(&capability)),
            ("user_namespace", json!({ "type": ["boolean", "null"] })),
            ("lockdown", one_of_or_null(levels)),
            ("notes", list(&text())),
        ],
        &[],
    )
}

fn kernel() -> Value {
    let reasons = object(&[("names", count()), ("told", boolean())], &[]);
    let function = object(
        &[
            ("name", text()),
            ("found", boolean()),
            ("refused", text_or_null()),
        ],
        &[],
    );
    object(
        &[
            ("release", text()),
            ("runs_here", boolean()),
            ("fields_known", count()),
            ("fields_absent", list(&text())),
            ("reset_reasons", reasons.clone()),
            ("drop_reasons", reasons),
            ("drop_socket", boolean()),
            ("functions", list(&function)),
            ("ticks_per_second", count_or_null()),
        ],
        &[],
    )
}

/// What serves a signal.
fn signal(is_named: bool) -> Value {
    let evidence = Evidence::ALL.iter().map(|evidence| evidence.name());
    let tiers = Tier::ALL.iter().map(|tier| tier.name());
    let mut properties = vec![
        (
            "evidence",
            said(one_of_or_null(evidence), "null: it cannot be seen"),
        ),
        ("hook", text_or_null()),
        ("tier", one_of_or_null(tiers.chain(["counting"]))),
        ("blind_to", text_or_null()),
        (
            "refusals",
            said(list(&text()), "why better hooks do not serve"),
        ),
    ];
    if is_named {
        let kinds = Kind::ALL.iter().map(|kind| kind.name());
        properties.extend([("kind", one_of(kinds)), ("part", text())]);
    }
    object(&properties, &[])
}

fn older_sockets() -> Value {
    object(
        &[
            ("by", one_of(["iterator", "proc"])),
            ("refused", text_or_null()),
        ],
        &[],
    )
}

fn children() -> Value {
    object(
        &[("hook", text_or_null()), ("refused", text_or_null())],
        &[],
    )
}
