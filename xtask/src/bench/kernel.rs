//! The cell `programs`: ns a run of each of tcptrace's kernel programs, as a ratio to the reference
//! program that ran in the same run.
//!
//! The kernel's own account costs each run the same two looks at the clock, the reference's too.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::Bench;
use super::contenders::tcptrace;
use super::load::LoadSpec;
use super::measure::{Goal, Measure, Unit};
use super::programs::{Account, Cost};
use super::round::Contender;

/// Of fewer runs there is no mean to speak of.
const LEAST_RUNS: u64 = 500;
/// What the reference program is called, and the kernel keeps 15 bytes of it.
const REFERENCE: &str = "reference_state";

/// Which loads, and the arguments with which tcptrace watches them.
const LOADS: [(&str, &[&str]); 6] = [
    ("normal", &["watch", "--all"]),
    ("linger0", &["watch", "--all"]),
    ("unread", &["watch", "--all"]),
    ("overflow", &["watch", "--all"]),
    ("bulk", &["watch"]),
    ("ping-pong", &["watch"]),
];

/// Runs the cell.
pub(super) fn run(bench: &Bench, name: &str) -> Result<Vec<Measure>> {
    let _account = Account::open()?;
    // By program and load: ratios; by load: what the reference took.
    let mut ratios: BTreeMap<(String, &str), Vec<f64>> = BTreeMap::new();
    let mut costs: BTreeMap<(String, &str), Vec<f64>> = BTreeMap::new();
    for _ in 0..bench.rounds {
        // Loads that open few connections hardly run it: then the last one's counts.
        let mut reference_ns = None;
        for (mode, arguments) in LOADS {
            let contender = Contender {
                name: "tcptrace and the reference".to_owned(),
                tracers: vec![
                    tcptrace(&bench.tcptrace, "tcptrace", arguments),
                    bench.reference.clone(),
                ],
            };
            let load = LoadSpec::new(mode, "one", bench.seconds);
            let (_, observed) = bench.place.run(&load, &contender)?;
            let mut observed = observed.into_iter().map(|observed| observed.programs);
            let ours = observed.next().context("tcptrace was observed")?;
            let theirs = observed.next().context("the reference was observed")?;
            let own = theirs
                .iter()
                .find(|cost| cost.name == REFERENCE && is_enough(cost));
            reference_ns = own.map(Cost::ns_a_run).or(reference_ns);
            let reference_ns = reference_ns.context("the reference program did not run")?;
            if own.is_some() {
                costs
                    .entry((REFERENCE.to_owned(), mode))
                    .or_default()
                    .push(reference_ns);
            }
            for cost in ours.iter().filter(|cost| is_enough(cost)) {
                let key = (cost.name.clone(), mode);
                ratios
                    .entry(key.clone())
                    .or_default()
                    .push(cost.ns_a_run() / reference_ns);
                costs.entry(key).or_default().push(cost.ns_a_run());
            }
        }
    }
    let measure = |(program, mode): (String, &str), what: &str, unit, values| {
        Measure::new(name, format!("{what}: {program} on {mode}"), unit, values)
    };
    let ratios = ratios.into_iter().map(|(key, values)| {
        measure(key, "ns a run / the reference's", Unit::Times, values).goal(Goal::AtMost(1.5))
    });
    let costs = costs
        .into_iter()
        .map(|(key, values)| measure(key, "ns a run", Unit::Nanoseconds, values));
    Ok(ratios.chain(costs).collect())
}

fn is_enough(cost: &Cost) -> bool {
    cost.runs >= LEAST_RUNS
}
