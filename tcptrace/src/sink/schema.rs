//! JSON Schema of the NDJSON output and of the doctor's report. It is made of the types that are written,
//! so it cannot drift from them; their comments are the descriptions. Fields may be added in later
//! versions, hence no `additionalProperties: false`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::model::Kind;
use crate::model::doctor::Doctor;
use crate::model::line::{IncidentHead, LineHead, VERSION};
use crate::model::loss::Loss;
use crate::model::rows::{ListenerRow, Row, SnapshotEnd, StateRow, TimeWaitRow};
use crate::model::summary::Summary;

/// The whole schema.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut lines = Lines {
        generator: &mut generator,
        lines: Vec::new(),
    };
    for &kind in Kind::ALL {
        let head = IncidentHead::json_schema(lines.generator).to_value();
        let own = kind.schema(lines.generator).to_value();
        lines.add(kind.name(), [head, own]);
    }
    lines.object::<Loss>("lost");
    lines.object::<Summary>("summary");
    lines.object::<ListenerRow>(ListenerRow::KIND);
    lines.object::<StateRow>(StateRow::KIND);
    lines.object::<TimeWaitRow>(TimeWaitRow::KIND);
    lines.object::<SnapshotEnd<'_>>("snapshot");
    let lines = lines.lines;
    generator.subschema_for::<Doctor<'_>>();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tcptrace NDJSON, version 1",
        "description": "One object a line; what doctor --json writes is $defs/doctor. null \
                        means not known. Fields may be added; a name here is not renamed and no \
                        field changes its meaning without raising v.",
        "oneOf": lines,
        "$defs": definitions,
    })
}

/// One rule for each kind of line.
struct Lines<'a> {
    generator: &'a mut SchemaGenerator,
    lines: Vec<Value>,
}

impl Lines<'_> {
    fn object<T: JsonSchema>(&mut self, kind: &str) {
        let own = T::json_schema(self.generator).to_value();
        self.add(kind, [own]);
    }

    /// The fields of all parts in one object; the last part is what the line is about.
    fn add<const PARTS: usize>(&mut self, kind: &str, parts: [Value; PARTS]) {
        let mut head = LineHead::json_schema(self.generator).to_value();
        for (name, value) in [("v", json!(VERSION)), ("kind", json!(kind))] {
            let description = head["properties"][name]["description"].take();
            head["properties"][name] = json!({ "const": value, "description": description });
        }
        let meaning = parts.last().map(|own| own["description"].clone());
        let (mut required, mut properties) = (Vec::new(), Map::new());
        for part in std::iter::once(head).chain(parts) {
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        }
        self.lines.push(json!({
            "type": "object",
            "description": meaning,
            "required": required,
            "properties": properties,
        }));
    }
}
