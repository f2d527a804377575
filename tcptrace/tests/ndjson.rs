//! NDJSON read back: what was written comes back equal, and lines from anybody do no harm.

mod fixture;

use std::borrow::Cow;

use proptest::prelude::*;
use tcptrace::model::incident::TimeWaitPhase;
use tcptrace::model::loss::{Loss, LossPlace};
use tcptrace::model::summary::Summary;
use tcptrace::model::{Clock, Incident, Kind, What};
use tcptrace::sink::{JsonSink, Sink};
use tcptrace::source::ndjson::{LONGEST_LINE, Line, NdjsonError, Parsed, parse};

fn written(clock: Clock, feed: impl FnOnce(&mut dyn Sink)) -> String {
    let mut out = Vec::new();
    let mut sink = JsonSink::new(&mut out, clock);
    feed(&mut sink);
    sink.flush().unwrap();
    drop(sink);
    String::from_utf8(out).unwrap()
}

fn line_of(incident: &Incident) -> String {
    written(fixture::clock(), |sink| sink.incident(incident).unwrap())
}

/// Without what NDJSON does not carry.
fn carried(mut incident: Incident) -> Incident {
    if let Some(owner) = &mut incident.owner {
        owner.tid = None;
    }
    if let What::TimeWait {
        phase, new_owner, ..
    } = &mut incident.what
    {
        if *phase != TimeWaitPhase::Reuse {
            *new_owner = None;
        }
        if let Some(owner) = new_owner {
            owner.tid = None;
        }
    }
    if incident.flow.unbound.is_some() {
        incident.flow.local = None;
    }
    incident
}

fn assert_comes_back(incident: Incident) {
    let line = line_of(&incident);
    let parsed = parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(parsed.boot_ns, Some(incident.boot_ns));
    let Line::Incident(read) = parsed.line else {
        panic!("no incident: {line}");
    };
    assert_eq!(line_of(&read), line);
    assert_eq!(read, carried(incident));
}

fn all_lines() -> Vec<String> {
    let text = written(fixture::clock(), |sink| {
        for incident in fixture::incidents() {
            sink.incident(&incident).unwrap();
        }
        for loss in fixture::losses() {
            sink.loss(&loss, 16_000_000_000).unwrap();
        }
        sink.summary(&fixture::summary()).unwrap();
    });
    text.lines().map(str::to_owned).collect()
}

fn error(line: &str) -> String {
    parse(line.as_bytes()).unwrap_err().to_string()
}

#[test]
fn every_golden_incident_comes_back_equal() {
    fixture::incidents().into_iter().for_each(assert_comes_back);
}

#[test]
fn an_address_without_a_port_comes_back_without_one() {
    let mut incident = fixture::incidents().remove(0);
    incident.flow.local = None;
    incident.flow.unbound = Some("10.0.0.1".parse().unwrap());
    assert_comes_back(incident);
}

#[test]
fn losses_come_back_with_their_moment() {
    for loss in fixture::losses() {
        let line = written(fixture::clock(), |sink| {
            sink.loss(&loss, 16_000_000_007).unwrap();
        });
        let parsed = parse(line.as_bytes()).unwrap();
        assert_eq!(parsed.line, Line::Lost(loss, 16_000_000_007));
    }
}

#[test]
fn a_summary_comes_back_and_shows_when_the_run_began() {
    let summary: Summary = fixture::summary();
    let line = written(fixture::clock(), |sink| sink.summary(&summary).unwrap());
    let Parsed {
        line: Line::Summary(read),
        boot_ns: Some(end_ns),
        boot_to_wall_ns,
    } = parse(line.as_bytes()).unwrap()
    else {
        panic!("{line}");
    };
    assert_eq!(read, summary);
    let clock = Clock {
        boot_to_wall_ns: boot_to_wall_ns.unwrap(),
        start_boot_ns: end_ns - read.duration_ms * 1_000_000,
    };
    assert_eq!(clock, fixture::clock());
    assert_eq!(written(clock, |sink| sink.summary(&read).unwrap()), line);
}

#[test]
fn each_line_shows_the_difference_of_the_clocks() {
    for line in all_lines() {
        let parsed = parse(line.as_bytes()).unwrap();
        assert_eq!(
            parsed.boot_to_wall_ns,
            Some(fixture::clock().boot_to_wall_ns),
            "{line}"
        );
    }
}

#[test]
fn a_line_end_does_not_matter() {
    let line = line_of(&fixture::incidents()[0]);
    let read = |end: &str| parse(format!("{}{end}", line.trim_end()).as_bytes()).unwrap();
    assert_eq!(read(""), read("\r\n"));
}

#[test]
fn an_unknown_field_is_passed_over_and_an_unknown_kind_is_reported() {
    let line = line_of(&fixture::incidents()[0]);
    let more = line.replacen('{', "{\"new_in_v1\":{\"deep\":[1,{\"x\":null}]},", 1);
    assert_eq!(
        parse(more.as_bytes()).unwrap(),
        parse(line.as_bytes()).unwrap()
    );
    let other = line.replace("\"kind\":\"rst_sent\"", "\"kind\":\"rst_guessed\"");
    let parsed = parse(other.as_bytes()).unwrap();
    assert_eq!(parsed.line, Line::Other("rst_guessed".to_owned()));
}

#[test]
fn a_newer_version_is_reported_apart_from_garbage() {
    let line = line_of(&fixture::incidents()[0]);
    let newer = line.replacen("\"v\":1", "\"v\":2", 1);
    assert_eq!(parse(newer.as_bytes()), Err(NdjsonError::Newer(2)));
    for strange in [
        "{}",
        "[1]",
        "7",
        "\"x\"",
        "{\"v\":1}",
        "{\"kind\":\"close\"}",
        "{\"v\":0,\"kind\":\"close\"}",
    ] {
        assert_eq!(
            parse(strange.as_bytes()),
            Err(NdjsonError::NotOurs),
            "{strange}"
        );
    }
    for garbage in ["", "garbage", "{\"v\":1,", &line[..line.len() / 2]] {
        let error = parse(garbage.as_bytes()).unwrap_err();
        assert!(
            matches!(error, NdjsonError::Syntax(_)),
            "{garbage}: {error}"
        );
    }
}

#[test]
fn an_error_names_the_field_and_what_was_expected() {
    let line = line_of(&fixture::incidents()[0]);
    let with = |from: &str, to: &str| {
        assert!(line.contains(from), "{from} in {line}");
        error(&line.replacen(from, to, 1))
    };
    let text = with("\"netns\":4026531840", "\"netns\":\"four\"");
    assert_eq!(
        text,
        "rst_sent netns: invalid type: string \"four\", expected u32"
    );
    let text = with("\"pid\":1234", "\"pid\":-1");
    assert_eq!(
        text,
        "rst_sent owner.pid: invalid value: integer `-1`, expected u32"
    );
    let text = with("\"cause\":\"linger_zero\"", "\"cause\":\"bad_luck\"");
    assert!(
        text.starts_with(
            "rst_sent cause: unknown variant `bad_luck`, expected one of `linger_zero`,"
        ),
        "{text}"
    );
    let text = with("\"evidence\":\"seen\",", "");
    assert_eq!(text, "rst_sent: missing field `evidence`");
    let text = with("\"addr\":\"127.0.0.1\"", "\"addr\":\"localhost\"");
    assert!(text.starts_with("rst_sent local.addr: "), "{text}");
    let text = with("{\"v\":1", "{\"mono_ns\":3,\"v\":1");
    assert_eq!(text, "rst_sent: duplicate field `mono_ns`");
    let text = with("\"ts\":\"20", "\"ts\":\"year 20");
    assert_eq!(text, "rst_sent ts: expected a time as in RFC 3339");
}

#[test]
fn endless_lines_texts_and_depths_are_refused() {
    let line = line_of(&fixture::incidents()[0]);
    let long = format!("{{\"v\":1,\"x\":\"{}\"}}", "a".repeat(LONGEST_LINE));
    assert!(matches!(
        parse(long.as_bytes()),
        Err(NdjsonError::TooLong(_))
    ));
    let name = line.replacen(
        "\"comm\":\"nginx\"",
        &format!("\"comm\":\"{}\"", "x".repeat(20_000)),
        1,
    );
    assert_eq!(error(&name), "a text of the line has more than 16384 bytes");
    let escaped = name.replacen(&"x".repeat(20_000), &"\\\"".repeat(10_000), 1);
    assert_eq!(error(&escaped), error(&name));
    let depth = 200_000;
    let deep = format!(
        "{{\"v\":1,\"kind\":\"close\",\"x\":{}{}}}",
        "[".repeat(depth),
        "]".repeat(depth)
    );
    // Passed over without going down; what matters is that it is answered.
    drop(parse(deep.as_bytes()));
}

#[test]
fn a_hook_of_another_version_is_kept_and_a_flood_of_them_refused() {
    let line = line_of(&fixture::incidents()[0]);
    let own = "\"hook\":\"tp_btf/tcp_send_reset\"";
    let hooked = |name: &str| {
        parse(
            line.replacen(own, &format!("\"hook\":\"{name}\""), 1)
                .as_bytes(),
        )
    };
    let Line::Incident(incident) = hooked("fexit/of_the_future").unwrap().line else {
        panic!("no incident");
    };
    assert_eq!(incident.hook, "fexit/of_the_future");
    assert!(hooked(&"x".repeat(65)).is_err());
    let kept = (0..1000)
        .filter(|n| hooked(&format!("hook/{n}")).is_ok())
        .count();
    assert!(kept < 200, "{kept}");
    assert!(hooked("fexit/of_the_future").is_ok() && hooked("tp_btf/kfree_skb").is_ok());
}

#[test]
fn kinds_of_a_newer_version_are_passed_over_in_a_summary() {
    let line = written(fixture::clock(), |sink| {
        sink.summary(&fixture::summary()).unwrap();
    });
    let more = line.replacen("\"by_kind\":{", "\"by_kind\":{\"rst_guessed\":4,", 1);
    let Line::Summary(read) = parse(more.as_bytes()).unwrap().line else {
        panic!("no summary");
    };
    assert_eq!(read, fixture::summary());
    let lost = written(fixture::clock(), |sink| {
        sink.loss(&fixture::losses()[0], 1).unwrap();
    });
    let Line::Lost(loss, _) = parse(lost.replace("\"state\"", "\"guessed\"").as_bytes())
        .unwrap()
        .line
    else {
        panic!("no loss");
    };
    assert_eq!(loss.of_kind, None);
}

fn any_loss() -> impl Strategy<Value = Loss> {
    let place = prop::sample::select(LossPlace::ALL);
    let kind = prop::option::of(prop::sample::select(Kind::ALL));
    (place, kind, any::<u64>()).prop_map(|(place, of_kind, count)| Loss {
        place,
        hook: (place == LossPlace::Kernel).then_some(Cow::Borrowed("tp_btf/timer_start")),
        of_kind,
        count,
    })
}

proptest! {
    #[test]
    fn any_incident_comes_back_equal(incident in fixture::arbitrary::any_incident()) {
        // Later than the year 2261 the line's time does not fit its own clock.
        let mut incident = incident;
        incident.boot_ns >>= 2;
        assert_comes_back(incident);
    }

    #[test]
    fn any_loss_comes_back_equal(loss in any_loss(), boot_ns in 0..u64::MAX / 4) {
        let line = written(fixture::clock(), |sink| sink.loss(&loss, boot_ns).unwrap());
        prop_assert_eq!(parse(line.as_bytes()).unwrap().line, Line::Lost(loss, boot_ns));
    }

    #[test]
    fn changed_lines_do_no_harm(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: Option<prop::sample::Index>,
    ) {
        let lines = all_lines();
        let mut bytes = which.get(&lines).clone().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        drop(parse(&bytes));
    }

    #[test]
    fn bytes_from_anywhere_do_no_harm(bytes: Vec<u8>) {
        drop(parse(&bytes));
    }
}
