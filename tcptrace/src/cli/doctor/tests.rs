//! The page stays short and harmless, and what it leaves out is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::json_state;
use crate::cli::args::doctor::DOCTOR_HELP;
use crate::diagnose::tests::listener;
use crate::diagnose::{Tallies, damage, findings};
use crate::model::doctor::{Doctor, Weight};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Count, Host, Space, Survey, Values, WayIn};
use crate::sink;
use crate::sink::page::Page;

fn full_listener(netns: u32, comm: &str) -> ListenerRow {
    let mut row = ListenerRow {
        netns,
        pids: vec![42, 43],
        drops: Some(3),
        drops_risen: Some(1),
        ..listener(6, 5, None)
    };
    if let Some(owner) = &mut row.owner {
        Arc::make_mut(&mut owner.process).comm = comm.to_owned();
    }
    row
}

/// So many namespaces, each with settings, counters and a full listener of its own.
fn host(spaces: u32, comm: &str) -> Result<Survey, String> {
    let space = |netns: u32| {
        let mut settings = Values::default();
        settings.insert("net.core.somaxconn", &netns.to_string());
        let count = Count {
            total: 7,
            rose: Some(0),
        };
        Space {
            netns,
            way_in: WayIn::Pid(netns),
            processes: 2,
            settings,
            counters: Some(BTreeMap::from([("TcpExt.ListenDrops".to_owned(), count)])),
            time_wait: None,
            listeners: vec![full_listener(netns, comm)],
            ports: Vec::new(),
            stuck: Vec::new(),
        }
    };
    Ok(Survey {
        looked_ms: 1100,
        host: Host::default(),
        spaces: (1..=spaces).map(space).collect(),
        unseen: vec!["why \u{1b}[2J".to_owned()],
    })
}

fn printed(survey: &Result<Survey, String>) -> String {
    let found = survey.as_ref().map_or_else(
        |_| Vec::new(),
        |survey| findings(survey, &Tallies::default()),
    );
    let mut report = Doctor::default();
    json_state::add(&mut report, Some(survey), &found);
    let mut page = Page::default();
    sink::doctor::diagnosis(&mut page, &report, true);
    page.text().to_owned()
}

#[test]
fn two_hundred_namespaces_are_no_two_hundred_pages_and_the_rest_is_counted() {
    let text = printed(&host(200, "payments"));
    assert!(text.lines().count() < 400, "{}", text.lines().count());
    for rest in [
        "196 more groups of namespaces",
        "194 more namespaces have error counters",
        "and 180 more: tcptrace listeners",
        "190 more findings",
    ] {
        assert!(text.contains(rest), "{rest}: {text}");
    }
}

#[test]
fn what_fits_is_not_counted_as_left_out() {
    let text = printed(&host(4, "payments"));
    assert!(!text.contains(" more"), "{text}");
    assert!(
        text.contains("payments (42 +1) at 127.0.0.1:80 in netns 4"),
        "{text}"
    );
}

#[test]
fn a_hostile_name_reaches_no_terminal_and_no_line_is_too_long() {
    let text = printed(&host(3, &"\u{1b}]0;x\u{7}\u{202e}".repeat(9)));
    assert!(text.lines().all(|line| line.chars().count() <= 100));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    assert!(text.contains("why ?[2J"));
}

/// A host without listeners or counters that ever rose, observed for that long.
fn healthy(looked_ms: u64) -> String {
    let mut survey = host(1, "payments").unwrap();
    survey.looked_ms = looked_ms;
    survey.spaces[0].listeners.clear();
    let found = findings(&survey, &Tallies::default());
    assert_eq!(found, []);
    let survey = Ok(survey);
    let mut report = Doctor::default();
    json_state::add(&mut report, Some(&survey), &found);
    let mut page = Page::default();
    sink::doctor::diagnosis(&mut page, &report, false);
    page.text().to_owned()
}

#[test]
fn a_healthy_host_gets_three_lines_that_fit_a_terminal() {
    let text = healthy(2100);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(text.starts_with("Nothing is wrong now: "), "{text}");
    assert!(
        text.contains("Observed 2.1s. Error counters above 0: 1;"),
        "{text}"
    );
    assert!(text.contains("changed settings: 1 "), "{text}");
}

#[test]
fn a_look_that_was_too_short_does_not_say_that_nothing_is_wrong() {
    let text = healthy(999);
    assert!(text.starts_with("Observed too briefly"), "{text}");
    assert!(!text.contains("Nothing is wrong"), "{text}");
}

#[test]
fn what_could_not_be_looked_at_is_said() {
    let text = printed(&Err("no /proc".to_owned()));
    assert!(text.contains("not known") && text.contains("no /proc"));
}

#[test]
fn the_help_names_every_counter_that_makes_it_fail() {
    for (name, weight) in damage::names() {
        let name = name.rsplit('.').next().unwrap();
        let is_named = DOCTOR_HELP
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == name);
        assert_eq!(is_named, weight == Weight::Refused, "{name}");
    }
}
