//! One listener in sentences.

use super::{listener as row, values};
use crate::diagnose::listener::{Sentence, listener};
use crate::diagnose::settings::about_time_wait;
use crate::model::incident::LimitedBy;
use crate::model::rows::{ListenerRow, SpaceRow};
use crate::model::snapshot::{Settings, SpaceCounters};

fn space() -> SpaceRow {
    SpaceRow {
        netns: 7,
        is_own: true,
        settings: Settings {
            somaxconn: Some(4096),
            tcp_syncookies: Some(0),
            tcp_abort_on_overflow: Some(0),
            tcp_syn_retries: Some(6),
            tcp_syn_linear_timeouts: Some(4),
            ..Settings::default()
        },
        counters: SpaceCounters::default(),
        risen: None,
        ports: Vec::new(),
    }
}

fn text<'a>(says: &'a [Sentence], label: &str) -> &'a str {
    let found = says.iter().find(|(of, _)| *of == label);
    found.map_or("", |(_, text)| text)
}

fn says(row: &ListenerRow) -> Vec<Sentence> {
    let says = listener(row, &space(), None);
    assert!(
        says.iter()
            .all(|(label, text)| !label.is_empty() && !text.is_empty())
    );
    says
}

#[test]
fn a_full_accept_queue_gets_its_advice_and_a_calm_one_none() {
    let full = says(&row(129, 128, Some(LimitedBy::Backlog)));
    assert!(text(&full, "finding").starts_with("broken: the accept queue of payments (42)"));
    assert!(text(&full, "do first").contains("accept()"));
    let calm = says(&row(0, 128, Some(LimitedBy::Backlog)));
    assert_eq!(text(&calm, "finding"), "");
}

#[test]
fn a_full_syn_queue_gets_advice_of_its_own() {
    let mut full = row(0, 128, Some(LimitedBy::Backlog));
    full.syn_queue.length = 129;
    let full = says(&full);
    assert!(text(&full, "finding").contains("the SYN queue of payments (42)"));
    assert!(text(&full, "do first").contains("flood"), "{full:?}");
    assert!(
        !full
            .iter()
            .any(|(_, text)| text.contains("Find why accept()"))
    );
    assert_eq!(text(&full, "then"), "sysctl -w net.ipv4.tcp_syncookies=1");
}

#[test]
fn retries_are_those_of_this_kernels_settings() {
    let full = says(&row(129, 128, None));
    let when = text(&full, "when full");
    assert!(
        when.contains("after 1, 2, 3, 4, 5, 7, 11 s and so on"),
        "{when}"
    );
    assert!(!when.contains("1 s, 3 s, 7 s"));
}

#[test]
fn an_inferred_backlog_is_reported_as_one_of_two_reasons() {
    let full = row(17, 16, Some(LimitedBy::Backlog));
    let limit = |row: &ListenerRow| text(&says(row), "limit").to_owned();
    assert_eq!(
        limit(&full),
        "listen() was given 16, or net.core.somaxconn was 16 when it was called; somaxconn is 4096 \
         now"
    );
    let seen = ListenerRow {
        backlog: Some(16),
        backlog_is_seen: true,
        ..full.clone()
    };
    assert!(limit(&seen).starts_with("the backlog binds"));
    let raised = ListenerRow {
        backlog: Some(511),
        limited_by: Some(LimitedBy::Somaxconn),
        ..seen
    };
    assert!(limit(&raised).contains("given 511 and got 16; somaxconn is 4096 now, which the next"));
}

#[test]
fn recycling_is_only_spoken_of_where_it_exists() {
    let mut settings = space().settings;
    let names = |settings: &Settings| -> Vec<&str> {
        let about = about_time_wait(settings);
        about.into_iter().map(|(name, ..)| name).collect()
    };
    assert!(!names(&settings).contains(&"tcp_tw_recycle"));
    settings.tcp_tw_recycle = Some(0);
    assert!(names(&settings).contains(&"tcp_tw_recycle"));
    assert_eq!(values(&[]).text("net.core.somaxconn"), None);
}
