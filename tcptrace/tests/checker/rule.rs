//! One rule of the schema, and how a value breaks it.

use std::fmt;

use serde_json::Value;

/// Types of JSON, one bit each.
const TYPES: [&str; 7] = [
    "null", "integer", "number", "string", "boolean", "object", "array",
];

/// The part of JSON Schema that ours uses. Stricter than the schema in one point: a key that it does not
/// know is a fault, so that no field can be written without being described.
#[derive(Default)]
pub(super) struct Rule {
    /// Bits of [`TYPES`]; 0: any.
    types: u8,
    /// Of `const`, `enum`, and `oneOf` where all are constants.
    allowed: Option<Vec<Value>>,
    least: Option<u64>,
    most: Option<u64>,
    one_of: Vec<Rule>,
    any_of: Vec<Rule>,
    properties: Option<Vec<Property>>,
    required: usize,
    items: Option<Box<Rule>>,
}

struct Property {
    name: String,
    is_required: bool,
    rule: Rule,
}

/// Where and how a value breaks a rule. Becomes text only when it is read: most of them are
/// alternatives that were passed over.
pub(super) struct Fault<'a> {
    /// From the value outwards.
    path: Vec<&'a str>,
    says: &'static str,
    value: &'a Value,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<&str> = self.path.iter().rev().copied().collect();
        write!(f, "{}: {}: {}", path.join("."), self.says, self.value)
    }
}

fn bits(types: &Value) -> u8 {
    let bit = |name: &Value| {
        let place = TYPES.iter().position(|known| name == known);
        1 << place.expect("a type of JSON")
    };
    match types {
        Value::Array(types) => types.iter().map(bit).fold(0, |all, one| all | one),
        one => bit(one),
    }
}

impl Rule {
    /// Of one rule in the whole schema.
    pub(super) fn of(whole: &Value, rule: &Value) -> Self {
        let mut made = Self::default();
        let all = |asked: &Value| -> Vec<Self> {
            let rules = asked.as_array().expect("a list of rules").iter();
            rules.map(|rule| Self::of(whole, rule)).collect()
        };
        let fields = rule.as_object().expect("a rule is an object");
        for (name, asked) in fields {
            match name.as_str() {
                "$ref" => {
                    let path = asked.as_str().expect("a path").trim_start_matches('#');
                    let target = whole.pointer(path).expect("what a rule refers to");
                    made.any_of.push(Self::of(whole, target));
                }
                "oneOf" => {
                    let rules = all(asked);
                    let is_constant = |rule: &Value| rule.get("const").is_some();
                    if asked.as_array().expect("a list").iter().all(is_constant) {
                        let values = rules.into_iter().filter_map(|rule| rule.allowed).flatten();
                        made.allowed = Some(values.collect());
                    } else {
                        made.one_of = rules;
                    }
                }
                "anyOf" => made.any_of = all(asked),
                "type" => made.types = bits(asked),
                "const" => made.allowed = Some(vec![asked.clone()]),
                "enum" => made.allowed = asked.as_array().cloned(),
                "minimum" => made.least = asked.as_u64(),
                "maximum" => made.most = asked.as_u64(),
                "properties" => {
                    let required = fields.get("required").and_then(Value::as_array);
                    let properties = asked.as_object().expect("rules by name").iter();
                    let property = |(name, rule): (&String, &Value)| Property {
                        name: name.clone(),
                        is_required: required
                            .is_some_and(|all| all.contains(&name.as_str().into())),
                        rule: Self::of(whole, rule),
                    };
                    let properties: Vec<Property> = properties.map(property).collect();
                    made.required = properties.iter().filter(|one| one.is_required).count();
                    assert_eq!(made.required, required.map_or(0, Vec::len), "all described");
                    made.properties = Some(properties);
                }
                "items" => made.items = Some(Box::new(Self::of(whole, asked))),
                "required" | "description" | "format" | "title" | "$schema" | "$defs" => {}
                other => panic!("the checker does not know {other}"),
            }
        }
        made
    }

    /// Whether a value obeys it; Err says where it does not.
    pub(super) fn holds<'a>(&'a self, value: &'a Value) -> Result<(), Fault<'a>> {
        let claims = [
            ("another type", self.types == 0 || self.has_type(value)),
            ("not one of the values", self.allows(value)),
            ("out of bounds", self.is_in_bounds(value)),
        ];
        for (says, holds) in claims {
            if !holds {
                return Err(fault(says, value));
            }
        }
        if !self.one_of.is_empty() {
            let obeyed = self.one_of.iter().filter(|rule| rule.holds(value).is_ok());
            if obeyed.count() != 1 {
                return Err(fault("not exactly one of the alternatives", value));
            }
        }
        if !self.any_of.is_empty() && !self.any_of.iter().any(|rule| rule.holds(value).is_ok()) {
            // The one that went furthest is the one that was meant.
            let faults = self
                .any_of
                .iter()
                .filter_map(|rule| rule.holds(value).err());
            let meant = faults.max_by_key(|fault| fault.path.len());
            return Err(meant.expect("a fault"));
        }
        if let (Some(items), Value::Array(values)) = (&self.items, value) {
            values.iter().try_for_each(|item| items.holds(item))?;
        }
        self.holds_for_fields(value)
    }

    fn holds_for_fields<'a>(&'a self, value: &'a Value) -> Result<(), Fault<'a>> {
        let (Some(properties), Value::Object(fields)) = (&self.properties, value) else {
            return Ok(());
        };
        let (mut next, mut required) = (0, 0);
        for (name, field) in fields {
            // Fields are written in the order of the schema, so the next one is usually it.
            let is_it = |property: &Property| property.name == *name;
            let place = properties[next..]
                .iter()
                .position(is_it)
                .map(|at| next + at);
            let place = place.or_else(|| properties.iter().position(is_it));
            let Some(place) = place else {
                return Err(within(name, fault("not described", field)));
            };
            next = place + 1;
            let property = &properties[place];
            required += usize::from(property.is_required);
            property
                .rule
                .holds(field)
                .map_err(|fault| within(name, fault))?;
        }
        if required == self.required {
            return Ok(());
        }
        let mut missing = properties
            .iter()
            .filter(|property| property.is_required && !fields.contains_key(&property.name));
        let missing = missing.next().expect("one that was not counted");
        Err(within(&missing.name, fault("missing", value)))
    }

    fn has_type(&self, value: &Value) -> bool {
        let types = match value {
            Value::Null => 0b1,
            Value::Number(number) if number.is_f64() => 0b100,
            Value::Number(_) => 0b110,
            Value::String(_) => 0b1000,
            Value::Bool(_) => 0b1_0000,
            Value::Object(_) => 0b10_0000,
            Value::Array(_) => 0b100_0000,
        };
        self.types & types != 0
    }

    fn allows(&self, value: &Value) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(value))
    }

    /// Bounds are of numbers only; all of ours are of whole numbers.
    fn is_in_bounds(&self, value: &Value) -> bool {
        if !value.is_number() || (self.least.is_none() && self.most.is_none()) {
            return true;
        }
        let number = value.as_u64();
        number.is_some_and(|number| {
            self.least.is_none_or(|least| number >= least)
                && self.most.is_none_or(|most| number <= most)
        })
    }
}

fn fault<'a>(says: &'static str, value: &'a Value) -> Fault<'a> {
    Fault {
        path: Vec::new(),
        says,
        value,
    }
}

fn within<'a>(name: &'a str, mut fault: Fault<'a>) -> Fault<'a> {
    fault.path.push(name);
    fault
}
