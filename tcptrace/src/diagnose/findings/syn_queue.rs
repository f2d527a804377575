//! Full SYN queues, and SYNs dropped for other reasons.

use super::{Case, Family, change, counter, first_fix, half_open, place, proof, rate, whose};
use crate::model::Kind;
use crate::model::finding::{Finding, Proof, Severity};
use crate::model::survey::{Space, Survey};

const COOKIES: &str = "net.ipv4.tcp_syncookies";
const MOST: &str = "net.ipv4.tcp_max_syn_backlog";
const DROPPED: &str = "TcpExt.TCPReqQFullDrop";
const ANSWERED: &str = "TcpExt.TCPReqQFullDoCookies";
const ALL_DROPS: &str = "TcpExt.ListenDrops";
const OVERFLOWS: &str = "TcpExt.ListenOverflows";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "syn_queue_full",
        topics: &[(Kind::SynDrop, None), (Kind::SynDrop, Some("dropped"))],
        find: dropped,
    },
    Family {
        id: "syn_cookies",
        topics: &[(Kind::SynDrop, Some("cookie"))],
        find: answered,
    },
    Family {
        id: "syns_dropped",
        topics: &[],
        find: others,
    },
];

const FLOOD: &str = "Find out whether it is real load or a flood: ss -tn state syn-recv shows where \
                     the SYNs come from. For real load raise the backlog of the listener, which \
                     limits its SYN queue too.";

fn dropped(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::from_iter(family.of_incidents(case, Severity::Broken));
    for space in &case.survey.spaces {
        let cookies_are_off = space.settings.number(COOKIES) == Some(0);
        let full: Vec<_> = space
            .listeners
            .iter()
            .filter(|row| row.is_syn_full() && cookies_are_off)
            .collect();
        let rose = space.rose(DROPPED);
        if full.is_empty() && space.total(DROPPED) == 0 {
            continue;
        }
        let is_now = !full.is_empty() || rose > 0;
        let mut evidence: Vec<Proof> = full.iter().map(|row| half_open(row)).collect();
        evidence.extend(counter(case.survey, space, DROPPED));
        if let Some(value) = space.settings.number(COOKIES) {
            evidence.push(proof(format!("tcp_syncookies={value}"), value, COOKIES));
        }
        let title = match (full.first(), is_now) {
            (Some(row), _) => format!("the SYN queue of {}{} is full", whose(row), place(space)),
            (None, true) => format!("a full SYN queue{} drops SYNs", place(space)),
            (None, false) => format!("full SYN queues{} dropped SYNs earlier", place(space)),
        };
        let do_then = cookies_are_off.then(|| {
            change(
                &space.way_in,
                COOKIES,
                "1",
                "Connections made by a SYN cookie lose window scaling and SACK if the client sends no \
                 timestamps.",
            )
        });
        found.push(Finding {
            netns: Some(space.netns),
            who: full.iter().filter_map(|row| row.owner.clone()).collect(),
            rate_per_s: rate(case.survey, rose),
            count: rose.max(full.len() as u64),
            evidence,
            why: "SYNs come faster than handshakes are completed, and SYN cookies are off, so the kernel \
                  drops the SYNs of new clients silently."
                .to_owned(),
            do_first: FLOOD.to_owned(),
            do_then,
            ..family.finding(
                if is_now {
                    Severity::Broken
                } else {
                    Severity::Risk
                },
                title,
            )
        });
    }
    found
}

fn answered(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    family.by_space(case, Severity::Note, |space| {
        // kernel: with tcp_syncookies=2 the counter rises for every SYN, whether a queue is full or
        // not (5.10 to 7.3).
        if space.settings.number(COOKIES) == Some(2) {
            return None;
        }
        let titles = (
            format!("a full SYN queue{} answers with SYN cookies", place(space)),
            format!("full SYN queues{} answered with SYN cookies earlier", place(space)),
        );
        Some(Finding {
            severity: Severity::Risk,
            why: "The SYN queue of a listener was full. SYN cookies are on, so no client was refused; \
                  clients without timestamps got connections without window scaling and SACK."
                .to_owned(),
            do_first: FLOOD.to_owned(),
            ..family.of_counter(case.survey, space, ANSWERED, titles)?
        })
    })
}

/// SYNs dropped by neither a full accept queue nor a full SYN queue.
fn others(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    case.survey
        .spaces
        .iter()
        .filter_map(|space| unexplained(family, case.survey, space))
        .collect()
}

fn unexplained(family: &Family, survey: &Survey, space: &Space) -> Option<Finding> {
    let explained = space.rose(OVERFLOWS).saturating_add(space.rose(DROPPED));
    let rose = space
        .rose(ALL_DROPS)
        .checked_sub(explained)
        .filter(|rose| *rose > 0)?;
    let mut evidence: Vec<Proof> = counter(survey, space, ALL_DROPS).into_iter().collect();
    // kernel: without cookies a SYN of a peer that has not proven itself is dropped when fewer than
    // a quarter of tcp_max_syn_backlog is free; no other counter rises (5.10 to 7.3).
    let most = space.settings.number(MOST);
    let limited = most.filter(|_| space.settings.number(COOKIES) == Some(0));
    let row = limited.and_then(|most| {
        let is_near = |length: u32| u64::from(length) >= most.saturating_sub(most / 4);
        space
            .listeners
            .iter()
            .find(|row| is_near(row.syn_queue.length))
    });
    let (why, do_first, do_then) = match (row, most) {
        (Some(row), Some(most)) => {
            evidence.push(proof(
                format!(
                    "{}: {} handshakes are half open, tcp_max_syn_backlog is {most} and SYN cookies \
                     are off",
                    whose(row),
                    row.syn_queue.length
                ),
                row.syn_queue.length.into(),
                MOST,
            ));
            let risk = "Connections made by a SYN cookie lose window scaling and SACK if the client sends \
                        no timestamps.";
            (
                "With SYN cookies off the kernel drops the SYNs of unknown clients once three \
                 quarters of tcp_max_syn_backlog are half open."
                    .to_owned(),
                FLOOD.to_owned(),
                Some(change(&space.way_in, COOKIES, "1", risk)),
            )
        }
        _ => (
            "No queue of a listener was full. The kernel also drops SYNs if memory or a route to the client \
             is missing, and handshakes that a security module refuses."
                .to_owned(),
            first_fix((Kind::SynDrop, None)),
            None,
        ),
    };
    Some(Finding {
        netns: Some(space.netns),
        who: row.and_then(|row| row.owner.clone()).into_iter().collect(),
        rate_per_s: rate(survey, rose),
        count: rose,
        evidence,
        why,
        do_first,
        do_then,
        explain: Some((Kind::SynDrop, None)),
        ..family.finding(
            Severity::Broken,
            format!(
                "listeners{} drop SYNs although no accept queue overflows",
                place(space)
            ),
        )
    })
}
