//! Bytes as the kernel side writes them, to the lines people and programs read.

mod fixture;
mod records;
mod replayed;

use replayed::{attributed, host};
use tcptrace::decode::{decode, kind_of};
use tcptrace::interpret::Interpreter;
use tcptrace::model::loss::{Loss, LossPlace};
use tcptrace::model::{Incident, Kind};
use tcptrace::sink::text::TextStyle;
use tcptrace::sink::{JsonSink, Sink, TextSink, TimeStyle};

fn replay() -> (Vec<Incident>, Vec<Loss>) {
    let (mut incidents, mut losses) = (Vec::new(), Vec::new());
    let mut interpreter = Interpreter::new(host());
    for bytes in records::all() {
        match decode(&bytes) {
            Ok(event) => {
                interpreter.on(attributed(event), &mut |incident| incidents.push(incident));
            }
            Err(_) => losses.push(Loss {
                place: LossPlace::Channel,
                of_kind: kind_of(&bytes).and_then(|kind| Kind::from_index(usize::from(kind))),
                hook: None,
                count: 1,
            }),
        }
    }
    interpreter.finish(&mut |incident| incidents.push(incident));
    (incidents, losses)
}

fn write(sink: &mut impl Sink) {
    let (incidents, losses) = replay();
    for incident in &incidents {
        sink.incident(incident).unwrap();
    }
    for loss in &losses {
        sink.loss(loss, 16_000_000_000).unwrap();
    }
    sink.flush().unwrap();
}

#[test]
fn records_have_every_kind() {
    let (incidents, _) = replay();
    for &kind in Kind::ALL {
        assert!(incidents.iter().any(|one| one.kind() == kind), "{kind}");
    }
}

#[test]
fn replayed_text_lines() {
    let style = TextStyle {
        time: TimeStyle::Relative,
        is_wide: true,
        ..TextStyle::default()
    };
    let mut out = Vec::new();
    write(&mut TextSink::new(&mut out, style, fixture::clock()));
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn replayed_ndjson_lines() {
    let mut out = Vec::new();
    write(&mut JsonSink::new(&mut out, fixture::clock()));
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}
