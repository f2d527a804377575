//! What is wrong with TCP here, as JSON: everything, also what the page leaves out.

use serde_json::{Map, Value, json};

use crate::diagnose::damage::{self, Damage};
use crate::diagnose::hurt;
use crate::diagnose::settings::{self, DefaultValue, Row};
use crate::model::Finding;
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey, WayIn};
use crate::sink::json::finding::finding;

/// Adds its fields to the report; all null where nothing is known.
pub(super) fn add(
    report: &mut Map<String, Value>,
    survey: Option<&Result<Survey, String>>,
    findings: &[Finding],
) {
    let known = survey.and_then(|survey| survey.as_ref().ok());
    let error = survey.and_then(|survey| survey.as_ref().err());
    let own = known.and_then(|survey| survey.spaces.iter().find(|space| space.is_own()));
    let fields = [
        (
            "counters",
            own.filter(|own| own.counters.is_some()).map(moved),
        ),
        ("counters_error", error.map(|error| json!(error))),
        ("looked_ms", known.map(|survey| json!(survey.looked_ms))),
        ("host", known.map(host)),
        ("settings", known.map(groups)),
        ("namespaces", known.map(namespaces)),
        ("listeners", known.map(listeners)),
        (
            "findings",
            known.map(|_| findings.iter().map(finding).collect()),
        ),
        ("unseen", known.map(|survey| json!(survey.unseen))),
    ];
    for (name, value) in fields {
        report.insert(name.to_owned(), value.unwrap_or(Value::Null));
    }
}

/// Of the own namespace, those that have moved and can be explained.
fn moved(own: &Space) -> Value {
    let one = |damage: &Damage| {
        let topic = damage.topic?;
        Some(json!({
            "counter": damage.counter,
            "value": damage.count.total,
            "explain": topic,
        }))
    };
    damage::moved(own).iter().filter_map(one).collect()
}

fn host(survey: &Survey) -> Value {
    let host = &survey.host;
    json!({
        "settings": settings::of_the_host(host).iter().map(setting).collect::<Value>(),
        "orphans": host.orphans,
        "tcp_memory_pages": host.memory_pages,
        "page_bytes": host.page_bytes,
    })
}

fn groups(survey: &Survey) -> Value {
    let group = |group: &settings::Alike<'_>| {
        let inodes: Vec<u32> = group.spaces.iter().map(|space| space.netns).collect();
        json!({
            "namespaces": inodes,
            "values": group.rows.iter().map(setting).collect::<Value>(),
        })
    };
    settings::alike(survey).iter().map(group).collect()
}

fn setting(row: &Row) -> Value {
    let default = match &row.default {
        DefaultValue::Known(default) => Some(default),
        DefaultValue::FromMemory => None,
    };
    json!({
        "name": row.name,
        "group": row.group.name(),
        "value": row.value,
        "default": default,
        "changed": row.is_default().map(|is_default| !is_default),
        "effect": row.effect,
    })
}

fn namespaces(survey: &Survey) -> Value {
    survey.spaces.iter().map(namespace).collect()
}

fn namespace(space: &Space) -> Value {
    let (pid, file) = match &space.way_in {
        WayIn::Own => (None, None),
        WayIn::Pid(pid) => (Some(pid), None),
        WayIn::Named(path) => (None, Some(path)),
    };
    let counters = space.counters.as_ref().map(|_| {
        let damages = damage::all(space);
        damages.iter().map(counter).collect::<Value>()
    });
    json!({
        "netns": space.netns,
        "own": space.is_own(),
        "processes": space.processes,
        "pid": pid,
        "file": file,
        "listeners": space.listeners.len(),
        "time_wait_entries": space.time_wait,
        "counters": counters,
    })
}

fn counter(damage: &Damage) -> Value {
    json!({
        "counter": damage.counter,
        "value": damage.count.total,
        "rose": damage.count.rose,
        "weight": damage.weight.name(),
        "says": damage.says,
        "of": damage.share.map(|share| share.of),
        "of_total": damage.share.map(|share| share.total),
        "explain": damage.topic,
    })
}

fn listeners(survey: &Survey) -> Value {
    let rows = survey.spaces.iter().flat_map(hurt);
    rows.map(listener).collect()
}

fn listener(row: &ListenerRow) -> Value {
    let queue = row.accept_queue;
    json!({
        "netns": row.netns,
        "local": { "addr": row.local.addr.to_string(), "port": row.local.port },
        "cookie": row.cookie,
        "pids": row.pids,
        "comm": row.owner.as_ref().map(|owner| &owner.process.comm),
        "accept_queue": { "length": queue.length, "limit": queue.limit },
        "full": row.is_full(),
        "limited_by": row.limited_by.map(crate::model::incident::LimitedBy::name),
        "drops": row.drops,
        "drops_rose": row.drops_risen,
    })
}
