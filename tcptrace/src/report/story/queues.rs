//! How full accept queues were, and what they refused.
//!
//! Most listeners never have a queue: those are counted and nothing more.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::diagnose::fold::counted;
use crate::model::incident::Queue;
use crate::model::sample::ListenerSample;
use crate::model::{Endpoint, Incident, Sample, What};
use crate::report::bins::{Grid, Peak, Series};
use crate::report::ranking::{Ranking, Weight};
use crate::report::who::{Members, Who, WhoRef};

/// Listeners with a history.
const MOST: usize = 256;
/// Listeners counted; beyond, their number is only a lower bound.
const MOST_COUNTED: usize = 65_536;

/// Namespace and cookie, or the port of what bears none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::report) enum Place {
    Socket(Option<u32>, u64),
    Port(Option<u32>, Option<u16>),
}

/// A listener that had a queue or refused a client.
#[derive(Debug, Default)]
pub(in crate::report) struct Listener {
    pub(in crate::report) netns: Option<u32>,
    pub(in crate::report) local: Option<Endpoint>,
    pub(in crate::report) who: Option<Who>,
    pub(in crate::report) members: Members,
    /// The longest it was in a sample or at a refusal, and its limit then.
    pub(in crate::report) peak: Option<Queue>,
    /// The last one known.
    pub(in crate::report) limit: Option<u32>,
    pub(in crate::report) limit_changed: bool,
    /// Samples, those without a queue too from the first one with it.
    pub(in crate::report) length: Series<Peak>,
    pub(in crate::report) refused: u64,
    pub(in crate::report) refused_over_time: Series<u64>,
}

impl Listener {
    /// How full it was at most, in thousandths of the limit.
    pub(in crate::report) fn fullness(&self) -> u64 {
        self.peak.map_or(0, |queue| {
            u64::from(queue.length) * 1000 / u64::from(queue.limit.max(1))
        })
    }

    fn note(&mut self, queue: Queue) {
        if self.peak.is_none_or(|known| known.length < queue.length) {
            self.peak = Some(queue);
        }
        self.limit_changed |= self.limit.is_some_and(|known| known != queue.limit);
        self.limit = Some(queue.limit);
    }
}

impl Weight for Listener {
    fn weight(&self) -> u64 {
        // Whoever refused was full, whatever the samples saw.
        let refusals = if self.refused > 0 { 2000 } else { 0 };
        self.fullness().saturating_add(refusals)
    }
}

/// All listeners.
#[derive(Debug)]
pub(in crate::report) struct Queues {
    pub(in crate::report) listeners: Ranking<Place, Listener>,
    seen: HashSet<(u32, u64), FixedState>,
    pub(in crate::report) has_uncounted: bool,
    /// The times of the samples: if a listener has no value at one of them, it had no queue.
    pub(in crate::report) looks: Series<u64>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            listeners: Ranking::of(MOST),
            seen: HashSet::with_hasher(FixedState::default()),
            has_uncounted: false,
            looks: Series::default(),
        }
    }
}

impl Queues {
    /// How many listeners there were in samples.
    pub(in crate::report) fn sampled(&self) -> u64 {
        self.seen.len() as u64
    }

    pub(super) fn sample(&mut self, sample: &Sample, grid: &Grid, wall_ns: i64) {
        self.looks.put(grid, wall_ns, 1);
        for space in &sample.spaces {
            for listener in &space.listeners {
                let identity = (space.netns, listener.cookie);
                if !self.seen.contains(&identity) {
                    if self.seen.len() < MOST_COUNTED {
                        self.seen.insert(identity);
                    } else {
                        self.has_uncounted = true;
                    }
                }
                let place = Place::Socket(Some(space.netns), listener.cookie);
                let has_queue = listener.accept_queue.length > 0;
                if has_queue || self.listeners.find(&place).is_some() {
                    let known = self.listeners.at(&place, || place);
                    known.netns = Some(space.netns);
                    take(known, listener, grid, wall_ns);
                }
            }
        }
    }

    pub(super) fn incident(&mut self, incident: &Incident, grid: &Grid, wall_ns: i64) {
        let What::AcceptDrop { queue, .. } = &incident.what else {
            return;
        };
        let flow = &incident.flow;
        let place = match flow.cookie {
            Some(cookie) => Place::Socket(flow.netns, cookie),
            None => Place::Port(flow.netns, flow.local.map(|end| end.port)),
        };
        let count = counted(&incident.what);
        let listener = self.listeners.at(&place, || place);
        listener.refused = listener.refused.saturating_add(count);
        listener.refused_over_time.put(grid, wall_ns, count);
        listener.netns = listener.netns.or(flow.netns);
        // A sample has the listener's own address, this only the one that a client used.
        listener.local = listener.local.or(flow.local);
        if let Some(queue) = queue {
            listener.note(*queue);
        }
        if let Some(owner) = &incident.owner {
            listener
                .who
                .get_or_insert_with(|| WhoRef::of(Some(owner)).owned());
            listener.members.join(&owner.process);
        }
    }
}

fn take(listener: &mut Listener, sample: &ListenerSample, grid: &Grid, wall_ns: i64) {
    let length = u64::from(sample.accept_queue.length);
    listener.length.put(grid, wall_ns, Peak(Some(length)));
    listener.note(sample.accept_queue);
    listener.local = Some(sample.local);
    if let Some(holder) = &sample.holder {
        let holder_of = || WhoRef::of_process(Some(holder)).owned();
        listener.who.get_or_insert_with(holder_of);
        listener.members.join(holder);
    }
}
