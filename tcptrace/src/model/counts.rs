//! Numbers by kind as an object, in the order of the list. Kinds of a newer version are passed over.

use std::borrow::Cow;
use std::fmt;

use schemars::{Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;

use super::Kind;

pub(super) fn serialize<S: Serializer>(counts: &[(Kind, u64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(counts.iter().copied())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<(Kind, u64)>, D::Error> {
    from.deserialize_map(Counts)
}

struct Counts;

impl<'de> Visitor<'de> for Counts {
    type Value = Vec<(Kind, u64)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of kinds and their numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut counts: Self::Value = Vec::new();
        while let Some((name, count)) = map.next_entry::<Cow<'de, str>, u64>()? {
            let Some(kind) = Kind::from_name(&name) else {
                continue;
            };
            if counts.iter().any(|(known, _)| *known == kind) {
                return Err(A::Error::custom(format_args!("duplicate field `{kind}`")));
            }
            counts.push((kind, count));
        }
        Ok(counts)
    }
}

/// Every kind may be there.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let count = generator.subschema_for::<u64>();
    let properties = Kind::ALL
        .iter()
        .map(|kind| (kind.name().to_owned(), count.clone()));
    let properties: std::collections::BTreeMap<_, _> = properties.collect();
    schemars::json_schema!({ "type": "object", "properties": properties })
}
