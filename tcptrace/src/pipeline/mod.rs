//! From the ring to the sinks: one loop, no queues of our own.
//!
//! The ring is the only buffer: when we are slow, the kernel side counts what it could not put
//! there. While records flow the loop reads by the tick, else it sleeps until the next record. A
//! record is decoded, attributed, interpreted and shown before the next is looked at; what is
//! written goes out once a reading. Shutdown: stop reading new facts, drain what is there, release
//! what interpretation held back, reconcile, then report the summary.

mod counted;
mod counts;
mod delivery;
pub mod import;
mod kernel_counters;
mod ledger;
mod looks;
mod pace;
pub mod period;
mod rate;
mod reconcile;
mod recording_hooks;
pub mod replay;
mod surveys;
mod tap;
mod wall_clock;

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::attribute::Attributor;
use crate::decode::{decode, kind_of};
use crate::interpret::Interpreter;
use crate::interpret::filter::Filter;
use crate::model::loss::LossPlace;
use crate::model::snapshot::Snapshot;
use crate::model::summary::Reconciled;
use crate::model::{Host, Kind, KindSet};
use crate::recording::Outcome;
use crate::sink::Sink;
use crate::source::followed::Followed;
use crate::source::live::Live;
use crate::survey::{self, RefusalReading};

use counted::Counted;
use delivery::Delivery;
use kernel_counters::KernelCounters;
use ledger::Ledger;
use looks::Wanted;
use pace::{Pace, Pause};
use rate::RateLimit;
use reconcile::persistent::PersistentDifferences;
use recording_hooks::pass_by;
use surveys::Surveys;
use tap::Tap;
use wall_clock::{ClockSet, WallClock};

/// Records taken from the ring before anything else is looked at.
const BATCH: usize = 4096;
/// How often losses are looked for while records flow.
const ROUND: Duration = Duration::from_millis(200);
/// How often the kernel is asked for runs that it skipped while records flow: it shows them in a file
/// for each program.
const ASKED: Duration = Duration::from_secs(1);
/// How long a sleep lasts when nothing wakes us, and when incidents are held back.
const IDLE: Duration = Duration::from_secs(1);
const HOLDING: Duration = Duration::from_millis(10);

/// How long to wait for a record that is being written.
const WRITING: Duration = Duration::from_millis(1);

/// How long the ring is emptied at most: many times what it holds.
const DRAINING: Duration = Duration::from_secs(1);

/// What a run is to do.
#[derive(Debug)]
pub struct Settings {
    /// What to show.
    pub filter: Filter,
    /// Whether filters besides kinds and namespaces are in force: then our counts are not
    /// everything the kernel counted.
    pub is_partial: bool,
    /// Lines per second.
    pub rate_limit: Option<u32>,
    /// End after so many incidents shown.
    pub count: Option<u64>,
    /// End after this time.
    pub after: Option<Duration>,
    /// Kinds whose appearance is remembered.
    pub fail_on: KindSet,
    /// Kinds of which hooks do not see everything on this kernel.
    pub counted: KindSet,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// A kind of `fail_on` was shown.
    pub has_failed: bool,
    /// Something was lost.
    pub has_lost: bool,
    /// The reader of the output went away.
    pub is_pipe_closed: bool,
    /// What was recorded.
    pub recorded: Option<Outcome>,
}

/// A run.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Pipeline<S> {
    live: Live,
    attributor: Attributor,
    interpreter: Interpreter,
    after: Option<Duration>,
    fail_on: KindSet,
    is_partial: bool,
    kernel_counters: KernelCounters,
    persistent: PersistentDifferences,
    counted: Counted,
    delivery: Delivery<S>,
    tap: Option<Tap>,
    surveys: Surveys,
    /// A snapshot that was asked for is waited for, or is there.
    snapshot: Wanted<anyhow::Result<Box<Snapshot>>>,
    /// Counters that were asked for are waited for.
    counters: Wanted<()>,
    is_patient: bool,
    wall_clock: WallClock,
}

impl<S: Sink> Pipeline<S> {
    /// Ready to run; reads the kernel's counters as they are now.
    pub fn new(
        live: Live,
        attributor: Attributor,
        host: Host,
        settings: Settings,
        followed: Option<Followed>,
        sink: S,
    ) -> Self {
        let watched = &settings.filter.netns;
        let kernel_counters = KernelCounters::begin(watched);
        let counts = !settings.counted.is_empty();
        let refusals = if counts {
            survey::refusals(watched)
        } else {
            RefusalReading::default()
        };
        let mut ledger = Ledger::new(kernel_counters.start_ns(), kernel_counters.is_known());
        ledger.read_since(kernel_counters.begin_ns());
        Self {
            counted: Counted::begin(settings.counted, refusals),
            surveys: Surveys::new(watched, counts),
            snapshot: Wanted::Nothing,
            counters: Wanted::Nothing,
            interpreter: Interpreter::new(host),
            live,
            attributor,
            after: settings.after,
            fail_on: settings.fail_on,
            is_partial: settings.is_partial,
            persistent: PersistentDifferences::default(),
            delivery: Delivery {
                ledger,
                rate: settings.rate_limit.map(RateLimit::new),
                filter: settings.filter,
                count: settings.count,
                followed,
                sink,
                is_pipe_closed: false,
                failure: None,
            },
            kernel_counters,
            tap: None,
            is_patient: false,
            wall_clock: WallClock::begin(),
        }
    }

    /// The sink shows things now and then only: records may wait in the ring for 20 ms, which spares
    /// most of what reading them one by one costs.
    pub fn be_patient(&mut self) {
        self.is_patient = true;
    }

    /// Runs until `stop` is done, or the settings end it.
    ///
    /// # Errors
    /// When the ring cannot be waited for, or the output fails other than by a closed pipe.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        // SAFETY: the descriptor is owned by the AsyncFd and never replaced: it stays open and the
        // same until it is deregistered.
        let ring =
            unsafe { AsyncFd::register_with_interest(self.live.wake()?, Interest::READABLE) }
                .context("cannot wait for the ring")?;
        let begin = Instant::now();
        let (mut round, mut before, mut asked) = (begin, begin, begin);
        let mut pace = if self.is_patient {
            Pace::patient()
        } else {
            Pace::default()
        };
        // Records read on the way to sleep, and any since losses were looked for.
        let (mut early, mut has_read) = (0, true);
        let clock_set = ClockSet::new();
        tokio::pin!(stop);
        while !self.is_over(begin) {
            self.follow_wall_clock(before);
            let taken = self.read() + std::mem::take(&mut early);
            self.set_wall_clock();
            let now = Instant::now();
            let since = now.duration_since(before);
            before = now;
            has_read |= taken > 0;
            self.release();
            self.surveys.tick(now);
            while let Some(answer) = self.surveys.try_take() {
                self.surveyed(answer);
            }
            if now.duration_since(round) >= ROUND {
                round = now;
                self.delivery.tick(survey::boot_ns());
                let waiting = self.attributor.waiting(now);
                for text in self.surveys.troubles(now, waiting) {
                    self.delivery.notice(&text);
                }
                // Nothing is lost where nothing comes.
                if std::mem::take(&mut has_read) {
                    self.look_for_losses()?;
                    if now.duration_since(asked) >= ASKED {
                        asked = now;
                        self.look_for_skips();
                    }
                }
            }
            self.keep_recording(now);
            self.delivery.flush()?;
            let pause = pace.next(taken, since);
            if taken >= BATCH && !self.is_over(begin) {
                // Signals are noticed even when the ring never runs dry.
                if is_ready(&mut stop).await {
                    break;
                }
                continue;
            }
            let rest = self.rest(begin);
            let is_stopped = match pause {
                Pause::Tick(tick) => tokio::select! {
                    () = &mut stop => true,
                    answer = self.surveys.answer() => {
                        self.surveyed(answer);
                        false
                    }
                    () = clock_set.wait() => {
                        self.wall_clock.look_again();
                        false
                    }
                    () = tokio::time::sleep(tick.min(rest)) => false,
                },
                Pause::Sleep => {
                    self.live.set_sleeping(true);
                    // What came before that word was set woke nobody.
                    early = self.read();
                    let idle = self.idle();
                    let is_stopped = early == 0
                        && tokio::select! {
                            () = &mut stop => true,
                            ready = ring.readable() => {
                                ready.context("cannot wait for the ring")?.clear_ready();
                                false
                            }
                            answer = self.surveys.answer() => {
                                self.surveyed(answer);
                                false
                            }
                            () = clock_set.wait() => {
                                self.wall_clock.look_again();
                                false
                            }
                            () = tokio::time::sleep(idle.min(rest)) => false,
                        };
                    self.live.set_sleeping(false);
                    is_stopped
                }
            };
            if is_stopped {
                break;
            }
        }
        Ok(())
    }

    fn compared(&self) -> Vec<Reconciled> {
        if self.is_partial {
            return Vec::new();
        }
        let Delivery { ledger, filter, .. } = &self.delivery;
        reconcile::rows(&self.kernel_counters, ledger, filter.kinds, Some(0))
    }

    /// Ends the run: drains, reconciles, reports the summary. The programs should be detached right
    /// after, or before. `full` is what maps of the kernel side had no
    /// room for, by its number in `limited`, and how often.
    ///
    /// # Errors
    /// When the output fails other than by a closed pipe.
    pub fn finish(mut self, full: &[(u32, u64)]) -> anyhow::Result<Ended> {
        self.delivery.ledger.not_remembered(full);
        self.kernel_counters.end();
        let end_ns = self.kernel_counters.end_ns();
        let mut answers = Vec::new();
        if let Err(why) = self.surveys.last_counters(|answer| answers.push(answer)) {
            self.delivery.notice(&why);
        }
        self.delivery.ledger.end(end_ns);
        if let Some(tap) = &mut self.tap {
            tap.ending(end_ns);
        }
        self.drain();
        self.set_wall_clock();
        answers.into_iter().for_each(|answer| self.surveyed(answer));
        let delivery = &mut self.delivery;
        self.interpreter
            .finish(&mut |incident| delivery.take(&incident));
        delivery.dropped(self.interpreter.take_dropped());
        if let Some(tap) = &mut self.tap {
            tap.release_all(end_ns);
        }
        self.look_for_losses()?;
        self.look_for_skips();
        let recorded = self.tap.take().map(|tap| {
            let ledger = &self.delivery.ledger;
            let standing = tap::standing(&self.kernel_counters, ledger, end_ns);
            tap.recorder.finish(&standing)
        });
        let rows = self.compared();
        let summary = self.delivery.ledger.summary(rows);
        self.delivery.summary(&summary);
        self.delivery.flush()?;
        Ok(Ended {
            has_failed: self
                .fail_on
                .iter()
                .any(|kind| self.delivery.ledger.shown(kind) > 0),
            has_lost: summary.loss.lost > 0,
            is_pipe_closed: self.delivery.is_pipe_closed,
            recorded,
        })
    }

    fn is_over(&self, begin: Instant) -> bool {
        self.delivery.is_pipe_closed
            || self.after.is_some_and(|after| begin.elapsed() >= after)
            || self.delivery.has_enough()
            || self.tap.as_ref().is_some_and(|tap| tap.is_full)
            || matches!(self.snapshot, Wanted::There(_))
            || matches!(self.counters, Wanted::There(()))
    }

    fn rest(&self, begin: Instant) -> Duration {
        let left = |after: Duration| after.saturating_sub(begin.elapsed());
        let due = self.surveys.rest(Instant::now()).min(IDLE);
        self.after.map_or(IDLE, left).min(due)
    }

    fn idle(&self) -> Duration {
        if self.interpreter.is_holding() {
            HOLDING
        } else {
            IDLE
        }
    }

    /// Takes everything from the ring that is there now. A processor that is held up while a program writes a
    /// record (a virtual one may be, for milliseconds) holds up what others have written since.
    fn drain(&mut self) {
        let (begin, end) = (Instant::now(), self.live.end());
        while begin.elapsed() < DRAINING {
            let taken = self.read();
            if self.live.has_read_to(end) {
                return;
            }
            if taken == 0 {
                std::thread::park_timeout(WRITING);
            }
        }
    }

    /// Takes a batch from the ring and shows what it means; how many records it were.
    fn read(&mut self) -> usize {
        let Self {
            live,
            attributor,
            interpreter,
            delivery,
            tap,
            ..
        } = self;
        live.drain(BATCH, |bytes| {
            let Ok(mut event) = decode(bytes) else {
                let kind = kind_of(bytes).and_then(|n| Kind::from_index(usize::from(n)));
                delivery.ledger.lose(LossPlace::Channel, kind, 1);
                if let Some(tap) = tap {
                    tap.undecodable(kind, survey::boot_ns());
                }
                return;
            };
            attributor.attribute(&mut event);
            delivery.heard_of(&event);
            if let Some(tap) = tap {
                pass_by(tap, delivery, &event);
            }
            interpreter.on(event, &mut |incident| delivery.take(&incident));
        })
    }

    /// Shows what interpretation held back long enough.
    fn release(&mut self) {
        if self.interpreter.is_holding() {
            let delivery = &mut self.delivery;
            let now_ns = survey::boot_ns();
            self.interpreter
                .tick(now_ns, &mut |incident| delivery.take(&incident));
            delivery.dropped(self.interpreter.take_dropped());
            if let Some(tap) = &mut self.tap {
                tap.tick(now_ns);
            }
        }
    }

    /// What the kernel side could not put on the ring, or left out.
    fn look_for_losses(&mut self) -> anyhow::Result<()> {
        let now_ns = survey::boot_ns();
        for (index, counters) in self.live.counters()?.iter().enumerate() {
            if let Some(kind) = Kind::from_index(index) {
                let (filtered, lost) = (counters.filtered, counters.lost);
                self.delivery.kernel(kind, filtered, lost, now_ns);
                if let Some(tap) = &mut self.tap {
                    tap.kernel(kind, filtered, lost, now_ns);
                }
            }
        }
        Ok(())
    }

    /// Runs of the programs that the kernel has skipped.
    fn look_for_skips(&mut self) {
        let now_ns = survey::boot_ns();
        for (hook, count) in self.live.skipped() {
            self.delivery.skipped(hook.into(), count, now_ns);
        }
    }
}

/// Whether a future is done already.
async fn is_ready(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    tokio::select! {
        biased;
        () = future => true,
        () = std::future::ready(()) => false,
    }
}
