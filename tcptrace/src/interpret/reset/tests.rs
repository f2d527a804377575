use super::*;
use crate::interpret::tests::host;
use crate::model::incident::Queue;

use Evidence::{Inferred, Seen};
use ResetCause::*;

const ESTABLISHED: u8 = 1;
const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;

/// What close() of a connection looks like: its state was changed, then the RST was sent.
fn closing() -> Reset {
    Reset {
        has_sock: true,
        has_socket: true,
        shutdown: SHUTDOWN_BOTH,
        state_now: CLOSE,
        unread_bytes: Some(0),
        ..Reset::default()
    }
}

fn linger_zero() -> Reset {
    Reset {
        linger_on: true,
        ..closing()
    }
}

/// A connection closed by its process, reset by the kernel later.
fn orphan() -> Reset {
    Reset {
        is_dead: true,
        has_socket: false,
        ..closing()
    }
}

/// A packet for an orphan is answered.
fn reply_of_orphan() -> Reset {
    Reset {
        is_reply: true,
        ..orphan()
    }
}

/// connect() to AF_UNSPEC.
fn disconnecting() -> Reset {
    Reset {
        shutdown: 0,
        ..closing()
    }
}

/// The RST comes before the change of state.
fn still_connected() -> Reset {
    Reset {
        shutdown: 0,
        state_now: ESTABLISHED,
        ..closing()
    }
}

fn listener(length: u32, limit: u32) -> Reset {
    Reset {
        is_reply: true,
        has_sock: true,
        has_socket: true,
        state_now: LISTEN,
        queue: Some(Queue { length, limit }),
        ..Reset::default()
    }
}

fn minisock() -> Reset {
    Reset {
        is_reply: true,
        has_sock: true,
        is_minisock: true,
        state_now: TIME_WAIT,
        ..Reset::default()
    }
}

/// No socket there to receive a packet.
fn nobody() -> Reset {
    Reset {
        is_reply: true,
        ..Reset::default()
    }
}

fn number_of(reason: &str) -> u32 {
    let reasons = host().reset_reasons;
    let place = reasons
        .iter()
        .position(|name| name.as_deref() == Some(reason));
    u32::try_from(place.unwrap()).unwrap()
}

#[track_caller]
fn judged(
    facts: Reset,
    state: Option<TcpState>,
    reason: Option<&str>,
    expected: (ResetCause, Evidence),
) {
    let facts = Reset {
        reason: reason.map(number_of),
        ..facts
    };
    let verdict = classify(&facts, state, &host());
    assert_eq!((verdict.cause, verdict.evidence), expected, "{facts:?}");
}

/// On a kernel that reports the reason, and on one that does not.
#[track_caller]
fn judged_both_ways(facts: Reset, state: TcpState, reason: &str, cause: ResetCause) {
    judged(facts, Some(state), Some(reason), (cause, Seen));
    judged(facts, Some(state), None, (cause, Inferred));
}

const EST: TcpState = TcpState::Established;

#[test]
fn orphan_whose_peer_never_closes_is_timed_out() {
    let waiting = Reset {
        is_dead: true,
        shutdown: 3,
        state_now: 5,
        linger_on: false,
        ..still_connected()
    };
    judged_both_ways(waiting, TcpState::FinWait2, "TCP_STATE", FinTimeout);
    let aborting = Reset {
        linger2: -1,
        ..waiting
    };
    judged_both_ways(aborting, TcpState::FinWait2, "TCP_ABORT_ON_LINGER", Linger2);
}

#[test]
fn linger_zero_is_an_orderly_close_with_a_zero_linger() {
    judged_both_ways(linger_zero(), EST, "TCP_STATE", LingerZero);
    let with_data = Reset {
        unsent_bytes: Some(4096),
        ..linger_zero()
    };
    // 6.16 and later report another reason for a disconnect that discards data.
    judged_both_ways(with_data, EST, "TCP_DISCONNECT_WITH_DATA", LingerZero);
}

#[test]
fn unread_data_beats_linger_zero() {
    let mut facts = linger_zero();
    facts.unread_bytes = Some(1);
    judged_both_ways(facts, EST, "TCP_ABORT_ON_CLOSE", UnreadData);
}

#[test]
fn unread_data_needs_no_linger() {
    let mut facts = closing();
    facts.unread_bytes = Some(900);
    judged_both_ways(facts, EST, "TCP_ABORT_ON_CLOSE", UnreadData);
}

/// `mptcp_do_fastclose` resets a subflow that is still ESTABLISHED and owned by the caller, with nothing in its queue.
#[test]
fn an_mptcp_socket_is_aborted_by_linger_zero_or_by_what_it_has_not_read() {
    let facts = Reset {
        is_owned: true,
        ..still_connected()
    };
    let lingering = Reset {
        linger_on: true,
        ..facts
    };
    let reason = Some("TCP_ABORT_ON_CLOSE");
    judged(facts, Some(EST), reason, (UnreadData, Inferred));
    judged(lingering, Some(EST), reason, (LingerZero, Inferred));
    let unread = |facts: Reset, reason, cause| {
        let facts = Reset {
            reason: Some(number_of(reason)),
            ..facts
        };
        match what(&facts, cause, Some(EST), &host()) {
            What::RstSent { unread_bytes, .. } => unread_bytes,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(unread(facts, "TCP_ABORT_ON_CLOSE", UnreadData), None);
    assert_eq!(unread(lingering, "TCP_ABORT_ON_CLOSE", LingerZero), None);
    assert_eq!(unread(facts, "TCP_STATE", Aborted), Some(0));
}

#[test]
fn linger_zero_without_reason_and_without_the_unread_count_is_not_guessed() {
    let mut facts = linger_zero();
    facts.unread_bytes = None;
    judged(facts, Some(EST), None, (Unknown, Inferred));
    judged(facts, Some(EST), Some("TCP_STATE"), (LingerZero, Seen));
}

#[test]
fn linger_with_a_time_is_no_linger_zero() {
    let mut facts = linger_zero();
    facts.linger_jiffies = 250;
    judged(facts, Some(EST), Some("TCP_STATE"), (Unknown, Inferred));
    judged(facts, Some(EST), None, (Unknown, Inferred));
}

#[test]
fn linger2_answers_the_last_acknowledgement_of_an_orphan() {
    let facts = Reset {
        linger2: -1,
        ..reply_of_orphan()
    };
    judged_both_ways(facts, TcpState::FinWait2, "TCP_ABORT_ON_DATA", Linger2);
}

#[test]
fn linger2_resets_a_close_from_fin_wait2() {
    let facts = Reset {
        linger2: -1,
        ..orphan()
    };
    judged_both_ways(facts, TcpState::FinWait2, "TCP_ABORT_ON_LINGER", Linger2);
}

#[test]
fn linger2_resets_an_orphan_from_its_timer() {
    let facts = Reset {
        linger2: -1,
        state_now: FIN_WAIT2,
        ..orphan()
    };
    judged_both_ways(facts, TcpState::FinWait2, "TCP_STATE", Linger2);
}

#[test]
fn disconnect_leaves_the_socket_open_to_its_process() {
    judged_both_ways(disconnecting(), EST, "TCP_STATE", Disconnect);
    // The linger option plays no part in it.
    let facts = Reset {
        linger_on: true,
        ..disconnecting()
    };
    judged_both_ways(facts, EST, "TCP_STATE", Disconnect);
}

#[test]
fn child_of_a_closing_listener_has_no_file() {
    let facts = Reset {
        has_socket: false,
        ..disconnecting()
    };
    judged_both_ways(facts, EST, "TCP_STATE", ListenerClosed);
}

#[test]
fn closing_listener_beats_the_linger_its_children_inherit() {
    let facts = Reset {
        listener_is_closing: true,
        ..linger_zero()
    };
    judged_both_ways(facts, EST, "TCP_STATE", ListenerClosed);
}

#[test]
fn destroyed_socket_is_reset_under_its_lock() {
    let facts = Reset {
        is_owned: true,
        ..still_connected()
    };
    judged_both_ways(facts, EST, "TCP_STATE", Aborted);
}

#[test]
fn keepalive_is_reported_from_user_timeout_by_the_option() {
    let reason = "TCP_KEEPALIVE_TIMEOUT";
    judged_both_ways(still_connected(), EST, reason, KeepaliveTimeout);
    let facts = Reset {
        user_timeout_ms: 500,
        ..still_connected()
    };
    judged_both_ways(facts, EST, reason, UserTimeout);
}

#[test]
fn listener_answers_so_when_its_queue_is_over_the_limit() {
    let state = TcpState::Listen;
    judged_both_ways(listener(2, 1), state, "INVALID_SYN", AcceptOverflow);
    judged_both_ways(listener(1, 0), state, "INVALID_SYN", AcceptOverflow);
}

#[test]
fn listener_with_room_answers_a_bad_packet() {
    let state = TcpState::Listen;
    // N + 1 fit: at the limit there is still room.
    for facts in [
        listener(1, 1),
        listener(0, 0),
        Reset {
            queue: None,
            ..listener(2, 1)
        },
    ] {
        judged_both_ways(facts, state, "INVALID_SYN", Protocol);
    }
    // A full queue has nothing to do with a bad ACK.
    let expected = (Protocol, Seen);
    judged(listener(2, 1), Some(state), Some("TCP_FLAGS"), expected);
}

#[test]
fn minisock_answers_for_its_time_wait() {
    let state = TcpState::TimeWait;
    judged_both_ways(minisock(), state, "TCP_TIMEWAIT_SOCKET", TimeWait);
}

#[test]
fn data_for_a_minisock_in_fin_wait2_is_late_data() {
    let state = TcpState::FinWait2;
    judged_both_ways(minisock(), state, "TCP_TIMEWAIT_SOCKET", LateData);
}

#[test]
fn nobody_there_is_no_socket_with_and_without_reason() {
    judged(nobody(), None, Some("NO_SOCKET"), (NoSocket, Seen));
    judged(nobody(), None, None, (NoSocket, Seen));
    judged(nobody(), None, Some("TCP_FLAGS"), (Protocol, Seen));
}

#[test]
fn data_for_an_orphan_is_late_data() {
    let state = TcpState::FinWait1;
    judged_both_ways(reply_of_orphan(), state, "TCP_ABORT_ON_DATA", LateData);
}

#[test]
fn bad_packet_for_a_connection_is_protocol() {
    let facts = Reset {
        is_reply: true,
        ..still_connected()
    };
    judged_both_ways(facts, EST, "TCP_INVALID_ACK_SEQUENCE", Protocol);
}

#[test]
fn memory_is_reported_by_its_reason_and_else_inferred_for_an_orphan() {
    let reason = Some("TCP_ABORT_ON_MEMORY");
    judged(closing(), Some(EST), reason, (OutOfMemory, Seen));
    let reason = Some("NOT_SPECIFIED");
    judged(orphan(), Some(EST), reason, (OutOfMemory, Inferred));
    let in_timer = Reset {
        state_now: ESTABLISHED,
        ..orphan()
    };
    judged(in_timer, Some(EST), reason, (OutOfMemory, Inferred));
    judged(in_timer, Some(EST), None, (OutOfMemory, Inferred));
}

#[test]
fn close_that_fits_no_rule_is_unknown() {
    judged(closing(), Some(EST), Some("TCP_STATE"), (Unknown, Inferred));
    judged(closing(), Some(EST), None, (Unknown, Inferred));
}

#[test]
fn reason_without_a_name_counts_as_no_reason() {
    let facts = Reset {
        reason: Some(4_000_000_000),
        ..linger_zero()
    };
    let verdict = classify(&facts, Some(EST), &host());
    assert_eq!((verdict.cause, verdict.evidence), (LingerZero, Inferred));
}

#[test]
fn only_the_reply_of_a_closed_orphan_answers_late_data() {
    assert!(answers_late_data(&reply_of_orphan()));
    for other in [
        orphan(),
        minisock(),
        nobody(),
        Reset {
            is_dead: false,
            ..reply_of_orphan()
        },
        Reset {
            state_now: FIN_WAIT2,
            ..reply_of_orphan()
        },
    ] {
        assert!(!answers_late_data(&other), "{other:?}");
    }
}

fn linger_reported(facts: &Reset, state: Option<TcpState>, host: &Host) -> Option<Linger> {
    let What::RstSent { linger, .. } = what(facts, Unknown, state, host) else {
        panic!("a RST");
    };
    linger
}

#[test]
fn linger_is_reported_for_connections_in_seconds() {
    let facts = Reset {
        linger_jiffies: 750,
        ..linger_zero()
    };
    let reported = |seconds| Some(Linger { on: true, seconds });
    assert_eq!(
        linger_reported(&facts, Some(EST), &host()),
        reported(Some(3))
    );
    let clueless = Host { hz: None, ..host() };
    assert_eq!(
        linger_reported(&facts, Some(EST), &clueless),
        reported(None)
    );
    let off = Linger {
        on: false,
        seconds: None,
    };
    assert_eq!(linger_reported(&closing(), None, &host()), Some(off));
    for (facts, state) in [
        (nobody(), None),
        (minisock(), Some(TcpState::TimeWait)),
        (listener(2, 1), Some(TcpState::Listen)),
    ] {
        assert_eq!(linger_reported(&facts, state, &host()), None, "{facts:?}");
    }
}

#[test]
fn silence_counts_before_a_reset_of_a_live_connection_only() {
    let silent = |is_dead, state| match received(is_dead, Some(state), Some(241_017)) {
        What::RstReceived { silent_ms, .. } => silent_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(silent(false, TcpState::Established), Some(241_017));
    for (is_dead, state) in [
        (true, TcpState::FinWait1),
        (false, TcpState::SynSent),
        (false, TcpState::SynRecv),
    ] {
        assert_eq!(silent(is_dead, state), None, "{state:?}");
    }
}

#[test]
fn received_reset_means_what_the_state_says() {
    let meaning = |is_dead, state| match received(is_dead, state, None) {
        What::RstReceived { meaning, .. } => meaning,
        other => panic!("{other:?}"),
    };
    let sent = Some(TcpState::SynSent);
    assert_eq!(meaning(false, sent), ResetMeaning::Refused);
    assert_eq!(meaning(true, sent), ResetMeaning::Refused);
    assert_eq!(meaning(false, Some(EST)), ResetMeaning::Reset);
    assert_eq!(meaning(false, None), ResetMeaning::Reset);
    let closed = Some(TcpState::FinWait1);
    assert_eq!(meaning(true, closed), ResetMeaning::AfterClose);
}
