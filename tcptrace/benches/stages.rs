//! What each stage before the output costs an event: `cargo bench --bench stages`.

#![allow(missing_docs, reason = "criterion makes public functions")]

mod churn;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tcptrace::attribute::Attributor;
use tcptrace::decode::decode;
use tcptrace::interpret::Interpreter;
use tcptrace::model::Event;
use tcptrace_common::kind;

fn events(kind: u16) -> Vec<Event> {
    let records = churn::of_kind(kind, churn::this_process());
    records
        .iter()
        .filter_map(|bytes| decode(bytes).ok())
        .collect()
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, kind) in churn::KINDS {
        let records = churn::of_kind(kind, churn::this_process());
        let mut records = records.iter().cycle();
        group.bench_function(name, |bench| {
            bench.iter(|| decode(black_box(records.next().map_or(&[], |bytes| bytes))));
        });
    }
    group.finish();
}

fn attribution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attribute");
    group.throughput(Throughput::Elements(1));
    for (name, kind) in churn::KINDS {
        let mut events = events(kind);
        let (mut attributor, mut at) = (Attributor::default(), 0);
        group.bench_function(format!("known process/{name}"), |bench| {
            bench.iter(|| {
                at = (at + 1) % events.len();
                attributor.attribute(black_box(&mut events[at]));
            });
        });
    }
    // Numbers above the highest that Linux gives.
    let mut pid = 4_194_304;
    let mut attributor = Attributor::default();
    group.bench_function("new process, gone already", |bench| {
        let strange = || {
            pid += 1;
            decode(&churn::record(kind::STATE, 1, churn::owner(pid, 1))).ok()
        };
        bench.iter_batched(
            strange,
            |event| {
                event.map(|mut event| {
                    attributor.attribute(&mut event);
                    event
                })
            },
            BatchSize::SmallInput,
        );
    });
    let event = events(kind::STATE).pop();
    group.bench_function("new process, looked up in /proc", |bench| {
        bench.iter_batched(
            || (Attributor::default(), event.clone()),
            |(mut attributor, event)| {
                let event = event.map(|mut event| {
                    attributor.attribute(&mut event);
                    event
                });
                (attributor, event)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn interpretation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("interpret");
    group.throughput(Throughput::Elements(1));
    for (name, kind) in churn::KINDS {
        let mut interpreter = Interpreter::new(churn::host());
        let mut attributor = Attributor::default();
        let mut event = events(kind).pop();
        if let Some(event) = &mut event {
            attributor.attribute(event);
        }
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || event.clone(),
                |event| {
                    if let Some(event) = event {
                        interpreter.on(event, &mut |incident| drop(black_box(incident)));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = stages;
    config = churn::quick();
    targets = decoding, attribution, interpretation
}
criterion_main!(stages);
