//! The judgement on everything one tracer printed: each object well formed as contract.md says, the
//! summary last, and the identity of loss. Pure.

use serde_json::Value;

use super::expect::field;

const KINDS: [&str; 10] = [
    "rst_sent",
    "rst_received",
    "linger_close",
    "accept_drop",
    "syn_drop",
    "retransmit",
    "time_wait",
    "paws_drop",
    "state",
    "close",
];
const BASES: [&str; 5] = ["task", "socket", "listener", "snapshot", "none"];

/// One line for each violation; empty when the output keeps the contract. `beyond` events were
/// printed too and only counted.
pub(crate) fn on_output(objects: &[Value], beyond: usize, loses: bool) -> Vec<String> {
    let mut wrong: Vec<String> = objects.iter().flat_map(on_object).collect();
    let shown = objects.iter().filter(|object| is_event(object)).count();
    let allowed = if loses {
        u64::MAX
    } else {
        objects.iter().map(skipped).sum()
    };
    wrong.extend(on_end(objects.last(), shown + beyond, allowed));
    wrong
}

/// Runs of a hook that the kernel skipped, by a `lost` object: where programs are slow, as in an
/// emulator, no tracer can help it.
pub(super) fn skipped(object: &Value) -> u64 {
    if field(object, "kind") == "lost" && field(object, "where") == "kernel" {
        field(object, "count").as_u64().unwrap_or(0)
    } else {
        0
    }
}

/// Whether the object is an event, and not a loss or the summary.
pub(super) fn is_event(object: &Value) -> bool {
    KINDS.iter().any(|kind| field(object, "kind") == *kind)
}

/// What is wrong with one object by itself.
pub(super) fn on_object(object: &Value) -> Vec<String> {
    let kind = field(object, "kind").as_str().unwrap_or("");
    let problems = match kind {
        "lost" | "summary" => Vec::new(),
        _ if is_event(object) => on_event(object),
        _ => vec![format!(
            "kind {:?} is not in the contract",
            field(object, "kind")
        )],
    };
    let problems = problems.into_iter();
    problems
        .map(|problem| format!("{problem} in {object}"))
        .collect()
}

/// What is wrong with the end of an output of `shown` events, of which `allowed` may be lost.
pub(super) fn on_end(last: Option<&Value>, shown: usize, allowed: u64) -> Vec<String> {
    match last {
        Some(last) if field(last, "kind") == "summary" => on_loss(last, shown, allowed),
        _ => vec!["the last object is not the summary".into()],
    }
}

fn on_event(event: &Value) -> Vec<String> {
    let text = |path: &str| field(event, path).as_str().unwrap_or("").to_owned();
    let number = |path: &str| field(event, path).as_u64().unwrap_or(0);
    let owner = field(event, "owner");
    let claims = [
        ("v is 1", number("v") == 1),
        (
            "ts is UTC with nanoseconds",
            is_utc_with_nanoseconds(&text("ts")),
        ),
        ("mono_ns is a time", number("mono_ns") > 0),
        ("netns is an inode number", number("netns") > 0),
        (
            "cookie is null or not 0",
            field(event, "cookie").is_null() || number("cookie") > 0,
        ),
        (
            "family is inet or inet6",
            ["inet", "inet6"].contains(&text("family").as_str()),
        ),
        (
            "local has an address and a port, which only a connect() has not chosen yet",
            !text("local.addr").is_empty()
                && (number("local.port") > 0
                    || field(event, "local.port").is_null() && text("new") == "SYN_SENT"),
        ),
        (
            "remote is null or has an address and a port",
            field(event, "remote").is_null()
                || (!text("remote.addr").is_empty() && number("remote.port") > 0),
        ),
        (
            "a hook is named",
            text("hook").contains('/') || text("hook") == "sock_diag",
        ),
        (
            "evidence is one of the three",
            ["seen", "inferred", "counted"].contains(&text("evidence").as_str()),
        ),
        (
            "the basis is one of the five",
            owner.is_null() || BASES.contains(&text("owner.basis").as_str()),
        ),
        (
            "an owner has a pid exactly when it has a basis",
            owner.is_null() || (number("owner.pid") > 0) == (text("owner.basis") != "none"),
        ),
        (
            "a pid comes with its start time",
            number("owner.pid") == 0 || number("owner.start_ticks") > 0,
        ),
    ];
    let broken = claims.into_iter().filter(|(_, holds)| !holds);
    broken
        .map(|(claim, _)| format!("not true: {claim}"))
        .collect()
}

/// `2026-11-22T16:59:01.123456789Z`
fn is_utc_with_nanoseconds(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000000000Z";
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(got, want)| match want {
                '0' => got.is_ascii_digit(),
                _ => got == want,
            })
}

fn on_loss(summary: &Value, printed: usize, allowed: u64) -> Vec<String> {
    let names = ["seen", "shown", "filtered", "rate_limited", "lost"];
    let numbers: Vec<Option<u64>> = names
        .iter()
        .map(|name| field(summary, &format!("loss.{name}")).as_u64())
        .collect();
    let [
        Some(seen),
        Some(shown),
        Some(filtered),
        Some(rate_limited),
        Some(lost),
    ] = numbers[..]
    else {
        return vec![format!(
            "the summary's loss lacks one of {names:?}: {summary}"
        )];
    };
    let mut wrong = Vec::new();
    if seen != shown + filtered + rate_limited + lost {
        wrong.push(format!(
            "seen {seen} = shown {shown} + filtered {filtered} + rate_limited {rate_limited} + \
             lost {lost} does not hold"
        ));
    }
    if shown != printed as u64 {
        wrong.push(format!(
            "the summary says {shown} shown, {printed} were printed"
        ));
    }
    if lost > allowed {
        wrong.push(format!("{lost} events were lost, {allowed} may be"));
    }
    wrong
}
