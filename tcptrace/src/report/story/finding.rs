//! One kind of trouble with one cause: how often, who, where, when, and what it cost.

use std::net::IpAddr;

use crate::model::incident::{
    CloseHow, DropOutcome, LimitedBy, LingerOutcome, Queue, ResetCause, ResetMeaning,
};
use crate::model::{Evidence, Incident, What};
use crate::report::bins::{Grid, Series};
use crate::report::ranking::Ranking;
use crate::report::who::{Who, WhoRef};

/// Programs, addresses and ports told apart in one finding.
const MOST: usize = 1024;
/// Incidents shown whole.
const EXAMPLES: usize = 4;

/// What somebody loses by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum Harm {
    /// A connection was refused or killed, or data thrown away.
    Lost,
    /// Everybody is still served, only slower; or a stray was turned away.
    Degraded,
}

impl Harm {
    fn of(what: &What) -> Self {
        match what {
            What::RstSent {
                cause: ResetCause::NoSocket | ResetCause::TimeWait | ResetCause::Protocol,
                ..
            }
            | What::RstReceived {
                meaning: ResetMeaning::AfterClose,
            }
            | What::LingerClose {
                outcome: LingerOutcome::Drained,
                ..
            }
            | What::SynDrop {
                outcome: Some(DropOutcome::Cookie),
                ..
            }
            | What::Retransmit { .. }
            | What::TimeWait { .. }
            | What::PawsDrop { .. }
            | What::State { .. } => Self::Degraded,
            What::Close { how, .. } => match how {
                Some(CloseHow::Timeout) => Self::Lost,
                _ => Self::Degraded,
            },
            What::RstSent { .. }
            | What::RstReceived { .. }
            | What::LingerClose { .. }
            | What::AcceptDrop { .. }
            | What::SynDrop { .. } => Self::Lost,
        }
    }
}

/// Bytes that nobody got, or whose arrival nobody knows of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Thrown {
    /// Written by the process, never sent.
    pub(in crate::report) unsent: u64,
    /// Sent, not acknowledged.
    pub(in crate::report) unacked: u64,
    /// Received, never read.
    pub(in crate::report) unread: u64,
    /// Left when a lingering close ended.
    pub(in crate::report) remaining: u64,
    /// Incidents that told at least one of these.
    pub(in crate::report) told_by: u64,
}

impl Thrown {
    fn add(&mut self, what: &What) {
        let (unsent, unacked, unread, remaining) = match what {
            What::RstSent {
                unsent_bytes,
                unacked_bytes,
                unread_bytes,
                ..
            } => (*unsent_bytes, *unacked_bytes, *unread_bytes, None),
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
        let is_told = unsent.or(unacked).or(unread).or(remaining).is_some();
        self.told_by += u64::from(is_told);
    }

    /// What is gone with a connection; what remained at the end of a lingering close may still
    /// arrive.
    pub(in crate::report) fn total(&self) -> u64 {
        let parts = [self.unsent, self.unacked, self.unread];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// See the module.
#[derive(Debug)]
pub(in crate::report) struct Finding {
    pub(in crate::report) harm: Harm,
    /// Incidents, each counted once.
    pub(in crate::report) incidents: u64,
    /// What they stand for.
    pub(in crate::report) count: u64,
    /// When, on the wall clock.
    pub(in crate::report) first_ns: i64,
    pub(in crate::report) last_ns: i64,
    pub(in crate::report) over_time: Series<u64>,
    pub(in crate::report) by_evidence: [u64; Evidence::ALL.len()],
    pub(in crate::report) owners: Ranking<Who, u64>,
    pub(in crate::report) peers: Ranking<IpAddr, u64>,
    pub(in crate::report) local_ports: Ranking<u16, u64>,
    pub(in crate::report) remote_ports: Ranking<u16, u64>,
    pub(in crate::report) spaces: Ranking<u32, u64>,
    pub(in crate::report) thrown: Thrown,
    /// The longest queue that refused.
    pub(in crate::report) queue: Option<Queue>,
    pub(in crate::report) limited_by: [u64; LimitedBy::ALL.len()],
    /// Retransmissions after which nothing was tried any more.
    pub(in crate::report) gave_up: u64,
    /// The longest that a close blocked.
    pub(in crate::report) blocked_ms: Option<u64>,
    /// The first ones, with their moments on the wall clock.
    pub(in crate::report) examples: Vec<(i64, Incident)>,
}

impl Finding {
    /// Without an incident yet.
    pub(super) fn of(what: &What) -> Self {
        Self {
            harm: Harm::of(what),
            incidents: 0,
            count: 0,
            first_ns: i64::MAX,
            last_ns: i64::MIN,
            over_time: Series::default(),
            by_evidence: Default::default(),
            owners: Ranking::of(MOST),
            peers: Ranking::of(MOST),
            local_ports: Ranking::of(MOST),
            remote_ports: Ranking::of(MOST),
            spaces: Ranking::of(MOST),
            thrown: Thrown::default(),
            queue: None,
            limited_by: Default::default(),
            gave_up: 0,
            blocked_ms: None,
            examples: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, incident: &Incident, count: u64, grid: &Grid, wall_ns: i64) {
        fn more(total: &mut u64, count: u64) {
            *total = total.saturating_add(count);
        }
        self.incidents += 1;
        more(&mut self.count, count);
        self.first_ns = self.first_ns.min(wall_ns);
        self.last_ns = self.last_ns.max(wall_ns);
        self.over_time.put(grid, wall_ns, count);
        if let Some(place) = self.by_evidence.get_mut(incident.evidence as usize) {
            more(place, count);
        }
        let who = WhoRef::of(incident.owner.as_ref());
        more(self.owners.at(&who, || who.owned()), count);
        if let Some(end) = incident.flow.local {
            more(self.local_ports.at(&end.port, || end.port), count);
        }
        if let Some(end) = incident.flow.remote {
            more(self.peers.at(&end.addr, || end.addr), count);
            more(self.remote_ports.at(&end.port, || end.port), count);
        }
        if let Some(netns) = incident.flow.netns {
            more(self.spaces.at(&netns, || netns), count);
        }
        self.thrown.add(&incident.what);
        match &incident.what {
            What::AcceptDrop {
                queue, limited_by, ..
            } => {
                self.note_queue(*queue);
                if let Some(limit) = limited_by {
                    more(&mut self.limited_by[*limit as usize], count);
                }
            }
            What::SynDrop { queue, .. } => self.note_queue(*queue),
            What::Retransmit { gave_up, .. } => self.gave_up += u64::from(*gave_up),
            What::LingerClose { blocked_ms, .. } => {
                self.blocked_ms = self.blocked_ms.max(Some(*blocked_ms));
            }
            _ => {}
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push((wall_ns, incident.clone()));
        }
    }

    fn note_queue(&mut self, queue: Option<Queue>) {
        if let Some(queue) = queue
            && self.queue.is_none_or(|known| known.length < queue.length)
        {
            self.queue = Some(queue);
        }
    }
}
