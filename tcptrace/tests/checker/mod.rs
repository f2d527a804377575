//! Holds JSON values against the schema of the product under test. The schema is compiled once, so that
//! every line of a flood can be checked.

mod rule;

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use rule::Rule;

/// The schema, with the rule of each kind of line at hand.
pub(crate) struct Contract {
    schema: Value,
    rules: HashMap<String, Rule>,
}

impl Contract {
    /// The one that this build of the product keeps.
    pub(crate) fn own() -> &'static Self {
        static OWN: OnceLock<Contract> = OnceLock::new();
        OWN.get_or_init(|| Self::of(tcptrace::sink::schema::schema()))
    }

    fn of(schema: Value) -> Self {
        let lines = schema["oneOf"].as_array().into_iter().flatten();
        let mut rules = HashMap::new();
        for rule in lines.chain([&schema["$defs"]["doctor"]]) {
            let kind = rule["properties"]["kind"]["const"].as_str();
            let kind = kind.expect("the kind of a line").to_owned();
            let former = rules.insert(kind, Rule::of(&schema, rule));
            assert!(former.is_none(), "one rule per kind");
        }
        Self { schema, rules }
    }

    /// Whether an object of any command obeys the rule of its kind; Err says what is wrong.
    pub(crate) fn holds(&self, object: &Value) -> Result<(), String> {
        let kind = object["kind"].as_str();
        let Some(rule) = kind.and_then(|kind| self.rules.get(kind)) else {
            return Err(format!("kind {} is not in the contract", object["kind"]));
        };
        rule.holds(object).map_err(|fault| fault.to_string())
    }

    /// Whether a value obeys the rule at a place of the schema, such as `/$defs/owner`.
    #[allow(dead_code, reason = "not every test asks for a part")]
    pub(crate) fn holds_by(&self, place: &str, value: &Value) -> Result<(), String> {
        let rule = self.schema.pointer(place).expect("a rule");
        let rule = Rule::of(&self.schema, rule);
        rule.holds(value).map_err(|fault| fault.to_string())
    }
}
