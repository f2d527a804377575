//! From a recording to the sinks: the way a live run takes, from where the recording left it.
//!
//! Needs no privilege and nothing of the machine that was recorded. What is missing in the recording
//! is reported when the replay gets there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::kernel_counters::KernelCounters;
use super::ledger::Ledger;
use super::period::{Part, Period, Place};
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
    /// Which part of it.
    pub period: Period,
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
    let clock = reader.facts().map(|facts| facts.clock).unwrap_or_default();
    let mut replay = Replay {
        part: Part::new(settings.period, clock.boot_to_wall_ns),
        interpreter: Interpreter::new(crate::model::Host::default()),
        delivery: Delivery::of_the_past(
            settings.filter,
            settings.count,
            Ledger::new(0, true),
            sink,
        ),
        begin: None,
        end: None,
        is_partial: settings.is_partial || !settings.period.is_all(),
        pace: settings.speed.map(Pace::new),
        last_ns: 0,
        has_gaps: false,
        missing: Some(0),
        stop,
    };
    while reader.step(&mut |piece| replay.on(piece))? && !replay.is_over() {
        replay.delivery.flush()?;
    }
    replay.finish(settings.fail_on)
}

struct Replay<'a, S> {
    interpreter: Interpreter,
    delivery: Delivery<S>,
    part: Part,
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
        self.delivery.is_pipe_closed
            || self.delivery.has_enough()
            || self.part.is_past
            || self.stop.load(Ordering::Relaxed)
    }

    /// Only the first file of a run begins it; the others continue it.
    fn start(&mut self, start: Start) {
        if self.begin.is_some() {
            return;
        }
        self.interpreter = Interpreter::new(start.host);
        let start_ns = start.standing.boot_ns;
        let begin_ns = self.part.begin_ns(start_ns);
        self.delivery.ledger = Ledger::new(begin_ns, !start.standing.counters.is_empty());
        self.last_ns = start_ns;
        if let Some(mut facts) = start.facts {
            self.is_partial |= facts.is_partial;
            // What is shown begins there.
            facts.clock.start_boot_ns = self.part.begin_ns(facts.clock.start_boot_ns);
            self.delivery.begin(&facts);
        }
        self.begin = Some(start.standing);
    }

    fn item(&mut self, item: Item) {
        let (delivery, part) = (&mut self.delivery, &mut self.part);
        match item {
            Item::Event(event) => {
                self.last_ns = self.last_ns.max(event.boot_ns);
                let place = part.reach(event.boot_ns, delivery);
                if let Some(pace) = self.pace.as_mut().filter(|_| place == Place::Within) {
                    pace.wait_for(event.boot_ns, delivery, self.stop);
                }
                // All of them: what comes later may follow from what came before.
                self.interpreter
                    .on(event, &mut |incident| part.take(&incident, delivery));
            }
            Item::Tick(boot_ns) => {
                self.interpreter
                    .tick(boot_ns, &mut |incident| part.take(&incident, delivery));
            }
            Item::Kernel(kind, count, boot_ns) => self.kernel(kind, count, boot_ns),
            Item::Undecodable(kind) => match part.here() {
                Place::Within => delivery.ledger.lose(LossPlace::Channel, kind, 1),
                place => part.lost(place, 1),
            },
            Item::Sample(sample) => {
                self.last_ns = self.last_ns.max(sample.boot_ns);
                if part.reach(sample.boot_ns, delivery) != Place::Within {
                    return;
                }
                if let Some(pace) = &mut self.pace {
                    pace.wait_for(sample.boot_ns, delivery, self.stop);
                }
                delivery.sample(&sample);
            }
            Item::Ending(boot_ns) => delivery.ledger.end(part.end_ns(boot_ns)),
            Item::Clock {
                boot_to_wall_ns,
                step_ns,
            } => {
                part.set_clock(boot_to_wall_ns);
                delivery.set_clock(boot_to_wall_ns, step_ns);
            }
        }
    }

    /// The kernel side's counters continue from file to file: what was before the first is not ours, and neither is
    /// what was before the period.
    fn kernel(&mut self, kind: Kind, count: KernelCount, boot_ns: u64) {
        let Some(begin) = &mut self.begin else {
            self.delivery
                .kernel(kind, count.filtered, count.lost, boot_ns);
            return;
        };
        let before = begin.kernel.entry(kind).or_default();
        let filtered = count.filtered.saturating_sub(before.filtered);
        let lost = count.lost.saturating_sub(before.lost);
        match self.part.reach(boot_ns, &mut self.delivery) {
            Place::Before => {
                *before = count;
                self.part.lost(Place::Before, lost);
            }
            // Of what is counted first after the period, some may have been lost within.
            Place::Within | Place::After => self.delivery.kernel(kind, filtered, lost, boot_ns),
        }
    }

    fn gap(&mut self, gap: &Gap) {
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
        self.delivery.notice(&text);
        if self.part.takes_gap(gap.events.unwrap_or(0)) {
            return;
        }
        self.has_gaps = true;
        match (gap.events, &mut self.missing) {
            (Some(events), Some(missing)) => *missing += events,
            _ => self.missing = None,
        }
        self.delivery
            .unrecorded(gap.events.unwrap_or(0), self.last_ns);
    }

    fn finish(mut self, fail_on: KindSet) -> anyhow::Result<Ended> {
        let is_cut = self.is_over();
        let (delivery, part) = (&mut self.delivery, &mut self.part);
        self.interpreter
            .finish(&mut |incident| part.take(&incident, delivery));
        delivery.dropped(self.interpreter.take_dropped());
        let begin = self.begin.take().unwrap_or_default();
        // What a recording says of its end holds for all of it.
        let end = self.end.take().filter(|_| !is_cut);
        if let Some(end) = &end {
            let kernel: &BTreeMap<Kind, KernelCount> = &end.kernel;
            for (kind, count) in kernel {
                let before = begin.kernel.get(kind).copied().unwrap_or_default();
                let filtered = count.filtered.saturating_sub(before.filtered);
                let lost = count.lost.saturating_sub(before.lost);
                self.delivery.kernel(*kind, filtered, lost, end.boot_ns);
            }
            for (hook, count) in &end.skipped {
                let before = begin.skipped.get(hook).copied().unwrap_or(0);
                let skipped = count.saturating_sub(before);
                self.delivery.skipped(hook.clone(), skipped, end.boot_ns);
            }
            let filtered = end.filtered.saturating_sub(begin.filtered);
            // Nobody recorded when: they are those of all of it.
            if self.part.is_all() {
                self.delivery.ledger.filtered_before(filtered);
            }
            self.delivery.ledger.end(self.part.end_ns(end.boot_ns));
        } else {
            let end_ns = self.last_ns.max(begin.boot_ns);
            self.delivery.ledger.end(self.part.end_ns(end_ns));
        }
        self.has_gaps |= self.part.finish(self.last_ns, &mut self.delivery);
        let namespaces = KernelCounters::recorded(&begin, end.as_ref());
        let rows = if self.is_partial {
            Vec::new()
        } else {
            let kinds = self.delivery.filter.kinds;
            reconcile::rows(&namespaces, &self.delivery.ledger, kinds, self.missing)
        };
        let summary = self.delivery.ledger.summary(rows);
        self.delivery.summary(&summary);
        self.delivery.flush()?;
        let ledger = &self.delivery.ledger;
        Ok(Ended {
            has_failed: fail_on.iter().any(|kind| ledger.shown(kind) > 0),
            has_lost: summary.loss.lost > 0 || self.has_gaps,
            is_pipe_closed: self.delivery.is_pipe_closed,
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
        delivery: &mut Delivery<S>,
        stop: &AtomicBool,
    ) {
        let (first_ns, begin) = *self.begin.get_or_insert_with(|| (boot_ns, Instant::now()));
        let later = Duration::from_nanos(boot_ns.saturating_sub(first_ns));
        let due = later.div_f64(self.speed);
        loop {
            let elapsed = begin.elapsed();
            let rest = due.saturating_sub(elapsed);
            if rest.is_zero() || stop.load(Ordering::Relaxed) || delivery.is_pipe_closed {
                return;
            }
            // What waits for its second to end is shown when that ends in the recording.
            let reached = elapsed.mul_f64(self.speed).as_nanos();
            let reached = u64::try_from(reached).unwrap_or(u64::MAX);
            delivery.tick(first_ns.saturating_add(reached));
            delivery.write_out();
            std::thread::sleep(rest.min(NAP));
        }
    }
}
