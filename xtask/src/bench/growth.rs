//! The cell `growth`: what tcptrace costs as idle connections, listeners and processes become ten
//! and a hundred times as many.
//!
//! Each cost is reported as the exponent k of `cost ~ number^k`: 1 is linear, 0 is no growth at all.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Bench;
use super::churn::megabytes;
use super::contenders::tcptrace;
use super::load::LoadSpec;
use super::measure::{Goal, Measure, Unit};
use super::programs::Account;
use super::round::Contender;
use super::stats::{Spread, growth_exponent};

/// What grows, and the least of it.
const KINDS: [(&str, u32); 3] = [
    ("connections", 1_000),
    ("listeners", 100),
    ("processes", 20),
];
const FACTORS: [u32; 3] = [1, 10, 100];
/// Rounds differ: an exponent this little above 1 is linear.
const LINEAR: f64 = 1.1;

/// A cost that may grow.
pub(super) const COSTS: [&str; 4] = [
    "ns of programs an operation",
    "slowdown (x)",
    "start to ready file (ms)",
    "RSS peak (MB)",
];

/// One cost of one kind: number, and the median of what it cost then.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) cost: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

impl Line {
    pub(super) fn json(&self) -> Value {
        json!({ "kind": self.kind, "cost": self.cost, "points": self.points })
    }

    /// The line of a JSON report. None when it is no such line.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let name = |of: &str, known: &[&'static str]| {
            known.iter().copied().find(|known| value[of] == **known)
        };
        let points = value["points"].as_array()?.iter();
        Some(Self {
            kind: name("kind", &KINDS.map(|(kind, _)| kind))?,
            cost: name("cost", &COSTS)?,
            points: points
                .map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)))
                .collect::<Option<_>>()?,
        })
    }
}

/// Runs the cell.
pub(super) fn run(bench: &Bench, name: &str) -> Result<(Vec<Measure>, Vec<Line>)> {
    let _account = Account::open()?;
    let mut lines = Vec::new();
    for (kind, base) in KINDS {
        let mut costs: [Vec<(f64, f64)>; COSTS.len()] = Default::default();
        for factor in FACTORS {
            let number = base * factor;
            let values = point(bench, kind, number)
                .with_context(|| format!("cell {name}, {number} {kind}"))?;
            for (points, values) in costs.iter_mut().zip(values) {
                points.extend(Spread::of(&values).map(|s| (f64::from(number), s.median)));
            }
        }
        lines.extend(
            COSTS
                .iter()
                .zip(costs)
                .map(|(cost, points)| Line { kind, cost, points }),
        );
    }
    let measures = lines
        .iter()
        .map(|line| {
            let exponent = growth_exponent(&line.points).into_iter().collect();
            let what = format!("growth with {}: {}", line.kind, line.cost);
            Measure::new(name, what, Unit::Power, exponent).goal(Goal::AtMost(LINEAR))
        })
        .collect();
    Ok((measures, lines))
}

/// The values of each cost in all rounds, in the order of [`COSTS`].
fn point(bench: &Bench, kind: &str, number: u32) -> Result<[Vec<f64>; COSTS.len()]> {
    let mut load = LoadSpec::new("normal", "one", bench.seconds.min(1.0));
    match kind {
        "connections" => load.idle = number,
        "listeners" => load.listeners = number,
        _ => load.processes = number,
    }
    let watch = tcptrace(&bench.tcptrace, "tcptrace", &["watch"]);
    let (alone, with) = (Contender::nobody("none"), Contender::of(watch));
    let mut costs: [Vec<f64>; COSTS.len()] = Default::default();
    for _ in 0..bench.rounds.div_ceil(3) {
        let (none, _) = bench.place.run(&load, &alone)?;
        let (result, observed) = bench.place.run(&load, &with)?;
        let observed = observed.first().context("tcptrace was observed")?;
        let run_time_ns: u64 = observed.programs.iter().map(|cost| cost.run_time_ns).sum();
        let values = [
            Some(run_time_ns as f64 / result.operations as f64),
            Some(none.rate_per_s / result.rate_per_s),
            observed.ready_ms,
            megabytes(observed.peak_rss_kib),
        ];
        for (all, value) in costs.iter_mut().zip(values) {
            all.extend(value);
        }
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_from_a_report() {
        let line = Line {
            kind: "listeners",
            cost: COSTS[0],
            points: vec![(100.0, 1.5), (1000.0, 2.5)],
        };
        let back = Line::from_json(&line.json()).unwrap();
        assert_eq!(
            (back.kind, back.cost, back.points),
            (line.kind, line.cost, line.points)
        );
        assert!(Line::from_json(&json!({ "kind": "others" })).is_none());
    }
}
