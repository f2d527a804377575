//! Segments rejected for their timestamps.

use super::{Case, Family, change, counter, place, proof, rate};
use crate::diagnose::damage;
use crate::model::Kind;
use crate::model::doctor::Damage;
use crate::model::finding::{Finding, Severity};
use crate::model::survey::{Space, Survey};

const RECYCLE: &str = "net.ipv4.tcp_tw_recycle";

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "paws",
    topics: &[
        (Kind::PawsDrop, None),
        (Kind::PawsDrop, Some("established")),
        (Kind::PawsDrop, Some("time_wait")),
        (Kind::PawsDrop, Some("ack")),
        (Kind::PawsDrop, Some("echo")),
    ],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    family.by_space(case, Severity::Degraded, |space| {
        of_space(family, case.survey, space)
    })
}

fn of_space(family: &Family, survey: &Survey, space: &Space) -> Option<Finding> {
    let is_paws = |topic: &str| topic.starts_with(Kind::PawsDrop.name());
    let rejected: Vec<_> = damage::moved(space)
        .into_iter()
        .filter(|damage| damage.topic.is_some_and(is_paws))
        .collect();
    let first = rejected.first()?;
    let rose = rejected.iter().map(Damage::rose).sum();
    let mut evidence: Vec<_> = rejected
        .iter()
        .filter_map(|damage| counter(survey, space, damage.counter))
        .collect();
    let recycles = space.settings.number(RECYCLE).filter(|value| *value > 0);
    if let Some(value) = recycles {
        evidence.push(proof(format!("tcp_tw_recycle={value}"), value, RECYCLE));
    }
    Some(Finding {
        netns: Some(space.netns),
        rate_per_s: rate(survey, rose),
        count: rose.max(first.count.total),
        evidence,
        why: "The kernel does not accept a segment whose timestamp is older than one received before. A few \
              are late duplicates and harmless. Many come from several hosts behind one NAT address, or \
              from a device that rewrites timestamps. Do not set tcp_timestamps=0: it hides the problem, \
              and also disables PAWS, tw_reuse and exact round-trip times."
            .to_owned(),
        do_first: "Run tcptrace watch --only paws_drop to see the connections. Many peers behind one \
                   address mean that a NAT or load balancer mixes the clocks of several hosts."
            .to_owned(),
        do_then: recycles.map(|_| {
            change(
                &space.way_in,
                RECYCLE,
                "0",
                "TIME_WAIT sockets then last the full 60 s and take more memory.",
            )
        }),
        ..family.finding(
            Severity::Risk,
            format!(
                "segments{} were rejected for their timestamps",
                place(space)
            ),
        )
    })
}
