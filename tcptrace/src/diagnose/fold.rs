//! Folds of incidents: per kind and cause how often, whose, since when and at what cost, in bounded
//! memory however many incidents there were.

use std::collections::BTreeMap;

use crate::interpret::advice;
use crate::model::finding::Topic;
use crate::model::incident::{LimitedBy, Queue};
use crate::model::{Evidence, Incident, Owner, What};

/// Processes distinguished per kind and cause.
const MOST_OWNERS: usize = 64;
/// Local ports distinguished per kind and cause.
const MOST_PORTS: usize = 64;

/// Bytes that nobody received, or whose arrival is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Written by the process, never sent.
    pub unsent: u64,
    /// Sent, not acknowledged.
    pub unacked: u64,
    /// Received, never read.
    pub unread: u64,
    /// Not acknowledged yet when a lingering close ended.
    pub remaining: u64,
    /// Incidents that reported at least one of these.
    pub reported_by: u64,
}

impl Discarded {
    fn add(&mut self, what: &What) {
        let (unsent, unacked, unread, remaining) = match what {
            What::RstSent {
                unsent_bytes,
                unacked_bytes,
                unread_bytes,
                ..
            } => (*unsent_bytes, *unacked_bytes, *unread_bytes, None),
            What::TimedOut {
                unsent_bytes,
                unacked_bytes,
                ..
            } => (*unsent_bytes, *unacked_bytes, None, None),
            What::LingerClose {
                remaining_bytes, ..
            } => (None, None, None, *remaining_bytes),
            _ => return,
        };
        let sum = |total: &mut u64, bytes: Option<u32>| {
            *total = total.saturating_add(bytes.unwrap_or(0).into());
        };
        sum(&mut self.unsent, unsent);
        sum(&mut self.unacked, unacked);
        sum(&mut self.unread, unread);
        sum(&mut self.remaining, remaining);
        let is_reported = unsent.or(unacked).or(unread).or(remaining).is_some();
        self.reported_by += u64::from(is_reported);
    }

    /// What is gone with a connection; what remained at the end of a lingering close may still
    /// arrive.
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [self.unsent, self.unacked, self.unread];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// The incidents of one kind and cause.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Incidents, each counted once.
    pub incidents: u64,
    /// What they stand for: a counted refusal stands for several.
    pub count: u64,
    /// First and last, on the clock of whoever folds, ns.
    pub first_ns: i64,
    /// See `first_ns`.
    pub last_ns: i64,
    /// By how they are known, in the order of [`Evidence::ALL`].
    pub by_evidence: [u64; Evidence::ALL.len()],
    /// Bytes that were lost.
    pub discarded: Discarded,
    /// The longest queue that refused.
    pub queue: Option<Queue>,
    /// What its limit came from, in the order of [`LimitedBy::ALL`].
    pub limited_by: [u64; LimitedBy::ALL.len()],
    /// Retransmissions after which nothing was tried any more.
    pub gave_up: u64,
    /// The longest that a close blocked, ms.
    pub blocked_ms: Option<u64>,
    /// Network namespaces; more than one makes it `None`.
    netns: Option<Option<u32>>,
    owners: BTreeMap<(u32, Option<u64>), (Owner, u64)>,
    /// By namespace and local port; what has no place, or no known end, is in none.
    local_ports: BTreeMap<(Option<u32>, u16), u64>,
}

impl Tally {
    /// Takes an incident in, at a moment of the caller's clock, ns.
    pub fn add(&mut self, incident: &Incident, at_ns: i64) {
        let count = counted(&incident.what);
        if self.incidents == 0 {
            (self.first_ns, self.last_ns) = (at_ns, at_ns);
        }
        self.incidents += 1;
        self.count = self.count.saturating_add(count);
        self.first_ns = self.first_ns.min(at_ns);
        self.last_ns = self.last_ns.max(at_ns);
        if let Some(place) = self.by_evidence.get_mut(incident.evidence as usize) {
            *place = place.saturating_add(count);
        }
        let netns = incident.flow.netns;
        if self.netns.is_none_or(|known| known == netns) {
            self.netns = Some(netns);
        } else {
            self.netns = Some(None);
        }
        if let Some(owner) = &incident.owner {
            let identity = (owner.process.pid, owner.process.start_ticks);
            let has_room = self.owners.len() < MOST_OWNERS;
            if let Some((known, total)) = self.owners.get_mut(&identity) {
                known.clone_from(owner);
                *total = total.saturating_add(count);
            } else if has_room {
                self.owners.insert(identity, (owner.clone(), count));
            }
        }
        if let Some(local) = incident.flow.local {
            let has_room = self.local_ports.len() < MOST_PORTS;
            let end = (netns, local.port);
            if has_room || self.local_ports.contains_key(&end) {
                let total = self.local_ports.entry(end).or_default();
                *total = total.saturating_add(count);
            }
        }
        self.discarded.add(&incident.what);
        match &incident.what {
            What::AcceptDrop {
                queue, limited_by, ..
            }
            | What::SynDrop {
                queue, limited_by, ..
            } => {
                self.note_queue(*queue);
                if let Some(limit) = limited_by {
                    let place = &mut self.limited_by[*limit as usize];
                    *place = place.saturating_add(count);
                }
            }
            What::Retransmit { gave_up, .. } => self.gave_up += u64::from(*gave_up),
            What::LingerClose { blocked_ms, .. } => {
                self.blocked_ms = self.blocked_ms.max(Some(*blocked_ms));
            }
            _ => {}
        }
    }

    fn note_queue(&mut self, queue: Option<Queue>) {
        if let Some(queue) = queue
            && self.queue.is_none_or(|known| known.length < queue.length)
        {
            self.queue = Some(queue);
        }
    }

    /// The one network namespace of all; `None`: several, or not known.
    #[must_use]
    pub fn netns(&self) -> Option<u32> {
        self.netns.flatten()
    }

    /// What happened at local ends that `is_meant` names, by namespace and port.
    pub fn at_ports(&self, is_meant: impl Fn(Option<u32>, u16) -> bool) -> u64 {
        let at = self.local_ports.iter();
        at.filter(|((netns, port), _)| is_meant(*netns, *port))
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Known owners with their counts, in no order.
    pub fn owners(&self) -> impl Iterator<Item = (&Owner, u64)> {
        self.owners.values().map(|(owner, count)| (owner, *count))
    }
}

/// Every kind and cause that was seen.
#[derive(Clone, Debug, Default)]
pub struct Tallies(BTreeMap<Topic, Tally>);

impl Tallies {
    /// Takes an incident in, at a moment of the caller's clock, ns. What is ordinary life changes
    /// nothing.
    pub fn on(&mut self, incident: &Incident, at_ns: i64) {
        if advice::one_line(incident).is_some() {
            let topic = (incident.kind(), advice::cause(incident));
            self.0.entry(topic).or_default().add(incident, at_ns);
        }
    }

    /// What is known of a kind and cause; `None`: no incident of it.
    #[must_use]
    pub fn of(&self, topic: Topic) -> Option<&Tally> {
        self.0.get(&topic)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, &Tally)> {
        self.0.iter().map(|(topic, tally)| (*topic, tally))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl FromIterator<(Topic, Tally)> for Tallies {
    fn from_iter<I: IntoIterator<Item = (Topic, Tally)>>(tallies: I) -> Self {
        Self(tallies.into_iter().collect())
    }
}

/// For how many an incident stands.
#[must_use]
pub fn counted(what: &What) -> u64 {
    match what {
        What::AcceptDrop { count, .. } | What::SynDrop { count, .. } => *count,
        _ => 1,
    }
}
