//! Retransmissions, closes, refusals, timestamp rejects, TIME_WAIT.

use super::*;
use crate::model::event::{CloseFacts, QueueDrop, Retransmit, TimeWait};
use crate::model::incident::*;

const PLAIN: Retransmit = Retransmit {
    sequence: 1000,
    bytes: 1448,
    segments: Some(1),
    attempt: None,
    error: None,
    ca_state: 0,
    pending: 0,
    tcp_flags: 0x10,
    is_syn_ack: false,
    gave_up: false,
};
const RECOVERY: u8 = 3;
const LOSS: u8 = 4;
const LOSS_PROBE: u8 = 5;
const FIN_ACK: u8 = 0x11;
const EST: Option<TcpState> = Some(TcpState::Established);

#[track_caller]
fn sent_again(facts: Retransmit, state: Option<TcpState>, expected: RetransmitType) {
    let What::Retransmit { kind, .. } = retransmit::what(&facts, state) else {
        panic!("a retransmission");
    };
    assert_eq!(kind, expected, "{facts:?}");
}

#[test]
fn recovery_beats_a_scheduled_loss_probe() {
    let probing = Retransmit {
        pending: LOSS_PROBE,
        ..PLAIN
    };
    let in_state = |ca_state| Retransmit {
        ca_state,
        ..probing
    };
    sent_again(in_state(RECOVERY), EST, RetransmitType::Fast);
    sent_again(in_state(LOSS), EST, RetransmitType::Rto);
    sent_again(in_state(0), EST, RetransmitType::LossProbe);
    sent_again(in_state(1), EST, RetransmitType::LossProbe);
    sent_again(PLAIN, EST, RetransmitType::Other);
}

#[test]
fn handshake_segments_are_reported_whatever_the_congestion_state() {
    let lossy = Retransmit {
        ca_state: LOSS,
        ..PLAIN
    };
    sent_again(lossy, Some(TcpState::SynSent), RetransmitType::Syn);
    let syn_ack = Retransmit {
        is_syn_ack: true,
        gave_up: false,
        ..lossy
    };
    sent_again(syn_ack, Some(TcpState::Listen), RetransmitType::SynAck);
}

#[test]
fn fin_is_a_fin_only_without_data() {
    let alone = Retransmit {
        tcp_flags: FIN_ACK,
        bytes: 0,
        ca_state: LOSS,
        ..PLAIN
    };
    let state = Some(TcpState::FinWait1);
    sent_again(alone, state, RetransmitType::Fin);
    let with_data = Retransmit { bytes: 1, ..alone };
    sent_again(with_data, state, RetransmitType::Rto);
}

#[test]
fn attempt_and_error_of_zero_are_none() {
    let reported = |attempt, error| {
        let facts = Retransmit {
            attempt,
            error,
            ..PLAIN
        };
        match retransmit::what(&facts, EST) {
            What::Retransmit { attempt, error, .. } => (attempt, error),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reported(Some(0), Some(0)), (None, None));
    assert_eq!(reported(Some(3), Some(-11)), (Some(3), Some(-11)));
}

const LIFE: CloseFacts = CloseFacts {
    duration_ns: Some(1_234_567),
    bytes_sent: 10,
    bytes_received: 20,
    srtt_us: Some(30),
    retransmits: 40,
    sk_err: 0,
    rst_received: false,
    has_time_wait: false,
    is_owned: false,
};

#[track_caller]
fn ended(
    facts: CloseFacts,
    state: impl Into<Option<TcpState>>,
    expected: (Option<ClosedBy>, Option<CloseHow>),
) {
    let What::Close { closed_by, how, .. } = close::what(&facts, state.into()) else {
        panic!("a close");
    };
    assert_eq!((closed_by, how), expected, "{facts:?}");
}

#[test]
fn who_sent_the_first_fin_closed_first() {
    let how = Some(CloseHow::Fin);
    let minisock = CloseFacts {
        has_time_wait: true,
        ..LIFE
    };
    ended(minisock, TcpState::FinWait2, (Some(ClosedBy::Local), how));
    ended(minisock, TcpState::Closing, (Some(ClosedBy::Both), how));
    ended(LIFE, TcpState::LastAck, (Some(ClosedBy::Remote), how));
    // No minisock for want of room: the FINs came anyway.
    ended(LIFE, TcpState::FinWait2, (Some(ClosedBy::Local), how));
    ended(LIFE, TcpState::Closing, (Some(ClosedBy::Both), how));
}

#[test]
fn received_reset_ends_a_connection_that_the_peer_had_not_closed() {
    let facts = CloseFacts {
        rst_received: true,
        sk_err: 104,
        ..LIFE
    };
    let how = Some(CloseHow::RstReceived);
    for state in [
        TcpState::Established,
        TcpState::SynSent,
        TcpState::CloseWait,
    ] {
        ended(facts, state, (Some(ClosedBy::Remote), how));
    }
    // We had sent our FIN before.
    ended(facts, TcpState::FinWait1, (Some(ClosedBy::Local), how));
}

#[test]
fn close_by_a_system_call_without_fin_is_a_reset() {
    let facts = CloseFacts {
        is_owned: true,
        ..LIFE
    };
    let how = Some(CloseHow::RstSent);
    ended(facts, TcpState::Established, (Some(ClosedBy::Local), how));
    ended(facts, TcpState::FinWait2, (Some(ClosedBy::Local), how));
    ended(facts, TcpState::CloseWait, (Some(ClosedBy::Remote), how));
}

#[test]
fn silence_of_the_peer_is_nobodys_close() {
    let facts = CloseFacts {
        sk_err: 110,
        ..LIFE
    };
    let how = Some(CloseHow::Timeout);
    ended(facts, TcpState::Established, (None, how));
    ended(facts, TcpState::SynSent, (None, how));
    ended(facts, TcpState::FinWait1, (Some(ClosedBy::Local), how));
}

#[test]
fn what_was_given_up_or_destroyed_is_aborted() {
    let how = Some(CloseHow::Aborted);
    let by = Some(ClosedBy::Local);
    ended(LIFE, TcpState::SynSent, (by, how));
    ended(LIFE, TcpState::SynRecv, (by, how));
    let destroyed = CloseFacts {
        sk_err: 103,
        is_owned: true,
        ..LIFE
    };
    ended(destroyed, TcpState::Established, (by, how));
}

#[test]
fn end_that_fits_no_rule_is_none() {
    ended(LIFE, None, (None, None));
    let odd = CloseFacts { sk_err: 5, ..LIFE };
    ended(odd, TcpState::Established, (None, None));
}

#[test]
fn life_of_a_connection_is_reported_whole() {
    let expected = What::Close {
        duration_us: Some(1_234),
        bytes_sent: Some(10),
        bytes_received: Some(20),
        srtt_us: Some(30),
        retransmits: Some(40),
        closed_by: Some(ClosedBy::Remote),
        how: Some(CloseHow::Fin),
    };
    assert_eq!(close::what(&LIFE, Some(TcpState::LastAck)), expected);
}

fn limited_by(
    limit: Option<u32>,
    somaxconn: Option<u32>,
    backlog: Option<u32>,
) -> Option<LimitedBy> {
    let facts = QueueDrop {
        step: Some(Step::Ack),
        outcome: Some(DropOutcome::Reset),
        queue: limit.map(|limit| Queue { length: 9, limit }),
        count: 2,
        somaxconn,
        backlog,
    };
    let What::AcceptDrop { limited_by, .. } = listen::accept_drop(&facts) else {
        panic!("a refusal");
    };
    limited_by
}

#[test]
fn without_the_backlog_the_limit_is_compared_with_somaxconn() {
    let reported = |limit, somaxconn| limited_by(limit, somaxconn, None);
    assert_eq!(reported(Some(127), Some(128)), Some(LimitedBy::Backlog));
    assert_eq!(reported(Some(128), Some(128)), Some(LimitedBy::Somaxconn));
    // somaxconn was lowered after listen().
    assert_eq!(reported(Some(512), Some(128)), None);
    assert_eq!(reported(None, Some(128)), None);
    assert_eq!(reported(Some(128), None), None);
}

#[test]
fn a_backlog_that_was_seen_says_what_binds() {
    let reported = |limit, somaxconn, backlog| limited_by(Some(limit), somaxconn, Some(backlog));
    assert_eq!(reported(128, Some(128), 511), Some(LimitedBy::Somaxconn));
    assert_eq!(reported(128, Some(128), 128), Some(LimitedBy::Both));
    assert_eq!(reported(128, Some(4096), 128), Some(LimitedBy::Backlog));
    // somaxconn was raised, or lowered, after listen(), or cannot be read.
    assert_eq!(reported(128, Some(4096), 511), Some(LimitedBy::Somaxconn));
    assert_eq!(reported(511, Some(128), 511), Some(LimitedBy::Backlog));
    assert_eq!(reported(511, None, 511), Some(LimitedBy::Backlog));
    // Not this listener's.
    assert_eq!(reported(511, Some(4096), 128), None);
}

#[test]
fn each_timestamp_reject_has_its_place() {
    let host = host();
    let reported = |reason| match paws::what(reason, None, &host)? {
        What::PawsDrop { place, reason } => Some((place, reason?.to_string())),
        other => panic!("{other:?}"),
    };
    for (number, place, name) in [
        (1, PawsWhere::Established, "TCP_RFC7323_PAWS"),
        (2, PawsWhere::TimeWait, "TCP_RFC7323_TW_PAWS"),
        (3, PawsWhere::Ack, "TCP_RFC7323_PAWS_ACK"),
        (4, PawsWhere::Echo, "TCP_RFC7323_TSECR"),
    ] {
        assert_eq!(reported(number), Some((place, name.to_owned())));
    }
}

#[test]
fn a_hook_that_knows_the_check_needs_no_reason() {
    let reported = paws::what(u32::MAX, Some(PawsWhere::TimeWait), &host());
    assert_eq!(
        reported,
        Some(What::PawsDrop {
            place: PawsWhere::TimeWait,
            reason: None,
        })
    );
    assert_eq!(paws::what(u32::MAX, None, &host()), None);
}

#[test]
fn time_wait_shows_its_time_rounded_and_how_it_ended() {
    let reported = |phase, timeout_jiffies, is_cancelled| {
        let facts = TimeWait {
            phase,
            substate: None,
            timeout_jiffies,
            is_cancelled,
            new_owner: None,
        };
        match time_wait::what(facts, &host()) {
            What::TimeWait {
                timeout_ms,
                ended_by,
                ..
            } => (timeout_ms, ended_by),
            other => panic!("{other:?}"),
        }
    };
    let enter = TimeWaitPhase::Enter;
    for jiffies in [14_999, 15_000, 15_001] {
        assert_eq!(reported(enter, Some(jiffies), false), (Some(60_000), None));
    }
    let expire = TimeWaitPhase::Expire;
    assert_eq!(
        reported(expire, None, false),
        (None, Some(TimeWaitEnd::Timeout))
    );
    assert_eq!(
        reported(expire, None, true),
        (None, Some(TimeWaitEnd::Cancelled))
    );
    assert_eq!(reported(TimeWaitPhase::Reuse, None, true), (None, None));
}
