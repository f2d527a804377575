//! The other reasons why this host sends RSTs.

use super::{Case, Family, counter, first_fix, only_incidents, place, proof, rate};
use crate::diagnose::damage;
use crate::interpret::advice;
use crate::model::Kind;
use crate::model::finding::{Finding, Severity, topic_name};

/// From this many in 100 connections on resets are a habit and no accident.
const TELLING_PERCENT: f64 = 1.0;

const fn by_incidents(
    id: &'static str,
    topics: &'static [(Kind, Option<&'static str>)],
    find: fn(&Family, &Case<'_>) -> Vec<Finding>,
) -> Family {
    Family { id, topics, find }
}

pub(super) const FAMILIES: &[Family] = &[
    by_incidents(
        "linger2_resets",
        &[(Kind::RstSent, Some("linger2"))],
        |family, case| {
            let mut found = many(family, case, "TcpExt.TCPAbortOnLinger");
            found.extend(family.of_incidents(case, Severity::Broken));
            found
        },
    ),
    by_incidents(
        "disconnect_resets",
        &[(Kind::RstSent, Some("disconnect"))],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "listener_closed_resets",
        &[(Kind::RstSent, Some("listener_closed"))],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "keepalive_timeouts",
        &[
            (Kind::TimedOut, Some("keepalive")),
            (Kind::RstSent, Some("keepalive_timeout")),
        ],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "user_timeouts",
        &[
            (Kind::TimedOut, Some("user_timeout")),
            (Kind::RstSent, Some("user_timeout")),
        ],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "fin_timeouts",
        &[(Kind::RstSent, Some("fin_timeout"))],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "destroyed_sockets",
        &[(Kind::RstSent, Some("aborted"))],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "unexplained_resets",
        &[(Kind::RstSent, Some("unknown")), (Kind::RstSent, None)],
        only_incidents!(Severity::Broken),
    ),
    by_incidents(
        "protocol_resets",
        &[(Kind::RstSent, Some("protocol"))],
        only_incidents!(Severity::Degraded),
    ),
    by_incidents(
        "no_socket_resets",
        &[(Kind::RstSent, Some("no_socket"))],
        only_incidents!(Severity::Degraded),
    ),
    by_incidents(
        "late_segments",
        &[(Kind::RstSent, Some("time_wait"))],
        only_incidents!(Severity::Degraded),
    ),
];

/// A habit of resetting connections, by the namespace's counter. What a program does to its own
/// connections is a risk and never a verdict.
pub(super) fn many(family: &Family, case: &Case<'_>, name: &str) -> Vec<Finding> {
    let Some(topic) = family.topics.first().copied() else {
        return Vec::new();
    };
    let line = advice::find(topic.0, topic.1).map_or("", |advice| advice.meaning);
    let mut found = Vec::new();
    for space in &case.survey.spaces {
        let damages = damage::moved(space);
        let Some(damage) = damages.iter().find(|damage| damage.counter == name) else {
            continue;
        };
        let Some(percent) = damage.percent().filter(|part| *part >= TELLING_PERCENT) else {
            continue;
        };
        let mut evidence: Vec<_> = counter(case.survey, space, name).into_iter().collect();
        if let (Some(of), Some(total)) = (damage.of, damage.of_total) {
            let text = format!("{percent:.1} per 100 {of} ({total})");
            evidence.push(proof(text, total, name));
        }
        found.push(Finding {
            netns: Some(space.netns),
            rate_per_s: rate(case.survey, damage.rose()),
            count: damage.rose().max(1),
            evidence,
            why: format!(
                "{line} The counter does not name the process; tcptrace watch --only rst_sent does."
            ),
            do_first: first_fix(topic),
            ..family.finding(
                Severity::Risk,
                format!(
                    "programs{} reset {percent:.1} in 100 connections ({})",
                    place(space),
                    topic_name(topic)
                ),
            )
        });
    }
    found
}
