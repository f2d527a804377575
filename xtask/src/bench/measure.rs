//! One measure: its values, its goal, and whether it was reached.

use serde_json::{Value, json};

use super::stats::Spread;

/// What its values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A ratio, written `x1.05`.
    Times,
    /// `^1.05`: how a cost grows, 1 is linear.
    Power,
    Nanoseconds,
    Milliseconds,
    Seconds,
    Megabytes,
    Percent,
    Count,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Times => "times",
            Self::Power => "power",
            Self::Nanoseconds => "ns",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Megabytes => "MB",
            Self::Percent => "%",
            Self::Count => "count",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::Times,
            Self::Power,
            Self::Nanoseconds,
            Self::Milliseconds,
            Self::Seconds,
            Self::Megabytes,
            Self::Percent,
            Self::Count,
        ];
        all.into_iter().find(|unit| unit.name() == name)
    }

    /// The value as people read it.
    pub(super) fn write(self, value: f64) -> String {
        match self {
            Self::Times if value.abs() >= 10.0 => format!("x{value:.1}"),
            Self::Times => format!("x{value:.3}"),
            Self::Power => format!("^{value:.2}"),
            Self::Count => format!("{value:.0}"),
            unit if value.abs() >= 100.0 => format!("{value:.0} {}", unit.name()),
            unit => format!("{value:.2} {}", unit.name()),
        }
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// By the median.
    AtMost(f64),
    /// By the median.
    AtLeast(f64),
    /// By every value.
    NeverAbove(f64),
}

impl Goal {
    fn json(self) -> Value {
        match self {
            Self::AtMost(bound) => json!({ "at_most": bound }),
            Self::AtLeast(bound) => json!({ "at_least": bound }),
            Self::NeverAbove(bound) => json!({ "never_above": bound }),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        let bound = |name: &str| value[name].as_f64();
        let at_most = bound("at_most").map(Self::AtMost);
        let at_least = || bound("at_least").map(Self::AtLeast);
        let never_above = || bound("never_above").map(Self::NeverAbove);
        at_most.or_else(at_least).or_else(never_above)
    }
}

/// Whether it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Missed,
    /// There is a goal, but no value.
    Unknown,
    /// There is no goal: for comparison.
    NoGoal,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Unknown => "unknown",
            Self::NoGoal => "",
        }
    }
}

/// What was measured, one value a round.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    /// The cell that it is of.
    pub(super) cell: String,
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) goal: Option<Goal>,
    pub(super) values: Vec<f64>,
}

impl Measure {
    pub(super) fn new(cell: &str, what: impl Into<String>, unit: Unit, values: Vec<f64>) -> Self {
        Self {
            cell: cell.to_owned(),
            what: what.into(),
            unit,
            goal: None,
            values,
        }
    }

    pub(super) fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    pub(super) fn spread(&self) -> Option<Spread> {
        Spread::of(&self.values)
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Some(goal) = self.goal else {
            return Verdict::NoGoal;
        };
        let Some(spread) = self.spread() else {
            return Verdict::Unknown;
        };
        let is_met = match goal {
            Goal::AtMost(bound) => spread.median <= bound,
            Goal::AtLeast(bound) => spread.median >= bound,
            Goal::NeverAbove(bound) => spread.most <= bound,
        };
        if is_met {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }

    /// The goal as people read it; empty when there is none.
    pub(super) fn goal_text(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::AtMost(bound)) => format!("at most {}", self.unit.write(bound)),
            Some(Goal::AtLeast(bound)) => format!("at least {}", self.unit.write(bound)),
            Some(Goal::NeverAbove(bound)) => format!("never above {}", self.unit.write(bound)),
        }
    }

    pub(super) fn json(&self) -> Value {
        let spread = self.spread();
        json!({
            "cell": self.cell,
            "what": self.what,
            "unit": self.unit.name(),
            "goal": self.goal.map(Goal::json),
            "median": spread.map(|spread| spread.median),
            "least": spread.map(|spread| spread.least),
            "most": spread.map(|spread| spread.most),
            "values": self.values,
            "verdict": match self.verdict() {
                Verdict::NoGoal => None,
                verdict => Some(verdict.name().to_lowercase()),
            },
        })
    }

    /// The measure of a JSON report. None when it is no such measure.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let values = value["values"].as_array()?.iter();
        Some(Self {
            cell: value["cell"].as_str()?.to_owned(),
            what: value["what"].as_str()?.to_owned(),
            unit: Unit::from_name(value["unit"].as_str()?)?,
            goal: Goal::from_json(&value["goal"]),
            values: values.map(Value::as_f64).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(values: &[f64]) -> Measure {
        Measure::new("cell", "what", Unit::Times, values.to_vec())
    }

    #[test]
    fn medians_are_judged_but_loss_by_every_round() {
        let values = [1.0, 1.1, 9.0];
        let verdict = |goal| measure(&values).goal(goal).verdict();
        assert_eq!(verdict(Goal::AtMost(1.1)), Verdict::Met);
        assert_eq!(verdict(Goal::AtMost(1.09)), Verdict::Missed);
        assert_eq!(verdict(Goal::AtLeast(1.2)), Verdict::Missed);
        assert_eq!(verdict(Goal::NeverAbove(8.0)), Verdict::Missed);
    }

    #[test]
    fn a_goal_without_values_is_neither_met_nor_missed() {
        assert_eq!(
            measure(&[]).goal(Goal::AtMost(1.0)).verdict(),
            Verdict::Unknown
        );
        assert_eq!(measure(&[]).json()["median"], Value::Null);
        assert_eq!(measure(&[2.0]).verdict(), Verdict::NoGoal);
    }

    #[test]
    fn a_measure_comes_back_from_a_report() {
        for goal in [Goal::AtMost(1.0), Goal::AtLeast(2.0), Goal::NeverAbove(0.0)] {
            let there = measure(&[1.0, 2.5]).goal(goal);
            let back = Measure::from_json(&there.json()).unwrap();
            assert_eq!((back.goal, back.unit), (there.goal, there.unit));
            assert_eq!(back.values, there.values);
        }
        assert!(Measure::from_json(&json!({ "cell": "x" })).is_none());
    }

    #[test]
    fn values_bear_their_unit() {
        assert_eq!(Unit::Times.write(1.0449), "x1.045");
        assert_eq!(Unit::Times.write(52.34), "x52.3");
        assert_eq!(Unit::Milliseconds.write(1.2), "1.20 ms");
        assert_eq!(Unit::Megabytes.write(123.4), "123 MB");
        assert_eq!(Unit::Count.write(3.0), "3");
    }
}
