//! Cells at full speed: how much slower the load is beside each contender, what these take, and
//! what they lose.
//!
//! A slowdown is a ratio of two runs of one round, never of different ones.

use anyhow::Result;

use super::Bench;
use super::contenders::tcptrace;
use super::load::{Load, LoadSpec};
use super::measure::{Goal, Measure, Unit};
use super::round::{Contender, Run, rounds};
use super::tracer::{Observed, TracerSpec};

/// The load alone, and the same once more: what differs between them is noise.
const NONE: &str = "none";
const CONTROL: &str = "none again";
/// Extra time below this share is taken for it, for nothing can be divided by noise.
const FLOOR: f64 = 0.002;

/// What a cell of this kind is.
pub(super) struct Churn {
    pub(super) mode: &'static str,
    pub(super) layout: &'static str,
    /// tcptrace's ways that have the goal below.
    tracers: Vec<TracerSpec>,
    peers: Vec<TracerSpec>,
    slowdown: f64,
    /// A peer, and how many times less extra time an operation tcptrace shall take.
    ahead_of: Option<(&'static str, f64)>,
    /// CPU seconds for a million lines, by the name of the tracer.
    cpu: &'static [(&'static str, f64)],
    loses_nothing: bool,
}

/// The cell called `name`. None when it is another kind of cell.
pub(super) fn cell(bench: &Bench, name: &str) -> Option<Churn> {
    let (what, layout) = name.rsplit_once('-')?;
    let layout = ["one", "both"].into_iter().find(|known| *known == layout)?;
    let is_one = layout == "one";
    let watch = |name, arguments: &[&str]| tcptrace(&bench.tcptrace, name, arguments);
    let by_default = || vec![watch("tcptrace", &["watch"])];
    let plain = |mode, slowdown| Churn {
        mode,
        layout,
        tracers: by_default(),
        peers: Vec::new(),
        slowdown,
        ahead_of: None,
        cpu: &[],
        loses_nothing: true,
    };
    Some(match what {
        "all" => Churn {
            tracers: vec![
                watch("tcptrace", &["watch", "--all"]),
                watch("tcptrace --json", &["watch", "--all", "--json"]),
            ],
            peers: bench.peers.states.clone(),
            ahead_of: Some(("tcpstates", 50.0)),
            cpu: &[("tcptrace", 0.20), ("tcptrace --json", 0.45)],
            ..plain("normal", if is_one { 1.15 } else { 1.10 })
        },
        "default" => plain("normal", if is_one { 1.08 } else { 1.05 }),
        "linger0" => Churn {
            tracers: vec![
                watch("tcptrace", &["watch"]),
                watch("tcptrace --only rst_sent", &["watch", "--only", "rst_sent"]),
            ],
            peers: bench.peers.resets.clone(),
            ahead_of: Some(("bpftrace resets", 15.0)),
            ..plain("linger0", 1.08)
        },
        "pid" => plain("normal", 1.05),
        "bulk" => plain("bulk", 1.02),
        "ping-pong" => plain("ping-pong", 1.02),
        _ => return None,
    })
}

/// Runs the cell; what it gave.
pub(super) fn run(bench: &Bench, name: &str, mut cell: Churn) -> Result<(Vec<Run>, Vec<Measure>)> {
    // Lives as long as the cell: its process owns a socket and does nothing.
    let mut idle = None;
    if name.starts_with("pid-") {
        let mut spec = LoadSpec::new("hold", "one", 0.0);
        spec.listeners = 1;
        let held = Load::start(&bench.place.load, &spec)?;
        for tracer in &mut cell.tracers {
            tracer.arguments.push("--pid".into());
            tracer.arguments.push(held.pid.to_string().into());
        }
        idle = Some(held);
    }
    let mut contenders = vec![Contender::nobody(NONE), Contender::nobody(CONTROL)];
    let tracers = cell.tracers.iter().chain(&cell.peers).cloned();
    contenders.extend(tracers.map(Contender::of));
    let load = LoadSpec::new(cell.mode, cell.layout, bench.seconds);
    let runs = rounds(&bench.place, name, &load, &contenders, bench.rounds)?;
    drop(idle);
    let measures = measures(name, &cell, &runs);
    Ok((runs, measures))
}

fn measures(name: &str, cell: &Churn, runs: &[Run]) -> Vec<Measure> {
    let control = Measure::new(
        name,
        "slowdown: A/A control",
        Unit::Times,
        slowdowns(runs, CONTROL),
    );
    let mut measures = vec![control];
    for tracer in &cell.tracers {
        let values = slowdowns(runs, tracer.name);
        let measure = Measure::new(
            name,
            format!("slowdown: {}", tracer.name),
            Unit::Times,
            values,
        );
        measures.push(measure.goal(Goal::AtMost(cell.slowdown)));
    }
    for peer in &cell.peers {
        let values = slowdowns(runs, peer.name);
        measures.push(Measure::new(
            name,
            format!("slowdown: {}", peer.name),
            Unit::Times,
            values,
        ));
    }
    if let Some((peer, times)) = cell.ahead_of {
        for tracer in &cell.tracers {
            let values = advantages(&slowdowns(runs, tracer.name), &slowdowns(runs, peer));
            let what = format!("extra time of {peer} / of {}", tracer.name);
            let measure = Measure::new(name, what, Unit::Times, values);
            measures.push(measure.goal(Goal::AtLeast(times)));
        }
    }
    for tracer in cell.tracers.iter().chain(&cell.peers) {
        let is_ours = cell.tracers.iter().any(|ours| ours.name == tracer.name);
        measures.extend(taken(name, cell, runs, tracer.name, is_ours));
    }
    measures
}

/// What a tracer took, wrote and lost.
fn taken(name: &str, cell: &Churn, runs: &[Run], tracer: &str, is_ours: bool) -> Vec<Measure> {
    let of = |value: fn(&Observed) -> Option<f64>| values(runs, tracer, value);
    let measure =
        |what: &str, unit, values| Measure::new(name, format!("{what}: {tracer}"), unit, values);
    let lost = measure("lost", Unit::Percent, of(lost_percent));
    let lost = if is_ours && cell.loses_nothing {
        lost.goal(Goal::NeverAbove(0.0))
    } else {
        lost
    };
    let mut all = vec![lost];
    let cpu = of(cpu_s_a_million_lines);
    // Without incidents of the load the lines come from other traffic.
    if !cpu.is_empty() && !matches!(cell.mode, "bulk" | "ping-pong") {
        let cpu = measure("CPU for a million lines", Unit::Seconds, cpu);
        let bound = cell.cpu.iter().find(|(name, _)| *name == tracer);
        all.push(match bound {
            Some((_, bound)) => cpu.goal(Goal::AtMost(*bound)),
            None => cpu,
        });
    }
    let rss = measure(
        "RSS steady",
        Unit::Megabytes,
        of(|observed| megabytes(observed.rss_kib)),
    );
    let peak = measure(
        "RSS peak",
        Unit::Megabytes,
        of(|observed| megabytes(observed.peak_rss_kib)),
    );
    let is_judged = is_ours && name.starts_with("default-");
    all.extend(if is_judged {
        [rss.goal(Goal::AtMost(8.0)), peak.goal(Goal::AtMost(15.0))]
    } else {
        [rss, peak]
    });
    all
}

/// One value for each round in which the tracer ran and reported it.
pub(super) fn values(
    runs: &[Run],
    contender: &str,
    value: impl Fn(&Observed) -> Option<f64>,
) -> Vec<f64> {
    let runs = runs.iter().filter(|run| run.contender == contender);
    runs.filter_map(|run| value(run.observed.first()?))
        .collect()
}

/// Of all expected events; with none expected, none is lost.
fn lost_percent(observed: &Observed) -> Option<f64> {
    let lost = observed.lost? as f64;
    let all = lost + observed.lines as f64;
    Some(lost / all.max(1.0) * 100.0)
}

/// None of so few lines that the time to end would be measured.
fn cpu_s_a_million_lines(observed: &Observed) -> Option<f64> {
    (observed.lines >= 10_000).then_some(())?;
    Some(observed.cpu_s? / observed.lines as f64 * 1e6)
}

pub(super) fn megabytes(kib: Option<u64>) -> Option<f64> {
    Some(kib? as f64 * 1024.0 / 1e6)
}

/// Of each round: the rate alone / the rate beside the contender.
pub(super) fn slowdowns(runs: &[Run], contender: &str) -> Vec<f64> {
    let with = runs.iter().filter(|run| run.contender == contender);
    with.filter_map(|run| {
        let alone = runs
            .iter()
            .find(|other| other.round == run.round && other.contender == NONE)?;
        Some(alone.load.rate_per_s / run.load.rate_per_s)
    })
    .collect()
}

/// Of each round: the peer's extra time for an operation / ours.
fn advantages(ours: &[f64], peers: &[f64]) -> Vec<f64> {
    let pairs = ours.iter().zip(peers);
    pairs
        .map(|(ours, peer)| (peer - 1.0).max(FLOOR) / (ours - 1.0).max(FLOOR))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::load::LoadResult;
    use super::*;

    fn run(round: usize, contender: &str, rate_per_s: f64) -> Run {
        Run {
            cell: "cell".to_owned(),
            contender: contender.to_owned(),
            round,
            load: LoadResult {
                operations: 1,
                rate_per_s,
                p50_us: None,
                p99_us: None,
            },
            observed: vec![Observed {
                lines: 90_000,
                lost: Some(10_000),
                cpu_s: Some(0.018),
                ..Observed::default()
            }],
        }
    }

    #[test]
    fn a_slowdown_is_of_one_round() {
        let runs = [
            run(0, NONE, 100.0),
            run(0, "x", 50.0),
            run(1, "x", 75.0),
            run(1, NONE, 90.0),
            run(2, "x", 1.0),
        ];
        assert_eq!(slowdowns(&runs, "x"), [2.0, 1.2]);
    }

    #[test]
    fn extra_time_below_the_noise_is_taken_for_the_noise() {
        assert_eq!(
            advantages(&[1.1], &[2.0]).first().map(|x| x.round()),
            Some(10.0)
        );
        assert_eq!(
            advantages(&[0.98], &[2.0]).first().map(|x| x.round()),
            Some(500.0)
        );
    }

    #[test]
    fn lost_events_are_a_share_of_all_and_lines_have_a_price() {
        let run = run(0, "x", 1.0);
        assert_eq!(
            values(std::slice::from_ref(&run), "x", lost_percent),
            [10.0]
        );
        let price = values(&[run], "x", cpu_s_a_million_lines);
        assert!((price[0] - 0.2).abs() < 1e-9);
        assert_eq!(lost_percent(&Observed::default()), None);
        assert_eq!(cpu_s_a_million_lines(&Observed::default()), None);
    }
}
