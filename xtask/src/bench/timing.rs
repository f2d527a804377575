//! Cells about time: from the hook to the printed line, and from the start to the first line.
//!
//! Lines come through a pipe and are stamped by the boot clock, which is the clock of the events.

use std::io::Read as _;
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Bench;
use super::churn::megabytes;
use super::contenders::tcptrace;
use super::load::{Load, LoadSpec};
use super::measure::{Goal, Measure, Unit};
use super::proc::{self, Sockets};
use super::round::{Place, become_quiet};
use super::stats::percentile;
use super::tracer::{Observed, Output, Running, TracerSpec};

/// Each operation of `linger0` is a reset sent and one received: 200 incidents a second.
const STEADY: u32 = 100;
const SINGLE: u32 = 3;
/// While something starts there is always an incident to be seen.
const BUSY: u32 = 2000;
/// Until the first line of a tracer comes, at most.
const FIRST_LINE: Duration = Duration::from_secs(20);
const MANY: u32 = 100_000;

/// When a line of an event came, and what it says of its own time.
struct Stamp {
    arrived_ns: u64,
    event_ns: Option<u64>,
}

/// Runs the cell called `name`. None when it is another kind of cell.
pub(super) fn run(bench: &Bench, name: &str) -> Option<Result<Vec<Measure>>> {
    Some(match name {
        "delay" => delays(bench, name, STEADY, bench.seconds.max(2.0)),
        "delay-single" => delays(bench, name, SINGLE, bench.seconds.max(2.0)),
        "start" => starts(bench, name),
        "many" => many(bench, name),
        _ => return None,
    })
}

fn watch(bench: &Bench) -> TracerSpec {
    tcptrace(&bench.tcptrace, "tcptrace", &["watch", "--json"])
}

fn delays(bench: &Bench, name: &str, rate: u32, seconds: f64) -> Result<Vec<Measure>> {
    let load = LoadSpec::new("linger0", "one", seconds).paced(rate);
    let mut measures = Vec::new();
    for tracer in [watch(bench)].iter().chain(&bench.peers.resets) {
        let (mut middle, mut high, mut most) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.rounds {
            let delays = one_delay(bench, &load, tracer)
                .with_context(|| format!("cell {name}, {}", tracer.name))?;
            middle.extend(percentile(&delays, 50.0));
            high.extend(percentile(&delays, 99.0));
            most.extend(percentile(&delays, 100.0));
        }
        let is_ours = tracer.name == "tcptrace";
        let measure = |what: &str, values| {
            let what = format!("hook to line, {what}: {}", tracer.name);
            Measure::new(name, what, Unit::Milliseconds, values)
        };
        let (high, most) = (measure("p99", high), measure("slowest", most));
        measures.push(measure("p50", middle));
        measures.extend(match (is_ours, rate == SINGLE) {
            (true, true) => [high, most.goal(Goal::AtMost(10.0))],
            (true, false) => [high.goal(Goal::AtMost(1.2)), most],
            (false, _) => [high, most],
        });
    }
    Ok(measures)
}

/// The delays of one run, ms.
fn one_delay(bench: &Bench, load: &LoadSpec, tracer: &TracerSpec) -> Result<Vec<f64>> {
    let quiet = Sockets::now();
    let mut load = Load::start(&bench.place.load, load)?;
    let mut tracer = Running::start(tracer, &bench.place.directory(0)?, Output::Pipe)?;
    let (stamps, reader) = stamps(tracer.stdout.take().context("no pipe")?);
    tracer.wait_ready()?;
    tracer.note_go();
    load.go()?;
    load.result()?;
    tracer.settle()?;
    stop_piped(tracer)?;
    drop(load);
    // It ends with the pipe.
    let _ended = reader.join();
    let delays: Vec<f64> = stamps
        .iter()
        .filter_map(|stamp| Some(ms(stamp.event_ns?, stamp.arrived_ns)))
        .collect();
    if delays.is_empty() {
        bail!("no event was reported");
    }
    become_quiet(quiet);
    Ok(delays)
}

/// What it took; its own account of loss went into the pipe.
fn stop_piped(tracer: Running) -> Result<Observed> {
    tracer.without_loss().stop()
}

fn ms(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e6
}

fn starts(bench: &Bench, name: &str) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    let ours = watch(bench);
    let peers = bench.peers.states.iter();
    let peers = peers.filter(|peer| !peer.has_own_output);
    for tracer in [&ours].into_iter().chain(peers).chain(&bench.peers.resets) {
        let (mut first, mut ready) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds {
            let start = one_start(&bench.place, None, tracer)
                .with_context(|| format!("cell {name}, {}", tracer.name))?;
            first.push(start.first_ms);
            ready.extend(start.observed.ready_ms);
        }
        let what = format!("start to first line: {}", tracer.name);
        let first = Measure::new(name, what, Unit::Milliseconds, first);
        if tracer.name == ours.name {
            measures.push(first.goal(Goal::AtMost(35.0)));
            let what = "start to ready file: tcptrace";
            measures.push(Measure::new(name, what, Unit::Milliseconds, ready));
        } else {
            measures.push(first);
        }
    }
    Ok(measures)
}

/// How tcptrace starts, and how large it is, beside 100,000 connections that do nothing.
fn many(bench: &Bench, name: &str) -> Result<Vec<Measure>> {
    let mut held = LoadSpec::new("hold", "one", 0.0);
    held.idle = MANY;
    let (mut first, mut ready, mut rss, mut peak) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // To make so many takes long.
    for _ in 0..bench.rounds.div_ceil(2) {
        let start = one_start(&bench.place, Some(&held), &watch(bench))
            .with_context(|| format!("cell {name}"))?;
        first.push(start.first_ms / 1e3);
        ready.extend(start.observed.ready_ms.map(|ms| ms / 1e3));
        rss.extend(megabytes(start.observed.rss_kib));
        peak.extend(megabytes(start.observed.peak_rss_kib));
    }
    let measure = |what: &str, unit, values| Measure::new(name, what, unit, values);
    Ok(vec![
        measure("start to first line: tcptrace", Unit::Seconds, first).goal(Goal::AtMost(1.2)),
        measure("start to ready file: tcptrace", Unit::Seconds, ready),
        measure("RSS steady: tcptrace", Unit::Megabytes, rss).goal(Goal::AtMost(40.0)),
        measure("RSS peak: tcptrace", Unit::Megabytes, peak),
    ])
}

/// How a tracer started while incidents happened.
pub(super) struct Start {
    pub(super) first_ms: f64,
    pub(super) observed: Observed,
}

/// `held` is there besides, from before the start until after the end.
pub(super) fn one_start(
    place: &Place,
    held: Option<&LoadSpec>,
    tracer: &TracerSpec,
) -> Result<Start> {
    let quiet = Sockets::now();
    let held = held
        .map(|held| Load::start(&place.load, held))
        .transpose()?;
    let busy = LoadSpec::new("linger0", "one", FIRST_LINE.as_secs_f64() + 10.0).paced(BUSY);
    let mut busy = Load::start(&place.load, &busy)?;
    busy.go()?;
    // From its warm-up on there is an incident at any time.
    thread::sleep(Duration::from_millis(300));
    let mut tracer = Running::start(tracer, &place.directory(0)?, Output::Pipe)?;
    let (stamps, reader) = stamps(tracer.stdout.take().context("no pipe")?);
    let first = stamps
        .recv_timeout(FIRST_LINE)
        .context("no event was reported")?;
    let first_ms = ms(tracer.started_ns, first.arrived_ns);
    tracer.wait_ready()?;
    busy.kill()?;
    tracer.settle()?;
    let observed = stop_piped(tracer)?;
    drop((held, stamps));
    let _ended = reader.join();
    become_quiet(quiet);
    Ok(Start { first_ms, observed })
}

/// Stamps every line of an event as it comes, in a thread that ends with the pipe.
fn stamps(mut pipe: ChildStdout) -> (Receiver<Stamp>, JoinHandle<()>) {
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        let mut rest: Vec<u8> = Vec::new();
        // An error of the pipe is its end too.
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            let arrived_ns = proc::boot_ns();
            rest.extend_from_slice(&buffer[..length]);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
                continue;
            };
            for line in rest[..end].split(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(line);
                if is_event(&line) {
                    let event_ns = event_ns(&line);
                    // Nothing receives once enough was read; the pipe is emptied anyway.
                    let _heard = sender.send(Stamp {
                        arrived_ns,
                        event_ns,
                    });
                }
            }
            rest.drain(..=end);
        }
    });
    (receiver, reader)
}

/// Whether a line is an event: not a heading, not a banner, not a summary.
fn is_event(line: &str) -> bool {
    match line.bytes().next() {
        Some(b'{') => !line.contains("\"kind\":\"summary\""),
        // Peers' lines begin with a time or an address.
        Some(first) => first.is_ascii_digit() || (b'a'..=b'f').contains(&first),
        None => false,
    }
}

/// The event's own time: `mono_ns` of an object, else the first word. None when it is no such
/// time.
fn event_ns(line: &str) -> Option<u64> {
    let text = match line.split_once("\"mono_ns\":") {
        Some((_, rest)) => rest.split([',', '}']).next()?,
        None => line.split_whitespace().next()?,
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_events_are_stamped() {
        for line in ["{\"kind\":\"rst_sent\"}", "123 4 x", "ffff9c comm"] {
            assert!(is_event(line), "{line}");
        }
        for line in [
            "{\"kind\":\"summary\"}",
            "Attaching 1 probe...",
            "SKADDR  C-PID",
            "",
        ] {
            assert!(!is_event(line), "{line}");
        }
    }

    #[test]
    fn an_event_says_its_own_time() {
        assert_eq!(
            event_ns("{\"v\":1,\"mono_ns\":77,\"kind\":\"x\"}"),
            Some(77)
        );
        assert_eq!(event_ns("88 1 comm"), Some(88));
        assert_eq!(event_ns("ffff9c comm"), None);
    }
}
