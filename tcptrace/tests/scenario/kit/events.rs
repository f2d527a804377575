//! Everything one tracer printed, for claims about the whole of it.

use std::fmt::Write as _;

use serde_json::Value;

use super::expect::{Expect, field};
use super::world::Problems;

/// Everything a tracer printed, after it ended.
#[derive(Clone)]
pub(crate) struct Events {
    pub(super) objects: Vec<Value>,
    pub(super) beyond: usize,
    pub(super) problems: Problems,
    pub(super) netns: u64,
    pub(super) dry: bool,
}

/// Within the tracer's own namespace, unless the expectation names one.
pub(super) fn expected_in(expected: Expect, netns: u64) -> Expect {
    if expected.names_field("netns") {
        expected
    } else {
        expected.is("netns", netns)
    }
}

impl Events {
    /// Events without the closing objects.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        let closing = |event: &&Value| !(field(event, "kind") == "summary");
        self.objects.iter().filter(closing)
    }

    pub(crate) fn matching<'a>(&'a self, expected: &'a Expect) -> Vec<&'a Value> {
        self.all().filter(|event| expected.matches(event)).collect()
    }

    pub(crate) fn matching_kind(&self, kind: &str) -> Vec<&Value> {
        self.all()
            .filter(|event| field(event, "kind") == kind)
            .collect()
    }

    pub(crate) fn summary(&self) -> Option<&Value> {
        self.objects
            .iter()
            .find(|event| field(event, "kind") == "summary")
    }

    /// True when there was no tracer and therefore nothing to judge.
    pub(crate) fn dry(&self) -> bool {
        self.dry
    }

    /// Claims that exactly `count` events match.
    pub(crate) fn exactly(&self, label: &str, count: usize, expected: Expect) {
        let expected = expected_in(expected, self.netns);
        let got = self.matching(&expected).len();
        if !self.dry && got != count {
            let label = format!("{label}: expected {count} such events, got {got}");
            self.missing(&label, &expected);
        }
    }

    pub(crate) fn none(&self, label: &str, expected: Expect) {
        self.exactly(label, 0, expected);
    }

    /// Standard output of a tracer that printed for people, line by line.
    pub(crate) fn text(&self) -> Vec<&str> {
        self.objects.iter().filter_map(Value::as_str).collect()
    }

    pub(crate) fn problem(&self, text: String) {
        self.problems.borrow_mut().push(text);
    }

    pub(super) fn missing(&self, label: &str, expected: &Expect) {
        let mut text = format!("  {label}\n    no such {}", expected.kind());
        match expected.closest(&self.objects) {
            None => text.push_str(": there is none at all"),
            Some(lines) if lines.is_empty() => {}
            Some(lines) => {
                text.push_str("; the closest one differs in");
                for line in lines {
                    let _ = write!(text, "\n      {line}");
                }
            }
        }
        let _ = write!(text, "\n    events of this tracer:");
        for event in self.objects.iter().take(60) {
            let _ = write!(text, "\n      {event}");
        }
        if self.objects.len() > 60 {
            let _ = write!(text, "\n      … and {} more", self.objects.len() - 60);
        }
        self.problem(text);
    }
}
