//! Columns by name: those of the tables and lines, and every field of their objects by its path in NDJSON
//! (`owner.uid`). The paths come from the schema, so they are those that are written.

use std::cmp::Ordering;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::sanitize;
use crate::model::Kind;
use crate::model::line::{IncidentHead, LineHead};
use crate::model::rows::Row;

/// Stands for a value that is not known.
pub(super) const UNKNOWN: &str = "?";
/// Stands for a field that this object does not have.
pub(super) const WITHOUT: &str = "-";

/// By what a table is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column.
    pub column: String,
    /// The largest first.
    pub is_descending: bool,
}

/// The paths of all fields of a row.
pub(super) fn fields_of_row<R: Row>() -> Vec<String> {
    let mut paths = Vec::new();
    collect(&R::json_schema(&mut generator()).to_value(), "", &mut paths);
    paths
}

/// The paths of all fields that an incident of any kind has.
pub(super) fn fields_of_incidents() -> Vec<String> {
    let mut generator = generator();
    let mut paths = Vec::new();
    let heads = [
        LineHead::json_schema(&mut generator),
        IncidentHead::json_schema(&mut generator),
    ];
    let kinds = Kind::ALL.iter().map(|kind| kind.schema(&mut generator));
    for schema in heads.into_iter().chain(kinds) {
        collect(&schema.to_value(), "", &mut paths);
    }
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

fn generator() -> SchemaGenerator {
    let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with(inline)
        .into_generator()
}

/// Appends the paths below an object. One end of a connection is a field of its own, too.
fn collect(schema: &Value, before: &str, paths: &mut Vec<String>) {
    let Some(properties) = properties(schema) else {
        return;
    };
    for (name, field) in properties {
        let path = format!("{before}{name}");
        let inner = self::properties(field);
        if inner.is_none_or(|inner| inner.contains_key("addr")) {
            paths.push(path.clone());
        }
        collect(field, &format!("{path}."), paths);
    }
}

/// Of an object, or of one that may be null.
fn properties(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    let own = schema.get("properties").and_then(Value::as_object);
    own.or_else(|| {
        let choices = schema.get("anyOf")?.as_array()?;
        choices.iter().find_map(properties)
    })
}

/// What stands at a path.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, name| {
        // Below null everything is not known.
        if value.is_null() {
            Some(value)
        } else {
            value.get(name)
        }
    })
}

/// A value as a cell; an end of a connection as `10.0.3.1:80`.
pub(super) fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None => WITHOUT.to_owned(),
        Some(Value::Null) => UNKNOWN.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) if values.is_empty() => WITHOUT.to_owned(),
        Some(Value::Array(values)) => {
            let values: Vec<String> = values.iter().map(|value| cell(Some(value))).collect();
            values.join(",")
        }
        Some(Value::Object(object)) => match (object.get("addr"), object.get("port")) {
            (Some(Value::String(addr)), port) if addr.contains(':') => {
                format!("[{addr}]:{}", cell(port))
            }
            (Some(Value::String(addr)), port) => format!("{addr}:{}", cell(port)),
            _ => Value::Object(object.clone()).to_string(),
        },
        Some(value) => value.to_string(),
    };
    sanitize::clean(&text)
}

/// Numbers by value, texts by their letters, ends by address and port.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let float = |number: &serde_json::Number| number.as_f64().unwrap_or(f64::NAN);
                float(a).total_cmp(&float(b))
            }
        },
        (Value::String(a), Value::String(b)) => match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => std::net::IpAddr::cmp(&a, &b),
            _ => a.cmp(b),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()),
        (Value::Object(a), Value::Object(b)) => {
            let parts = ["addr", "port"].map(|name| {
                let part = |object: &serde_json::Map<String, Value>| {
                    object.get(name).cloned().unwrap_or_default()
                };
                compare(&part(a), &part(b))
            });
            parts[0].then(parts[1])
        }
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::rows::{ListenerRow, StateRow, TimeWaitRow};

    #[test]
    fn paths_are_those_of_the_objects() {
        let listeners = fields_of_row::<ListenerRow>();
        for path in [
            "netns",
            "local",
            "local.port",
            "owner.uid",
            "accept_queue.length",
            "full",
            "accepts.wait_us_p99",
            "pids",
        ] {
            assert!(listeners.iter().any(|name| name == path), "{path}");
        }
        assert!(!listeners.iter().any(|name| name == "owner"));
        assert!(fields_of_row::<StateRow>().contains(&"top_remote.addr".to_owned()));
        assert!(fields_of_row::<TimeWaitRow>().contains(&"ports.used".to_owned()));
        let incidents = fields_of_incidents();
        for path in [
            "ts",
            "remote.port",
            "owner.cgroup",
            "cause",
            "linger.seconds",
        ] {
            assert!(incidents.iter().any(|name| name == path), "{path}");
        }
    }

    #[test]
    fn not_known_and_not_there_are_not_the_same() {
        let object = json!({ "owner": { "pid": null, "comm": "\u{1b}x" }, "group": null });
        let shown = |path| cell(at(&object, path));
        assert_eq!(shown("owner.pid"), "?");
        assert_eq!(shown("group.size"), "?");
        assert_eq!(shown("cause"), "-");
        assert_eq!(shown("owner.comm"), "?x");
    }

    #[test]
    fn ends_are_written_as_people_write_them() {
        for (end, text) in [
            (json!({ "addr": "10.0.3.1", "port": 80 }), "10.0.3.1:80"),
            (json!({ "addr": "::1", "port": null }), "[::1]:?"),
        ] {
            assert_eq!(cell(Some(&end)), text);
        }
        assert_eq!(cell(Some(&json!([7, 9]))), "7,9");
    }

    #[test]
    fn values_are_compared_by_what_they_are() {
        for (less, more) in [
            (json!(9), json!(10)),
            (json!(-1), json!(u64::MAX)),
            (json!(0.5), json!(2)),
            (json!("9.0.0.1"), json!("10.0.0.1")),
            (json!("a"), json!("b")),
            (
                json!({ "addr": "9.0.0.1", "port": 80 }),
                json!({ "addr": "9.0.0.1", "port": 443 }),
            ),
        ] {
            assert_eq!(compare(&less, &more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(&more, &less), Ordering::Greater, "{less} {more}");
        }
    }
}
