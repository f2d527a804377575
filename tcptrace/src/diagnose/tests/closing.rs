//! Connections that end badly: what makes a finding, and the twin that must not.

use super::families::{incident, reset};
use super::{counted, found, ids, space, survey};
use crate::diagnose::{Tallies, findings};
use crate::model::What;
use crate::model::finding::{Finding, Severity};
use crate::model::flow::TcpState;
use crate::model::incident::{LingerOutcome, ResetCause};
use crate::model::rows::{Anomaly, Held, StateRow};
use crate::model::survey::Survey;

fn of(what: impl IntoIterator<Item = What>) -> Vec<Finding> {
    let mut tallies = Tallies::default();
    for what in what {
        tallies.on(&incident(what), 1);
    }
    findings(&Survey::default(), &tallies)
}

fn lingering(outcome: LingerOutcome) -> What {
    What::LingerClose {
        linger_seconds: Some(7),
        blocked_ms: 1234,
        outcome,
        unsent_bytes: Some(0),
        unacked_bytes: Some(55),
        remaining_bytes: Some(55),
    }
}

#[test]
fn a_close_that_blocks_is_broken_only_where_data_may_be_lost() {
    let drained = of([lingering(LingerOutcome::Drained)]);
    assert_eq!(ids(&drained), [("closes_block", Severity::Degraded)]);
    let both = [LingerOutcome::Drained, LingerOutcome::TimedOut].map(lingering);
    let lost = of(both);
    assert_eq!(ids(&lost), [("closes_block", Severity::Broken)]);
    let says = |text: &str| lost[0].evidence.iter().any(|proof| proof.text == text);
    assert!(says("close() blocked for up to 1234 ms"), "{lost:?}");
    assert_eq!(lost[0].who[0].process.pid, 42);
}

#[test]
fn late_data_is_no_other_reset() {
    let late = of([reset(ResetCause::LateData).what]);
    assert_eq!(ids(&late), [("late_data_resets", Severity::Broken)]);
    assert!(late[0].do_first.contains("read until EOF"), "{late:?}");
    let other = of([reset(ResetCause::UnreadData).what]);
    assert_eq!(ids(&other), [("unread_data_resets", Severity::Broken)]);
}

fn close_wait(anomaly: Option<Anomaly>) -> Vec<Finding> {
    let mut space = space(7);
    space.stuck = vec![StateRow {
        netns: 7,
        state: TcpState::CloseWait,
        held: Held::Process,
        owner: super::listener(0, 0, None).owner,
        count: 31,
        unread_bytes: 0,
        unacked_bytes: None,
        unsent_bytes: None,
        window_shut: 0,
        window_shut_ms_max: None,
        stuck: 0,
        stuck_ms_max: None,
        own_window_shut: None,
        resends_max: 0,
        silent_ms_max: Some(77_000),
        top_remote: None,
        anomaly,
    }];
    found(&survey(space))
}

#[test]
fn sockets_that_pile_up_in_close_wait_name_who_does_not_close() {
    let leak = close_wait(Some(Anomaly::CloseWaitPiling));
    assert_eq!(ids(&leak), [("close_wait_leak", Severity::Risk)]);
    assert!(leak[0].title.starts_with("payments (42) does not close 31"));
    assert!(leak[0].evidence[1].text.contains("77 s"), "{leak:?}");
    assert_eq!(close_wait(None), []);
}

#[test]
fn closed_sockets_that_are_discarded_are_broken_while_the_counter_rises() {
    let judged = |total, rose| {
        let counts = [("TcpExt.TCPAbortOnMemory", total, Some(rose))];
        found(&survey(counted(&counts)))
    };
    let now = [("closed_sockets_discarded", Severity::Broken)];
    assert_eq!(ids(&judged(80, 33)), now);
    let earlier = [("closed_sockets_discarded", Severity::Risk)];
    assert_eq!(ids(&judged(80, 0)), earlier);
    assert_eq!(judged(0, 0), []);
}

#[test]
fn rejected_timestamps_are_a_risk_once_counted_and_nothing_at_zero() {
    let paws = |total| found(&survey(counted(&[("TcpExt.PAWSEstab", total, Some(0))])));
    assert_eq!(ids(&paws(28)), [("paws", Severity::Risk)]);
    assert_eq!(paws(0), []);
}
