//! What a line costs, and the whole way from a record to its line: `cargo bench --bench lines`.
//! Everything is written to nowhere.

#![allow(missing_docs, reason = "criterion makes public functions")]

mod churn;

use std::hint::black_box;
use std::io;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use tcptrace::attribute::Attributor;
use tcptrace::decode::decode;
use tcptrace::interpret::Interpreter;
use tcptrace::interpret::filter::Filter;
use tcptrace::model::{Incident, KindSet};
use tcptrace::sink::text::TextStyle;
use tcptrace::sink::{JsonSink, Sink, TextSink};

fn sinks() -> [(&'static str, Box<dyn Sink>); 3] {
    let (plain, clock) = (TextStyle::default(), churn::clock());
    let wide = TextStyle {
        is_wide: true,
        ..plain
    };
    [
        ("text", Box::new(TextSink::new(io::sink(), plain, clock))),
        ("wide", Box::new(TextSink::new(io::sink(), wide, clock))),
        ("ndjson", Box::new(JsonSink::new(io::sink(), clock))),
    ]
}

/// From bytes to incidents.
struct Way {
    attributor: Attributor,
    interpreter: Interpreter,
}

impl Way {
    fn new() -> Self {
        Self {
            attributor: Attributor::default(),
            interpreter: Interpreter::new(churn::host()),
        }
    }

    fn take(&mut self, bytes: &[u8], found: &mut impl FnMut(Incident)) {
        if let Ok(mut event) = decode(bytes) {
            self.attributor.attribute(&mut event);
            self.interpreter.on(event, found);
        }
    }
}

fn lines(criterion: &mut Criterion) {
    for at in 0..sinks().len() {
        let mut group = criterion.benchmark_group(sinks()[at].0);
        group.throughput(Throughput::Elements(1));
        for (name, kind) in churn::KINDS {
            let mut incidents = Vec::new();
            let mut way = Way::new();
            for bytes in churn::of_kind(kind, churn::this_process()) {
                way.take(&bytes, &mut |incident| incidents.push(incident));
            }
            let (mut sink, mut next) = (sinks().into_iter().nth(at), 0);
            let Some((_, sink)) = &mut sink else { return };
            group.bench_function(name, |bench| {
                bench.iter(|| {
                    next = (next + 1) % incidents.len();
                    let written = sink.incident(black_box(&incidents[next]));
                    if next % churn::BATCH == 0 {
                        return written.and(sink.flush());
                    }
                    written
                });
            });
        }
        group.finish();
    }
}

fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record to line");
    group.throughput(Throughput::Elements(1));
    let owner = churn::this_process();
    for (format, mut sink) in sinks() {
        for (name, kind) in churn::KINDS {
            let records = churn::of_kind(kind, owner);
            way_and_sink(
                &mut group,
                &format!("{format}/{name}"),
                &records,
                &mut *sink,
            );
        }
        let records = churn::lives(owner);
        way_and_sink(&mut group, &format!("{format}/lives"), &records, &mut *sink);
    }
    group.finish();
}

fn way_and_sink(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    records: &[Vec<u8>],
    sink: &mut dyn Sink,
) {
    let (mut way, mut next) = (Way::new(), 0);
    group.bench_function(name, |bench| {
        bench.iter(|| {
            next = (next + 1) % records.len();
            let mut written = Ok(());
            way.take(black_box(&records[next]), &mut |incident| {
                written = sink.incident(&incident);
            });
            if next % churn::BATCH == 0 {
                return written.and(sink.flush());
            }
            written
        });
    });
}

fn filtering(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(1));
    let mut incidents = Vec::new();
    let mut way = Way::new();
    for bytes in churn::lives(churn::this_process()) {
        way.take(&bytes, &mut |incident| incidents.push(incident));
    }
    let mut by_pid = Filter::of_kinds(KindSet::ALL);
    by_pid.pids.add_number(std::process::id());
    for (name, filter) in [
        ("by kind", Filter::of_kinds(KindSet::DEFAULT)),
        ("none", Filter::of_kinds(KindSet::ALL)),
        ("by pid", by_pid),
    ] {
        let mut incidents = incidents.iter().cycle();
        group.bench_function(name, |bench| {
            bench.iter(|| {
                incidents
                    .next()
                    .is_some_and(|incident| filter.accepts(black_box(incident)))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = churn::quick();
    targets = lines, whole, filtering
}
criterion_main!(benches);
