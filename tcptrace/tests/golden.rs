//! What the sinks write for a fixed list of incidents, to the byte.

mod fixture;

use proptest::prelude::*;
use tcptrace::model::{Incident, Kind};
use tcptrace::sink::sanitize::is_hostile;
use tcptrace::sink::text::{COLUMNS, TextStyle, column_names};
use tcptrace::sink::{JsonSink, Messages, Sink, TextSink, TimeStyle};

fn text(style: TextStyle, incidents: &[Incident]) -> String {
    let mut out = Vec::new();
    let mut sink = TextSink::new(&mut out, style, fixture::clock());
    for incident in incidents {
        sink.incident(incident).unwrap();
    }
    sink.flush().unwrap();
    drop(sink);
    String::from_utf8(out).unwrap()
}

fn style() -> TextStyle {
    TextStyle {
        time: TimeStyle::Utc,
        ..TextStyle::default()
    }
}

#[test]
fn the_list_has_every_kind() {
    let all = fixture::incidents();
    for &kind in Kind::ALL {
        assert!(all.iter().any(|incident| incident.kind() == kind), "{kind}");
    }
}

#[test]
fn text_lines() {
    insta::assert_snapshot!(text(style(), &fixture::incidents()));
}

fn chosen(style: TextStyle, list: &str, incidents: &[Incident]) -> String {
    let columns: Vec<String> = list.split(',').map(str::to_owned).collect();
    let mut out = Vec::new();
    let mut sink = TextSink::of_columns(&mut out, style, fixture::clock(), &columns);
    for incident in incidents {
        sink.incident(incident).unwrap();
    }
    sink.flush().unwrap();
    drop(sink);
    String::from_utf8(out).unwrap()
}

#[test]
fn text_lines_of_chosen_columns() {
    let style = TextStyle {
        // On a terminal: columns that were asked for are not folded.
        is_folded: true,
        ..style()
    };
    let list = "time,pid,kind,owner.uid,cause,linger.seconds,remote,process,detail";
    insta::assert_snapshot!(chosen(style, list, &fixture::incidents()));
}

#[test]
fn every_name_of_a_line_has_a_value_in_some_incident() {
    let style = TextStyle {
        has_header: false,
        ..style()
    };
    for name in column_names() {
        let text = chosen(style, &name, &fixture::incidents());
        let is_there = |line: &str| !matches!(line.trim(), "-" | "");
        // Left out of an object where it says nothing.
        let is_optional = name.ends_with(".name") || name == "gave_up";
        assert!(text.lines().any(is_there) || is_optional, "{name}: {text}");
    }
}

#[test]
fn on_a_narrow_terminal_details_have_a_line_of_their_own() {
    let columns = 80;
    let style = TextStyle { columns, ..style() };
    let incidents = fixture::incidents();
    let text = text(style, &incidents);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 * (1 + incidents.len()), "{text}");
    for pair in lines.chunks(2) {
        assert!(
            !pair[0].ends_with(' ') && pair[1].starts_with("    "),
            "{pair:?}"
        );
        assert!(pair[1].chars().count() <= columns, "{pair:?}");
    }
    assert!(lines[1].contains("DETAIL"), "{text}");
    let is_whole = |line: &&&str| line.contains("linger_zero") && line.contains("unsent=");
    assert!(lines.iter().any(|line| is_whole(&line)), "{text}");
}

#[test]
fn wide_text_lines() {
    let style = TextStyle {
        is_wide: true,
        time: TimeStyle::Relative,
        ..style()
    };
    insta::assert_snapshot!(text(style, &fixture::incidents()));
}

#[test]
fn coloured_text_lines_without_time_and_header() {
    let style = TextStyle {
        is_colored: true,
        time: TimeStyle::None,
        has_header: false,
        ..style()
    };
    insta::assert_snapshot!(text(style, &fixture::incidents()[..8]).replace('\u{1b}', "ESC"));
}

#[test]
fn ndjson_lines() {
    let mut out = Vec::new();
    let mut sink = JsonSink::new(&mut out, fixture::clock());
    for incident in fixture::incidents() {
        sink.incident(&incident).unwrap();
    }
    for loss in fixture::losses() {
        sink.loss(&loss, 16_000_000_000).unwrap();
    }
    sink.summary(&fixture::summary()).unwrap();
    sink.flush().unwrap();
    drop(sink);
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn ndjson_rows() {
    let mut out = Vec::new();
    let mut sink = JsonSink::new(&mut out, fixture::clock());
    sink.page(&fixture::rows::listeners()).unwrap();
    sink.page(&fixture::rows::states()).unwrap();
    sink.page(&fixture::rows::time_waits()).unwrap();
    sink.flush().unwrap();
    drop(sink);
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

fn talk(has_summary: bool) -> String {
    let mut out = Vec::new();
    let mut talk = Messages::new(&mut out, false, has_summary);
    for loss in fixture::losses() {
        talk.loss(&loss, 0).unwrap();
    }
    talk.summary(&fixture::summary()).unwrap();
    talk.flush().unwrap();
    drop(talk);
    String::from_utf8(out).unwrap()
}

#[test]
fn losses_and_summary_for_people() {
    insta::assert_snapshot!(talk(true));
}

#[test]
fn quiet_still_shows_losses() {
    assert_eq!(talk(false).lines().count(), fixture::losses().len());
}

proptest! {
    #[test]
    fn a_line_is_one_harmless_line_and_fits(incident in fixture::arbitrary::any_incident()) {
        let style = TextStyle { has_header: false, ..style() };
        let written = text(style, std::slice::from_ref(&incident));
        let line = written.strip_suffix('\n').unwrap();
        prop_assert!(!line.chars().any(is_hostile), "{line:?}");
        let flow = &incident.flow;
        let has_ipv6 = [flow.local, flow.remote].iter().flatten().any(|end| end.addr.is_ipv6());
        // Linux gives no PID above 4194304.
        let is_real = incident.owner.as_ref().is_none_or(|owner| owner.process.pid <= 4_194_304);
        if !has_ipv6 && is_real {
            prop_assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }
}
