//! Connections cut after a steady time, and many segments sent again.

use super::{counted, found, ids, survey};
use crate::diagnose::{Tallies, findings};
use crate::model::finding::{Finding, Severity};
use crate::model::flow::TcpState;
use crate::model::incident::{Evidence, ResetMeaning};
use crate::model::survey::Survey;
use crate::model::{Family, Flow, Incident, What};

fn reset_after(silent_ms: Option<u64>) -> Incident {
    Incident {
        boot_ns: 5,
        flow: Flow {
            family: Family::Inet,
            local: None,
            unbound: None,
            remote: None,
            netns: Some(7),
            cookie: Some(9),
        },
        state: Some(TcpState::Established),
        owner: super::listener(0, 0, None).owner,
        hook: "test",
        evidence: Evidence::Seen,
        what: What::RstReceived {
            meaning: ResetMeaning::Reset,
            silent_ms,
        },
    }
}

fn cut(silences: &[u64]) -> Option<Finding> {
    let mut tallies = Tallies::default();
    for silent_ms in silences {
        tallies.on(&reset_after(Some(*silent_ms)), 1);
    }
    let found = findings(&Survey::default(), &tallies);
    assert_eq!(
        found.len(),
        1,
        "one finding for one kind of incident: {found:?}"
    );
    found.into_iter().find(|finding| finding.id == "idle_cut")
}

#[test]
fn a_steady_time_before_the_reset_is_a_limit() {
    let mut silences: Vec<u64> = (0..14).map(|step| 240_000 + step * 37).collect();
    silences.push(17);
    let finding = cut(&silences).unwrap();
    assert_eq!(finding.severity, Severity::Broken);
    assert_eq!((finding.count, finding.who[0].process.pid), (14, 42));
    assert_eq!(
        finding.evidence[0].text,
        "14 of 15 RSTs came 241 s after the last packet of the peer"
    );
    assert!(finding.do_first.contains("TCP_KEEPIDLE below 241 s"));
}

#[test]
fn times_that_vary_or_are_short_or_few_are_none() {
    let varied: Vec<u64> = (0..15).map(|step| 5_000 << (step % 7)).collect();
    assert_eq!(cut(&varied), None);
    assert_eq!(cut(&[4_999; 15]), None, "pauses between requests");
    assert_eq!(cut(&[240_000; 4]), None);
    assert!(cut(&[240_000; 5]).is_some());
    assert_eq!(cut(&[0; 15]), None);
}

#[test]
fn a_high_share_of_segments_sent_again_is_found_while_it_rises() {
    let with = |again, sent| {
        let space = counted(&[
            ("Tcp.RetransSegs", 1000, Some(again)),
            ("Tcp.OutSegs", 9000, Some(sent)),
        ]);
        found(&survey(space))
    };
    let many = with(400, 1000);
    assert_eq!(ids(&many), [("segments_sent_again", Severity::Degraded)]);
    assert!(
        many[0].evidence[0]
            .text
            .contains("400 of 1000 segments (40 %)"),
        "{:?}",
        many[0].evidence
    );
    assert_eq!(with(49, 1000), [], "below one in twenty");
    assert_eq!(with(9, 10), [], "too few to judge");
}
