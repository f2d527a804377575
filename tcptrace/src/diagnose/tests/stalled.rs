//! Rows of `states` whose data does not move.

use super::{found, ids, space, survey, values};
use crate::model::finding::{Finding, Severity};
use crate::model::flow::TcpState;
use crate::model::rows::{Anomaly, Held, StateRow, TopRemote};

fn row(anomaly: Option<Anomaly>) -> StateRow {
    StateRow {
        netns: 7,
        state: TcpState::Established,
        held: Held::Process,
        owner: super::listener(0, 0, None).owner,
        count: 30,
        unread_bytes: 87_381,
        unacked_bytes: Some(1447),
        unsent_bytes: Some(68_265),
        window_shut: 11,
        window_shut_ms_max: Some(61_234),
        stuck: 2,
        stuck_ms_max: Some(5_123),
        own_window_shut: Some(17),
        resends_max: 4,
        silent_ms_max: Some(5_321),
        top_remote: Some(TopRemote {
            addr: "10.0.0.9".parse().unwrap(),
            port: Some(6379),
            count: 29,
        }),
        anomaly,
    }
}

fn of(anomaly: Anomaly) -> Finding {
    let mut space = space(7);
    space.settings = values(&[("net.ipv4.tcp_retries2", "8")]);
    space.stuck = vec![row(Some(anomaly))];
    let found = found(&survey(space));
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn says(finding: &Finding, words: &str) -> bool {
    finding.evidence.iter().any(|proof| proof.text == words)
}

#[test]
fn a_sender_without_acknowledgements_is_named_with_its_limit() {
    let finding = of(Anomaly::SendStuck);
    assert_eq!(
        ids(std::slice::from_ref(&finding)),
        [("send_stuck", Severity::Risk)]
    );
    assert_eq!((finding.count, finding.who[0].process.pid), (2, 42));
    assert!(
        says(
            &finding,
            "2 of them received no acknowledgement, for up to 6 s"
        ),
        "{finding:?}"
    );
    assert!(says(&finding, "1447 bytes are sent and not acknowledged"));
    assert!(says(&finding, "68265 bytes wait to be sent"));
    assert!(finding.title.contains("10.0.0.9:6379"));
    assert!(
        finding
            .why
            .contains("tcp_retries2 is 8: the kernel gives up after 103 s or later"),
        "{}",
        finding.why
    );
}

#[test]
fn whoever_does_not_read_is_named() {
    let peer = of(Anomaly::PeerWindowShut);
    assert_eq!((peer.id, peer.count), ("peer_window_shut", 11));
    assert!(
        says(&peer, "the window of 11 of them is shut, for up to 62 s"),
        "{peer:?}"
    );
    let own = of(Anomaly::OwnWindowShut);
    assert_eq!((own.id, own.count), ("own_window_shut", 17));
    assert!(own.title.starts_with("payments (42) does not read"));
    assert!(says(
        &own,
        "17 of them have no room left; 87381 bytes wait to be read"
    ));
}
