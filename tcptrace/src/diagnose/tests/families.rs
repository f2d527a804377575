//! The families together: each incident has one, each id stands in the documentation once.

use std::collections::HashSet;

use crate::diagnose::{Tallies, findings, ids, of_topic};
use crate::interpret::advice;
use crate::model::errno::Errno;
use crate::model::finding::Severity;
use crate::model::incident::{
    Call, CloseHow, ConnectOutcome, Evidence, LimitedBy, Queue, ResetCause, ResetMeaning,
    RetransmitType, Step,
};
use crate::model::survey::Survey;
use crate::model::{Endpoint, Family, Flow, Incident, Kind, What};

fn end(addr: [u8; 4], port: u16) -> Endpoint {
    Endpoint {
        addr: addr.into(),
        port,
    }
}

pub(super) fn incident(what: What) -> Incident {
    let owner = super::listener(0, 0, None).owner;
    Incident {
        boot_ns: 5,
        flow: Flow {
            family: Family::Inet,
            local: Some(end([10, 9, 8, 7], 8443)),
            unbound: None,
            remote: Some(end([10, 9, 8, 6], 50_123)),
            netns: Some(7),
            cookie: Some(9),
        },
        state: None,
        owner,
        hook: "test",
        evidence: Evidence::Seen,
        what,
    }
}

pub(super) fn reset(cause: ResetCause) -> Incident {
    incident(What::RstSent {
        cause,
        reason: None,
        unsent_bytes: Some(11),
        unacked_bytes: Some(0),
        unread_bytes: None,
        linger: None,
    })
}

#[test]
fn every_kind_and_cause_belongs_to_one_family() {
    let ordinary = [
        (Kind::Close, Some("fin")),
        (Kind::TimeWait, Some("enter")),
        (Kind::TimeWait, Some("reuse")),
        (Kind::TimeWait, Some("expire")),
    ];
    for known in advice::all() {
        let topic = (known.kind, known.cause);
        let is_general = known.cause.is_none();
        let is_trouble = known.kind != Kind::State && !ordinary.contains(&topic) && !is_general;
        if is_trouble {
            assert!(of_topic(topic).is_some(), "{topic:?}");
        }
    }
    for topic in ordinary {
        assert_eq!(of_topic(topic), None);
    }
}

#[test]
fn every_id_is_documented_once() {
    let text = include_str!("../../../../docs/findings.md");
    let mut seen = HashSet::new();
    for id in ids() {
        assert!(seen.insert(id), "{id} twice");
        let row = format!("| `{id}` | ");
        let rows = text.lines().filter(|line| line.starts_with(&row));
        assert_eq!(rows.count(), 1, "{id}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), seen.len());
}

#[test]
fn incidents_make_findings_with_their_owner_and_their_bytes() {
    let mut tallies = Tallies::default();
    tallies.on(&reset(ResetCause::LingerZero), 4_000_000_000);
    tallies.on(&reset(ResetCause::LingerZero), 6_000_000_000);
    let found = findings(&Survey::default(), &tallies);
    assert_eq!(found.len(), 1);
    let finding = &found[0];
    assert_eq!(
        (finding.id, finding.severity, finding.count),
        ("linger_zero_resets", Severity::Broken, 2)
    );
    assert_eq!(finding.since_ns, Some(4_000_000_000));
    assert_eq!(finding.rate_per_s, Some(1.0));
    assert_eq!(finding.netns, Some(7));
    assert_eq!(finding.who[0].process.pid, 42);
    // The port of the service, and how many of the two incidents are about it.
    assert_eq!(finding.evidence[1].text, "all at 10.9.8.7:8443");
    assert_eq!(finding.evidence[1].value, Some(2));
    assert_eq!(finding.evidence[2].value, Some(22));
    assert!(finding.evidence[2].text.contains("never sent"));
    assert!(finding.do_first.starts_with("Remove the option"));
    assert_eq!(finding.explain, Some((Kind::RstSent, Some("linger_zero"))));
}

/// The connections that a survey saw opened, and the severity of ten resets beside them.
fn beside(opened: u64, what: fn() -> What) -> Severity {
    let mut tallies = Tallies::default();
    for _ in 0..10 {
        tallies.on(&incident(what()), 1);
    }
    let survey = super::survey(super::counted(&[
        ("Tcp.PassiveOpens", 5000, Some(opened)),
        ("Tcp.OutSegs", 90_000, Some(opened)),
    ]));
    findings(&survey, &tallies)[0].severity
}

fn unread() -> What {
    reset(ResetCause::UnreadData).what
}

#[test]
fn effects_are_findings_and_come_behind_their_causes() {
    let mut tallies = Tallies::default();
    let refused = incident(What::RstReceived {
        meaning: ResetMeaning::Refused,
        silent_ms: None,
    });
    for _ in 0..9 {
        tallies.on(&refused, 1);
    }
    tallies.on(&reset(ResetCause::UnreadData), 1);
    let found = findings(&Survey::default(), &tallies);
    let ids: Vec<_> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, ["unread_data_resets", "connections_refused"]);
}

#[test]
fn incidents_are_weighed_by_what_went_well_meanwhile() {
    assert_eq!(beside(1000, unread), Severity::Broken);
    assert_eq!(beside(1001, unread), Severity::Risk);
    assert_eq!(beside(0, unread), Severity::Broken);
    let stalled = || What::Retransmit {
        kind: RetransmitType::Rto,
        attempt: None,
        bytes: 9,
        sequence: None,
        segments: None,
        error: None,
        gave_up: false,
    };
    assert_eq!(beside(1000, stalled), Severity::Degraded);
    assert_eq!(beside(1001, stalled), Severity::Risk);
}

#[test]
fn a_linger_reset_that_discarded_nothing_is_a_note() {
    let harmless = || What::RstSent {
        cause: ResetCause::LingerZero,
        reason: None,
        unsent_bytes: Some(0),
        unacked_bytes: Some(0),
        unread_bytes: Some(0),
        linger: None,
    };
    assert_eq!(beside(1, harmless), Severity::Note);
    assert_eq!(
        beside(1, || reset(ResetCause::LingerZero).what),
        Severity::Broken
    );
}

/// How bad it is that the peer of a connection with that local port sent a RST; port 80 has a listener.
fn reset_at(port: u16) -> Severity {
    let mut received = incident(What::RstReceived {
        meaning: ResetMeaning::Reset,
        silent_ms: None,
    });
    received.flow.local = Some(Endpoint {
        addr: [127, 0, 0, 1].into(),
        port,
    });
    let mut tallies = Tallies::default();
    for _ in 0..10 {
        tallies.on(&received, 1);
    }
    let mut space = super::counted(&[("Tcp.ActiveOpens", 9, Some(3))]);
    space.listeners = vec![super::listener(0, 5, None)];
    findings(&super::survey(space), &tallies)[0].severity
}

#[test]
fn clients_that_abort_are_a_note_and_servers_that_do_are_not() {
    assert_eq!(reset_at(80), Severity::Note);
    assert_eq!(reset_at(41_000), Severity::Broken);
}

#[test]
fn refused_clients_are_never_few() {
    let refused = || What::AcceptDrop {
        step: Some(Step::Syn),
        outcome: None,
        queue: None,
        limited_by: None,
        count: 1,
    };
    assert_eq!(beside(100_000, refused), Severity::Broken);
}

#[test]
fn both_steps_of_a_refusal_are_one_finding_and_the_worst_comes_first() {
    let drop = |step| {
        incident(What::AcceptDrop {
            step: Some(step),
            outcome: None,
            queue: Some(Queue {
                length: 6,
                limit: 5,
            }),
            limited_by: Some(LimitedBy::Backlog),
            count: 3,
        })
    };
    let mut tallies = Tallies::default();
    for _ in 0..50 {
        tallies.on(&reset(ResetCause::Protocol), 1);
    }
    tallies.on(&drop(Step::Syn), 1);
    tallies.on(&drop(Step::Ack), 1);
    let ids: Vec<_> = findings(&Survey::default(), &tallies)
        .iter()
        .map(|finding| (finding.id, finding.count))
        .collect();
    assert_eq!(ids, [("accept_queue_full", 6), ("protocol_resets", 50)]);
    let do_first = &findings(&Survey::default(), &tallies)[0].do_first;
    assert!(
        do_first.starts_with("Run tcptrace listeners 8443 "),
        "{do_first}"
    );
}

#[test]
fn ordinary_life_makes_no_finding() {
    let mut tallies = Tallies::default();
    tallies.on(
        &incident(What::Close {
            duration_us: None,
            bytes_sent: None,
            bytes_received: None,
            srtt_us: None,
            retransmits: None,
            closed_by: None,
            how: Some(CloseHow::Fin),
        }),
        1,
    );
    // A client that tries IPv6 first on a host without a route for it; over IPv4 it is a fault.
    let mut unreachable = incident(What::ConnectFailed {
        outcome: ConnectOutcome::Failed,
        call: Call::Connect,
        error: Some(Errno::Enetunreach),
        after_ms: Some(0),
        syns: Some(0),
    });
    let by_ipv4 = unreachable.clone();
    unreachable.flow.remote = Some(
        "[2001:db8::7]:443"
            .parse::<std::net::SocketAddr>()
            .map(|at| Endpoint {
                addr: at.ip(),
                port: at.port(),
            })
            .unwrap(),
    );
    tallies.on(&unreachable, 2);
    assert_eq!(findings(&Survey::default(), &tallies), []);
    tallies.on(&by_ipv4, 3);
    assert_eq!(findings(&Survey::default(), &tallies).len(), 1);
}
