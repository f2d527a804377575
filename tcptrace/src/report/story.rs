//! A sink that keeps what a page needs, and no more: a recording may hold tens of millions of
//! incidents.
//!
//! Times are those of the wall clock, so that recordings of several runs share one axis. Without the facts of a run
//! there is no wall clock; then times count from boot.

pub(super) mod queues;
pub(super) mod time_waits;
pub(super) mod trouble;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use super::bins::{Grid, Series};
use super::ranking::{Ranking, Weight};
use super::who::{Members, Who, WhoRef};
use crate::diagnose::fold::counted;
use crate::interpret::advice;
use crate::model::finding::Topic;
use crate::model::flow::TcpState;
use crate::model::incident::{CloseHow, RetransmitType};
use crate::model::loss::{Loss, LossPlace, Tally};
use crate::model::summary::Summary;
use crate::model::{Clock, Incident, Kind, KindSet, RunFacts, Sample, What};
use crate::sink::Sink;
use queues::Queues;
use time_waits::TimeWaits;
use trouble::Trouble;

/// Runs whose facts are kept; of further ones only that there were some.
const MOST_RUNS: usize = 64;
/// Programs with a timeline of their own.
const MOST_OWNERS: usize = 512;
/// Remote addresses distinguished at most.
const MOST_PEERS: usize = 4096;
/// Sentences on what is wrong with a recording.
const MOST_FLAWS: usize = 20;

/// Numbers by kind.
pub(super) type ByKind = [u64; Kind::ALL.len()];

/// One run of tcptrace.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// `None` where a recording has none, such as NDJSON.
    pub(super) facts: Option<RunFacts>,
    /// `None`: it ended without a last word.
    pub(super) summary: Option<Summary>,
}

/// What a program had.
#[derive(Debug, Default)]
pub(super) struct OwnerFacts {
    pub(super) members: Members,
    pub(super) by_kind: ByKind,
    pub(super) over_time: BTreeMap<Kind, Series<u64>>,
}

impl Weight for OwnerFacts {
    fn weight(&self) -> u64 {
        self.by_kind.iter().copied().fold(0, u64::saturating_add)
    }
}

/// What an address at the other end had.
#[derive(Debug, Default)]
pub(super) struct PeerFacts {
    pub(super) by_kind: ByKind,
}

impl Weight for PeerFacts {
    fn weight(&self) -> u64 {
        self.by_kind.iter().copied().fold(0, u64::saturating_add)
    }
}

/// What was sent again to an address.
#[derive(Debug, Default)]
pub(super) struct Resends {
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// Highest number of attempts for the same data; `None`: no hook reported one.
    pub(super) attempts: Option<u32>,
    pub(super) gave_up: u64,
    pub(super) by_type: [u64; RetransmitType::ALL.len()],
}

impl Weight for Resends {
    fn weight(&self) -> u64 {
        self.count
    }
}

/// What was lost on the way, as reported during the run.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) by_place: BTreeMap<LossPlace, u64>,
    pub(super) over_time: Series<u64>,
}

/// The sink.
#[derive(Debug)]
pub struct Story {
    pub(super) sources: Vec<String>,
    pub(super) flaws: Vec<String>,
    pub(super) flaws_left_out: u64,
    pub(super) runs: Vec<Run>,
    pub(super) runs_left_out: u64,
    /// Index in `runs` of the current run; `None`: it is one of those left out.
    current: Option<usize>,
    /// What the summaries of the runs left out say of losses.
    pub(super) loss_left_out: Tally,
    clock: Clock,
    pub(super) has_clock: bool,
    /// Only these kinds are reported, by the choice of the user who reads the recording.
    chosen: Option<KindSet>,
    pub(super) is_narrow: bool,
    pub(super) grid: Grid,
    pub(super) has_samples: bool,
    /// Incidents, ordinary ones too.
    pub(super) incidents: u64,
    /// Incidents that indicate a problem.
    pub(super) by_kind: ByKind,
    pub(super) over_time: BTreeMap<Kind, Series<u64>>,
    /// What is ordinary life.
    pub(super) ordinary: ByKind,
    pub(super) troubles: BTreeMap<Topic, Trouble>,
    pub(super) owners: Ranking<Who, OwnerFacts>,
    pub(super) peers: Ranking<IpAddr, PeerFacts>,
    pub(super) resends: Ranking<IpAddr, Resends>,
    pub(super) queues: Queues,
    pub(super) time_waits: TimeWaits,
    pub(super) losses: Losses,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            flaws: Vec::new(),
            flaws_left_out: 0,
            runs: Vec::new(),
            runs_left_out: 0,
            current: None,
            loss_left_out: Tally::default(),
            clock: Clock::default(),
            has_clock: false,
            chosen: None,
            is_narrow: false,
            grid: Grid::default(),
            has_samples: false,
            incidents: 0,
            by_kind: ByKind::default(),
            over_time: BTreeMap::new(),
            ordinary: ByKind::default(),
            troubles: BTreeMap::new(),
            owners: Ranking::of(MOST_OWNERS),
            peers: Ranking::of(MOST_PEERS),
            resends: Ranking::of(MOST_PEERS),
            queues: Queues::default(),
            time_waits: TimeWaits::default(),
            losses: Losses::default(),
        }
    }
}

impl Story {
    /// Names where what follows comes from, such as a file.
    pub fn source(&mut self, name: &str) {
        self.sources.push(name.to_owned());
    }

    /// Says in one sentence why a recording is not whole.
    pub fn flaw(&mut self, sentence: &str) {
        if self.flaws.len() < MOST_FLAWS {
            self.flaws.push(sentence.to_owned());
        } else {
            self.flaws_left_out += 1;
        }
    }

    /// Notes that only a part of the recording is reported, these kinds, by the choice of the user who
    /// reads it.
    pub fn narrow(&mut self, kinds: KindSet) {
        self.is_narrow = true;
        self.chosen = Some(kinds);
    }

    /// Whether another kind reports the same: a connection that ends by a RST has had one, and one that was
    /// given up has been reported so.
    fn is_reported_elsewhere(&self, incident: &Incident) -> bool {
        let other = match &incident.what {
            What::Close {
                how: Some(CloseHow::RstSent),
                ..
            } => Kind::RstSent,
            What::Close {
                how: Some(CloseHow::RstReceived),
                ..
            } => Kind::RstReceived,
            What::Close {
                how: Some(CloseHow::Timeout),
                ..
            } if incident.state != Some(TcpState::SynSent) => Kind::TimedOut,
            _ => return false,
        };
        let run = self.runs.last().and_then(|run| run.facts.as_ref());
        run.is_none_or(|facts| facts.kinds.contains(other))
            && self.chosen.is_none_or(|kinds| kinds.contains(other))
    }

    /// Ties the boot clock to the wall clock where no run's facts do.
    pub fn clock(&mut self, clock: Clock) {
        self.clock = clock;
        self.has_clock = true;
    }

    /// On the wall clock; since boot without one.
    fn wall_ns(&self, boot_ns: u64) -> i64 {
        self.clock.boot_to_wall_ns.saturating_add_unsigned(boot_ns)
    }

    /// The period covered: that of the incidents, and from the beginning of a run to its end where nothing is more
    /// precise.
    pub(super) fn view(&self) -> Grid {
        let mut grid = self.grid;
        for run in &self.runs {
            let (Some(facts), Some(summary)) = (&run.facts, &run.summary) else {
                continue;
            };
            // A flight recorder overwrites its first hours; its samples show what is left.
            if !self.has_samples {
                let clock = facts.clock;
                let begin = clock
                    .boot_to_wall_ns
                    .saturating_add_unsigned(clock.start_boot_ns);
                let duration_ns = summary.duration_ms.saturating_mul(1_000_000);
                grid.cover(begin);
                grid.cover(begin.saturating_add_unsigned(duration_ns));
            }
        }
        grid
    }

    fn trouble(&mut self, incident: &Incident, wall_ns: i64) {
        let (kind, count) = (incident.kind(), counted(&incident.what));
        let grid = self.grid;
        let total = &mut self.by_kind[kind.index()];
        *total = total.saturating_add(count);
        self.over_time
            .entry(kind)
            .or_default()
            .put(&grid, wall_ns, count);
        let topic = (kind, advice::cause(incident));
        let trouble = self.troubles.entry(topic).or_default();
        trouble.add(incident, &grid, wall_ns);

        let who = WhoRef::of(incident.owner.as_ref());
        let owner = self.owners.at(&who, || who.owned());
        let total = &mut owner.by_kind[kind.index()];
        *total = total.saturating_add(count);
        owner
            .over_time
            .entry(kind)
            .or_default()
            .put(&grid, wall_ns, count);
        if let Some(known) = &incident.owner {
            owner.members.join(&known.process);
        }

        let Some(remote) = incident.flow.remote else {
            return;
        };
        let peer = self.peers.at(&remote.addr, || remote.addr);
        let total = &mut peer.by_kind[kind.index()];
        *total = total.saturating_add(count);
        if let What::Retransmit {
            kind,
            attempt,
            bytes,
            gave_up,
            ..
        } = &incident.what
        {
            let resends = self.resends.at(&remote.addr, || remote.addr);
            resends.count += 1;
            resends.bytes = resends.bytes.saturating_add((*bytes).into());
            resends.attempts = resends.attempts.max(*attempt);
            resends.gave_up += u64::from(*gave_up);
            if let Some(place) = resends.by_type.get_mut(*kind as usize) {
                *place += 1;
            }
        }
    }
}

impl Sink for Story {
    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.clock.boot_to_wall_ns = boot_to_wall_ns;
        Ok(())
    }

    fn begin(&mut self, facts: &RunFacts) -> io::Result<()> {
        Self::clock(self, facts.clock);
        // The files of one run that was rotated begin with the same facts.
        self.current = self
            .runs
            .iter()
            .position(|run| run.facts.as_ref() == Some(facts));
        if self.current.is_some() {
            return Ok(());
        }
        if self.runs.len() < MOST_RUNS {
            self.current = Some(self.runs.len());
            self.runs.push(Run {
                facts: Some(facts.clone()),
                summary: None,
            });
        } else {
            self.runs_left_out += 1;
        }
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        let wall_ns = self.wall_ns(sample.boot_ns);
        self.grid.cover(wall_ns);
        self.has_samples = true;
        self.queues.sample(sample, &self.grid, wall_ns);
        self.time_waits.sample(sample, &self.grid, wall_ns);
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        let wall_ns = self.wall_ns(incident.boot_ns);
        self.grid.cover(wall_ns);
        self.incidents += 1;
        self.time_waits.incident(incident, &self.grid, wall_ns);
        self.queues.incident(incident, &self.grid, wall_ns);
        if advice::one_line(incident).is_some() && !self.is_reported_elsewhere(incident) {
            self.trouble(incident, wall_ns);
        } else {
            self.ordinary[incident.kind().index()] += 1;
        }
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        let wall_ns = self.wall_ns(boot_ns);
        self.grid.cover(wall_ns);
        let total = self.losses.by_place.entry(loss.place).or_default();
        *total = total.saturating_add(loss.count);
        self.losses.over_time.put(&self.grid, wall_ns, loss.count);
        Ok(())
    }

    /// While a recording is read, what people should know is what is missing in it.
    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.flaw(text);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        // Lines of NDJSON do not show the beginning of a run: each summary ends one run.
        if let Some(at) = self.current.take() {
            self.runs[at].summary = Some(summary.clone());
        } else if self.runs.len() < MOST_RUNS {
            self.runs.push(Run {
                facts: None,
                summary: Some(summary.clone()),
            });
        } else {
            self.loss_left_out = self.loss_left_out.plus(summary.loss);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// To be lent to whoever takes a sink.
impl Sink for &mut Story {
    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        Sink::clock(&mut **self, boot_to_wall_ns)
    }

    fn begin(&mut self, facts: &RunFacts) -> io::Result<()> {
        (**self).begin(facts)
    }

    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        (**self).sample(sample)
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        (**self).incident(incident)
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        (**self).loss(loss, boot_ns)
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        (**self).notice(text)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        (**self).summary(summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
