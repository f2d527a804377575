use super::*;
use crate::interpret::tests::host;

/// 15 times sent again, 500 ticks of 4 ms without an answer.
const SENDING: TimedOut = TimedOut {
    silent_jiffies: Some(500),
    unsent_bytes: Some(700),
    unacked_bytes: Some(1448),
    user_timeout_ms: 0,
    window: Some(65_536),
    sk_err: 110,
    retransmits: 15,
    probes: 0,
    is_dead: false,
};

const IDLE: TimedOut = TimedOut {
    unsent_bytes: Some(0),
    unacked_bytes: Some(0),
    retransmits: 0,
    probes: 9,
    ..SENDING
};

const SHUT: TimedOut = TimedOut {
    unacked_bytes: Some(0),
    window: Some(0),
    retransmits: 0,
    probes: 14,
    ..SENDING
};

#[track_caller]
fn has_cause(facts: TimedOut, state: TcpState, expected: TimeoutCause) {
    match what(&facts, Some(state), &host()) {
        What::TimedOut { cause, .. } => assert_eq!(cause, expected, "{facts:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_limit_is_reported_by_what_was_tried() {
    let established = TcpState::Established;
    has_cause(SENDING, established, TimeoutCause::Retransmits);
    has_cause(IDLE, established, TimeoutCause::Keepalive);
    has_cause(SHUT, established, TimeoutCause::ZeroWindow);
    // The peer has shut a window that it had opened before.
    let shrunk = TimedOut {
        window: Some(0),
        ..SENDING
    };
    has_cause(shrunk, established, TimeoutCause::ZeroWindow);
    has_cause(SENDING, TcpState::SynRecv, TimeoutCause::Syn);
    for facts in [SENDING, IDLE, SHUT] {
        let orphan = TimedOut {
            is_dead: true,
            ..facts
        };
        has_cause(orphan, TcpState::FinWait1, TimeoutCause::Orphan);
    }
}

#[test]
fn the_limit_of_the_process_comes_before_the_kernels() {
    let established = TcpState::Established;
    // Silent for 2,000 ms.
    for facts in [SENDING, IDLE, SHUT] {
        let limited = |user_timeout_ms| TimedOut {
            user_timeout_ms,
            ..facts
        };
        has_cause(limited(2000), established, TimeoutCause::UserTimeout);
        has_cause(limited(2010), established, TimeoutCause::UserTimeout);
    }
    let limited = TimedOut {
        user_timeout_ms: 60_000,
        ..SHUT
    };
    // Probes of a window are counted too.
    has_cause(limited, established, TimeoutCause::ZeroWindow);
    // A peer that answers them never lets the count grow.
    let answered = TimedOut {
        probes: 1,
        ..limited
    };
    has_cause(answered, established, TimeoutCause::UserTimeout);
}

#[test]
fn what_was_counted_arrives_with_its_unit() {
    let expected = What::TimedOut {
        cause: TimeoutCause::Retransmits,
        silent_ms: Some(2000),
        resends: Some(15),
        unacked_bytes: Some(1448),
        unsent_bytes: Some(700),
        error: Some(Errno::Etimedout),
    };
    assert_eq!(what(&SENDING, None, &host()), expected);
    let is_idle = |what| {
        matches!(
            what,
            What::TimedOut {
                resends: Some(9),
                ..
            }
        )
    };
    assert!(is_idle(what(&IDLE, None, &host())));
    let mut hostless = host();
    hostless.hz = None;
    for (silent_jiffies, host) in [(None, host()), (Some(500), hostless)] {
        let facts = TimedOut {
            silent_jiffies,
            ..SENDING
        };
        let reported = what(&facts, Some(TcpState::Established), &host);
        assert!(matches!(
            reported,
            What::TimedOut {
                silent_ms: None,
                ..
            }
        ));
    }
}

#[test]
fn another_error_than_etimedout_is_inferred() {
    assert_eq!(evidence(&SENDING), Evidence::Seen);
    for (sk_err, error) in [(113, Some(Errno::Ehostunreach)), (512, None)] {
        let facts = TimedOut { sk_err, ..SENDING };
        assert_eq!(evidence(&facts), Evidence::Inferred);
        let reported = what(&facts, None, &host());
        assert!(matches!(reported, What::TimedOut { error: got, .. } if got == error));
    }
}
