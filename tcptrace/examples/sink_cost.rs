//! What one incident costs in each sink, in ns: `cargo run --release --example sink_cost`.
//!
//! Writes to nowhere, in batches of 64, the usual kinds in turn. The best of several rounds counts:
//! the others were disturbed.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::io::{self, Write};
use std::time::Instant;

use tcptrace::interpret::filter::Filter;
use tcptrace::model::{Incident, KindSet};
use tcptrace::sink::text::TextStyle;
use tcptrace::sink::{JsonSink, Sink, TextSink};

const ROUNDS: usize = 20;
const INCIDENTS: usize = 200_000;
const BATCH: usize = 64;

fn best_ns(mut one: impl FnMut(usize) -> io::Result<()>) -> io::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for at in 0..INCIDENTS {
            one(at)?;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / INCIDENTS as f64);
    }
    Ok(best)
}

fn sink_ns(sink: &mut dyn Sink, incidents: &mut [Incident]) -> io::Result<f64> {
    let count = incidents.len();
    best_ns(|at| {
        let incident = &mut incidents[at % count];
        // Some 100,000 incidents a second, as in a storm.
        incident.boot_ns = 5_000_000_000 + at as u64 * 10_000;
        sink.incident(incident)?;
        if at % BATCH == BATCH - 1 {
            sink.flush()
        } else {
            Ok(())
        }
    })
}

fn main() -> io::Result<()> {
    // The first 13 are the usual kinds between IPv4 addresses.
    let mut incidents: Vec<_> = fixture::incidents().into_iter().take(13).collect();
    let clock = fixture::clock();
    let text = TextStyle::default();
    let wide = TextStyle {
        is_wide: true,
        ..text
    };
    let mut out = io::stdout().lock();
    for (name, sink) in [
        (
            "text",
            &mut TextSink::new(io::sink(), text, clock) as &mut dyn Sink,
        ),
        ("text --wide", &mut TextSink::new(io::sink(), wide, clock)),
        ("ndjson", &mut JsonSink::new(io::sink(), clock)),
    ] {
        writeln!(out, "{name:<12} {:6.0} ns", sink_ns(sink, &mut incidents)?)?;
    }
    let mut filter = Filter::of_kinds(KindSet::ALL);
    filter.ports = vec![54321];
    filter.pids.insert(1234);
    let ns = best_ns(|at| {
        std::hint::black_box(filter.accepts(&incidents[at % incidents.len()]));
        Ok(())
    })?;
    writeln!(out, "{:<12} {ns:6.0} ns", "filter")
}
