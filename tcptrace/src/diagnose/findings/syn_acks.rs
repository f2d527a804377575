//! SYN-ACKs that get no answer.

use super::{Case, Family, counter, looked, place, proof, rate, whose};
use crate::diagnose::retries::of_topic;
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};
use crate::model::rows::ListenerRow;
use crate::model::survey::{Space, Survey};

const RESENT: &str = "TcpExt.TCPSynRetrans";
const DEFERRED: &str = "TcpExt.TCPDeferAcceptDrop";

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "syn_acks_lost",
    topics: &[(Kind::Retransmit, Some("syn_ack"))],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::from_iter(family.of_incidents(case, Severity::Degraded));
    for space in &case.survey.spaces {
        // The socket's drop counter rises for repeated SYNs and deferred ACKs too. Where the
        // namespace's counter does not rise, nothing was refused.
        let refused = space.rose("TcpExt.ListenDrops");
        if refused > 0 || space.rose(RESENT) == 0 || space.rose(DEFERRED) > 0 {
            continue;
        }
        let rises = |row: &&ListenerRow| row.drops_risen.is_some_and(|rose| rose > 0);
        let rows = space.listeners.iter().filter(rises);
        found.extend(rows.map(|row| at(family, case.survey, space, row)));
    }
    found
}

fn at(family: &Family, survey: &Survey, space: &Space, row: &ListenerRow) -> Finding {
    let rose = row.drops_risen.unwrap_or(0);
    let mut evidence = vec![
        proof(
            format!(
                "the drop counter of the listener rose by {rose} in {}, ListenDrops by 0: the counter \
                 includes repeated SYNs, and the kernel refused nothing",
                looked(survey)
            ),
            rose,
            "sock_diag",
        ),
        proof(
            format!("{} handshakes are half open", row.syn_queue.length),
            row.syn_queue.length.into(),
            "sock_diag",
        ),
    ];
    evidence.extend(counter(survey, space, RESENT));
    let schedule = of_topic(&space.settings, (Kind::Retransmit, Some("syn_ack")));
    let schedule = schedule.map_or_else(String::new, |says| format!(" {says}"));
    Finding {
        netns: Some(space.netns),
        who: row.owner.iter().cloned().collect(),
        rate_per_s: rate(survey, rose),
        count: rose,
        evidence,
        why: format!(
            "Clients send their SYN again although it arrived, and the kernel sends its answer again too: \
             the SYN-ACKs do not reach the clients, or their ACKs do not reach this host. A firewall, or a \
             route that differs between the two directions, causes this.{schedule}"
        ),
        do_first: "Run tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0' here and at a client, and find \
                   where the SYN-ACK is lost."
            .to_owned(),
        ..family.finding(
            Severity::Risk,
            format!(
                "clients of {}{} repeat their SYNs and do not answer SYN-ACKs",
                whose(row),
                place(space)
            ),
        )
    }
}
