//! What is remembered between snapshots: who left which TIME_WAIT, who was refused how often, and
//! counters as they were at the first look.
//!
//! Each look forgets what is gone. Between looks memory is bounded too: what finds no room is counted
//! ([`Folds::dropped`]).

use std::collections::{HashMap, HashSet};

use crate::model::flow::TcpState;
use crate::model::incident::{DropOutcome, Evidence, Step, TimeWaitPhase};
use crate::model::rows::Refusals;
use crate::model::snapshot::{Form, Snapshot, SpaceCounters};
use crate::model::{Endpoint, Incident, Owner, What};

/// A connection of one namespace.
type Tuple = (u32, Endpoint, Endpoint);
/// A listener by its place; a cookie is not always known.
type Place = (u32, Endpoint);

/// Which listener an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Listener {
    Cookie(u64),
    Place(Place),
}

/// Owners of TIME_WAIT kept at most: as many as the kernel allows by default on a host of 64 GiB.
const MOST_TUPLES: usize = 262_144;
/// Listeners whose refusals are kept at most.
const MOST_LISTENERS: usize = 16_384;
/// A namespace that so many looks in a row did not show is gone. One that could not be read once is
/// not: its counters must not restart at 0.
const LOOKS_MISSED: u64 = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Folds {
    watching_since_ns: Option<u64>,
    looks: u64,
    /// With the moment of the last one (boot clock, ns).
    refusals: HashMap<Listener, (u64, Refusals)>,
    left_by: HashMap<Tuple, (u64, Owner)>,
    /// With the number of the look that showed the namespace last.
    first_counters: HashMap<u32, (u64, SpaceCounters)>,
    drops: HashMap<u64, Drops>,
    dropped: u64,
}

/// A listener's drop counter over time.
#[derive(Clone, Copy, Debug)]
struct Drops {
    /// Since the first look; the kernel's counter may wrap.
    risen: u64,
    latest: u32,
    latest_ns: u64,
    per_second: Option<f64>,
}

impl Folds {
    /// Hooks are attached from now on.
    pub fn watch_from(&mut self, boot_ns: u64) {
        self.watching_since_ns = Some(boot_ns);
    }

    /// Since when hooks are attached; `None` without hooks.
    pub fn watching_since_ns(&self) -> Option<u64> {
        self.watching_since_ns
    }

    /// Takes what an incident adds.
    pub fn on(&mut self, incident: &Incident) {
        match &incident.what {
            What::AcceptDrop { step, count, .. } => {
                let Some(refusals) = self.refusals_of(incident) else {
                    return;
                };
                let place = match step {
                    Some(Step::Syn) => &mut refusals.accept_syn,
                    Some(Step::Ack) => &mut refusals.accept_ack,
                    None => &mut refusals.accept_counted,
                };
                *place += count;
            }
            What::SynDrop { outcome, count, .. } => {
                let Some(refusals) = self.refusals_of(incident) else {
                    return;
                };
                match outcome {
                    Some(DropOutcome::Cookie) => refusals.cookies += count,
                    Some(DropOutcome::Dropped | DropOutcome::Reset) | None => {
                        refusals.syn_queue += count;
                    }
                }
            }
            What::TimeWait { phase, .. } => self.time_wait(*phase, incident),
            _ => {}
        }
    }

    fn refusals_of(&mut self, incident: &Incident) -> Option<&mut Refusals> {
        // A counted refusal without its listener belongs to the namespace only.
        let local = incident.flow.local?;
        let key = match incident.flow.cookie {
            // Seen at its listener. What else bears a cookie is a connection's.
            Some(cookie)
                if incident.state == Some(TcpState::Listen)
                    || incident.evidence == Evidence::Counted =>
            {
                Listener::Cookie(cookie)
            }
            _ => Listener::Place((incident.flow.netns?, local)),
        };
        if self.refusals.len() >= MOST_LISTENERS && !self.refusals.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        let (last_ns, refusals) = self.refusals.entry(key).or_default();
        *last_ns = incident.boot_ns.max(*last_ns);
        Some(refusals)
    }

    /// Incidents that found no room: what rows say of listeners and owners is too little by them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn time_wait(&mut self, phase: TimeWaitPhase, incident: &Incident) {
        let flow = &incident.flow;
        let (Some(netns), Some(local), Some(remote)) = (flow.netns, flow.local, flow.remote) else {
            return;
        };
        let tuple = (netns, local, remote);
        match (phase, &incident.owner) {
            (TimeWaitPhase::Enter, Some(_))
                if self.left_by.len() >= MOST_TUPLES && !self.left_by.contains_key(&tuple) =>
            {
                self.dropped += 1;
            }
            (TimeWaitPhase::Enter, Some(owner)) => {
                self.left_by
                    .insert(tuple, (incident.boot_ns, owner.clone()));
            }
            (TimeWaitPhase::Overflow, _) => {}
            (TimeWaitPhase::Enter | TimeWaitPhase::Reuse | TimeWaitPhase::Expire, _) => {
                self.left_by.remove(&tuple);
            }
        }
    }

    /// Takes what a snapshot adds, before its rows are made: how counters moved; forgets what is
    /// gone.
    pub fn look(&mut self, snapshot: &Snapshot) {
        self.looks += 1;
        let mut here = HashSet::new();
        let mut listening = HashSet::new();
        let mut ports = HashSet::new();
        for space in &snapshot.spaces {
            let first = self.first_counters.entry(space.netns);
            first.or_insert((0, space.counters)).0 = self.looks;
            for socket in &space.sockets {
                if let (Form::TimeWait, Some(remote)) = (socket.form, socket.remote) {
                    here.insert((space.netns, socket.local, remote));
                }
                if socket.state != TcpState::Listen {
                    continue;
                }
                listening.insert(socket.cookie);
                ports.insert((space.netns, socket.local.port));
                if let Some(drops) = socket.drops {
                    self.count(socket.cookie, drops, snapshot.boot_ns);
                }
            }
        }
        self.drops.retain(|cookie, _| listening.contains(cookie));
        let looks = self.looks;
        self.first_counters
            .retain(|_, (seen, _)| looks - *seen < LOOKS_MISSED);
        self.refusals.retain(|listener, (last_ns, _)| {
            let is_here = match listener {
                Listener::Cookie(cookie) => listening.contains(cookie),
                Listener::Place((netns, local)) => ports.contains(&(*netns, local.port)),
            };
            is_here || *last_ns >= snapshot.boot_ns
        });
        // An entry younger than the snapshot could not be in it.
        self.left_by
            .retain(|tuple, (since, _)| *since >= snapshot.boot_ns || here.contains(tuple));
    }

    fn count(&mut self, cookie: u64, drops: u32, now_ns: u64) {
        let fresh = Drops {
            risen: 0,
            latest: drops,
            latest_ns: now_ns,
            per_second: None,
        };
        let before = self.drops.entry(cookie).or_insert(fresh);
        let passed_ns = now_ns.saturating_sub(before.latest_ns);
        if passed_ns > 0 {
            let rise = drops.wrapping_sub(before.latest);
            *before = Drops {
                risen: before.risen + u64::from(rise),
                latest: drops,
                latest_ns: now_ns,
                per_second: Some(f64::from(rise) * 1e9 / passed_ns as f64),
            };
        }
    }

    /// Refusals of a listener; `None` without hooks.
    pub fn refusals(&self, netns: u32, local: Endpoint, cookie: u64) -> Option<Refusals> {
        self.watching_since_ns?;
        let by = |key| self.refusals.get(&key).copied().unwrap_or_default().1;
        let (one, other) = (
            by(Listener::Cookie(cookie)),
            by(Listener::Place((netns, local))),
        );
        Some(Refusals {
            accept_syn: one.accept_syn + other.accept_syn,
            accept_ack: one.accept_ack + other.accept_ack,
            accept_counted: one.accept_counted + other.accept_counted,
            syn_queue: one.syn_queue + other.syn_queue,
            cookies: one.cookies + other.cookies,
        })
    }

    /// How much a listener's drop counter rose since the first look, and per second; `None` at
    /// the first look.
    pub fn drops_risen(&self, cookie: u64) -> Option<(u64, f64)> {
        let drops = self.drops.get(&cookie)?;
        Some((drops.risen, drops.per_second?))
    }

    /// Who left a TIME_WAIT, as seen when it was left.
    pub fn left_by(&self, netns: u32, local: Endpoint, remote: Endpoint) -> Option<&Owner> {
        self.left_by
            .get(&(netns, local, remote))
            .map(|(_, owner)| owner)
    }

    /// A namespace's counters at the first look; `None` until the second.
    pub fn first_counters(&self, netns: u32) -> Option<SpaceCounters> {
        self.watching_since_ns?;
        self.first_counters.get(&netns).map(|(_, first)| *first)
    }
}
