//! The limit of TIME_WAIT sockets.

use super::{Case, Family, ROOM, change, counter, is_near, place, proof, rate};
use crate::model::Kind;
use crate::model::finding::{Finding, Proof, Severity};
use crate::model::survey::{Space, Survey};

const MOST: &str = "net.ipv4.tcp_max_tw_buckets";
const OVERFLOWS: &str = "TcpExt.TCPTimeWaitOverflow";

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "time_wait_bucket_overflow",
    topics: &[(Kind::TimeWait, Some("overflow"))],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    family.by_space(case, Severity::Degraded, |space| {
        of_space(family, case.survey, space)
    })
}

fn of_space(family: &Family, survey: &Survey, space: &Space) -> Option<Finding> {
    let most = space.settings.number(MOST);
    let near = space
        .time_wait
        .zip(most)
        .filter(|(entries, most)| is_near(*entries, *most));
    let (total, rose) = (space.total(OVERFLOWS), space.rose(OVERFLOWS));
    let is_full = near.is_some_and(|(entries, most)| entries >= most);
    let (severity, says) = match (is_full || rose > 0, near.is_some(), total) {
        (true, _, _) => (Severity::Degraded, "is reached"),
        (false, true, _) => (Severity::Risk, "is nearly reached"),
        (false, false, 1..) => (Severity::Risk, "was reached before"),
        (false, false, 0) => return None,
    };
    let mut evidence: Vec<Proof> = counter(survey, space, OVERFLOWS).into_iter().collect();
    if let (Some(entries), Some(most)) = (space.time_wait, most) {
        evidence.push(proof(
            format!("{entries} of {most} TIME_WAIT entries are in use"),
            entries,
            MOST,
        ));
    }
    Some(Finding {
        netns: Some(space.netns),
        rate_per_s: rate(survey, rose),
        count: rose.max(space.time_wait.unwrap_or(0)),
        evidence,
        why: "Above the limit the kernel removes a closed connection at once instead of waiting: its late \
              segments get a RST, and the peer's close may end in an error."
            .to_owned(),
        do_first: "Run tcptrace timewait to see which processes leave them. Reuse connections (keep-alive, \
                   pools), or let the clients close first."
            .to_owned(),
        do_then: most.map(|most| {
            change(
                &space.way_in,
                MOST,
                &most.saturating_mul(2).max(ROOM).to_string(),
                "Each entry takes about 250 bytes of kernel memory. Do not lower the limit: connections \
                 above it lose their protection from old segments.",
            )
        }),
        ..family.finding(
            severity,
            format!("the limit of TIME_WAIT sockets{} {says}", place(space)),
        )
    })
}
