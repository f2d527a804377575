//! Records of connections given up and of connect() that failed.

use super::*;
use crate::model::event::CallFailed;
use crate::model::incident::Call;

pub(super) fn timed_out_record(bits: u8) -> TimedOutRecord {
    TimedOutRecord {
        head: head(kind::TIMED_OUT),
        silent_jiffies: 801,
        unsent_bytes: 802,
        unacked_bytes: 803,
        user_timeout_ms: 804,
        window: 805,
        sk_err: 806,
        retransmits: 87,
        probes: 88,
        bits,
        pad: [7; 5],
    }
}

pub(super) fn connect_failed_record(bits: u8) -> ConnectFailedRecord {
    ConnectFailedRecord {
        head: head(kind::CONNECT_FAILED),
        waited_ns: 901,
        sk_err: 902,
        retransmits: 93,
        bits,
        pad: [7; 2],
    }
}

#[test]
fn timed_out_arrives_with_each_field() {
    let expected = TimedOut {
        silent_jiffies: Some(801),
        unsent_bytes: Some(802),
        unacked_bytes: Some(803),
        user_timeout_ms: 804,
        window: Some(805),
        sk_err: 806,
        retransmits: 87,
        probes: 88,
        is_dead: true,
    };
    let heard = signal_of(&timed_out_record(wire::timed_out::DEAD));
    assert_eq!(heard, Signal::TimedOut(expected));
    let unknown = TimedOutRecord {
        silent_jiffies: UNKNOWN_U32,
        unsent_bytes: UNKNOWN_U32,
        unacked_bytes: UNKNOWN_U32,
        window: UNKNOWN_U32,
        ..timed_out_record(!wire::timed_out::DEAD)
    };
    let expected = TimedOut {
        silent_jiffies: None,
        unsent_bytes: None,
        unacked_bytes: None,
        window: None,
        is_dead: false,
        ..expected
    };
    assert_eq!(signal_of(&unknown), Signal::TimedOut(expected));
}

#[test]
fn connect_failed_arrives_with_each_bit() {
    use wire::connect_failed as bit;
    for bits in 0..16 {
        let expected = ConnectFailed {
            waited_ns: Some(901),
            sk_err: 902,
            retransmits: 93,
            is_owned: bits & bit::OWNED != 0,
            is_shut: bits & bit::SHUT != 0,
            is_sent: bits & bit::SENT != 0,
            has_port: bits & bit::HAS_PORT != 0,
        };
        let got = signal_of(&connect_failed_record(bits));
        assert_eq!(got, Signal::ConnectFailed(expected));
    }
    let unknown = ConnectFailedRecord {
        waited_ns: UNKNOWN_U64,
        ..connect_failed_record(0)
    };
    match signal_of(&unknown) {
        Signal::ConnectFailed(facts) => assert_eq!(facts.waited_ns, None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_call_returned_arrives_as_that() {
    use wire::connect_failed as bit;
    for (bits, call) in [
        (bit::RETURNED, Call::Connect),
        (bit::RETURNED | bit::BIND, Call::Bind),
    ] {
        let expected = CallFailed { call, errno: 902 };
        let got = signal_of(&connect_failed_record(bits));
        assert_eq!(got, Signal::CallFailed(expected));
    }
}
