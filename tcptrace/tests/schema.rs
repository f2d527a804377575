//! Every line parses, has exactly the keys the schema knows, and obeys it.

mod fixture;

use proptest::prelude::*;
use serde_json::{Value, json};
use tcptrace::model::Incident;
use tcptrace::sink::schema::schema;
use tcptrace::sink::{JsonSink, Sink};

/// Checks the part of JSON Schema that ours uses. Stricter than the schema in one point: a key it
/// does not know is an error, so that no field can be written without being described.
fn check(whole: &Value, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |why: String| Err(format!("{at}: {why}"));
    for (name, asked) in rule
        .as_object()
        .ok_or_else(|| format!("{at}: rule is no object"))?
    {
        let is_fulfilled = match name.as_str() {
            "$ref" => {
                let path = asked.as_str().unwrap_or_default().trim_start_matches('#');
                let target = whole
                    .pointer(path)
                    .ok_or_else(|| format!("{at}: no {path}"))?;
                check(whole, target, value, at)?;
                true
            }
            "oneOf" => {
                let tried: Vec<_> = asked
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| check(whole, one, value, at))
                    .collect();
                if tried.iter().filter(|result| result.is_ok()).count() != 1 {
                    return fail(format!("not exactly one of: {tried:?}"));
                }
                true
            }
            "type" => match asked {
                Value::Array(types) => types.iter().any(|one| has_type(one, value)),
                one => has_type(one, value),
            },
            "const" => value == asked,
            "enum" => asked
                .as_array()
                .is_some_and(|allowed| allowed.contains(value)),
            "minimum" => value.is_null() || value.as_u64() >= asked.as_u64(),
            "maximum" => value.as_u64() <= asked.as_u64(),
            "required" => asked
                .as_array()
                .into_iter()
                .flatten()
                .all(|key| key.as_str().is_some_and(|key| value.get(key).is_some())),
            "properties" => {
                for (key, field) in value.as_object().into_iter().flatten() {
                    match asked.get(key) {
                        Some(rule) => check(whole, rule, field, &format!("{at}.{key}"))?,
                        None => return fail(format!("unknown key {key}")),
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(whole, asked, item, &format!("{at}[]"))?;
                }
                true
            }
            "description" | "format" | "title" | "$schema" | "$defs" => true,
            other => return fail(format!("the checker does not know {other}")),
        };
        if !is_fulfilled {
            return fail(format!("{value} breaks {name} {asked}"));
        }
    }
    Ok(())
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        _ => false,
    }
}

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

/// Checks against the one rule of that kind, for a short message when it fails.
fn obeys(schema: &Value, value: &Value) -> Result<(), String> {
    let rules: Vec<_> = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rule| rule["properties"]["kind"]["const"] == value["kind"])
        .collect();
    assert_eq!(rules.len(), 1, "one rule per kind: {}", value["kind"]);
    check(schema, rules[0], value, "line")
}

#[test]
fn the_golden_lines_obey_the_whole_schema() {
    let schema = schema();
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
        check(&schema, &schema, &line, "line").unwrap();
    }
}

#[test]
fn the_checker_finds_faults() {
    let schema = schema();
    let good = line(&fixture::incidents()[0]);
    assert_eq!(obeys(&schema, &good), Ok(()));
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
        assert!(obeys(&schema, &bad).is_err(), "{pointer}");
    }
    let mut more = good;
    more["extra"] = json!(1);
    assert!(obeys(&schema, &more).is_err());
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

proptest! {
    #[test]
    fn any_incident_obeys_the_schema(incident in fixture::arbitrary::any_incident()) {
        let value = line(&incident);
        prop_assert_eq!(obeys(&schema(), &value), Ok(()));
        prop_assert_eq!(&value["mono_ns"], &json!(incident.boot_ns));
        if let Some(owner) = &incident.owner {
            prop_assert_eq!(&value["owner"]["comm"], &json!(owner.process.comm));
        }
        let at = incident.flow.local.map(|end| end.addr.to_string());
        prop_assert_eq!(value["local"]["addr"].as_str(), at.as_deref());
    }
}
