//! Connections that are cut after a steady time without traffic.

use super::{Case, Family, proof};
use crate::diagnose::retries::span;
use crate::model::Kind;
use crate::model::finding::{Finding, Severity, Topic, topic_name};

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "idle_cut",
    topics: &[],
    find,
}];

const RESET: Topic = (Kind::RstReceived, Some("reset"));
/// Fewer are no pattern.
const FEWEST: usize = 5;
/// Shorter silences are pauses between requests, not idle time.
const SHORTEST_MS: u64 = 5_000;

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    cut(family, case).into_iter().collect()
}

/// Whether most RSTs of peers came after the same time: then they are reported here only.
pub(super) fn explains(case: &Case<'_>) -> bool {
    let tally = case.tallies.of(RESET);
    tally.is_some_and(|tally| steady(&tally.silences).is_some())
}

fn cut(family: &Family, case: &Case<'_>) -> Option<Finding> {
    let tally = case.tallies.of(RESET)?;
    let (steady_ms, alike) = steady(&tally.silences)?;
    let all = tally.silences.len();
    let source = topic_name(RESET);
    let text = format!(
        "{alike} of {all} RSTs came {} after the last packet of the peer",
        span(steady_ms)
    );
    let mut who: Vec<_> = tally.owners().collect();
    who.sort_by_key(|(owner, count)| (std::cmp::Reverse(*count), owner.process.pid));
    Some(Finding {
        netns: tally.netns(),
        who: who.into_iter().take(3).map(|(owner, _)| owner.clone()).collect(),
        since_ns: Some(tally.first_ns),
        count: alike as u64,
        evidence: vec![proof(text, steady_ms, source)],
        why: format!(
            "A time that is this steady is a limit: of the peer's program, or of a load balancer, a NAT or \
             a firewall between that forgets connections without traffic after {}.",
            span(steady_ms)
        ),
        do_first: format!(
            "Keep the connections in use: set SO_KEEPALIVE with TCP_KEEPIDLE below {} in this program, or \
             make its pool close idle connections before that. If the limit is yours, raise it.",
            span(steady_ms)
        ),
        explain: Some(RESET),
        topics: vec![RESET],
        ..family.finding(
            Severity::Broken,
            format!("connections are cut after {} without traffic", span(steady_ms)),
        )
    })
}

/// The time that at least two in three of the silences are within a twentieth of, and how many.
fn steady(silences: &[u64]) -> Option<(u64, usize)> {
    let mut sorted = silences.to_vec();
    sorted.sort_unstable();
    let candidates = sorted.iter().copied().filter(|ms| *ms >= SHORTEST_MS);
    let alike = |of: u64| {
        let near = |ms: &&u64| ms.abs_diff(of) <= of / 20;
        sorted.iter().filter(near).count()
    };
    let (best, count) = candidates
        .map(|ms| (ms, alike(ms)))
        .max_by_key(|(ms, count)| (*count, std::cmp::Reverse(*ms)))?;
    let near: Vec<u64> = sorted
        .iter()
        .copied()
        .filter(|ms| ms.abs_diff(best) <= best / 20)
        .collect();
    let middle = near.get(near.len() / 2).copied()?;
    (count >= FEWEST && count * 3 >= silences.len() * 2).then_some((middle, count))
}
