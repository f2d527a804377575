//! Folds lines that say the same: the first of a group is shown at once, further ones of the same kind,
//! cause, owner (and how it is known), evidence, service and direction within a second become one line with their number. Pure: the time
//! is that of the incidents, and of who asks what is due.
//!
//! What is ordinary on a healthy host (TIME_WAIT begins and ends, a RST after both ends closed) is folded
//! from its first line on. Nothing is lost: the lines shown at once and the numbers of the folded ones add
//! up to the incidents that came in.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::owners::suffix;
use super::spread::Spread;
use crate::model::flow::TcpState;
use crate::model::incident::{ResetMeaning, RetransmitType, TimeWaitPhase, What};
use crate::model::{Endpoint, Evidence, Incident, Kind};

/// How long a line waits for others.
const WINDOW_NS: u64 = 1_000_000_000;
/// Groups at once; beyond that the oldest is shown early.
const MOST_GROUPS: usize = 1024;
/// Peers that are counted exactly.
pub(super) const MOST_PEERS: usize = 256;

/// What lines must have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    cause: Option<&'static str>,
    /// Process and its start.
    owner: Option<(u32, Option<u64>)>,
    /// How it is known, as far as a line says: what is said of one holds for all.
    known: &'static str,
    evidence: Evidence,
    netns: Option<u32>,
    /// `None` for what is ordinary: one line for each owner.
    service: Option<Service>,
}

/// What was connected to, and from which side, as far as an incident says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Service {
    /// The local end: the peer came in.
    Incoming(Option<Endpoint>),
    /// The remote end: the owner went out.
    Outgoing(Option<Endpoint>),
    /// Two ports of which either may be the client's: distinguished by address only.
    Unclear(IpAddr, IpAddr),
}

/// kernel: the first port that connect() takes unless net.ipv4.ip_local_port_range says otherwise.
const FIRST_EPHEMERAL: u16 = 32_768;

impl Key {
    fn of(incident: &Incident, is_ordinary: bool) -> Self {
        let owner = incident.owner.as_ref();
        Self {
            kind: incident.kind(),
            cause: incident.what.cause(),
            owner: owner.map(|owner| (owner.process.pid, owner.process.start_ticks)),
            known: owner.map_or("", suffix),
            evidence: incident.evidence,
            netns: incident.flow.netns,
            service: (!is_ordinary).then(|| service(incident)),
        }
    }
}

/// By what the incident says; else by the ports: that of the service is the lower one, unless both are
/// such as clients are given.
fn service(incident: &Incident) -> Service {
    let (local, remote) = (incident.flow.local, incident.flow.remote);
    match (&incident.what, incident.state) {
        (What::AcceptDrop { .. } | What::SynDrop { .. }, _)
        | (_, Some(TcpState::Listen | TcpState::SynRecv | TcpState::NewSynRecv)) => {
            return Service::Incoming(local);
        }
        (What::Retransmit { kind, .. }, _) if *kind == RetransmitType::SynAck => {
            return Service::Incoming(local);
        }
        (_, Some(TcpState::SynSent)) => return Service::Outgoing(remote),
        _ => {}
    }
    match (local, remote) {
        (Some(own), Some(peer)) if own.port.min(peer.port) >= FIRST_EPHEMERAL => {
            Service::Unclear(own.addr, peer.addr)
        }
        (Some(own), Some(peer)) if peer.port < own.port => Service::Outgoing(remote),
        (None, Some(_)) => Service::Outgoing(remote),
        _ => Service::Incoming(local),
    }
}

/// Lines that were folded into one.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    /// The first of them.
    pub(super) first: Incident,
    /// When the last of them happened, boot clock, ns.
    pub(super) last_ns: u64,
    /// How many, at least 1.
    pub(super) count: u64,
    /// A line of the group was shown before.
    pub(super) has_shown: bool,
    /// Their details as one.
    pub(super) spread: Spread,
    /// Different remote addresses; [`MOST_PEERS`] stands for that many or more.
    pub(super) peers: usize,
    /// Which parts of their ends differ.
    pub(super) varies: Varies,
}

/// Which parts of the ends of folded lines differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Varies {
    pub(super) local_addr: bool,
    pub(super) local_port: bool,
    pub(super) remote_port: bool,
}

struct Group {
    begin_ns: u64,
    has_shown: bool,
    folded: Option<(Folded, HashSet<IpAddr>)>,
}

impl Group {
    fn add(&mut self, incident: &Incident, detail: &str) {
        let has_shown = self.has_shown;
        let (folded, peers) = self.folded.get_or_insert_with(|| {
            let folded = Folded {
                first: incident.clone(),
                last_ns: incident.boot_ns,
                count: 0,
                has_shown,
                spread: Spread::of(detail),
                peers: 0,
                varies: Varies::default(),
            };
            (folded, HashSet::new())
        });
        folded.count += 1;
        folded.last_ns = folded.last_ns.max(incident.boot_ns);
        folded.spread.add(detail);
        let (flow, first) = (&incident.flow, &folded.first.flow);
        let port = |end: Option<Endpoint>| end.map(|end| end.port);
        let addr = |end: Option<Endpoint>| end.map(|end| end.addr);
        let varies = &mut folded.varies;
        varies.local_addr |= addr(flow.local) != addr(first.local);
        varies.local_port |= port(flow.local) != port(first.local);
        varies.remote_port |= port(flow.remote) != port(first.remote);
        if let Some(peer) = addr(flow.remote)
            && peers.len() < MOST_PEERS
        {
            peers.insert(peer);
        }
        folded.peers = peers.len();
    }

    fn take(&mut self) -> Option<Folded> {
        self.folded.take().map(|(folded, _)| folded)
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Fold {
    groups: HashMap<Key, Group>,
    /// No group is due before.
    due_ns: u64,
    /// Groups that gave way, to be shown with the next that are due.
    early: Vec<Folded>,
}

impl Fold {
    /// Takes an incident with its details as printed; true: it is to be shown at once.
    pub(super) fn takes(&mut self, incident: &Incident, detail: &str) -> bool {
        let is_ordinary = is_ordinary(&incident.what);
        let key = Key::of(incident, is_ordinary);
        if let Some(group) = self.groups.get_mut(&key) {
            group.add(incident, detail);
            return false;
        }
        if self.groups.len() >= MOST_GROUPS {
            self.give_way();
        }
        if self.groups.is_empty() {
            self.due_ns = u64::MAX;
        }
        let begin_ns = incident.boot_ns;
        self.due_ns = self.due_ns.min(begin_ns.saturating_add(WINDOW_NS));
        let mut group = Group {
            begin_ns,
            has_shown: !is_ordinary,
            folded: None,
        };
        if is_ordinary {
            group.add(incident, detail);
        }
        self.groups.insert(key, group);
        !is_ordinary
    }

    /// The oldest group makes room.
    fn give_way(&mut self) {
        let oldest = self.groups.iter().min_by_key(|(_, group)| group.begin_ns);
        let oldest = oldest.map(|(key, _)| key.clone());
        if let Some(mut group) = oldest.and_then(|key| self.groups.remove(&key)) {
            self.early.extend(group.take());
        }
    }

    /// What is to be shown at this moment of the boot clock, in order.
    pub(super) fn due(&mut self, now_ns: u64) -> Vec<Folded> {
        let mut due = std::mem::take(&mut self.early);
        if now_ns >= self.due_ns {
            let mut next_ns = u64::MAX;
            self.groups.retain(|_, group| {
                let end_ns = group.begin_ns.saturating_add(WINDOW_NS);
                let mut goes_on = true;
                if now_ns >= end_ns {
                    let folded = group.take();
                    // A group that rested for a whole window is over: its next line is a first one.
                    goes_on = folded.is_some() && now_ns < end_ns.saturating_add(WINDOW_NS);
                    due.extend(folded);
                    group.begin_ns = end_ns;
                }
                if goes_on {
                    next_ns = next_ns.min(group.begin_ns.saturating_add(WINDOW_NS));
                }
                goes_on
            });
            self.due_ns = next_ns;
        }
        due.sort_by_key(|folded| folded.first.boot_ns);
        due
    }

    /// Everything that was not shown yet.
    pub(super) fn rest(&mut self) -> Vec<Folded> {
        let mut rest = std::mem::take(&mut self.early);
        let groups = std::mem::take(&mut self.groups).into_values();
        rest.extend(groups.filter_map(|mut group| group.take()));
        rest.sort_by_key(|folded| folded.first.boot_ns);
        rest
    }
}

/// What a healthy host does with every connection.
const fn is_ordinary(what: &What) -> bool {
    matches!(
        what,
        What::TimeWait {
            phase: TimeWaitPhase::Enter | TimeWaitPhase::Expire,
            ..
        } | What::RstReceived {
            meaning: ResetMeaning::AfterClose,
        }
    )
}
