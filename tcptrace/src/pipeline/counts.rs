//! Our own counts of what the kernel counts too, by namespace, over the interval between the two
//! readings of the kernel's counters.

use crate::interpret::counter_rules::RULES;
use crate::model::{Evidence, Incident, Kind};

/// Around the instants at which the counters were read, an event may fall on either side.
pub(super) const SLACK_NS: u64 = 2_000_000;

/// Our counts of one namespace, in the order of the rules.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) seen: [u64; RULES.len()],
    /// Read off the very counter: no second opinion.
    pub(super) counted: [u64; RULES.len()],
    /// Seen so close to a reading of the kernel's counters that they may be on its other side.
    pub(super) at_edge: [u64; RULES.len()],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            seen: [0; RULES.len()],
            counted: [0; RULES.len()],
            at_edge: [0; RULES.len()],
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, incident: &Incident) {
        let sums = if incident.evidence == Evidence::Counted {
            &mut self.counted
        } else {
            &mut self.seen
        };
        sum(sums, incident);
    }

    pub(super) fn add_at_edge(&mut self, incident: &Incident) {
        sum(&mut self.at_edge, incident);
    }
}

fn sum(sums: &mut [u64; RULES.len()], incident: &Incident) {
    let mut places = FED[incident.kind().index()];
    while places != 0 {
        let place = places.trailing_zeros() as usize;
        sums[place] += (RULES[place].adds)(incident);
        places &= places - 1;
    }
}

/// The rules each kind feeds, one bit per place: looked up once an incident.
const FED: [u64; Kind::ALL.len()] = {
    let mut fed = [0; Kind::ALL.len()];
    let mut place = 0;
    while place < RULES.len() {
        let kinds = RULES[place].kinds;
        let mut at = 0;
        while at < kinds.len() {
            fed[kinds[at].index()] |= 1 << place;
            at += 1;
        }
        place += 1;
    }
    fed
};

impl Counts {
    /// How many of a counter's events hooks have reported.
    pub(super) fn seen(&self, counter: &str) -> u64 {
        let place = RULES.iter().position(|rule| rule.counter == counter);
        place.map_or(0, |place| self.seen[place])
    }
}

/// The interval between the two readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// When the reading that ends at `start_ns` began.
    begin_ns: u64,
    start_ns: u64,
    end_ns: u64,
}

impl Window {
    pub(super) fn begin(begin_ns: u64, start_ns: u64, is_known: bool) -> Self {
        Self {
            begin_ns,
            start_ns: if is_known { start_ns } else { u64::MAX },
            end_ns: u64::MAX,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.start_ns != u64::MAX
    }

    pub(super) fn end(&mut self, end_ns: u64) {
        self.end_ns = end_ns;
    }

    /// Whether a reading may have come before or after an event of that moment. What comes after the end
    /// comes while the counters are being read.
    pub(super) fn is_edge(&self, boot_ns: u64) -> bool {
        let later = boot_ns.saturating_add(SLACK_NS);
        let is_first = later >= self.begin_ns && boot_ns <= self.start_ns.saturating_add(SLACK_NS);
        self.start_ns != u64::MAX && (is_first || later >= self.end_ns)
    }

    pub(super) fn contains(&self, boot_ns: u64) -> bool {
        boot_ns >= self.start_ns && boot_ns <= self.end_ns.saturating_add(SLACK_NS)
    }
}
