//! Sockets whose process is gone: their limit, and those that the kernel threw away.

use super::{Case, Family, change, first_fix, pressures, proof};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};
use crate::model::survey::Survey;

const MOST: &str = "net.ipv4.tcp_max_orphans";
const DISCARDED: &str = "TcpExt.TCPAbortOnMemory";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "orphans_near_limit",
        topics: &[],
        find: near,
    },
    Family {
        id: "closed_sockets_discarded",
        topics: &[(Kind::RstSent, Some("out_of_memory"))],
        find: discarded,
    },
];

fn near(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    by_limit(family, case.survey).into_iter().collect()
}

fn by_limit(family: &Family, survey: &Survey) -> Option<Finding> {
    let host = &survey.host;
    let (now, most) = (host.orphans?, host.settings.number(MOST)?);
    // kernel: an orphan that sends without progress counts twice or four times.
    if now == 0 || now.saturating_mul(4) < most {
        return None;
    }
    let is_reached = now >= most;
    let risk = "Each may hold up to 64 KiB that cannot be swapped.";
    Some(Finding {
        count: now,
        evidence: vec![
            proof(
                format!("{now} sockets without a process"),
                now,
                "/proc/net/sockstat",
            ),
            proof(format!("tcp_max_orphans is {most}"), most, MOST),
        ],
        why: "Processes have closed these sockets, but data or a FIN is not acknowledged yet. Above the \
              limit the kernel resets them instead of completing their close."
            .to_owned(),
        do_first: "Run tcptrace states to see their peers. The peers are gone or do not read. Make the \
                   program call shutdown() and read to the end before close(), or set TCP_USER_TIMEOUT."
            .to_owned(),
        do_then: host.way_in.as_ref().map(|way_in| {
            let doubled = most.saturating_mul(2).to_string();
            change(way_in, MOST, &doubled, risk)
        }),
        explain: Some((Kind::RstSent, Some("out_of_memory"))),
        ..family.finding(
            if is_reached {
                Severity::Broken
            } else {
                Severity::Risk
            },
            if is_reached {
                "the limit of orphaned sockets is reached".to_owned()
            } else {
                format!("{now} sockets have no process any more; the limit is {most}")
            },
        )
    })
}

fn discarded(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let pressures = pressures(case.survey);
    // kernel: tcp_mem's upper value is not reached without a pressure counted before.
    let why = if pressures.value == Some(0) {
        "tcp_max_orphans was reached; memory was never under pressure. The kernel reset closed connections \
         that still had data to send."
    } else {
        "Either tcp_max_orphans or the upper value of tcp_mem was reached; the kernel log shows which (TCP: \
         too many orphaned sockets, TCP: out of memory)."
    };
    family.by_space(case, Severity::Broken, |space| {
        let titles = (
            "the kernel discards closed sockets that still have data".to_owned(),
            "the kernel discarded closed sockets that still had data earlier".to_owned(),
        );
        let mut found = family.of_counter(case.survey, space, DISCARDED, titles)?;
        found.evidence.push(pressures.clone());
        found.why = why.to_owned();
        found.do_first = first_fix((Kind::RstSent, Some("out_of_memory")));
        Some(found)
    })
}
