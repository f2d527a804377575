//! What each stage before the output costs an event: `cargo bench --bench stages`.

#![allow(missing_docs, reason = "criterion makes public functions")]

mod churn;

use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tcptrace::attribute::Attributor;
use tcptrace::decode::decode;
use tcptrace::interpret::Interpreter;
use tcptrace::model::{Event, Signal};
use tcptrace::recording::{Files, Recorder, Rotation, Standing, Start, Want};
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
    // RSTs received by orphans, 29,000 a second: hundreds are held back at any time.
    let mut interpreter = Interpreter::new(churn::host());
    if let Some(mut own) = events(kind::RST_SENT).pop() {
        let mut orphan = own.clone();
        orphan.signal = Signal::ResetReceived { dead: true };
        if let Signal::Reset(facts) = &mut own.signal {
            (facts.has_sock, facts.is_reply, facts.is_dead) = (true, true, true);
            (facts.shutdown, facts.state_now) = (3, 7);
        }
        let (mut sock, mut moment) = (0, 0);
        group.bench_function("rst_received by an orphan, and its rst_sent", |bench| {
            bench.iter(|| {
                sock += 1;
                moment += 34_000;
                for event in [&mut orphan, &mut own] {
                    (event.sock, event.boot_ns) = (Some(sock), moment);
                    interpreter.on(event.clone(), &mut |incident| drop(black_box(incident)));
                }
            });
        });
        group.bench_function(
            "rst_received by an orphan, and another's rst_sent",
            |bench| {
                bench.iter(|| {
                    sock += 2;
                    moment += 34_000;
                    for (event, sock) in [(&mut orphan, sock), (&mut own, sock + 1)] {
                        (event.sock, event.boot_ns) = (Some(sock), moment);
                        interpreter.on(event.clone(), &mut |incident| drop(black_box(incident)));
                    }
                });
            },
        );
    }
    group.finish();
}

/// What the recorder costs the run it records: encoding, and compressing a block now and then. Writing
/// is another thread's.
fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    for (name, kind) in churn::KINDS {
        let path = std::env::temp_dir().join(format!("tcptrace-bench-{}", std::process::id()));
        let files = Files {
            path: path.clone(),
            max_bytes: Some(64 << 20),
            rotation: Some(Rotation {
                after: None,
                keep: 1,
            }),
            overwrites: true,
        };
        let Ok(mut recorder) = Recorder::create(files, Start::default()) else {
            continue;
        };
        let mut events = events(kind);
        let mut attributor = Attributor::default();
        for event in &mut events {
            attributor.attribute(event);
        }
        let mut at = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                at = (at + 1) % events.len();
                recorder.event(black_box(&events[at]));
                if at == 0 && recorder.tick(Instant::now()) == Want::NextFile {
                    recorder.rotate(Standing::default());
                }
            });
        });
        recorder.finish(&Standing::default());
        drop(std::fs::remove_file(path));
    }
    group.finish();
}

criterion_group! {
    name = stages;
    config = churn::quick();
    targets = decoding, attribution, recording, interpretation
}
criterion_main!(stages);
