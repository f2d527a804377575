//! The books of a run: what was seen, shown, left out and lost, by kind and by owner.

#[cfg(test)]
pub(super) mod tests;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use tcptrace_common::names::limited;

use super::counts::{Counts, Window};
use crate::model::loss::{LossPlace, Tally};
use crate::model::summary::{NotRemembered, OwnerCount, Reconciled, Summary};
use crate::model::{Incident, Kind};

const KINDS: usize = Kind::ALL.len();
/// Owners listed in the summary.
const LISTED: usize = 20;
/// Owners stored at most. When there are more, the half with the fewest incidents is forgotten, and counts from zero
/// when it comes back: whoever causes many is found however late the run is.
const KEPT: usize = 4_096;

/// Who: pid and start, or nobody.
type OwnerKey = Option<(u32, Option<u64>)>;

#[derive(Debug)]
struct OwnerRow {
    comm: Option<String>,
    by_kind: [u64; KINDS],
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    heard: u64,
    shown: [u64; KINDS],
    filtered: u64,
    filtered_in_kernel: [u64; KINDS],
    rate_limited: u64,
    lost_in_ring: [u64; KINDS],
    lost_undecoded: u64,
    lost_in_sink: u64,
    /// Runs that the kernel skipped, by hook.
    skipped: BTreeMap<Cow<'static, str>, u64>,
    owners: HashMap<OwnerKey, OwnerRow, RandomState>,
    forgotten_owners: u64,
    not_remembered: Vec<NotRemembered>,
    start_ns: u64,
    end_ns: u64,
    /// For the reconciliation, by namespace.
    pub(super) counts: HashMap<u32, Counts, RandomState>,
    window: Window,
}

impl Ledger {
    /// Books that begin at a moment of the boot clock.
    pub(super) fn new(start_ns: u64, has_counters: bool) -> Self {
        Self {
            heard: 0,
            shown: [0; KINDS],
            filtered: 0,
            filtered_in_kernel: [0; KINDS],
            rate_limited: 0,
            lost_in_ring: [0; KINDS],
            lost_undecoded: 0,
            lost_in_sink: 0,
            skipped: BTreeMap::new(),
            owners: HashMap::default(),
            forgotten_owners: 0,
            not_remembered: Vec::new(),
            start_ns,
            end_ns: start_ns,
            counts: HashMap::default(),
            window: Window::begin(start_ns, start_ns, has_counters),
        }
    }

    /// When the reading of the kernel's counters began that ended where the books begin.
    pub(super) fn read_since(&mut self, begin_ns: u64) {
        let has_counters = self.window.is_known();
        self.window = Window::begin(begin_ns, self.start_ns, has_counters);
    }

    /// The interval ends; incidents after it are not held against the kernel's counters.
    pub(super) fn end(&mut self, end_ns: u64) {
        self.end_ns = end_ns;
        self.window.end(end_ns);
    }

    /// An incident was made, whatever becomes of it.
    pub(super) fn note(&mut self, incident: &Incident) {
        self.heard += 1;
        let Some(netns) = incident.flow.netns else {
            return;
        };
        let is_inside = self.window.contains(incident.boot_ns);
        let is_at_edge = self.window.is_edge(incident.boot_ns);
        if !is_inside && !is_at_edge {
            return;
        }
        let counts = self.counts.entry(netns).or_default();
        if is_inside {
            counts.add(incident);
        }
        if is_at_edge {
            counts.add_at_edge(incident);
        }
    }

    /// How many events of a kernel counter hooks have reported in a namespace.
    pub(super) fn seen(&self, netns: u32, counter: &str) -> u64 {
        self.counts
            .get(&netns)
            .map_or(0, |counts| counts.seen(counter))
    }

    pub(super) fn show(&mut self, incident: &Incident) {
        let kind = incident.kind().index();
        self.shown[kind] += 1;
        let process = incident.owner.as_ref().map(|owner| &owner.process);
        let key = process.map(|process| (process.pid, process.start_ticks));
        if let Some(row) = self.owners.get_mut(&key) {
            row.by_kind[kind] += 1;
            // exec and prctl change it.
            let comm = process.map(|process| &process.comm);
            if row.comm.as_ref() != comm {
                row.comm = comm.cloned();
            }
            return;
        }
        if self.owners.len() >= KEPT {
            self.forget_owners();
        }
        let mut row = OwnerRow {
            comm: process.map(|process| process.comm.clone()),
            by_kind: [0; KINDS],
        };
        row.by_kind[kind] = 1;
        self.owners.insert(key, row);
    }

    /// Makes room for others: the half with the fewest incidents goes, of equal ones the higher process numbers.
    fn forget_owners(&mut self) {
        let weigh = |key: &OwnerKey, row: &OwnerRow| (Reverse(total(&row.by_kind)), *key);
        let weights = self.owners.iter().map(|(key, row)| weigh(key, row));
        let mut weights: Vec<_> = weights.collect();
        let (_, least, _) = weights.select_nth_unstable(KEPT / 2);
        let least = *least;
        let before = self.owners.len();
        self.owners.retain(|key, row| weigh(key, row) < least);
        self.forgotten_owners += (before - self.owners.len()) as u64;
    }

    pub(super) fn filtered(&mut self) {
        self.filtered += 1;
    }

    /// What was left out while it was recorded.
    pub(super) fn filtered_before(&mut self, count: u64) {
        self.heard = self.heard.saturating_add(count);
        self.filtered = self.filtered.saturating_add(count);
    }

    /// Events that were seen once, and cannot be shown again.
    pub(super) fn unrecorded(&mut self, count: u64) {
        self.heard = self.heard.saturating_add(count);
        self.lost_in_sink = self.lost_in_sink.saturating_add(count);
    }

    /// Incidents left out on this side.
    pub(super) fn filtered_here(&self) -> u64 {
        self.filtered
    }

    pub(super) fn filtered_in_kernel(&self, kind: Kind) -> u64 {
        self.filtered_in_kernel[kind.index()]
    }

    pub(super) fn rate_limited(&mut self) {
        self.rate_limited += 1;
    }

    pub(super) fn lose(&mut self, place: LossPlace, kind: Option<Kind>, count: u64) {
        let lost = match (place, kind) {
            (LossPlace::Ring, Some(kind)) => &mut self.lost_in_ring[kind.index()],
            (LossPlace::Sink, _) => &mut self.lost_in_sink,
            _ => &mut self.lost_undecoded,
        };
        // A line that is read back may say any number.
        *lost = lost.saturating_add(count);
    }

    /// What maps of the kernel side had no room for. A record that was not built is an event that was lost.
    pub(super) fn not_remembered(&mut self, full: &[(u32, u64)]) {
        for &(number, count) in full {
            if number == limited::HEAD_SLOTS {
                self.lose(LossPlace::Kernel, None, count);
            }
            self.not_remembered.push(NotRemembered {
                what: Cow::Borrowed(limited::meaning(number)),
                count,
            });
        }
    }

    /// The kernel side's counters of a kind as they stand; how many more were lost since.
    pub(super) fn kernel(&mut self, kind: Kind, filtered: u64, lost: u64) -> u64 {
        let index = kind.index();
        self.filtered_in_kernel[index] = filtered;
        let more = lost.saturating_sub(self.lost_in_ring[index]);
        self.lost_in_ring[index] = lost;
        more
    }

    /// Runs of a hook that the kernel has skipped so far; how many more than before.
    pub(super) fn skip(&mut self, hook: Cow<'static, str>, count: u64) -> u64 {
        let before = self.skipped.entry(hook).or_default();
        let more = count.saturating_sub(*before);
        *before += more;
        more
    }

    /// Runs that the kernel has skipped, by hook.
    pub(super) fn skipped(&self) -> &BTreeMap<Cow<'static, str>, u64> {
        &self.skipped
    }

    fn skipped_in_all(&self) -> u64 {
        self.skipped.values().copied().fold(0, u64::saturating_add)
    }

    pub(super) fn shown(&self, kind: Kind) -> u64 {
        self.shown[kind.index()]
    }

    pub(super) fn shown_in_all(&self) -> u64 {
        self.shown.iter().sum()
    }

    pub(super) fn lost_of(&self, kind: Kind) -> u64 {
        self.lost_in_ring[kind.index()]
    }

    pub(super) fn lost_in_all(&self) -> u64 {
        [
            total(&self.lost_in_ring),
            self.lost_undecoded,
            self.lost_in_sink,
            self.skipped_in_all(),
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Incidents were counted when they were made (`heard`) and again when they were shown or left out: the two must
    /// agree. A run that the kernel skipped counts as one lost event, since it is unknown whether it would have
    /// reported one.
    fn tally(&self) -> Tally {
        let in_kernel = total(&self.filtered_in_kernel);
        let seen = [
            self.heard,
            in_kernel,
            total(&self.lost_in_ring),
            self.lost_undecoded,
            self.skipped_in_all(),
        ];
        Tally {
            seen: seen.into_iter().fold(0, u64::saturating_add),
            shown: self.shown_in_all(),
            filtered: self.filtered.saturating_add(in_kernel),
            rate_limited: self.rate_limited,
            lost: self.lost_in_all(),
        }
    }

    /// The last word.
    pub(super) fn summary(&self, reconciliation: Vec<Reconciled>) -> Summary {
        let mut owners: Vec<OwnerCount> = self.owners.iter().map(owner_count).collect();
        owners.sort_by(|a, b| b.total.cmp(&a.total).then(a.pid.cmp(&b.pid)));
        let left_out = owners.len().saturating_sub(LISTED) as u64 + self.forgotten_owners;
        owners.truncate(LISTED);
        Summary {
            duration_ms: self.end_ns.saturating_sub(self.start_ns) / 1_000_000,
            by_kind: above_zero(&self.shown),
            by_owner: owners,
            owners_left_out: left_out,
            loss: self.tally(),
            reconciliation,
            not_remembered: self.not_remembered.clone(),
        }
    }
}

fn owner_count((key, row): (&OwnerKey, &OwnerRow)) -> OwnerCount {
    let mut by_kind = above_zero(&row.by_kind);
    by_kind.sort_by_key(|(_, count)| Reverse(*count));
    OwnerCount {
        pid: key.map(|(pid, _)| pid),
        comm: row.comm.clone(),
        total: by_kind.iter().map(|(_, count)| count).sum(),
        by_kind,
    }
}

fn total(counts: &[u64; KINDS]) -> u64 {
    counts.iter().copied().fold(0, u64::saturating_add)
}

fn above_zero(counts: &[u64; KINDS]) -> Vec<(Kind, u64)> {
    let kinds = Kind::ALL.iter().copied().zip(counts.iter().copied());
    kinds.filter(|(_, count)| *count > 0).collect()
}
