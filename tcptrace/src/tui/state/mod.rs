//! The state of `top`: folds of everything that sinks get, in bounded memory.
//!
//! It never draws, reads no clock and does nothing but count: it is called for every incident while
//! the ring waits. Its time is that of the boot clock of its input, or what [`State::advance`]
//! says, so a recording is shown in its own time. Nothing here fails.

pub mod bounded;
pub mod count;
pub mod latest;
pub mod listeners;
pub mod peers;
pub mod processes;
pub mod rate;
pub mod resets;
#[cfg(test)]
pub(super) mod tests;
pub mod waits;

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::diagnose::{self, Tallies};
use crate::model::loss::Loss;
use crate::model::survey::Survey;
use crate::model::{Clock, Finding, Incident, Kind, RunFacts, Sample};

pub use latest::Numbered;
use listeners::Listeners;
use peers::Peers;
use processes::Processes;
use rate::Rate;
use resets::Resets;
use waits::Waits;

/// Incidents kept as such.
pub const RECENT: usize = 2000;

/// Notices kept: of a broken recording there may be many.
const NOTICES: usize = 100;

/// Where the input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Hooks of this kernel.
    Live,
    /// A recording that is being read.
    Recording,
    /// A recording that has been read to its end.
    Read,
}

/// A finding and its place among the others, the worst first.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// 0 is the worst.
    pub rank: usize,
    /// What is wrong.
    pub finding: Finding,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct State {
    source: Source,
    facts: Option<Arc<RunFacts>>,
    clock: Option<Clock>,
    begin_ns: Option<u64>,
    now_ns: u64,
    /// Since when is counted.
    since_ns: Option<u64>,
    changes: u64,
    number: u64,
    total: u64,
    rate: Rate,
    by_kind: [u64; Kind::ALL.len()],
    lost: u64,
    notices: Vec<String>,
    /// By process.
    pub processes: Processes,
    /// Queues and refusals.
    pub listeners: Listeners,
    /// TIME_WAIT.
    pub waits: Waits,
    /// RSTs.
    pub resets: Resets,
    /// Retransmissions.
    pub peers: Peers,
    tallies: Tallies,
    /// Made when they are asked for; empty again with every incident.
    findings: OnceCell<Vec<Ranked>>,
    recent: VecDeque<Numbered>,
}

impl State {
    /// Knows nothing yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            facts: None,
            clock: None,
            begin_ns: None,
            now_ns: 0,
            since_ns: None,
            changes: 0,
            number: 0,
            total: 0,
            rate: Rate::default(),
            by_kind: [0; Kind::ALL.len()],
            lost: 0,
            notices: Vec::new(),
            processes: Processes::default(),
            listeners: Listeners::default(),
            waits: Waits::default(),
            resets: Resets::default(),
            peers: Peers::default(),
            tallies: Tallies::default(),
            findings: OnceCell::new(),
            recent: VecDeque::new(),
        }
    }

    /// The run begins.
    pub fn begin(&mut self, facts: &RunFacts) {
        self.facts = Some(Arc::new(facts.clone()));
        self.clock = Some(facts.clock);
        self.begin_ns = Some(facts.clock.start_boot_ns);
        self.pass(facts.clock.start_boot_ns);
    }

    /// The offset of the clocks, if there are no facts of a run.
    pub fn set_recorded_clock(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// The wall clock was set.
    pub fn set_clock(&mut self, boot_to_wall_ns: i64) {
        if let Some(clock) = &mut self.clock {
            clock.boot_to_wall_ns = boot_to_wall_ns;
        }
    }

    /// How full things are.
    pub fn sample(&mut self, sample: &Sample) {
        self.pass(sample.boot_ns);
        self.listeners.look(sample);
        self.waits.look(sample);
    }

    /// A finding.
    pub fn incident(&mut self, incident: &Incident) {
        self.pass(incident.boot_ns);
        self.number += 1;
        self.total += 1;
        self.rate.add(incident.boot_ns, 1);
        self.by_kind[incident.kind().index()] += 1;
        let clock = self.clock.unwrap_or_default();
        let wall_ns = clock
            .boot_to_wall_ns
            .saturating_add_unsigned(incident.boot_ns);
        self.tallies.on(incident, wall_ns);
        self.findings.take();
        let numbered = Numbered {
            number: self.number,
            incident: Arc::new(incident.clone()),
        };
        self.processes.on(&numbered);
        match incident.kind() {
            Kind::RstSent | Kind::RstReceived => self.resets.on(&numbered),
            Kind::AcceptDrop | Kind::SynDrop => self.listeners.on(&numbered),
            Kind::TimeWait => self.waits.on(&numbered),
            Kind::Retransmit => self.peers.on(&numbered),
            // No page of their own.
            _ => {}
        }
        if self.recent.len() == RECENT {
            self.recent.pop_back();
        }
        self.recent.push_front(numbered);
    }

    /// Something was lost.
    pub fn loss(&mut self, loss: &Loss) {
        self.changes += 1;
        self.lost = self.lost.saturating_add(loss.count);
    }

    /// Something people should know.
    pub fn notice(&mut self, text: &str) {
        self.changes += 1;
        if self.notices.len() < NOTICES {
            self.notices.push(text.to_owned());
        }
    }

    /// It is that late, at least.
    pub fn advance(&mut self, boot_ns: u64) {
        self.now_ns = self.now_ns.max(boot_ns);
    }

    /// The recording has been read.
    pub fn read_up(&mut self) {
        self.changes += 1;
        self.source = Source::Read;
    }

    /// Resets the counts. Losses stay: they concern the whole run.
    pub fn clear(&mut self) {
        self.changes += 1;
        self.since_ns = Some(self.now_ns);
        self.total = 0;
        self.rate = Rate::default();
        self.by_kind = [0; Kind::ALL.len()];
        self.processes.clear();
        self.listeners.clear();
        self.waits.clear();
        self.resets.clear();
        self.peers.clear();
        self.tallies.clear();
        self.findings.take();
        self.recent.clear();
    }

    fn pass(&mut self, boot_ns: u64) {
        self.changes += 1;
        self.advance(boot_ns);
        self.begin_ns.get_or_insert(boot_ns);
    }

    /// Rises with every input; not with time.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Facts of the run; `None`: not received (yet).
    pub fn facts(&self) -> Option<&RunFacts> {
        self.facts.as_deref()
    }

    /// The offset of the clocks; `None`: not received.
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Boot clock now, ns.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How long the run has lasted, ns.
    pub fn lasted_ns(&self) -> u64 {
        self.now_ns
            .saturating_sub(self.begin_ns.unwrap_or(self.now_ns))
    }

    /// Boot clock since when is counted, ns; it is later than the begin after [`Self::clear`].
    pub fn since_ns(&self) -> u64 {
        self.since_ns.or(self.begin_ns).unwrap_or(self.now_ns)
    }

    /// Whether counts were reset.
    pub fn is_cleared(&self) -> bool {
        self.since_ns.is_some()
    }

    /// Incidents.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Incidents a second, now.
    pub fn per_second(&self) -> f64 {
        self.rate.per_second(self.now_ns, self.since_ns())
    }

    /// Incidents by kind.
    pub fn by_kind(&self) -> &[u64; Kind::ALL.len()] {
        &self.by_kind
    }

    /// Events that were lost: counts are too low by as much.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// What people should know beside all this, the first first.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What is wrong, the worst first, as `report` would say it.
    pub fn findings(&self) -> &[Ranked] {
        self.findings.get_or_init(|| {
            let findings = diagnose::findings(&Survey::default(), &self.tallies);
            let ranked = findings.into_iter().enumerate();
            ranked
                .map(|(rank, finding)| Ranked { rank, finding })
                .collect()
        })
    }

    /// The last incidents, the youngest first.
    pub fn recent(&self) -> impl Iterator<Item = &Numbered> {
        self.recent.iter()
    }
}
