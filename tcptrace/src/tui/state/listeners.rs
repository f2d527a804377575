//! Listeners: how full their accept queues are, by samples, and whom they refused, by incidents.
//!
//! A listener is known by its cookie. A refusal that bears none is given to the one listener of its
//! address, else it gets a row of that address: it is never given to one of several by chance.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::count::{Count, renew};
use super::latest::Numbered;
use crate::model::flow::TcpState;
use crate::model::incident::{DropOutcome, Evidence, Queue};
use crate::model::sample::ListenerSample;
use crate::model::{Endpoint, Incident, Process, Sample, What};

/// Listeners kept at most.
const MOST: usize = 1024;

/// Which listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKey {
    /// By namespace and cookie.
    Socket(Option<u32>, u64),
    /// By namespace and address.
    Place(Option<u32>, Option<Endpoint>),
}

/// A listener.
#[derive(Clone, Debug)]
pub struct ListenerRow {
    /// Identity.
    pub key: ListenerKey,
    /// Namespace.
    pub netns: Option<u32>,
    /// Where it listens; as in its first refusal where no sample has it.
    pub local: Option<Endpoint>,
    /// Who listens.
    pub process: Option<Arc<Process>>,
    /// Accept queue at the last sample; `None`: no sample has it.
    pub queue: Option<Queue>,
    /// The longest it was at a sample or at a refusal.
    pub peak: u32,
    /// The socket's drop counter at the last sample.
    pub drops: Option<u32>,
    /// By how much that rose during the run; `None`: not reported.
    pub risen: Option<u64>,
    /// Connections refused, reported by hooks: accept queue full.
    pub refused: u64,
    /// SYNs dropped for a full SYN queue.
    pub syn_dropped: u64,
    /// SYNs answered by a cookie: not refused.
    pub cookies: u64,
    /// Incidents behind the last three.
    pub count: Count,
    /// Not in the last sample any more.
    pub is_gone: bool,
}

impl ListenerRow {
    /// Nothing of it needs to be kept.
    fn is_quiet(&self) -> bool {
        self.count.total == 0
            && self.peak == 0
            && self.risen.unwrap_or(0) == 0
            && self.queue.is_none_or(|queue| queue.length == 0)
    }

    /// Refused for any reason.
    pub fn refusals(&self) -> u64 {
        self.refused + self.syn_dropped
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    rows: HashMap<ListenerKey, ListenerRow, RandomState>,
    has_samples: bool,
    /// A listener that is not known yet may be older than the run.
    has_left_out: bool,
    left_out: u64,
}

impl Listeners {
    pub(super) fn look(&mut self, sample: &Sample) {
        let mut here: HashSet<ListenerKey, RandomState> = HashSet::default();
        let mut new = Vec::new();
        let was_known = !self.has_samples || self.has_left_out;
        for space in &sample.spaces {
            for listener in &space.listeners {
                let key = ListenerKey::Socket(Some(space.netns), listener.cookie);
                here.insert(key);
                match self.rows.get_mut(&key) {
                    Some(row) => renewed(row, listener, was_known),
                    None => new.push((key, listener)),
                }
            }
        }
        for (key, row) in &mut self.rows {
            row.is_gone = matches!(key, ListenerKey::Socket(..)) && !here.contains(key);
        }
        self.rows.retain(|_, row| !row.is_gone || !row.is_quiet());
        new.sort_by_key(|(_, listener)| {
            std::cmp::Reverse((listener.accept_queue.length, listener.drops))
        });
        self.left_out = 0;
        for (key, listener) in new {
            let is_troubled = listener.accept_queue.length > 0;
            if self.has_room(is_troubled) {
                self.rows.insert(key, row_of(key, listener, was_known));
            } else {
                self.left_out += 1;
            }
        }
        self.has_left_out |= self.left_out > 0;
        self.has_samples = true;
    }

    /// Whether there is room for one more; makes some for one in trouble.
    fn has_room(&mut self, is_troubled: bool) -> bool {
        if self.rows.len() < MOST {
            return true;
        }
        if !is_troubled {
            return false;
        }
        let quiet = self.rows.values().find(|row| row.is_quiet());
        let Some(key) = quiet.map(|row| row.key) else {
            return false;
        };
        self.has_left_out = true;
        self.rows.remove(&key).is_some()
    }

    pub(super) fn on(&mut self, numbered: &Numbered) {
        let incident = &*numbered.incident;
        let (queue, refused, syn_dropped, cookies) = match &incident.what {
            What::AcceptDrop { queue, count, .. } => (*queue, *count, 0, 0),
            What::SynDrop {
                outcome: Some(DropOutcome::Cookie),
                count,
                ..
            } => (None, 0, 0, *count),
            What::SynDrop { count, .. } => (None, 0, *count, 0),
            _ => return,
        };
        let key = self.key(incident);
        if !self.rows.contains_key(&key) {
            if !self.has_room(true) {
                return;
            }
            let risen = None;
            self.rows.insert(key, empty(key, incident, risen));
        }
        let Some(row) = self.rows.get_mut(&key) else {
            return;
        };
        row.count.add(numbered);
        row.refused = row.refused.saturating_add(refused);
        row.syn_dropped = row.syn_dropped.saturating_add(syn_dropped);
        row.cookies = row.cookies.saturating_add(cookies);
        row.peak = row.peak.max(queue.map_or(0, |queue| queue.length));
        if row.process.is_none() {
            renew(&mut row.process, incident);
        }
    }

    fn key(&self, incident: &Incident) -> ListenerKey {
        let flow = &incident.flow;
        if let Some(cookie) = flow.cookie {
            // Any other cookie is that of a connection.
            let is_listeners =
                incident.state == Some(TcpState::Listen) || incident.evidence == Evidence::Counted;
            if is_listeners {
                return ListenerKey::Socket(flow.netns, cookie);
            }
        }
        let serves = |row: &&ListenerRow| {
            let (Some(here), Some(there)) = (row.local, flow.local) else {
                return false;
            };
            matches!(row.key, ListenerKey::Socket(..))
                && !row.is_gone
                && row.netns == flow.netns
                && here.port == there.port
                && (here.addr == there.addr || here.addr.is_unspecified())
        };
        let mut serving = self.rows.values().filter(serves);
        match (serving.next(), serving.next()) {
            (Some(only), None) => only.key,
            _ => ListenerKey::Place(flow.netns, flow.local),
        }
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &ListenerRow> {
        self.rows.values()
    }

    /// Whether any sample came.
    pub fn has_samples(&self) -> bool {
        self.has_samples
    }

    /// Listeners of the last sample that there was no room for.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Resets the counts; the rows stay.
    pub(super) fn clear(&mut self) {
        self.rows
            .retain(|key, row| matches!(key, ListenerKey::Socket(..)) && !row.is_gone);
        for row in self.rows.values_mut() {
            row.peak = row.queue.map_or(0, |queue| queue.length);
            row.risen = row.risen.map(|_| 0);
            (row.refused, row.syn_dropped, row.cookies) = (0, 0, 0);
            row.count = Count::default();
        }
    }
}

/// A row that only a refusal has created.
fn empty(key: ListenerKey, incident: &Incident, risen: Option<u64>) -> ListenerRow {
    ListenerRow {
        key,
        netns: incident.flow.netns,
        local: incident.flow.local,
        process: None,
        queue: None,
        peak: 0,
        drops: None,
        risen,
        refused: 0,
        syn_dropped: 0,
        cookies: 0,
        count: Count::default(),
        is_gone: false,
    }
}

/// A row that a sample has brought. What a listener younger than the run dropped, it dropped during
/// the run.
fn row_of(key: ListenerKey, listener: &ListenerSample, was_known: bool) -> ListenerRow {
    let (ListenerKey::Socket(netns, _) | ListenerKey::Place(netns, _)) = key;
    ListenerRow {
        key,
        netns,
        local: Some(listener.local),
        process: listener.holder.clone(),
        queue: Some(listener.accept_queue),
        peak: listener.accept_queue.length,
        drops: listener.drops,
        risen: listener
            .drops
            .map(|drops| if was_known { 0 } else { u64::from(drops) }),
        refused: 0,
        syn_dropped: 0,
        cookies: 0,
        count: Count::default(),
        is_gone: false,
    }
}

fn renewed(row: &mut ListenerRow, listener: &ListenerSample, was_known: bool) {
    row.local = Some(listener.local);
    if listener.holder.is_some() {
        row.process.clone_from(&listener.holder);
    }
    row.queue = Some(listener.accept_queue);
    row.peak = row.peak.max(listener.accept_queue.length);
    if let Some(now) = listener.drops {
        let rise = match row.drops {
            // The kernel's counter may wrap.
            Some(before) => now.wrapping_sub(before),
            // Only a refusal has reported it so far.
            None if was_known => 0,
            None => now,
        };
        row.risen = Some(row.risen.unwrap_or(0) + u64::from(rise));
        row.drops = Some(now);
    }
}
