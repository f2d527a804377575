//! What `states` shows of data on its way: acknowledged by nobody, or with no room at the peer.

use super::*;
use crate::model::snapshot::Sending;

/// A socket that has written 69,712 bytes, of which 1,447 were sent.
fn writer(sending: Sending) -> Socket {
    Socket {
        send_queue: 69_712,
        sending: Some(sending),
        ..socket(TcpState::Established, "1.1.1.1:1", Some("2.2.2.2:2"))
    }
}

const WRITING: Sending = Sending {
    unsent_bytes: Some(68_265),
    is_probing: false,
    last_sent_ms: Some(5_001),
    last_ack_ms: Some(5_002),
    segment_bytes: Some(1448),
    peer_window: Some(64_000),
    own_window: Some(65_535),
    held_back_ms: Some(4_003),
};

fn row(sockets: Vec<Socket>) -> StateRow {
    let mut rows = states::rows(&snapshot(0, sockets), &Folds::default(), &everything()).rows;
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[test]
fn what_was_sent_is_apart_from_what_was_not() {
    let one = row(vec![writer(WRITING)]);
    assert_eq!(
        (one.unacked_bytes, one.unsent_bytes),
        (Some(1447), Some(68_265))
    );
    assert_eq!((one.anomaly, one.stuck, one.window_shut), (None, 0, 0));
    // Read a moment later than the queue.
    let more = Sending {
        unsent_bytes: Some(69_713),
        ..WRITING
    };
    assert_eq!(row(vec![writer(more)]).unacked_bytes, Some(0));
    let unknown = Sending {
        unsent_bytes: None,
        ..WRITING
    };
    let both = row(vec![writer(WRITING), writer(unknown)]);
    assert_eq!((both.unacked_bytes, both.unsent_bytes), (None, None));
}

#[test]
fn resends_without_an_acknowledgement_are_stuck() {
    let with = |resends, last_ack_ms| {
        let socket = Socket {
            resends,
            ..writer(Sending {
                last_ack_ms: Some(last_ack_ms),
                ..WRITING
            })
        };
        let row = row(vec![socket, writer(WRITING)]);
        (row.anomaly, row.stuck, row.stuck_ms_max)
    };
    let stuck = (Some(Anomaly::SendStuck), 1, Some(1000));
    assert_eq!(with(3, 1000), stuck);
    assert_eq!(with(3, 999), (None, 0, None));
    assert_eq!(with(2, 60_000), (None, 0, None));
}

#[test]
fn a_window_is_shut_at_most_since_data_last_went_out() {
    let with = |sending: Sending| {
        let row = row(vec![writer(sending)]);
        (row.anomaly, row.window_shut, row.window_shut_ms_max)
    };
    let shut = Sending {
        is_probing: true,
        peer_window: Some(0),
        ..WRITING
    };
    let found = (Some(Anomaly::PeerWindowShut), 1, Some(4_003));
    assert_eq!(with(shut), found);
    // A kernel without the window: the timer shows it; without the time it held back: the last data.
    let older = Sending {
        peer_window: None,
        held_back_ms: None,
        ..shut
    };
    assert_eq!(with(older), (Some(Anomaly::PeerWindowShut), 1, Some(5_001)));
    // Flow control: shut for a moment.
    let short = Sending {
        last_sent_ms: Some(999),
        ..shut
    };
    assert_eq!(with(short), (None, 1, Some(999)));
    // This host could not send: the peer has room.
    let roomy = Sending {
        peer_window: Some(64_000),
        ..shut
    };
    assert_eq!(with(roomy), (None, 0, None));
}

#[test]
fn a_process_that_does_not_read_makes_its_peer_wait() {
    let with = |own_window, silent_ms, receive_queue| {
        let socket = Socket {
            silent_ms: Some(silent_ms),
            receive_queue,
            ..writer(Sending {
                own_window,
                ..WRITING
            })
        };
        let row = row(vec![socket]);
        (row.anomaly, row.own_window_shut)
    };
    assert_eq!(
        with(Some(0), 1000, 7),
        (Some(Anomaly::OwnWindowShut), Some(1))
    );
    assert_eq!(with(Some(0), 999, 7), (None, Some(1)));
    assert_eq!(with(Some(0), 1000, 0), (None, Some(0)));
    assert_eq!(with(Some(1), 1000, 7), (None, Some(0)));
    assert_eq!(with(None, 1000, 7), (None, None), "before 6.2");
}
