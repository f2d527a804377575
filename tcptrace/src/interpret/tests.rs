mod others;

use super::*;
use crate::model::event::Reset;
use crate::model::flow::TcpState;
use crate::model::incident::{LingerOutcome, ResetCause};
use crate::model::{Endpoint, Evidence, Family, Flow, Kind};

/// A kernel of 250 ticks per second that names its reasons as 6.18 does.
pub(crate) fn host() -> Host {
    let resets = [
        "NOT_SPECIFIED",
        "NO_SOCKET",
        "TCP_INVALID_ACK_SEQUENCE",
        "TCP_RFC7323_PAWS",
        "TCP_TOO_OLD_ACK",
        "TCP_ACK_UNSENT_DATA",
        "TCP_FLAGS",
        "TCP_OLD_ACK",
        "TCP_ABORT_ON_DATA",
        "TCP_TIMEWAIT_SOCKET",
        "INVALID_SYN",
        "TCP_ABORT_ON_CLOSE",
        "TCP_ABORT_ON_LINGER",
        "TCP_ABORT_ON_MEMORY",
        "TCP_STATE",
        "TCP_KEEPALIVE_TIMEOUT",
        "TCP_DISCONNECT_WITH_DATA",
    ];
    let drops = [
        "NOT_SPECIFIED",
        "TCP_RFC7323_PAWS",
        "TCP_RFC7323_TW_PAWS",
        "TCP_RFC7323_PAWS_ACK",
        "TCP_RFC7323_TSECR",
        "TCP_LISTEN_OVERFLOW",
    ];
    Host {
        reset_reasons: resets.map(|name| Some(name.into())).to_vec(),
        drop_reasons: drops.map(|name| Some(name.into())).to_vec(),
        hz: Some(250),
    }
}

const MS: u64 = 1_000_000;
/// When everything begins.
const START: u64 = 10_000 * MS;

fn event(sock: u64, after_ns: u64, signal: Signal) -> Event {
    let end = |port| Endpoint {
        addr: [127, 0, 0, 1].into(),
        port,
    };
    Event {
        boot_ns: START + after_ns,
        sock: Some(sock),
        inode: None,
        flow: Flow {
            family: Family::Inet,
            local: Some(end(1)),
            unbound: None,
            remote: Some(end(2)),
            netns: Some(3),
            cookie: None,
        },
        state: Some(TcpState::FinWait1),
        heard: None,
        owner: None,
        hook: "test",
        evidence: Evidence::Seen,
        signal,
    }
}

const ORPHAN: u64 = 0xffff_0001;
const OTHER: u64 = 0xffff_0002;

fn received(sock: u64, after_ns: u64, dead: bool) -> Event {
    event(sock, after_ns, Signal::ResetReceived { dead })
}

/// The kernel's own RST for data that came too late.
fn own_reset(sock: u64, after_ns: u64) -> Event {
    let facts = Reset {
        reason: Some(8),
        has_sock: true,
        is_reply: true,
        is_dead: true,
        shutdown: 3,
        state_now: 7,
        ..Reset::default()
    };
    event(sock, after_ns, Signal::Reset(facts))
}

fn interpreter() -> Interpreter {
    Interpreter::new(host())
}

/// What comes out of each event in turn.
fn kinds(interpreter: &mut Interpreter, events: Vec<Event>) -> Vec<Kind> {
    let mut found = Vec::new();
    for event in events {
        interpreter.on(event, &mut |incident| found.push(incident.kind()));
    }
    found
}

fn finished(mut interpreter: Interpreter) -> Vec<Incident> {
    let mut found = Vec::new();
    interpreter.finish(&mut |incident| found.push(incident));
    found
}

#[test]
fn received_reset_of_an_orphan_is_absorbed_by_the_kernels_own() {
    let mut interpreter = interpreter();
    let events = vec![received(ORPHAN, 0, true), own_reset(ORPHAN, 50_000)];
    assert_eq!(kinds(&mut interpreter, events), [Kind::RstSent]);
    assert_eq!(finished(interpreter), []);
}

#[test]
fn reset_of_another_socket_absorbs_nothing() {
    let mut interpreter = interpreter();
    let events = vec![received(ORPHAN, 0, true), own_reset(OTHER, 50_000)];
    assert_eq!(kinds(&mut interpreter, events), [Kind::RstSent]);
    let left = finished(interpreter);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].kind(), Kind::RstReceived);
}

#[test]
fn reset_of_the_orphan_that_is_no_reply_absorbs_nothing() {
    let mut interpreter = interpreter();
    let mut active = own_reset(ORPHAN, 50_000);
    if let Signal::Reset(facts) = &mut active.signal {
        facts.is_reply = false;
    }
    let events = vec![received(ORPHAN, 0, true), active];
    assert_eq!(kinds(&mut interpreter, events), [Kind::RstSent]);
    assert_eq!(finished(interpreter).len(), 1);
}

#[test]
fn held_reset_comes_out_after_the_hold_and_not_before() {
    let mut interpreter = interpreter();
    let events = vec![received(ORPHAN, 0, true)];
    assert_eq!(kinds(&mut interpreter, events), []);
    let mut found = Vec::new();
    interpreter.tick(START + HOLD_NS, &mut |incident| found.push(incident));
    assert_eq!(found, []);
    interpreter.tick(START + HOLD_NS + 1, &mut |incident| found.push(incident));
    assert_eq!(found.len(), 1);
    // It keeps the moment at which it happened.
    assert_eq!(
        (found[0].boot_ns, found[0].kind()),
        (START, Kind::RstReceived)
    );
    assert_eq!(finished(interpreter), []);
}

#[test]
fn a_later_event_lets_a_held_reset_out_before_itself() {
    let mut interpreter = interpreter();
    let events = vec![
        received(ORPHAN, 0, true),
        received(OTHER, MS, true),
        event(9, HOLD_NS + 2, Signal::State(STATE)),
    ];
    let found = kinds(&mut interpreter, events);
    assert_eq!(found, [Kind::RstReceived, Kind::State]);
    assert_eq!(finished(interpreter).len(), 1);
}

const STATE: StateChange = StateChange {
    old: TcpState::Established,
    new: TcpState::FinWait1,
    in_old_ns: Some(2_999),
};

#[test]
fn finish_releases_everything_in_order() {
    let mut interpreter = interpreter();
    let events = vec![received(ORPHAN, 1, true), received(OTHER, 2, true)];
    assert_eq!(kinds(&mut interpreter, events), []);
    let moments: Vec<u64> = finished(interpreter)
        .iter()
        .map(|one| one.boot_ns)
        .collect();
    assert_eq!(moments, [START + 1, START + 2]);
}

#[test]
fn only_the_latest_report_of_a_reused_address_is_absorbed() {
    let mut interpreter = interpreter();
    let events = vec![
        received(ORPHAN, 1, true),
        received(OTHER, 2, true),
        received(ORPHAN, 3, true),
        own_reset(ORPHAN, 4),
    ];
    assert_eq!(kinds(&mut interpreter, events), [Kind::RstSent]);
    let left = finished(interpreter);
    let moments: Vec<u64> = left.iter().map(|one| one.boot_ns).collect();
    assert_eq!(moments, [START + 1, START + 2]);
}

#[test]
fn a_report_that_was_taken_back_holds_nothing_up() {
    let mut interpreter = interpreter();
    let events = vec![
        received(ORPHAN, 1, true),
        received(OTHER, 2, true),
        own_reset(ORPHAN, 3),
        own_reset(OTHER, 4),
    ];
    kinds(&mut interpreter, events);
    assert!(!interpreter.is_holding());
    let events = vec![received(ORPHAN, 5, true), own_reset(ORPHAN, 6)];
    assert_eq!(kinds(&mut interpreter, events), [Kind::RstSent]);
    assert!(!interpreter.is_holding());
}

#[test]
fn a_flood_of_held_reports_is_bounded_and_what_is_dropped_is_counted() {
    let mut interpreter = interpreter();
    let flood = (0..20_000).map(|sock| received(sock, sock, true)).collect();
    assert_eq!(kinds(&mut interpreter, flood), []);
    let dropped = interpreter.take_dropped();
    assert_eq!(interpreter.take_dropped(), 0);
    let left = finished(interpreter);
    assert_eq!(left.len() as u64 + dropped, 20_000);
    assert_eq!(dropped, 20_000 - 16_384);
    // The oldest went.
    assert_eq!(left[0].boot_ns, START + dropped);
}

#[test]
fn received_reset_of_a_live_connection_is_not_held() {
    let events = vec![received(ORPHAN, 0, false)];
    assert_eq!(kinds(&mut interpreter(), events), [Kind::RstReceived]);
}

fn only(event: Event) -> Incident {
    let mut found = Vec::new();
    interpreter().on(event, &mut |incident| found.push(incident));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn evidence_of_a_reset_is_the_verdicts() {
    let mut event = own_reset(ORPHAN, 0);
    event.evidence = Evidence::Inferred;
    // A verdict cannot make certain what the hook had to infer.
    assert_eq!(only(event).evidence, Evidence::Inferred);
    let incident = only(own_reset(ORPHAN, 0));
    assert_eq!(incident.evidence, Evidence::Seen);
    let What::RstSent { cause, reason, .. } = incident.what else {
        panic!("a RST");
    };
    assert_eq!(cause, ResetCause::LateData);
    assert_eq!(reason.as_deref(), Some("TCP_ABORT_ON_DATA"));
}

#[test]
fn evidence_of_anything_else_is_the_hooks() {
    let mut event = event(1, 0, Signal::State(STATE));
    event.evidence = Evidence::Inferred;
    assert_eq!(only(event).evidence, Evidence::Inferred);
}

#[test]
fn state_change_counts_whole_microseconds() {
    let expected = What::State {
        old: TcpState::Established,
        new: TcpState::FinWait1,
        in_old_us: Some(2),
    };
    assert_eq!(only(event(1, 0, Signal::State(STATE))).what, expected);
}

#[test]
fn lingering_close_lasts_from_its_start_to_the_event() {
    let facts = LingerEnd {
        start_ns: START - 2_003 * MS,
        linger_jiffies: 500,
        outcome: LingerOutcome::TimedOut,
        unsent_bytes: Some(1),
        unacked_bytes: Some(2),
        remaining_bytes: None,
    };
    let expected = What::LingerClose {
        linger_seconds: Some(2),
        blocked_ms: 2_003,
        outcome: LingerOutcome::TimedOut,
        unsent_bytes: Some(1),
        unacked_bytes: Some(2),
        remaining_bytes: None,
    };
    assert_eq!(only(event(1, 0, Signal::Linger(facts))).what, expected);
}

#[test]
fn drop_reason_that_is_no_timestamp_reject_is_no_incident() {
    let events = vec![
        event(
            1,
            0,
            Signal::Paws {
                reason: 0,
                check: None,
            },
        ),
        event(
            1,
            0,
            Signal::Paws {
                reason: 5,
                check: None,
            },
        ),
        event(
            1,
            0,
            Signal::Paws {
                reason: 99,
                check: None,
            },
        ),
    ];
    assert_eq!(kinds(&mut interpreter(), events), []);
}
