//! The kinds with enums in them, what is refused, and bytes that mean nothing.

use proptest::prelude::*;

use super::deaths::{connect_failed_record, timed_out_record};
use super::*;

fn linger_record(end: u8) -> LingerRecord {
    LingerRecord {
        head: head(kind::LINGER_CLOSE),
        start_ns: 201,
        linger_jiffies: 202,
        unsent_bytes: 203,
        unacked_bytes: 204,
        remaining_bytes: 205,
        end,
        pad: [7; 3],
    }
}

fn drop_record(kind: u16, step: u8, outcome: u8) -> QueueDropRecord {
    QueueDropRecord {
        head: head(kind),
        length: 301,
        limit: 302,
        reason: 303,
        count: 304,
        step,
        outcome,
        somaxconn: 305,
        backlog: 306,
        by_max_syn_backlog: 0,
        pad: [7; 5],
    }
}

fn time_wait_record(phase: u8) -> TimeWaitRecord {
    TimeWaitRecord {
        head: head(kind::TIME_WAIT),
        timeout_jiffies: 401,
        phase,
        substate: tcp_state::FIN_WAIT2,
        pad: [7; 6],
    }
}

fn retransmit_record() -> RetransmitRecord {
    RetransmitRecord {
        head: head(kind::RETRANSMIT),
        sequence: 501,
        bytes: 502,
        segments: 503,
        attempt: 504,
        error: -505,
        ca_state: 51,
        pending: 52,
        tcp_flags: 53,
        bits: wire::retransmit::SYN_ACK,
    }
}

fn close_record(bits: u8) -> CloseRecord {
    CloseRecord {
        head: head(kind::CLOSE),
        duration_ns: 601,
        bytes_sent: 602,
        bytes_received: 603,
        srtt_us: 604,
        retransmits: 605,
        sk_err: 606,
        bits,
        pad: [7; 3],
    }
}

fn state_record(old: u8, new: u8) -> StateRecord {
    StateRecord {
        head: head(kind::STATE),
        in_old_ns: 81,
        old,
        new,
        pad: [7; 6],
    }
}

fn paws_record() -> PawsRecord {
    PawsRecord {
        head: head(kind::PAWS_DROP),
        reason: 701,
        check: 0,
        pad: [7; 3],
    }
}

/// One valid record of each kind, in the order of the kinds.
fn one_of_each() -> Vec<Vec<u8>> {
    vec![
        bytes_of(&state_record(tcp_state::CLOSE_WAIT, tcp_state::LAST_ACK)),
        bytes_of(&reset_record()),
        bytes_of(&received(|_| {})),
        bytes_of(&linger_record(1)),
        bytes_of(&drop_record(kind::ACCEPT_DROP, 1, 1)),
        bytes_of(&drop_record(kind::SYN_DROP, 1, 1)),
        bytes_of(&retransmit_record()),
        bytes_of(&time_wait_record(1)),
        bytes_of(&paws_record()),
        bytes_of(&close_record(0)),
        bytes_of(&timed_out_record(0)),
        bytes_of(&connect_failed_record(0)),
    ]
}

fn value_error(field: &'static str, value: u8) -> DecodeError {
    DecodeError::Value {
        field,
        value: u64::from(value),
    }
}

#[test]
fn lingering_close_arrives_with_each_end() {
    use wire::linger_end as end;
    let ends = [
        (end::DRAINED, LingerOutcome::Drained),
        (end::TIMED_OUT, LingerOutcome::TimedOut),
        (end::INTERRUPTED, LingerOutcome::Interrupted),
        (end::RESET, LingerOutcome::Reset),
    ];
    for (number, outcome) in ends {
        let expected = LingerEnd {
            start_ns: 201,
            linger_jiffies: 202,
            outcome,
            unsent_bytes: Some(203),
            unacked_bytes: Some(204),
            remaining_bytes: Some(205),
        };
        assert_eq!(signal_of(&linger_record(number)), Signal::Linger(expected));
    }
    let unknown = LingerRecord {
        unsent_bytes: UNKNOWN_U32,
        unacked_bytes: UNKNOWN_U32,
        remaining_bytes: UNKNOWN_U32,
        ..linger_record(end::DRAINED)
    };
    let expected = LingerEnd {
        start_ns: 201,
        linger_jiffies: 202,
        outcome: LingerOutcome::Drained,
        unsent_bytes: None,
        unacked_bytes: None,
        remaining_bytes: None,
    };
    assert_eq!(signal_of(&unknown), Signal::Linger(expected));
}

#[test]
fn refused_connection_arrives_with_each_step_and_outcome() {
    let steps = [(wire::step::SYN, Step::Syn), (wire::step::ACK, Step::Ack)];
    let outcomes = [
        (wire::outcome::DROPPED, DropOutcome::Dropped),
        (wire::outcome::RESET, DropOutcome::Reset),
        (wire::outcome::COOKIE, DropOutcome::Cookie),
    ];
    for (on_wire, step) in steps {
        for (outcome_on_wire, outcome) in outcomes {
            let facts = QueueDrop {
                step: Some(step),
                outcome: Some(outcome),
                queue: Some(Queue {
                    length: 301,
                    limit: 302,
                }),
                count: 304,
                somaxconn: Some(305),
                backlog: Some(306),
            };
            let heard = |kind| signal_of(&drop_record(kind, on_wire, outcome_on_wire));
            assert_eq!(heard(kind::ACCEPT_DROP), Signal::AcceptDrop(facts));
            assert_eq!(heard(kind::SYN_DROP), Signal::SynDrop(facts));
        }
    }
}

#[test]
fn half_known_queue_is_no_queue() {
    let known = drop_record(kind::SYN_DROP, 1, 1);
    let (mut no_length, mut no_limit) = (known, known);
    no_length.length = UNKNOWN_U32;
    no_limit.limit = UNKNOWN_U32;
    for record in [no_length, no_limit] {
        let Signal::SynDrop(facts) = signal_of(&record) else {
            panic!("a refused SYN");
        };
        assert_eq!(facts.queue, None);
    }
}

#[test]
fn retransmit_arrives() {
    let expected = Retransmit {
        sequence: 501,
        bytes: 502,
        segments: Some(503),
        attempt: Some(504),
        error: Some(-505),
        ca_state: 51,
        pending: 52,
        tcp_flags: 53,
        is_syn_ack: true,
        gave_up: false,
    };
    let heard = signal_of(&retransmit_record());
    assert_eq!(heard, Signal::Retransmit(expected));
    let unknown = RetransmitRecord {
        segments: 0,
        attempt: UNKNOWN_U32,
        error: i32::MIN,
        bits: 0,
        ..retransmit_record()
    };
    let expected = Retransmit {
        segments: None,
        attempt: None,
        error: None,
        is_syn_ack: false,
        gave_up: false,
        ..expected
    };
    assert_eq!(signal_of(&unknown), Signal::Retransmit(expected));
}

#[test]
fn time_wait_arrives_with_each_phase() {
    use wire::phase;
    let phases = [
        (phase::ENTER, TimeWaitPhase::Enter, false),
        (phase::REUSE, TimeWaitPhase::Reuse, false),
        (phase::OVERFLOW, TimeWaitPhase::Overflow, false),
        (phase::EXPIRE, TimeWaitPhase::Expire, false),
        (phase::CANCEL, TimeWaitPhase::Expire, true),
    ];
    let expected = TimeWait {
        phase: TimeWaitPhase::Enter,
        substate: Some(TcpState::FinWait2),
        timeout_jiffies: Some(401),
        is_cancelled: false,
        new_owner: None,
    };
    for (number, phase, is_cancelled) in phases {
        let expected = TimeWait {
            phase,
            is_cancelled,
            ..expected.clone()
        };
        let heard = signal_of(&time_wait_record(number));
        assert_eq!(heard, Signal::TimeWait(expected));
    }
    let unknown = TimeWaitRecord {
        timeout_jiffies: UNKNOWN_U64,
        substate: 0,
        ..time_wait_record(phase::ENTER)
    };
    let expected = TimeWait {
        timeout_jiffies: None,
        substate: None,
        ..expected
    };
    assert_eq!(signal_of(&unknown), Signal::TimeWait(expected));
}

#[test]
fn timestamp_reject_arrives() {
    assert_eq!(
        signal_of(&paws_record()),
        Signal::Paws {
            reason: 701,
            check: None,
        }
    );
    for (check, place) in [(1, PawsWhere::Established), (2, PawsWhere::TimeWait)] {
        let record = PawsRecord {
            check,
            ..paws_record()
        };
        let reported = Signal::Paws {
            reason: 701,
            check: Some(place),
        };
        assert_eq!(signal_of(&record), reported);
    }
}

#[test]
fn close_arrives_with_each_bit() {
    use wire::close as bit;
    let expected = |bits| CloseFacts {
        duration_ns: Some(601),
        bytes_sent: 602,
        bytes_received: 603,
        srtt_us: Some(604),
        retransmits: 605,
        sk_err: 606,
        rst_received: bits == bit::RST_RECEIVED,
        has_time_wait: bits == bit::TIME_WAIT,
        is_owned: bits == bit::OWNED,
    };
    for bits in [bit::RST_RECEIVED, bit::TIME_WAIT, bit::OWNED, bit::DEAD] {
        let heard = signal_of(&close_record(bits));
        assert_eq!(heard, Signal::Close(expected(bits)));
    }
    let unknown = CloseRecord {
        duration_ns: UNKNOWN_U64,
        srtt_us: UNKNOWN_U32,
        ..close_record(0)
    };
    let expected = CloseFacts {
        duration_ns: None,
        srtt_us: None,
        ..expected(0)
    };
    assert_eq!(signal_of(&unknown), Signal::Close(expected));
}

#[test]
fn kind_of_the_event_is_the_kind_of_the_record() {
    let records = one_of_each();
    assert_eq!(records.len(), kind::COUNT);
    for (number, bytes) in records.iter().enumerate() {
        let event = decode(bytes).unwrap();
        assert_eq!(event.signal.kind().index(), number);
        assert_eq!(kind_of(bytes).map(usize::from), Some(number));
    }
    assert_eq!((kind_of(&[]), kind_of(&[1])), (None, None));
}

#[test]
fn every_record_cut_short_is_refused_at_every_length() {
    for bytes in one_of_each() {
        for length in 0..bytes.len() {
            match decode(&bytes[..length]) {
                Err(DecodeError::Short { got, want }) => {
                    assert_eq!(got, length);
                    assert!(want > got);
                }
                other => panic!("{length} of {} bytes: {other:?}", bytes.len()),
            }
        }
    }
}

#[test]
fn what_follows_a_record_is_not_looked_at() {
    for bytes in one_of_each() {
        let longer = [bytes.clone(), vec![0xff; 9]].concat();
        assert_eq!(decode(&longer), decode(&bytes));
    }
}

#[test]
fn numbers_in_the_head_that_stand_for_nothing_are_refused_by_name() {
    let refused = |change: fn(&mut Head)| refusal(&received(change));
    let next = kind::COUNT as u16;
    let error = refused(|head| head.kind = kind::COUNT as u16);
    assert_eq!(error, DecodeError::Kind(next));
    assert_eq!(refused(|head| head.kind = 999), DecodeError::Kind(999));
    assert_eq!(refused(|head| head.version = 0), DecodeError::Version(0));
    let newer = wire::VERSION + 1;
    let error = refused(|head| head.version += 1);
    assert_eq!(error, DecodeError::Version(newer));
    let hooks = hook::NAMES.len() as u8;
    let error = refused(|head| head.hook = hook::NAMES.len() as u8);
    assert_eq!(error, value_error("hook", hooks));
    let error = refused(|head| head.evidence = 2);
    assert_eq!(error, value_error("evidence", 2));
    let error = refused(|head| head.owner.basis = 5);
    assert_eq!(error, value_error("basis", 5));
    let error = refused(|head| head.flow.family = 1);
    assert_eq!(error, value_error("family", 1));
}

#[test]
fn numbers_in_the_body_that_stand_for_nothing_are_refused_by_name() {
    for number in [0, 13] {
        let error = refusal(&state_record(number, tcp_state::CLOSE));
        assert_eq!(error, value_error("state", number));
        let error = refusal(&state_record(tcp_state::CLOSE, number));
        assert_eq!(error, value_error("state", number));
    }
    for number in [0, 6] {
        let error = refusal(&linger_record(number));
        assert_eq!(error, value_error("linger end", number));
        let error = refusal(&drop_record(kind::ACCEPT_DROP, number, 1));
        assert_eq!(error, value_error("step", number));
        let error = refusal(&drop_record(kind::SYN_DROP, 1, number));
        assert_eq!(error, value_error("outcome", number));
        let error = refusal(&time_wait_record(number));
        assert_eq!(error, value_error("phase", number));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = (decode(&bytes), kind_of(&bytes));
    }

    /// Random bytes seldom get past the version; mutants do.
    #[test]
    fn mutants_of_valid_records_are_read_or_refused(
        which in 0..kind::COUNT,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = one_of_each().swap_remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(event) = decode(&bytes) {
            let kind = event.signal.kind().index();
            prop_assert_eq!(Some(kind), kind_of(&bytes).map(usize::from));
        }
    }
}
