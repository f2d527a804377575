//! Tests of the folds, and the input for the tests of the views and the loop.

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::listeners::ListenerKey;
use super::resets::Way;
use super::*;
use crate::model::flow::TcpState;
use crate::model::incident::*;
use crate::model::loss::LossPlace;
use crate::model::sample::{ListenerSample, SpaceSample};
use crate::model::{Basis, Clock, Endpoint, Evidence, Family, Flow, KindSet, Owner, Process, What};

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const BEGIN: u64 = 1000 * SECOND;
pub(crate) const NETNS: u32 = 4_026_531_840;

pub(crate) fn end(text: &str) -> Endpoint {
    let at: SocketAddr = text.parse().unwrap();
    Endpoint {
        addr: at.ip(),
        port: at.port(),
    }
}

pub(crate) fn process(pid: u32, comm: &str) -> Arc<Process> {
    Arc::new(Process {
        pid,
        start_ticks: Some(u64::from(pid) * 7),
        comm: comm.to_owned(),
        exe: Some(format!("/usr/bin/{comm}")),
        uid: Some(33),
        cgroup: Some(format!("/system.slice/{comm}.service")),
        container: None,
        ..Process::default()
    })
}

pub(crate) fn incident(at: u64, owner: Option<&Arc<Process>>, what: What) -> Incident {
    Incident {
        boot_ns: BEGIN + at,
        flow: Flow {
            family: Family::Inet,
            local: Some(end("10.0.0.1:443")),
            unbound: None,
            remote: Some(end("10.0.0.2:50000")),
            netns: Some(NETNS),
            cookie: Some(4097),
        },
        state: Some(TcpState::Established),
        owner: owner.map(|process| Owner {
            process: Arc::clone(process),
            basis: Basis::Task,
            shared_by: None,
            tid: None,
            holders: None,
            is_stale: false,
        }),
        hook: "tp_btf/tcp_send_reset",
        evidence: Evidence::Seen,
        what,
    }
}

pub(crate) fn reset(cause: ResetCause, unread: Option<u32>) -> What {
    What::RstSent {
        cause,
        reason: None,
        unsent_bytes: Some(100),
        unacked_bytes: Some(20),
        unread_bytes: unread,
        linger: None,
    }
}

pub(crate) fn waiting(phase: TimeWaitPhase) -> What {
    What::TimeWait {
        phase,
        substate: None,
        timeout_ms: Some(60_000),
        ended_by: None,
        new_owner: None,
    }
}

pub(crate) fn again(kind: RetransmitType, gave_up: bool) -> What {
    What::Retransmit {
        kind,
        attempt: Some(2),
        bytes: 1448,
        sequence: None,
        segments: None,
        error: None,
        gave_up,
    }
}

pub(crate) fn refusal(at: u64, local: &str, cookie: Option<u64>) -> Incident {
    let what = What::AcceptDrop {
        step: Some(Step::Syn),
        outcome: Some(DropOutcome::Dropped),
        queue: Some(Queue {
            length: 129,
            limit: 128,
        }),
        limited_by: Some(LimitedBy::Backlog),
        count: 1,
    };
    let mut incident = incident(at, Some(&process(7, "server")), what);
    incident.flow.local = Some(end(local));
    incident.flow.cookie = cookie;
    incident.state = cookie.map(|_| TcpState::Listen);
    incident
}

pub(crate) fn listener(local: &str, cookie: u64, length: u32, drops: u32) -> ListenerSample {
    ListenerSample {
        family: Family::Inet,
        local: end(local),
        cookie,
        holder: Some(process(7, "server")),
        accept_queue: Queue { length, limit: 128 },
        drops: Some(drops),
    }
}

pub(crate) fn sample(at: u64, listeners: Vec<ListenerSample>) -> Sample {
    Sample {
        boot_ns: BEGIN + at,
        spaces: vec![SpaceSample {
            netns: NETNS,
            time_wait_entries: Some(1200),
            time_wait_limit: Some(2000),
            orphans: Some(3),
            listeners,
        }],
    }
}

pub(crate) fn facts() -> RunFacts {
    RunFacts {
        host_name: Some("web-1".to_owned()),
        kernel: "6.18.5".to_owned(),
        version: "0.1.0".to_owned(),
        clock: Clock {
            boot_to_wall_ns: 1_767_323_045_000_000_000,
            start_boot_ns: BEGIN,
        },
        kinds: KindSet::DEFAULT,
        is_partial: false,
        words: vec!["tcptrace".to_owned(), "top".to_owned()],
        hooks: Vec::new(),
        unseen: vec![
            "paws_drop (of TIME_WAIT) is not seen: this kernel has no reason for it".to_owned(),
            "syn_drop (cookies) is only counted: no function hooks here".to_owned(),
        ],
        spaces: Vec::new(),
    }
}

pub(crate) fn begun() -> State {
    let mut state = State::new(Source::Live);
    state.begin(&facts());
    state
}

#[test]
fn incidents_are_counted_by_process_and_nobodys_apart() {
    let mut state = begun();
    let nginx = process(10, "nginx");
    for at in 0..3 {
        state.incident(&incident(
            at,
            Some(&nginx),
            reset(ResetCause::LingerZero, None),
        ));
    }
    state.incident(&incident(4, None, waiting(TimeWaitPhase::Enter)));
    let mut rows: Vec<_> = state.processes.rows().collect();
    rows.sort_by_key(|row| row.count.total);
    assert_eq!((rows[0].who, rows[0].count.total), (None, 1));
    assert_eq!(rows[1].who, Some((10, Some(70))));
    assert_eq!(rows[1].by_kind[Kind::RstSent.index()], 3);
    assert_eq!(rows[1].by_basis, [3, 0, 0, 0]);
    assert_eq!(state.total(), 4);
}

#[test]
fn a_process_that_takes_another_name_is_shown_by_it() {
    let mut state = begun();
    let before = process(10, "bash");
    let after = Arc::new(Process {
        comm: "curl".to_owned(),
        ..(*before).clone()
    });
    for process in [before, after] {
        let what = reset(ResetCause::LingerZero, None);
        state.incident(&incident(0, Some(&process), what));
    }
    let rows: Vec<_> = state.processes.rows().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].process.as_ref().unwrap().comm, "curl");
}

#[test]
fn bytes_that_are_not_known_are_not_taken_for_none() {
    let mut state = begun();
    let nginx = process(10, "nginx");
    for unread in [Some(3), None] {
        state.incident(&incident(
            0,
            Some(&nginx),
            reset(ResetCause::UnreadData, unread),
        ));
    }
    let row = state.resets.rows().next().unwrap();
    assert_eq!((row.bytes, row.unknown), (243, 1));
    let totals = state.resets.totals();
    assert_eq!(totals, [(Way::Sent(ResetCause::UnreadData), 2)]);
}

#[test]
fn held_is_begins_less_ends_and_never_below() {
    let mut state = begun();
    let client = process(10, "client");
    let mut feed = |phase| state.incident(&incident(0, Some(&client), waiting(phase)));
    feed(TimeWaitPhase::Enter);
    feed(TimeWaitPhase::Enter);
    feed(TimeWaitPhase::Enter);
    feed(TimeWaitPhase::Reuse);
    feed(TimeWaitPhase::Expire);
    let held = |state: &State| state.waits.rows().next().unwrap().held();
    assert_eq!(held(&state), Some(1));
    let row_owner = Some(&client);
    for _ in 0..2 {
        state.incident(&incident(0, row_owner, waiting(TimeWaitPhase::Expire)));
    }
    assert_eq!(held(&state), None);
    assert_eq!(
        state.waits.remotes(None),
        [("10.0.0.2".parse().unwrap(), 3)]
    );
}

#[test]
fn a_listener_of_the_first_sample_is_older_than_the_run() {
    let mut state = begun();
    state.sample(&sample(0, vec![listener("0.0.0.0:80", 1, 0, 40)]));
    let young = listener("0.0.0.0:81", 2, 5, 9);
    state.sample(&sample(
        SECOND,
        vec![listener("0.0.0.0:80", 1, 3, 45), young],
    ));
    state.sample(&sample(2 * SECOND, vec![listener("0.0.0.0:80", 1, 1, 45)]));
    let row = |cookie| {
        let key = ListenerKey::Socket(Some(NETNS), cookie);
        state.listeners.rows().find(|row| row.key == key).unwrap()
    };
    assert_eq!(
        (row(1).risen, row(1).drops, row(1).peak),
        (Some(5), Some(45), 3)
    );
    assert_eq!((row(2).risen, row(2).is_gone), (Some(9), true));
    assert_eq!(state.waits.levels()[0].entries, Some(1200));
}

#[test]
fn a_refusal_goes_to_its_listener_and_never_to_one_of_several() {
    let mut state = begun();
    let listeners = vec![
        listener("0.0.0.0:80", 1, 0, 0),
        listener("10.0.0.1:81", 2, 0, 0),
        listener("10.0.0.1:81", 3, 0, 0),
    ];
    state.sample(&sample(0, listeners));
    state.incident(&refusal(1, "10.0.0.1:80", None));
    state.incident(&refusal(1, "10.0.0.1:81", Some(3)));
    state.incident(&refusal(1, "10.0.0.1:81", None));
    let refused = |key| {
        let row = state.listeners.rows().find(|row| row.key == key);
        row.map(|row| row.refused)
    };
    let socket = |cookie| ListenerKey::Socket(Some(NETNS), cookie);
    assert_eq!(refused(socket(1)), Some(1));
    assert_eq!(refused(socket(2)), Some(0));
    assert_eq!(refused(socket(3)), Some(1));
    let place = ListenerKey::Place(Some(NETNS), Some(end("10.0.0.1:81")));
    assert_eq!(refused(place), Some(1));
}

#[test]
fn drops_of_a_young_listener_count_even_when_a_refusal_reported_of_it_first() {
    let mut state = begun();
    state.sample(&sample(0, Vec::new()));
    state.incident(&refusal(1, "127.0.0.9:80", Some(9)));
    state.sample(&sample(SECOND, vec![listener("127.0.0.9:80", 9, 2, 1)]));
    let rows: Vec<_> = state.listeners.rows().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].refused, rows[0].risen), (1, Some(1)));
}

#[test]
fn more_listeners_than_there_is_room_for_are_reported_and_those_in_trouble_are_kept() {
    let mut state = begun();
    let many = |length: u32| {
        let listeners = (0..1500).map(|number: u32| {
            let port = 1 + number;
            let length = if number == 1499 { length } else { 0 };
            listener(&format!("10.0.0.1:{port}"), u64::from(number), length, 0)
        });
        listeners.collect::<Vec<_>>()
    };
    state.sample(&sample(0, many(0)));
    assert_eq!(state.listeners.rows().count(), 1024);
    assert_eq!(state.listeners.left_out(), 476);
    state.sample(&sample(SECOND, many(100)));
    assert!(state.listeners.rows().any(|row| row.peak == 100));
    assert_eq!(state.listeners.rows().count(), 1024);
}

#[test]
fn clearing_begins_counts_again_and_keeps_what_is_and_what_was_lost() {
    let mut state = begun();
    state.sample(&sample(0, vec![listener("0.0.0.0:80", 1, 2, 40)]));
    state.sample(&sample(1, vec![listener("0.0.0.0:80", 1, 1, 44)]));
    state.incident(&refusal(2, "10.0.0.1:80", None));
    let client = process(10, "client");
    state.incident(&incident(
        3,
        Some(&client),
        again(RetransmitType::Rto, false),
    ));
    let loss = Loss {
        place: LossPlace::Ring,
        of_kind: None,
        hook: None,
        count: 5,
    };
    state.loss(&loss);
    state.clear();
    assert_eq!(
        (state.total(), state.lost(), state.recent().count()),
        (0, 5, 0)
    );
    assert_eq!(
        state.peers.rows().count() + state.processes.rows().count(),
        0
    );
    let row = state.listeners.rows().next().unwrap();
    assert_eq!((row.refused, row.risen, row.peak), (0, Some(0), 1));
    state.sample(&sample(4, vec![listener("0.0.0.0:80", 1, 1, 46)]));
    assert_eq!(state.listeners.rows().next().unwrap().risen, Some(2));
}

#[test]
fn the_last_incidents_are_kept_and_no_more() {
    let mut state = begun();
    let client = process(10, "client");
    for at in 0..RECENT as u64 + 10 {
        state.incident(&incident(
            at,
            Some(&client),
            again(RetransmitType::Rto, false),
        ));
    }
    assert_eq!(state.recent().count(), RECENT);
    assert_eq!(state.recent().next().unwrap().number, RECENT as u64 + 10);
    let peer = state.peers.rows().next().unwrap();
    assert_eq!(peer.count.latest.iter().count(), 8);
    assert_eq!(peer.bytes, 1448 * (RECENT as u64 + 10));
}

proptest! {
    #[test]
    fn what_is_kept_stays_bounded(pids in proptest::collection::vec(any::<u16>(), 0..2000)) {
        let mut state = begun();
        for (at, pid) in pids.iter().enumerate() {
            let owner = process(u32::from(*pid) + 1, "p");
            let mut one = incident(at as u64, Some(&owner), waiting(TimeWaitPhase::Enter));
            one.flow.remote = Some(end(&format!("10.1.{}.{}:1", pid >> 8, pid & 255)));
            state.incident(&one);
        }
        prop_assert!(state.processes.rows().count() <= 512);
        prop_assert!(state.waits.rows().count() <= 512);
        prop_assert!(state.waits.remotes(None).len() <= 1024);
        prop_assert_eq!(state.total(), pids.len() as u64);
    }
}
