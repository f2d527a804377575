//! The judgement on everything one tracer printed: each object obeys the schema and what the schema cannot
//! say, the summary comes last, and the identity of loss holds. Pure.

use serde_json::Value;
use tcptrace::model::Kind;

use super::expect::field;
use crate::checker::Contract;

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
    field(object, "kind")
        .as_str()
        .and_then(Kind::from_name)
        .is_some()
}

/// What is wrong with one object by itself, of any command.
pub(super) fn on_object(object: &Value) -> Vec<String> {
    let by_schema = Contract::own().holds(object).err();
    let beyond = is_event(object).then(|| on_event(object));
    by_schema
        .into_iter()
        .chain(beyond.into_iter().flatten())
        .map(|problem| format!("{problem} in {object}"))
        .collect()
}

/// A line as an object of the contract. Panics where it is not one: the scenario fails.
pub(crate) fn object(line: &str) -> Value {
    let object = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    let wrong = on_object(&object);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    object
}

/// All lines as objects of the contract.
pub(crate) fn objects(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout)
        .lines()
        .map(object)
        .collect()
}

/// What is wrong with the end of an output of `shown` events, of which `allowed` may be lost.
pub(super) fn on_end(last: Option<&Value>, shown: usize, allowed: u64) -> Vec<String> {
    match last {
        Some(last) if field(last, "kind") == "summary" => on_loss(last, shown, allowed),
        _ => vec!["the last object is not the summary".into()],
    }
}

/// What the schema cannot say of an event.
fn on_event(event: &Value) -> Vec<String> {
    let text = |path: &str| field(event, path).as_str().unwrap_or("").to_owned();
    let number = |path: &str| field(event, path).as_u64().unwrap_or(0);
    let owner = field(event, "owner");
    let claims = [
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
            "local has an address and a port, which only a connect() or bind() has not chosen yet",
            !text("local.addr").is_empty()
                && (number("local.port") > 0
                    || field(event, "local.port").is_null()
                        && (text("new") == "SYN_SENT" || text("kind") == "connect_failed")),
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
