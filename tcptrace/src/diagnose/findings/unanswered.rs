//! Peers that do not answer: to a SYN, or to a close.

use super::{Case, Family, first_fix, place, proof};
use crate::diagnose::retries::{SYN_RETRIES, Schedule};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};
use crate::model::rows::{Anomaly, StateRow, TopRemote};
use crate::model::survey::Space;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "connects_unanswered",
        topics: &[(Kind::Retransmit, Some("syn"))],
        find: connects,
    },
    Family {
        id: "closed_data_stuck",
        topics: &[(Kind::Retransmit, Some("fin"))],
        find: closes,
    },
];

fn connects(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::from_iter(family.of_incidents(case, Severity::Degraded));
    for (space, row) in rows(case, Anomaly::SynSentStuck) {
        let schedule = Schedule::of_syns(&space.settings);
        let resent = usize::from(row.resends_max);
        let oldest = schedule
            .as_ref()
            .and_then(|schedule| schedule.resends_ms.get(resent.checked_sub(1)?))
            .map(|ms| proof(format!("the oldest has waited for {} s or longer", ms / 1000), *ms, SYN_RETRIES));
        let give_up = schedule.map_or_else(String::new, |schedule| {
            format!(
                " This kernel sends the SYN again after {} and gives up after {} s.",
                schedule.moments(),
                schedule.given_up_ms / 1000
            )
        });
        let title = format!("SYNs{} get no answer", to(space, row));
        let mut finding = of_row(family, space, row, title, "are in SYN_SENT");
        finding.evidence.extend(oldest);
        found.push(Finding {
            why: format!(
                "The peer is down or unreachable, a firewall drops the SYNs silently, or the peer's accept \
                 queue or SYN queue is full.{give_up}"
            ),
            do_first: first_fix((Kind::Retransmit, Some("syn"))),
            ..finding
        });
    }
    found
}

fn closes(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::from_iter(family.of_incidents(case, Severity::Degraded));
    for (space, row) in rows(case, Anomaly::FinWait1Unsent) {
        let title = format!("data of closed connections{} does not arrive", to(space, row));
        found.push(Finding {
            why: "The process closed with data still to send, and the peer does not acknowledge it: the \
                  peer does not read, or it cannot be reached."
                .to_owned(),
            do_first: first_fix((Kind::Retransmit, Some("fin"))),
            ..of_row(family, space, row, title, "are in FIN_WAIT1")
        });
    }
    found
}

pub(super) fn rows<'a>(
    case: &'a Case<'_>,
    anomaly: Anomaly,
) -> impl Iterator<Item = (&'a Space, &'a StateRow)> {
    case.survey.spaces.iter().flat_map(move |space| {
        let rows = space.stuck.iter();
        rows.filter(move |row| row.anomaly == Some(anomaly))
            .map(move |row| (space, row))
    })
}

pub(super) fn to(space: &Space, row: &StateRow) -> String {
    let remote = row.top_remote.map_or_else(String::new, |TopRemote { addr, port, .. }| {
        let end = port.map_or_else(
            || addr.to_string(),
            |port| crate::model::Endpoint { addr, port }.to_string(),
        );
        format!(" to {end}")
    });
    format!("{remote}{}", place(space))
}

/// The finding that a row of `states` makes, with what the row shows of its data.
pub(super) fn of_row(
    family: &Family,
    space: &Space,
    row: &StateRow,
    title: String,
    state: &str,
) -> Finding {
    let mut evidence = vec![proof(
        format!("{} sockets {state}", row.count),
        row.count,
        "sock_diag",
    )];
    if row.resends_max > 0 {
        evidence.push(proof(
            format!("up to {} resends without an answer", row.resends_max),
            row.resends_max.into(),
            "sock_diag",
        ));
    }
    let parts = [
        (row.unacked_bytes, "bytes are sent and not acknowledged"),
        (row.unsent_bytes, "bytes wait to be sent"),
    ];
    for (bytes, what) in parts {
        if let Some(bytes) = bytes.filter(|bytes| *bytes > 0) {
            evidence.push(proof(format!("{bytes} {what}"), bytes, "sock_diag"));
        }
    }
    Finding {
        netns: Some(space.netns),
        who: row.owner.iter().cloned().collect(),
        count: row.count,
        evidence,
        ..family.finding(Severity::Risk, title)
    }
}
