//! How bad incidents are beside everything that went well meanwhile.
//!
//! Every busy host has clients that give up, scanners at closed ports and a lost segment now and then. Such
//! incidents make `broken` or `degraded` from 1 in 100 on, of the connections that were opened or the
//! segments that were sent while the survey looked. Without counters nothing is known to compare with, and
//! the severity stays.

use super::fold::Tally;
use crate::model::Kind;
use crate::model::finding::{Severity, Topic};
use crate::model::survey::{Space, Survey};

/// Segments from strangers at ports and connections that are closed: fewer in one look are ordinary.
const FEWEST_FROM_STRANGERS: u64 = 5;

/// The severity of incidents of one family, `topic` being the commonest.
pub(super) fn weighed(
    severity: Severity,
    survey: &Survey,
    topic: Topic,
    tallies: &[(Topic, &Tally)],
) -> Severity {
    let is_counted = survey.spaces.iter().any(|space| space.counters.is_some());
    if !is_counted || severity > Severity::Degraded {
        return severity;
    }
    let count: u64 = tallies.iter().map(|(_, tally)| tally.count).sum();
    let lost: u64 = tallies
        .iter()
        .map(|(_, tally)| tally.discarded.total())
        .sum();
    let is_ordinary = match topic {
        (Kind::RstSent, Some("linger_zero" | "disconnect")) if lost == 0 => true,
        (Kind::RstSent, Some("no_socket" | "time_wait" | "protocol")) => {
            count < FEWEST_FROM_STRANGERS || is_few(count, opened(survey, tallies))
        }
        (Kind::RstReceived, Some("reset") | None) => {
            // Clients of a listener here abort as they like.
            let by_clients = from_clients(survey, tallies);
            let others = count.saturating_sub(by_clients);
            others == 0 || is_few(others, opened(survey, tallies))
        }
        (Kind::RstSent | Kind::RstReceived, _) => is_few(count, opened(survey, tallies)),
        (Kind::Retransmit, _) => is_few(count, rose(survey, tallies, &["Tcp.OutSegs"])),
        _ => false,
    };
    if is_ordinary {
        Severity::Risk
    } else {
        severity
    }
}

fn is_few(count: u64, of: u64) -> bool {
    count.saturating_mul(100) < of
}

/// Incidents of connections to a listener of the survey.
fn from_clients(survey: &Survey, tallies: &[(Topic, &Tally)]) -> u64 {
    let is_listened = |netns: Option<u32>, port: u16| {
        let mut spaces = survey.spaces.iter();
        spaces.any(|space| {
            let mut listeners = space.listeners.iter();
            netns == Some(space.netns) && listeners.any(|row| row.local.port == port)
        })
    };
    tallies
        .iter()
        .map(|(_, tally)| tally.at_ports(is_listened))
        .sum()
}

fn opened(survey: &Survey, tallies: &[(Topic, &Tally)]) -> u64 {
    rose(survey, tallies, &["Tcp.ActiveOpens", "Tcp.PassiveOpens"])
}

/// By how much counters rose in the namespaces of these incidents.
fn rose(survey: &Survey, tallies: &[(Topic, &Tally)], names: &[&str]) -> u64 {
    let is_theirs = |space: &&Space| {
        tallies.iter().any(|(_, tally)| {
            let netns = tally.netns();
            netns.is_none() || netns == Some(space.netns)
        })
    };
    let spaces = survey.spaces.iter().filter(is_theirs);
    spaces
        .flat_map(|space| names.iter().map(|name| space.rose(name)))
        .fold(0, u64::saturating_add)
}
