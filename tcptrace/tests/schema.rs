//! Every line parses, has exactly the keys the schema knows, and obeys it.

mod checker;
mod fixture;

use checker::Contract;
use proptest::prelude::*;
use serde_json::{Value, json};
use tcptrace::model::finding::{Change, Finding, Proof, Severity};
use tcptrace::model::{Incident, Kind};
use tcptrace::sink::json::line as object_line;
use tcptrace::sink::{JsonSink, Sink};

fn written(write: impl FnOnce(&mut JsonSink<&mut Vec<u8>>)) -> Vec<Value> {
    let mut out = Vec::new();
    let mut sink = JsonSink::new(&mut out, fixture::clock());
    write(&mut sink);
    sink.flush().unwrap();
    drop(sink);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn line(incident: &Incident) -> Value {
    written(|sink| sink.incident(incident).unwrap()).remove(0)
}

fn obeys(value: &Value) -> Result<(), String> {
    Contract::own().holds(value)
}

#[test]
fn the_golden_lines_obey_the_whole_schema() {
    let lines = written(|sink| {
        for incident in fixture::incidents() {
            sink.incident(&incident).unwrap();
        }
        for loss in fixture::losses() {
            sink.loss(&loss, 1).unwrap();
        }
        sink.summary(&fixture::summary()).unwrap();
    });
    for line in lines {
        Contract::own().holds_by("", &line).unwrap();
    }
}

#[test]
fn the_checker_finds_faults() {
    let good = line(&fixture::incidents()[0]);
    assert_eq!(obeys(&good), Ok(()));
    for (pointer, wrong) in [
        ("/cause", json!("boredom")),
        ("/netns", json!("x")),
        ("/netns", json!(-1)),
        ("/owner/pid", json!("1")),
        ("/owner/basis", json!(null)),
        ("/local", json!({ "addr": "1.1.1.1" })),
        ("/local/port", json!(65536)),
        ("/linger/on", json!(null)),
        ("/v", json!(2)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(obeys(&bad).is_err(), "{pointer}");
    }
    let mut more = good;
    more["extra"] = json!(1);
    assert!(obeys(&more).is_err());
}

#[test]
fn an_unknown_owner_is_an_object_of_nulls_with_basis_none() {
    let mut incident = fixture::incidents().remove(0);
    incident.owner = None;
    let owner = line(&incident)["owner"].clone();
    assert_eq!(owner["basis"], "none");
    assert!(
        owner
            .as_object()
            .unwrap()
            .values()
            .filter(|value| !value.is_null())
            .count()
            == 1
    );
}

/// Every value that may be absent is absent in one row and set in another.
#[test]
fn every_row_of_a_snapshot_obeys_the_schema() {
    let mut written = Vec::new();
    let mut sink = JsonSink::new(&mut written, fixture::clock());
    sink.page(&fixture::rows::listeners()).unwrap();
    sink.page(&fixture::rows::states()).unwrap();
    sink.page(&fixture::rows::time_waits()).unwrap();
    sink.flush().unwrap();
    drop(sink);
    let text = String::from_utf8(written).unwrap();
    let values: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for value in &values {
        assert_eq!(obeys(value), Ok(()), "{value}");
    }
    let ends: Vec<&Value> = values
        .iter()
        .filter(|value| value["kind"] == "snapshot")
        .collect();
    assert_eq!(ends.len(), 3);
    for end in ends {
        let rows = values
            .iter()
            .filter(|value| value["ts"] == end["ts"] && value["kind"] != "snapshot");
        assert!(end["rows"].as_u64().is_some_and(|rows| rows > 0));
        assert!(rows.count() > 0);
    }
    assert_eq!(
        values[0]["accept_queue"],
        json!({ "length": 130, "limit": 129 })
    );
    assert_eq!(values[0]["full"], json!(true));
    assert_eq!(values[0]["refusals"]["accept_ack"], json!(22));
}

#[test]
fn a_finding_is_the_object_of_the_contract() {
    let owner = fixture::incidents().remove(0).owner.unwrap();
    let pid = owner.process.pid;
    let finding = Finding {
        id: "accept_queue_full",
        severity: Severity::Broken,
        title: "a title with \u{202e}".to_owned(),
        netns: Some(4_026_531_840),
        who: vec![owner],
        since_ns: Some(1_700_000_000_123_456_789),
        rate_per_s: Some(0.0625),
        count: 43,
        evidence: vec![Proof {
            text: "130 wait".to_owned(),
            value: Some(130),
            source: "sock_diag".to_owned(),
        }],
        why: "a cause".to_owned(),
        do_first: "a step".to_owned(),
        do_then: Some(Change {
            command: "sysctl -w x=1".to_owned(),
            risk: "a risk".to_owned(),
        }),
        explain: Some((Kind::AcceptDrop, Some("syn"))),
        topics: Vec::new(),
    };
    let line = String::from_utf8(object_line(&finding)).unwrap();
    assert!(line.ends_with("}\n") && line.is_ascii(), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    Contract::own().holds_by("/$defs/finding", &value).unwrap();
    assert_eq!(value["who"][0]["pid"], json!(pid));
    let mut rest = value;
    rest["who"].take();
    assert_eq!(
        rest,
        json!({
            "id": "accept_queue_full",
            "severity": "broken",
            "title": "a title with \u{202e}",
            "netns": 4_026_531_840_u32,
            "who": null,
            "since": "2023-11-14T22:13:20.123456789Z",
            "rate_per_s": 0.0625,
            "count": 43,
            "evidence": [{ "text": "130 wait", "value": 130, "source": "sock_diag" }],
            "why": "a cause",
            "do_first": "a step",
            "do_then": { "command": "sysctl -w x=1", "risk": "a risk" },
            "explain": "accept_drop/syn",
        })
    );
}

proptest! {
    #[test]
    fn any_incident_obeys_the_schema(incident in fixture::arbitrary::any_incident()) {
        let value = line(&incident);
        prop_assert_eq!(obeys(&value), Ok(()));
        prop_assert_eq!(&value["mono_ns"], &json!(incident.boot_ns));
        if let Some(owner) = &incident.owner {
            prop_assert_eq!(&value["owner"]["comm"], &json!(owner.process.comm));
        }
        let at = incident.flow.local.map(|end| end.addr.to_string());
        prop_assert_eq!(value["local"]["addr"].as_str(), at.as_deref());
    }
}
