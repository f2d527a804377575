//! Holds JSON values against the schema.

use serde_json::Value;

/// Checks the part of JSON Schema that ours uses. Stricter than the schema in one point: a key it
/// does not know is an error, so that no field can be written without being described.
pub(crate) fn check(whole: &Value, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
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
            "anyOf" => asked
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| check(whole, one, value, at).is_ok()),
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
            // Says something of objects only, as "properties" does.
            "required" => asked.as_array().into_iter().flatten().all(|key| {
                let is_there = key.as_str().is_some_and(|key| value.get(key).is_some());
                is_there || !value.is_object()
            }),
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
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        _ => false,
    }
}
