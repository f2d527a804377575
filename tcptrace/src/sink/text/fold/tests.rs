//! Incidents with their times in, lines with their numbers out.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::super::folded;
use super::*;
use crate::model::flow::TcpState;
use crate::model::incident::{DropOutcome, Evidence, ResetCause};
use crate::model::{Basis, Family, Flow, Owner, Process};

const MS: u64 = 1_000_000;

fn end(last: u8, port: u16) -> Option<Endpoint> {
    let addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    Some(Endpoint { addr, port })
}

/// Of process `pid`, at this time, between these ends.
fn incident(what: What, pid: u32, at_ms: u64, local: (u8, u16), remote: (u8, u16)) -> Incident {
    let process = Process {
        pid,
        start_ticks: Some(77),
        comm: "server".to_owned(),
        name: None,
        exe: None,
        uid: None,
        cgroup: None,
        container: None,
    };
    Incident {
        boot_ns: at_ms * MS,
        flow: Flow {
            family: Family::Inet,
            local: end(local.0, local.1),
            unbound: None,
            remote: end(remote.0, remote.1),
            netns: Some(4),
            cookie: None,
        },
        state: Some(TcpState::Established),
        owner: Some(Owner {
            is_stale: false,
            process: Arc::new(process),
            basis: Basis::Socket,
            shared_by: None,
            tid: None,
            holders: None,
        }),
        hook: "tp_btf/x",
        evidence: Evidence::Seen,
        what,
    }
}

fn reset(cause: ResetCause) -> What {
    What::RstSent {
        cause,
        reason: None,
        unsent_bytes: None,
        unacked_bytes: None,
        unread_bytes: Some(22),
        linger: None,
    }
}

fn unread(at_ms: u64, peer: u8, port: u16) -> Incident {
    let what = reset(ResetCause::UnreadData);
    incident(what, 9, at_ms, (1, 443), (peer, port))
}

fn time_wait(phase: TimeWaitPhase, at_ms: u64, port: u16) -> Incident {
    let what = What::TimeWait {
        phase,
        substate: None,
        timeout_ms: Some(60_000),
        ended_by: None,
        new_owner: None,
    };
    incident(what, 9, at_ms, (1, 443), (2, port))
}

fn texts(folded: &[Folded]) -> Vec<String> {
    let text = |one: &Folded| format!("{} {}", folded::flow(one), folded::detail(one));
    folded.iter().map(text).collect()
}

#[test]
fn the_first_line_is_shown_at_once_and_the_rest_of_its_second_as_one() {
    let mut fold = Fold::default();
    assert!(fold.takes(&unread(5000, 2, 40_000), "unread_data 22B lost"));
    assert!(!fold.takes(&unread(5100, 2, 40_001), "unread_data 9B lost"));
    assert!(!fold.takes(&unread(5999, 3, 40_002), "unread_data 60B lost"));
    assert!(fold.due(5999 * MS).is_empty());
    let due = fold.due(6000 * MS);
    assert_eq!(
        texts(&due),
        ["10.0.0.1:443 > 2 peers ×2 more unread_data 9-60B lost"]
    );
    assert_eq!(due[0].last_ns, 5999 * MS);
}

#[test]
fn a_group_that_goes_on_is_one_line_a_second_and_one_that_rested_begins_again() {
    let mut fold = Fold::default();
    assert!(fold.takes(&unread(0, 2, 40_000), "a"));
    assert!(!fold.takes(&unread(10, 2, 40_001), "a"));
    assert_eq!(fold.due(1000 * MS)[0].count, 1);
    for port in 0..5 {
        assert!(!fold.takes(&unread(1500, 2, 40_000 + port), "a"));
    }
    assert_eq!(
        texts(&fold.due(2100 * MS)),
        ["10.0.0.1:443 > 10.0.0.2:* ×5 more a"]
    );
    assert!(fold.due(3200 * MS).is_empty());
    assert!(fold.takes(&unread(3300, 2, 40_009), "a"));
    // Nobody asked for a long time: the line of then comes out, and the next is a first one.
    assert!(!fold.takes(&unread(3400, 2, 40_010), "a"));
    assert_eq!(fold.due(90_000 * MS).len(), 1);
    assert!(fold.takes(&unread(90_000, 2, 40_011), "a"));
}

#[test]
fn cause_owner_service_and_direction_show_groups_apart() {
    let mut fold = Fold::default();
    assert!(fold.takes(&unread(0, 2, 40_000), "a"));
    let linger = reset(ResetCause::LingerZero);
    assert!(fold.takes(&incident(linger, 9, 1, (1, 443), (2, 40_001)), "a"));
    let other = |pid, local, remote| incident(reset(ResetCause::UnreadData), pid, 2, local, remote);
    assert!(fold.takes(&other(8, (1, 443), (2, 40_002)), "a"));
    assert!(fold.takes(&other(9, (1, 80), (2, 40_003)), "a"));
    assert!(fold.takes(&other(9, (1, 40_004), (2, 443)), "a"));
    // The same service called from another local port.
    assert!(!fold.takes(&other(9, (1, 40_005), (2, 443)), "a"));
    assert!(!fold.takes(&other(9, (1, 40_006), (2, 443)), "a"));
    assert_eq!(texts(&fold.rest()), ["10.0.0.1:* > 10.0.0.2:443 ×2 more a"]);
}

#[test]
fn who_is_refused_at_a_listener_came_in_whatever_the_ports() {
    let mut fold = Fold::default();
    let refused = |at_ms, peer, port| {
        let what = What::SynDrop {
            outcome: Some(DropOutcome::Dropped),
            queue: None,
            limited_by: None,
            count: 1,
        };
        incident(what, 9, at_ms, (1, 9000), (peer, port))
    };
    assert!(fold.takes(&refused(0, 2, 1024), "dropped"));
    assert!(!fold.takes(&refused(1, 3, 1025), "dropped"));
    assert!(!fold.takes(&refused(2, 4, 60_000), "dropped"));
    assert_eq!(
        texts(&fold.rest()),
        ["10.0.0.1:9000 > 2 peers ×2 more dropped"]
    );
}

#[test]
fn between_two_ports_of_clients_the_end_that_stays_the_same_is_shown() {
    let mut fold = Fold::default();
    let linger = |at_ms, port| {
        let what = reset(ResetCause::LingerZero);
        incident(what, 9, at_ms, (1, port), (7, 43_031))
    };
    assert!(fold.takes(&linger(0, 39_486), "a"));
    assert!(!fold.takes(&linger(1, 39_488), "a"));
    assert!(!fold.takes(&linger(2, 50_000), "a"));
    assert_eq!(
        texts(&fold.rest()),
        ["10.0.0.1:* > 10.0.0.7:43031 ×2 more a"]
    );
}

#[test]
fn ordinary_lines_are_folded_from_the_first_by_owner() {
    let mut fold = Fold::default();
    for port in 0..500 {
        let enter = time_wait(TimeWaitPhase::Enter, u64::from(port), 40_000 + port);
        assert!(!fold.takes(&enter, "enter 60.0s TIME_WAIT"));
    }
    assert!(!fold.takes(&time_wait(TimeWaitPhase::Expire, 600, 40_000), "expire"));
    assert!(fold.takes(&time_wait(TimeWaitPhase::Overflow, 700, 40_000), "overflow"));
    let due = fold.due(1000 * MS);
    assert_eq!(
        texts(&due),
        ["10.0.0.1:443 > 10.0.0.2:* ×500 enter 60.0s TIME_WAIT"]
    );
    let due = fold.due(1600 * MS);
    assert_eq!((due.len(), due[0].count), (1, 1));
}

#[test]
fn memory_is_bounded_and_the_numbers_add_up() {
    let mut fold = Fold::default();
    let (mut came, mut shown) = (0u64, 0u64);
    for round in 0..3 {
        for port in 1..=2000u16 {
            let local = (1, port);
            let what = reset(ResetCause::UnreadData);
            let one = incident(what, 9, round * 300, local, (2, 50_000 + port));
            came += 1;
            shown += u64::from(fold.takes(&one, "a"));
        }
        assert!(fold.groups.len() <= MOST_GROUPS);
        shown += fold
            .due(round * 300 * MS)
            .iter()
            .map(|f| f.count)
            .sum::<u64>();
    }
    shown += fold.rest().iter().map(|one| one.count).sum::<u64>();
    assert_eq!((came, shown), (6000, 6000));
}

#[test]
fn many_peers_are_not_counted_beyond_what_is_kept() {
    let mut fold = Fold::default();
    for at in 0..1000u16 {
        let what = reset(ResetCause::UnreadData);
        let mut one = incident(what, 9, 1, (1, 443), (2, 40_000));
        let [high, low] = at.to_be_bytes();
        let addr = IpAddr::V4(Ipv4Addr::new(10, 9, high, low));
        one.flow.remote = Some(Endpoint { addr, port: 40_000 });
        fold.takes(&one, "a");
    }
    assert_eq!(
        texts(&fold.rest()),
        ["10.0.0.1:443 > 256+ peers ×999 more a"]
    );
}

#[test]
fn an_owner_that_only_used_the_socket_last_stands_in_no_group_of_certain_ones() {
    let stale = |at_ms, port| {
        let mut incident = unread(at_ms, 2, port);
        incident.owner.as_mut().unwrap().is_stale = true;
        incident
    };
    let snapshot = |at_ms, port| {
        let mut incident = unread(at_ms, 2, port);
        incident.owner.as_mut().unwrap().basis = Basis::Snapshot;
        incident
    };
    let inferred = |at_ms, port| {
        let mut incident = unread(at_ms, 2, port);
        incident.evidence = Evidence::Inferred;
        incident
    };
    let mut fold = Fold::default();
    for at in 0..4 {
        let at_ms = 100 + at;
        let incidents = [
            unread(at_ms, 2, 40_000),
            stale(at_ms, 40_001),
            snapshot(at_ms, 40_002),
            inferred(at_ms, 40_003),
        ];
        for (place, incident) in incidents.into_iter().enumerate() {
            assert_eq!(fold.takes(&incident, "unread_data 22B"), at == 0, "{place}");
        }
    }
    let folded = fold.due(2_000 * MS);
    let counts: Vec<u64> = folded.iter().map(|folded| folded.count).collect();
    assert_eq!(counts, [3; 4]);
    let marks: Vec<&str> = folded
        .iter()
        .map(|folded| suffix(folded.first.owner.as_ref().unwrap()))
        .collect();
    assert_eq!(
        marks.iter().filter(|mark| mark.is_empty()).count(),
        2,
        "{marks:?}"
    );
    assert_eq!(
        marks.iter().filter(|mark| **mark == "(snapshot)").count(),
        1
    );
}
