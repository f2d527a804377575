//! No name, path or reason of others reaches a terminal, a page or a line of JSON raw, whatever is in it: C0,
//! C1, characters that turn the direction or have no width, and bytes that are no UTF-8.
//!
//! Every sink prints the same hostile names in every place that it has for a text from outside. Words of the
//! command line are tried in `cli.rs`.

mod fixture;

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use tcptrace::model::doctor::{
    Children, Doctor, FactSource, FoundBy, Function, HurtListener, KernelTypes, Namespace,
    OlderSockets, Privileges, Reasons, Setting, SettingGroup, SettingsGroup, SignalRow,
};
use tcptrace::model::finding::{Change, Finding, Proof, Severity};
use tcptrace::model::incident::Queue;
use tcptrace::model::loss::{Loss, LossPlace};
use tcptrace::model::rows::Page;
use tcptrace::model::sample::{ListenerSample, SpaceSample};
use tcptrace::model::summary::Summary;
use tcptrace::model::{Family, Incident, Kind, Owner, RunFacts, Sample};
use tcptrace::report::{Story, page};
use tcptrace::sink::sanitize::is_hostile;
use tcptrace::sink::text::TextStyle;
use tcptrace::sink::{JsonSink, Messages, Sink, TableStyle, TextSink, json, table};
use tcptrace::tui::control::{Action, Control, Tab};
use tcptrace::tui::sink::{Shared, TopSink};
use tcptrace::tui::state::{Source, State};
use tcptrace::tui::theme::{Marks, Theme};
use tcptrace::tui::view::{self, Look};

/// A run of which every text is chosen by others.
#[derive(Debug)]
struct Run {
    name: String,
    owner: Owner,
    incidents: Vec<Incident>,
}

fn run() -> impl Strategy<Value = Run> {
    (
        fixture::arbitrary::name(),
        fixture::arbitrary::owner(),
        prop::collection::vec(fixture::arbitrary::any_incident(), 1..6),
    )
        .prop_map(|(name, owner, mut incidents)| {
            // Within a run that a screen can show.
            for (at, incident) in (0..).zip(&mut incidents) {
                incident.boot_ns = 6_000_000_000 + at;
            }
            Run {
                name,
                owner,
                incidents,
            }
        })
}

impl Run {
    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn facts(&self) -> RunFacts {
        RunFacts {
            host_name: Some(self.name.clone()),
            kernel: self.name.clone(),
            version: self.name.clone(),
            words: self.names(),
            hooks: self.names(),
            unseen: self.names(),
            ..fixture::stories::facts()
        }
    }

    fn sample(&self) -> Sample {
        let listener = ListenerSample {
            family: Family::Inet,
            local: fixture::end("10.0.0.1:80"),
            cookie: 4_711,
            holder: Some(Arc::clone(&self.owner.process)),
            accept_queue: Queue {
                length: 129,
                limit: 128,
            },
            drops: Some(17),
        };
        Sample {
            boot_ns: 6_500_000_000,
            spaces: vec![SpaceSample {
                netns: 4_026_531_840,
                listeners: vec![listener],
                ..SpaceSample::default()
            }],
        }
    }

    fn summary(&self) -> Summary {
        let mut summary = fixture::summary();
        for owner in &mut summary.by_owner {
            owner.comm = Some(self.name.clone());
        }
        for row in &mut summary.reconciliation {
            row.counter = self.name.clone().into();
            row.note = Some(self.name.clone());
        }
        summary
    }

    fn findings(&self) -> Vec<Finding> {
        let name = || self.name.clone();
        vec![Finding {
            id: "accept_queue_full",
            severity: Severity::Broken,
            title: name(),
            netns: Some(4_026_531_840),
            who: vec![self.owner.clone()],
            since_ns: None,
            rate_per_s: Some(1.5),
            count: 17,
            evidence: vec![Proof {
                text: name(),
                value: Some(3),
                source: name(),
            }],
            why: name(),
            do_first: name(),
            do_then: Some(Change {
                command: name(),
                risk: name(),
            }),
            explain: Some((Kind::AcceptDrop, None)),
            topics: Vec::new(),
        }]
    }

    /// Everything that a sink is given.
    fn feed(&self, sink: &mut dyn Sink) {
        sink.begin(&self.facts()).unwrap();
        for incident in &self.incidents {
            sink.incident(incident).unwrap();
        }
        sink.sample(&self.sample()).unwrap();
        let loss = Loss {
            place: LossPlace::Kernel,
            of_kind: None,
            hook: Some(self.name.clone().into()),
            count: 7,
        };
        sink.loss(&loss, 6_600_000_000).unwrap();
        sink.notice(&self.name).unwrap();
        sink.tick(6_700_000_000).unwrap();
        sink.findings(&self.findings()).unwrap();
        sink.summary(&self.summary()).unwrap();
        sink.flush().unwrap();
    }

    fn rows<R: Clone>(&self, page: &Page<R>, own: impl Fn(&mut R, &Owner)) -> Page<R> {
        let mut page = page.clone();
        page.unseen = self.names();
        page.reconciliation = self.summary().reconciliation;
        page.rows.iter_mut().for_each(|row| own(row, &self.owner));
        page
    }
}

/// Without the colours that a sink adds: `ESC [ digits m`.
fn uncolored(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.strip_prefix('m') {
            Some(rest) => out.push_str(rest),
            None => out.push_str(&format!("\u{1b}[{part}")),
        }
    }
    out
}

#[track_caller]
fn assert_harmless(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = uncolored(text);
    let hostile = text.chars().find(|c| *c != '\n' && is_hostile(*c));
    assert_eq!(hostile, None, "{what}: {text:?}");
}

/// Each line is one object: no name ends a line.
#[track_caller]
fn assert_lines_of_json(what: &str, bytes: &[u8]) {
    assert_harmless(what, bytes);
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let object: serde_json::Value = serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{what}: {error}: {}", String::from_utf8_lossy(line)));
        assert!(object.is_object(), "{what}");
    }
}

/// Columns that a user may choose, of which others choose the text.
const COLUMNS: [&str; 7] = [
    "process",
    "owner.comm",
    "owner.exe",
    "owner.cgroup",
    "owner.container",
    "reason",
    "detail",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn chosen_columns(run in run()) {
        let columns = COLUMNS.map(str::to_owned);
        let mut out = Vec::new();
        run.feed(&mut TextSink::of_columns(&mut out, TextStyle::default(), fixture::clock(), &columns));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1 + run.incidents.len());
        assert_harmless("columns", &out);
    }

    #[test]
    fn lines_for_people(run in run(), is_wide: bool, is_colored: bool, is_folded: bool) {
        let style = TextStyle { is_wide, is_colored, is_folded, ..TextStyle::default() };
        let mut out = Vec::new();
        run.feed(&mut TextSink::new(&mut out, style, fixture::clock()));
        assert!(out.iter().filter(|byte| **byte == b'\n').count() <= 1 + run.incidents.len());
        assert_harmless("text", &out);
    }

    #[test]
    fn losses_notices_findings_and_the_summary(run in run(), is_wide: bool, is_colored: bool) {
        let mut out = Vec::new();
        run.feed(&mut Messages::new(&mut out, is_colored, true).wide(is_wide));
        assert_harmless("summary", &out);
    }

    #[test]
    fn ndjson(run in run()) {
        let mut out = Vec::new();
        let mut sink = JsonSink::new(&mut out, fixture::clock());
        run.feed(&mut sink);
        let owned = |owner: &mut Option<Owner>, by: &Owner| *owner = Some(by.clone());
        sink.page(&run.rows(&fixture::rows::listeners(), |row, by| owned(&mut row.owner, by))).unwrap();
        sink.page(&run.rows(&fixture::rows::states(), |row, by| owned(&mut row.owner, by))).unwrap();
        sink.page(&run.rows(&fixture::rows::time_waits(), |row, by| owned(&mut row.owner, by))).unwrap();
        sink.flush().unwrap();
        drop(sink);
        assert!(out.len() > 5_000);
        assert_lines_of_json("ndjson", &out);
    }

    #[test]
    fn tables(run in run(), is_wide: bool, is_colored: bool, is_clipped: bool) {
        let style = TableStyle { is_wide, has_header: true, is_colored, columns: 100, text_columns: 100, is_clipped };
        let owned = |owner: &mut Option<Owner>, by: &Owner| *owner = Some(by.clone());
        let mut out = Vec::new();
        table::listeners(&mut out, &run.rows(&fixture::rows::listeners(), |row, by| {
            owned(&mut row.owner, by);
        }), &style);
        table::states(&mut out, &run.rows(&fixture::rows::states(), |row, by| owned(&mut row.owner, by)), &style);
        let settings = vec![("tcp_tw_reuse", run.name.clone(), run.name.clone())];
        let settings = [settings, Vec::new()];
        let page = run.rows(&fixture::rows::time_waits(), |row, by| owned(&mut row.owner, by));
        table::timewait(&mut out, &page, &settings, &style);
        assert_harmless("tables", &out);
    }

    #[test]
    fn the_report_of_doctor(run in run()) {
        let (name, names, findings) = (run.name.as_str(), run.names(), run.findings());
        let served = || FactSource {
            evidence: None,
            hook: Some(name),
            tier: None,
            blind_to: Some(name),
            refusals: &names,
        };
        let setting = Setting {
            name: "net.core.somaxconn",
            group: SettingGroup::Queues,
            value: Some(run.name.clone()),
            default: Some(run.name.clone()),
            changed: Some(true),
            effect: Some(run.name.clone()),
        };
        let kernel = KernelTypes {
            release: name,
            runs_here: true,
            fields_known: 17,
            fields_absent: run.names(),
            reset_reasons: Reasons { names: 3, reported: true },
            drop_reasons: Reasons { names: 4, reported: false },
            drop_socket: true,
            functions: vec![Function { name: "tw_timer_handler", found: false, refused: Some(name) }],
            ticks_per_second: Some(250),
        };
        let listener = HurtListener {
            netns: 4_026_531_840,
            local: fixture::end("10.0.0.1:80"),
            cookie: 17,
            pids: &[42, 43],
            comm: Some(name),
            accept_queue: Queue { length: 6, limit: 5 },
            full: true,
            limited_by: None,
            drops: Some(3),
            drops_rose: Some(1),
        };
        let space = Namespace {
            netns: 4_026_531_841,
            own: false,
            processes: 0,
            pid: None,
            file: Some(name),
            listeners: 1,
            time_wait_entries: None,
            counters: None,
        };
        let report = Doctor {
            privileges: Some(Privileges {
                capabilities: Vec::new(),
                user_namespace: None,
                lockdown: None,
                notes: run.names(),
            }),
            kernel: Some(kernel),
            kernel_error: Some(name),
            untried: Some(name),
            signals: vec![SignalRow {
                served: served(),
                kind: Kind::RstSent,
                part: "of sockets",
                fact: "sent by a socket",
            }],
            accept: Some(served()),
            backlogs: Some(served()),
            accept_waits: Some(served()),
            programs: Some(&names),
            older_sockets: Some(OlderSockets { by: FoundBy::Proc, refused: Some(name) }),
            children: Some(Children { hook: Some(run.name.clone()), refused: Some(name) }),
            settings: Some(vec![SettingsGroup {
                namespaces: vec![4_026_531_841],
                values: vec![setting],
            }]),
            namespaces: Some(vec![space]),
            listeners: Some(vec![listener]),
            findings: Some(&findings),
            unseen: Some(&names),
            ..Doctor::default()
        };
        assert_lines_of_json("doctor --json", &json::line(&report));
        let mut page = tcptrace::sink::page::Page::default();
        tcptrace::sink::doctor::diagnosis(&mut page, &report, true);
        tcptrace::sink::doctor::hooks(&mut page, &report);
        assert_harmless("doctor", page.text().as_bytes());
        let failed = Doctor { counters_error: Some(name), ..Doctor::default() };
        let mut page = tcptrace::sink::page::Page::default();
        tcptrace::sink::doctor::diagnosis(&mut page, &failed, true);
        assert_harmless("doctor that failed", page.text().as_bytes());
    }

    #[test]
    fn the_page_of_a_report(run in run()) {
        let mut story = Story::default();
        story.source(&run.name);
        story.flaw(&run.name);
        run.feed(&mut story);
        let document = page(&story, &TimeZone::UTC);
        assert_harmless("report", document.as_bytes());
        assert!(!document.contains("<script"));
    }

    #[test]
    fn every_screen_of_top(run in run(), is_colored: bool) {
        let shared = Shared::new(State::new(Source::Live));
        run.feed(&mut TopSink::new(shared.clone()));
        let look = Look { theme: Theme { is_colored, marks: Marks::Unicode }, zone: TimeZone::UTC };
        for tab in Tab::ALL {
            let mut control = Control::default();
            control.apply(Action::Tab(tab), &shared);
            for with_details in [false, true] {
                if with_details {
                    control.apply(Action::Open, &shared);
                }
                let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
                let seen = view::draw(&mut buffer, &shared.lock(), &control, &look);
                control.seen = seen;
                let text: String = buffer.content().iter().map(Cell::symbol).collect();
                assert_harmless("top", text.as_bytes());
            }
        }
    }
}

/// What the sinks above are given is hostile indeed, and the check finds it.
#[test]
fn the_names_are_hostile_and_the_check_finds_them() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let names: Vec<String> = (0..1_000)
        .map(|_| {
            fixture::arbitrary::name()
                .new_tree(&mut runner)
                .unwrap()
                .current()
        })
        .collect();
    let with = |sign: char| names.iter().filter(|name| name.contains(sign)).count();
    for sign in ['\u{1b}', '\u{9b}', '\u{202e}', '\0', '\n', '\u{fffd}'] {
        assert!(with(sign) > 50, "{sign:?}: {}", with(sign));
    }
    assert_harmless("plain", "\u{1b}[31mred\u{1b}[0m\n".as_bytes());
    for raw in ["\u{1b}[2J", "\u{9b}m", "\u{202e}", "a\rb"] {
        let found = std::panic::catch_unwind(|| assert_harmless("raw", raw.as_bytes()));
        assert!(found.is_err(), "{raw:?}");
    }
}
