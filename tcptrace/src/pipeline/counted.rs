//! What hooks cannot report on this kernel, from the kernel's counters: refusals per namespace, and
//! which listener they belong to when that is certain.
//!
//! A counter says how many, not when and who was refused: such an event bears a count, no remote
//! end, and the evidence `counted`. What hooks have seen is taken off first, and only what two
//! consecutive readings miss is reported, since an event may be on its way while counters are read.

use std::collections::HashMap;

use crate::model::event::QueueDrop;
use crate::model::flow::TcpState;
use crate::model::incident::{DropOutcome, Queue};
use crate::model::{Endpoint, Event, Evidence, Family, Flow, Kind, KindSet, Signal};
use crate::source::sock_diag::{self, SockRow};
use crate::survey::{Presence, RefusalReading, Refusing};

/// A counter of the events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Count {
    AcceptDrops,
    SynDrops,
    Cookies,
}

impl Count {
    const ALL: [Self; 3] = [Self::AcceptDrops, Self::SynDrops, Self::Cookies];

    /// The kernel's name.
    pub(super) const fn counter(self) -> &'static str {
        match self {
            Self::AcceptDrops => "TcpExt.ListenOverflows",
            Self::SynDrops => "TcpExt.TCPReqQFullDrop",
            Self::Cookies => "TcpExt.TCPReqQFullDoCookies",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::AcceptDrops => Kind::AcceptDrop,
            Self::SynDrops | Self::Cookies => Kind::SynDrop,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counted {
    kinds: Option<KindSet>,
    /// Which namespaces there were at the start.
    presence: Presence,
    spaces: HashMap<u32, Space>,
}

/// What is known of one namespace.
#[derive(Debug, Default)]
struct Space {
    /// Counters when it was first read; 0 for a namespace that is certainly younger than the run.
    start: HashMap<Count, u64>,
    /// Already reported.
    reported: HashMap<Count, u64>,
    /// Missing at the last reading.
    missing: HashMap<Count, u64>,
    /// Drop counters of its listeners, by cookie.
    drops: HashMap<u64, u32>,
}

impl Counted {
    /// Counts these kinds from a reading on; nothing is counted without kinds.
    pub(super) fn begin(kinds: KindSet, reading: RefusalReading) -> Self {
        let spaces = reading.spaces.iter();
        Self {
            kinds: (!kinds.is_empty()).then_some(kinds),
            spaces: spaces
                .map(|(netns, refusing)| (*netns, Space::from_now(refusing)))
                .collect(),
            presence: reading.presence,
        }
    }

    /// What was refused since and not seen. `seen` says how many of a counter's events hooks have
    /// reported in a namespace.
    pub(super) fn poll(
        &mut self,
        reading: &RefusalReading,
        now_ns: u64,
        seen: impl Fn(u32, &'static str) -> u64,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(kinds) = self.kinds else {
            return events;
        };
        for (inode, refusing) in &reading.spaces {
            let inode = *inode;
            let Refusing {
                counters,
                listeners,
            } = refusing;
            let presence = &self.presence;
            let space = self.spaces.entry(inode).or_insert_with(|| {
                if presence.is_before(inode) {
                    Space::default()
                } else {
                    // There all the time, and read now for the first time: what it has counted in
                    // its life is not new.
                    Space::from_now(refusing)
                }
            });
            for count in Count::ALL
                .into_iter()
                .filter(|count| kinds.contains(count.kind()))
            {
                let value = counters.value(count.counter()).unwrap_or(0);
                let start = space.start.get(&count).copied().unwrap_or(0);
                let reported = space.reported.entry(count).or_default();
                let missing = value
                    .saturating_sub(start)
                    .saturating_sub(seen(inode, count.counter()))
                    .saturating_sub(*reported);
                let before = space.missing.insert(count, missing).unwrap_or(0);
                let certain = missing.min(before);
                if certain > 0 {
                    *reported += certain;
                    space.missing.insert(count, missing - certain);
                    let listener = the_one(listeners, &space.drops);
                    events.push(event(count, inode, certain, listener, now_ns));
                }
            }
            // A rise is stored until it has been reported.
            if space.missing.values().all(|missing| *missing == 0) {
                space.drops = drops(listeners);
            }
        }
        events
    }
}

impl Space {
    /// What was counted up to now is not reported.
    fn from_now(refusing: &Refusing) -> Self {
        let value = |count: Count| refusing.counters.value(count.counter()).unwrap_or(0);
        Self {
            start: Count::ALL.map(|count| (count, value(count))).into(),
            drops: drops(&refusing.listeners),
            ..Self::default()
        }
    }
}

fn drops(listeners: &[SockRow]) -> HashMap<u64, u32> {
    let known = |row: &SockRow| Some((row.cookie, row.sk_drops?));
    listeners.iter().filter_map(known).collect()
}

/// The only listener whose drop counter has risen; `None` when several have, or none.
fn the_one<'a>(listeners: &'a [SockRow], before: &HashMap<u64, u32>) -> Option<&'a SockRow> {
    let mut risen = listeners
        .iter()
        .filter(|row| row.sk_drops.unwrap_or(0) > before.get(&row.cookie).copied().unwrap_or(0));
    let first = risen.next()?;
    risen.next().is_none().then_some(first)
}

fn event(
    count: Count,
    netns: u32,
    certain: u64,
    listener: Option<&SockRow>,
    boot_ns: u64,
) -> Event {
    let facts = QueueDrop {
        step: None,
        outcome: match count {
            Count::AcceptDrops => None,
            Count::SynDrops => Some(DropOutcome::Dropped),
            Count::Cookies => Some(DropOutcome::Cookie),
        },
        queue: listener
            .filter(|_| count == Count::AcceptDrops)
            .map(|row| Queue {
                length: row.rqueue,
                limit: row.wqueue,
            }),
        count: certain,
        somaxconn: None,
        backlog: None,
    };
    Event {
        boot_ns,
        sock: None,
        inode: listener.and_then(|row| row.inode),
        flow: Flow {
            family: match listener.map(|row| row.family) {
                Some(sock_diag::Family::Inet6) => Family::Inet6,
                _ => Family::Inet,
            },
            local: listener.map(|row| Endpoint {
                addr: row.local.ip().to_canonical(),
                port: row.local.port(),
            }),
            unbound: None,
            remote: None,
            netns: Some(netns),
            cookie: listener.map(|row| row.cookie),
        },
        state: Some(TcpState::Listen),
        heard: None,
        owner: None,
        hook: "sock_diag",
        evidence: Evidence::Counted,
        signal: match count {
            Count::AcceptDrops => Signal::AcceptDrop(facts),
            Count::SynDrops | Count::Cookies => Signal::SynDrop(facts),
        },
    }
}

#[cfg(test)]
mod tests;
