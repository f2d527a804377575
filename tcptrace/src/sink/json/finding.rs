//! A finding as an object, by the contract: `null` is not known.

use serde_json::{Value, json};

use crate::model::finding::{Finding, topic_name};
use crate::model::{Basis, Owner};

/// The object.
#[must_use]
pub fn finding(finding: &Finding) -> Value {
    let evidence = finding
        .evidence
        .iter()
        .map(|proof| json!({ "text": proof.text, "value": proof.value, "source": proof.source }));
    let since = finding.since_ns.and_then(|ns| {
        let moment = jiff::Timestamp::from_nanosecond(ns.into()).ok()?;
        Some(format!("{moment:.9}"))
    });
    let do_then = finding
        .do_then
        .as_ref()
        .map(|change| json!({ "command": change.command, "risk": change.risk }));
    json!({
        "id": finding.id,
        "severity": finding.severity.name(),
        "title": finding.title,
        "netns": finding.netns,
        "who": finding.who.iter().map(owner).collect::<Value>(),
        "since": since,
        "rate_per_s": finding.rate_per_s,
        "count": finding.count,
        "evidence": evidence.collect::<Value>(),
        "why": finding.why,
        "do_first": finding.do_first,
        "do_then": do_then,
        "explain": finding.explain.map(topic_name),
    })
}

fn owner(owner: &Owner) -> Value {
    let process = &owner.process;
    json!({
        "pid": process.pid,
        "start_ticks": process.start_ticks,
        "comm": process.comm,
        "exe": process.exe,
        "uid": process.uid,
        "cgroup": process.cgroup,
        "container": process.container,
        "basis": Basis::name(owner.basis),
        "shared_by": owner.shared_by,
    })
}
