//! One finding where incidents and the sockets or counters of a namespace show the same thing.

use crate::model::Finding;

/// Findings by incidents go into those of the same id that name the socket, the queue or the limit; what
/// only earlier counts show goes into the finding by incidents.
pub(super) fn merged(found: Vec<Finding>) -> Vec<Finding> {
    let (by_incidents, mut others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|finding| finding.since_ns.is_some());
    let mut merged = Vec::new();
    for mut incidents in by_incidents {
        let now = |other: &Finding| explains(other, &incidents) && other.is_wrong_now();
        let place = others
            .iter()
            .position(|other| now(other) && shares_owner(&incidents, other))
            .or_else(|| others.iter().position(now));
        if let Some(other) = place.and_then(|place| others.get_mut(place)) {
            take(other, incidents);
            continue;
        }
        let (earlier, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|other| is_same(&incidents, other));
        others = rest;
        for earlier in earlier {
            incidents.evidence.extend(earlier.evidence);
            incidents.do_then = incidents.do_then.take().or(earlier.do_then);
        }
        merged.push(incidents);
    }
    merged.extend(others);
    merged
}

fn is_same(incidents: &Finding, other: &Finding) -> bool {
    let is_there = incidents.netns.is_none() || incidents.netns == other.netns;
    incidents.id == other.id && is_there
}

/// Used up ports are why connect() finds none.
fn explains(other: &Finding, incidents: &Finding) -> bool {
    let id = match incidents.id {
        "connects_without_port" => "ports_exhausted",
        id => id,
    };
    other.id == id && (incidents.netns.is_none() || incidents.netns == other.netns)
}

fn shares_owner(one: &Finding, other: &Finding) -> bool {
    let pid_of = |finding: &Finding| finding.who.first().map(|owner| owner.process.pid);
    pid_of(one).is_some() && pid_of(one) == pid_of(other)
}

/// What incidents add to a finding that says more.
fn take(finding: &mut Finding, incidents: Finding) {
    finding
        .evidence
        .extend(incidents.evidence.into_iter().take(1));
    finding.since_ns = incidents.since_ns;
    finding.rate_per_s = finding.rate_per_s.or(incidents.rate_per_s);
    finding.count = finding.count.max(incidents.count);
    if finding.who.is_empty() {
        finding.who = incidents.who;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Proof, Severity};

    fn finding(id: &'static str, severity: Severity, netns: Option<u32>, text: &str) -> Finding {
        let evidence = vec![Proof {
            text: text.to_owned(),
            value: None,
            source: "a test".to_owned(),
        }];
        Finding {
            id,
            severity,
            title: text.to_owned(),
            netns,
            who: Vec::new(),
            since_ns: None,
            rate_per_s: None,
            count: 3,
            evidence,
            why: String::new(),
            do_first: String::new(),
            do_then: None,
            explain: None,
            topics: Vec::new(),
        }
    }

    fn incidents(netns: Option<u32>) -> Finding {
        Finding {
            since_ns: Some(77),
            count: 9,
            ..finding("a", Severity::Broken, netns, "incidents")
        }
    }

    fn texts(finding: &Finding) -> Vec<&str> {
        finding.evidence.iter().map(|proof| &*proof.text).collect()
    }

    #[test]
    fn the_finding_that_names_the_queue_stays_with_the_incidents_as_evidence() {
        let queue = finding("a", Severity::Broken, Some(5), "queue");
        let found = merged(vec![incidents(Some(5)), queue]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].title, "queue");
        assert_eq!(texts(&found[0]), ["queue", "incidents"]);
        assert_eq!((found[0].since_ns, found[0].count), (Some(77), 9));
    }

    #[test]
    fn earlier_counts_become_evidence_of_what_happens_now() {
        let earlier = finding("a", Severity::Risk, Some(5), "earlier");
        let found = merged(vec![incidents(None), earlier]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Broken);
        assert_eq!(texts(&found[0]), ["incidents", "earlier"]);
    }

    #[test]
    fn another_namespace_or_another_id_is_another_finding() {
        let elsewhere = finding("a", Severity::Broken, Some(6), "elsewhere");
        let other = finding("b", Severity::Broken, Some(5), "other");
        let found = merged(vec![incidents(Some(5)), elsewhere, other]);
        assert_eq!(found.len(), 3);
    }
}
