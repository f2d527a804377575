//! From a recording to the sinks: the way a live run takes, from where the recording left it.
//!
//! Needs no privilege and nothing of the machine that was recorded. What is missing in the recording
//! is reported when the replay gets there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use super::outlet::Outlet;
use super::{Ended, reconcile};
use crate::interpret::Interpreter;
use crate::interpret::filter::Filter;
use crate::model::loss::LossPlace;
use crate::model::{Kind, KindSet};
use crate::recording::{Gap, Item, KernelCount, Piece, Reader, Standing, Start};
use crate::sink::Sink;

/// A pause is looked up from so often, for whoever wants to stop.
const NAP: Duration = Duration::from_millis(50);

/// What a replay is to do.
#[derive(Debug)]
pub struct Settings {
    /// What to show.
    pub filter: Filter,
    /// Whether filters besides kinds and namespaces are in force.
    pub is_partial: bool,
    /// End after so many incidents shown.
    pub count: Option<u64>,
    /// Kinds whose appearance is remembered.
    pub fail_on: KindSet,
    /// How many times as fast as it happened; `None`: as fast as possible.
    pub speed: Option<f64>,
}

/// Shows a recording. `stop`, once set, ends it as a signal ends a live run.
///
/// # Errors
/// When the disk fails, or the output other than by a closed pipe.
pub fn replay<S: Sink>(
    mut reader: Reader,
    settings: Settings,
    sink: S,
    stop: &AtomicBool,
) -> anyhow::Result<Ended> {
    let mut replay = Replay {
        interpreter: Interpreter::new(crate::model::Host::default()),
        outlet: Outlet::of_the_past(settings.filter, settings.count, Ledger::new(0, true), sink),
        begin: None,
        end: None,
        is_partial: settings.is_partial,
        pace: settings.speed.map(Pace::new),
        last_ns: 0,
        has_gaps: false,
        missing: Some(0),
        stop,
    };
    while reader.step(&mut |piece| replay.on(piece))? && !replay.is_over() {
        replay.outlet.flush()?;
    }
    replay.finish(settings.fail_on)
}

struct Replay<'a, S> {
    interpreter: Interpreter,
    outlet: Outlet<S>,
    /// How the first file began.
    begin: Option<Standing>,
    /// How the last one ended.
    end: Option<Standing>,
    is_partial: bool,
    pace: Option<Pace>,
    last_ns: u64,
    has_gaps: bool,
    /// Events that are not in the recording; `None`: nobody knows how many.
    missing: Option<u64>,
    stop: &'a AtomicBool,
}

impl<S: Sink> Replay<'_, S> {
    fn on(&mut self, piece: Piece) -> ControlFlow<()> {
        match piece {
            Piece::Start(start) => self.start(start),
            Piece::Item(item) => self.item(item),
            Piece::End(standing) => self.end = Some(standing),
            Piece::Gap(gap) => self.gap(&gap),
        }
        if self.is_over() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn is_over(&self) -> bool {
        self.outlet.is_pipe_closed || self.outlet.has_enough() || self.stop.load(Ordering::Relaxed)
    }

    /// Only the first file of a run begins anything; the others go on.
    fn start(&mut self, start: Start) {
        if self.begin.is_some() {
            return;
        }
        self.interpreter = Interpreter::new(start.host);
        let start_ns = start.standing.boot_ns;
        self.outlet.ledger = Ledger::new(start_ns, !start.standing.counters.is_empty());
        self.last_ns = start_ns;
        if let Some(facts) = &start.facts {
            self.is_partial |= facts.is_partial;
            self.outlet.begin(facts);
        }
        self.begin = Some(start.standing);
    }

    fn item(&mut self, item: Item) {
        let outlet = &mut self.outlet;
        match item {
            Item::Event(event) => {
                self.last_ns = self.last_ns.max(event.boot_ns);
                if let Some(pace) = &mut self.pace {
                    pace.wait_for(event.boot_ns, outlet, self.stop);
                }
                self.interpreter
                    .on(event, &mut |incident| outlet.take(&incident));
            }
            Item::Tick(boot_ns) => {
                self.interpreter
                    .tick(boot_ns, &mut |incident| outlet.take(&incident));
            }
            Item::Kernel(kind, count, boot_ns) => self.kernel(kind, count, boot_ns),
            Item::Undecodable(kind) => outlet.ledger.lose(LossPlace::Channel, kind, 1),
            Item::Sample(sample) => {
                self.last_ns = self.last_ns.max(sample.boot_ns);
                if let Some(pace) = &mut self.pace {
                    pace.wait_for(sample.boot_ns, outlet, self.stop);
                }
                outlet.sample(&sample);
            }
            Item::Ending(boot_ns) => outlet.ledger.end(boot_ns),
            Item::Clock {
                boot_to_wall_ns,
                step_ns,
            } => outlet.set_clock(boot_to_wall_ns, step_ns),
        }
    }

    /// The kernel side's counters go on from file to file: what was before the first is not ours.
    fn kernel(&mut self, kind: Kind, count: KernelCount, boot_ns: u64) {
        let before = self
            .begin
            .as_ref()
            .and_then(|begin| begin.kernel.get(&kind))
            .copied()
            .unwrap_or_default();
        let filtered = count.filtered.saturating_sub(before.filtered);
        let lost = count.lost.saturating_sub(before.lost);
        self.outlet.kernel(kind, filtered, lost, boot_ns);
    }

    fn gap(&mut self, gap: &Gap) {
        self.has_gaps = true;
        let path = gap.path.display();
        let mut text = format!("{path}: {}", gap.why);
        if gap.bytes > 0 {
            text.push_str(&format!(" ({} bytes from {} on)", gap.bytes, gap.offset));
        } else if gap.offset > 0 {
            text.push_str(&format!(" (at byte {})", gap.offset));
        }
        match gap.events {
            Some(1) => text.push_str("; 1 event is missing"),
            Some(events) => text.push_str(&format!("; {events} events are missing")),
            None => {}
        }
        self.outlet.notice(&text);
        match (gap.events, &mut self.missing) {
            (Some(events), Some(missing)) => *missing += events,
            _ => self.missing = None,
        }
        self.outlet
            .unrecorded(gap.events.unwrap_or(0), self.last_ns);
    }

    fn finish(mut self, fail_on: KindSet) -> anyhow::Result<Ended> {
        let is_cut = self.is_over();
        let outlet = &mut self.outlet;
        self.interpreter
            .finish(&mut |incident| outlet.take(&incident));
        outlet.dropped(self.interpreter.take_dropped());
        let begin = self.begin.take().unwrap_or_default();
        // What a recording says of its end holds for all of it.
        let end = self.end.take().filter(|_| !is_cut);
        if let Some(end) = &end {
            let kernel: &BTreeMap<Kind, KernelCount> = &end.kernel;
            for (kind, count) in kernel {
                let before = begin.kernel.get(kind).copied().unwrap_or_default();
                let filtered = count.filtered.saturating_sub(before.filtered);
                let lost = count.lost.saturating_sub(before.lost);
                self.outlet.kernel(*kind, filtered, lost, end.boot_ns);
            }
            for (hook, count) in &end.skipped {
                let before = begin.skipped.get(hook).copied().unwrap_or(0);
                let skipped = count.saturating_sub(before);
                self.outlet.skipped(hook.clone(), skipped, end.boot_ns);
            }
            let filtered = end.filtered.saturating_sub(begin.filtered);
            self.outlet.ledger.filtered_before(filtered);
            self.outlet.ledger.end(end.boot_ns);
        } else {
            self.outlet.ledger.end(self.last_ns.max(begin.boot_ns));
        }
        let namespaces = KernelCounters::recorded(&begin, end.as_ref());
        let rows = if self.is_partial {
            Vec::new()
        } else {
            let kinds = self.outlet.filter.kinds;
            reconcile::rows(&namespaces, &self.outlet.ledger, kinds, self.missing)
        };
        let summary = self.outlet.ledger.summary(rows);
        self.outlet.summary(&summary);
        self.outlet.flush()?;
        let ledger = &self.outlet.ledger;
        Ok(Ended {
            has_failed: fail_on.iter().any(|kind| ledger.shown(kind) > 0),
            has_lost: summary.loss.lost > 0 || self.has_gaps,
            is_pipe_closed: self.outlet.is_pipe_closed,
            recorded: None,
        })
    }
}

/// Moments of the recording and of now.
pub(super) struct Pace {
    speed: f64,
    begin: Option<(u64, Instant)>,
}

impl Pace {
    pub(super) const fn new(speed: f64) -> Self {
        Self { speed, begin: None }
    }

    /// Waits until a moment has come, showing meanwhile what is there.
    pub(super) fn wait_for<S: Sink>(
        &mut self,
        boot_ns: u64,
        outlet: &mut Outlet<S>,
        stop: &AtomicBool,
    ) {
        let (first_ns, begin) = *self.begin.get_or_insert_with(|| (boot_ns, Instant::now()));
        let later = Duration::from_nanos(boot_ns.saturating_sub(first_ns));
        let due = later.div_f64(self.speed);
        let mut is_flushed = false;
        loop {
            let rest = due.saturating_sub(begin.elapsed());
            if rest.is_zero() || stop.load(Ordering::Relaxed) || outlet.is_pipe_closed {
                return;
            }
            if !std::mem::replace(&mut is_flushed, true) {
                outlet.write_out();
            }
            std::thread::sleep(rest.min(NAP));
        }
    }
}
