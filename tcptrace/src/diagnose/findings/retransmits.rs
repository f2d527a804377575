//! Data that had to be sent again.

use super::{Case, Family, looked, only_incidents, place, proof, rate};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};
use crate::model::rows::TopRemote;

const AGAIN: &str = "Tcp.RetransSegs";
const SENT: &str = "Tcp.OutSegs";
/// Fewer segments sent again say nothing about a path.
const FEWEST: u64 = 20;
/// From this share of all segments on users notice, in percent.
const MUCH_PERCENT: u64 = 5;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "stalled_connections",
        topics: &[(Kind::Retransmit, Some("rto"))],
        find: only_incidents!(Severity::Degraded),
    },
    Family {
        id: "packet_loss",
        topics: &[
            (Kind::Retransmit, Some("fast")),
            (Kind::Retransmit, Some("other")),
            (Kind::Retransmit, None),
        ],
        find: only_incidents!(Severity::Degraded),
    },
    Family {
        id: "segments_sent_again",
        topics: &[],
        find: share,
    },
    Family {
        id: "loss_probes",
        topics: &[(Kind::Retransmit, Some("loss_probe"))],
        find: only_incidents!(Severity::Note),
    },
];

/// Which share of the segments was sent again while the survey looked.
fn share(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for space in &case.survey.spaces {
        // kernel: OutSegs counts segments that are sent again too (tcp_mib, 5.10 to 7.3).
        let (again, sent) = (space.rose(AGAIN), space.rose(SENT));
        let percent = again.saturating_mul(100) / sent.max(again).max(1);
        if again < FEWEST || percent < MUCH_PERCENT {
            continue;
        }
        let mut evidence = vec![proof(
            format!(
                "{again} of {} segments ({percent} %) were sent again in {}",
                sent.max(again),
                looked(case.survey)
            ),
            again,
            AGAIN,
        )];
        let stuck = space.stuck.iter().filter(|row| row.resends_max > 0);
        for row in stuck.clone() {
            if let Some(TopRemote { addr, count, .. }) = row.top_remote {
                let text = format!("{count} sockets with {addr} wait for an acknowledgement");
                evidence.push(proof(text, count, "sock_diag"));
            }
        }
        found.push(Finding {
            netns: Some(space.netns),
            who: stuck.filter_map(|row| row.owner.clone()).collect(),
            rate_per_s: rate(case.survey, again),
            count: again,
            evidence,
            why: "Segments, or their acknowledgements, are lost on the path, and every loss makes the sender \
                  wait and slow down."
                .to_owned(),
            do_first: "Find out which peers and routes are concerned: tcptrace watch --only retransmit \
                       names them. Then look for loss there: ip -s link for drops, ping -f to the peer, a \
                       policer or a full queue on the way."
                .to_owned(),
            explain: Some((Kind::Retransmit, Some("rto"))),
            ..family.finding(
                Severity::Degraded,
                format!("{percent} % of the segments{} are sent again", place(space)),
            )
        });
    }
    found
}
