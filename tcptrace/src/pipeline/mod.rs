//! From the ring to the sinks: one loop, no queues of our own.
//!
//! The ring is the only buffer: when we are slow, the kernel side counts what it could not put
//! there. While records flow the loop reads by the tick, else it sleeps until the next record.
//! Shutdown: stop reading new facts, drain what is there, release what interpretation held back,
//! reconcile, then tell the summary.

mod counted;
mod ledger;
mod namespaces;
mod rate;
mod reconcile;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::attribute::Attributor;
use crate::decode::{decode, kind_of};
use crate::interpret::Interpreter;
use crate::interpret::filter::Filter;
use crate::model::loss::{Loss, LossPlace};
use crate::model::summary::Reconciled;
use crate::model::{Host, Incident, Kind, KindSet};
use crate::sink::Sink;
use crate::source::followed::Followed;
use crate::source::live::Live;

use counted::Counted;
use ledger::Ledger;
use namespaces::Namespaces;
use rate::RateLimit;
use reconcile::lasting::Lasting;

/// Records taken from the ring before anything else is looked at.
const BATCH: usize = 4096;
/// How long to wait for more while records flow.
const TICK: Duration = Duration::from_millis(1);
/// How often losses are looked for and held incidents released.
const ROUND: Duration = Duration::from_millis(200);

/// How often counters are read for what hooks do not see.
const COUNTING: Duration = Duration::from_secs(1);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// A kind of `fail_on` was shown.
    pub has_failed: bool,
    /// Something was lost.
    pub has_lost: bool,
    /// The reader of the output went away.
    pub is_pipe_closed: bool,
}

/// A run.
#[allow(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Pipeline<S> {
    live: Live,
    attributor: Attributor,
    interpreter: Interpreter,
    settings: Settings,
    followed: Option<Followed>,
    namespaces: Namespaces,
    lasting: Lasting,
    counted: Counted,
    counted_at: Instant,
    ledger: Ledger,
    rate: Option<RateLimit>,
    sink: S,
    is_pipe_closed: bool,
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
        let namespaces = Namespaces::begin(&settings.filter.netns);
        Self {
            ledger: Ledger::new(namespaces.start_ns(), namespaces.is_known()),
            rate: settings.rate_limit.map(RateLimit::new),
            counted: Counted::begin(settings.counted, &settings.filter.netns),
            counted_at: Instant::now(),
            interpreter: Interpreter::new(host),
            live,
            attributor,
            settings,
            followed,
            namespaces,
            lasting: Lasting::default(),
            sink,
            is_pipe_closed: false,
        }
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
        let mut round = begin;
        tokio::pin!(stop);
        while !self.is_over(begin) {
            let taken = self.read()?;
            if round.elapsed() >= ROUND {
                round = Instant::now();
                self.look_around()?;
            }
            self.flush()?;
            if taken == BATCH && !self.is_over(begin) {
                // Signals are noticed even when the ring never runs dry.
                if is_ready(&mut stop).await {
                    break;
                }
                continue;
            }
            let rest = self.rest(begin);
            let is_stopped = if taken > 0 {
                tokio::select! {
                    () = &mut stop => true,
                    () = tokio::time::sleep(TICK.min(rest)) => false,
                }
            } else {
                self.sleep(&ring, &mut stop, rest).await?
            };
            if is_stopped {
                break;
            }
        }
        Ok(())
    }

    /// Sleeps until a record comes, `stop` is done, or a round is over; whether it was `stop`.
    async fn sleep(
        &mut self,
        ring: &AsyncFd<OwnedFd>,
        stop: &mut (impl Future<Output = ()> + Unpin),
        rest: Duration,
    ) -> anyhow::Result<bool> {
        self.live.set_sleeping(true);
        // What came before that word was set woke nobody.
        if self.read()? > 0 {
            self.live.set_sleeping(false);
            return Ok(false);
        }
        let is_stopped = tokio::select! {
            () = stop => true,
            ready = ring.readable() => {
                ready.context("cannot wait for the ring")?.clear_ready();
                false
            }
            () = tokio::time::sleep(ROUND.min(rest)) => false,
        };
        self.live.set_sleeping(false);
        Ok(is_stopped)
    }

    /// Our counts against the kernel's counters while the run goes on. A difference is called one
    /// when it has lasted from one call to the next. `skipped` as for [`Self::finish`].
    ///
    /// # Errors
    /// When the output fails other than by a closed pipe.
    pub fn reconcile(&mut self, skipped: u64) -> anyhow::Result<Vec<Reconciled>> {
        // What the counters will show must have been taken from the ring.
        self.namespaces.look();
        while self.read()? > 0 {}
        let rows = self.compared(skipped);
        Ok(self.lasting.settle(rows))
    }

    fn compared(&self, skipped: u64) -> Vec<Reconciled> {
        let settings = &self.settings;
        if settings.is_partial {
            return Vec::new();
        }
        let kinds = settings.filter.kinds;
        reconcile::rows(&self.namespaces, &self.ledger, kinds, skipped)
    }

    /// Ends the run: drains, reconciles, tells the summary. The programs should be detached
    /// right after, or before. `skipped` runs of them did not take place.
    ///
    /// # Errors
    /// When the output fails other than by a closed pipe.
    pub fn finish(mut self, skipped: u64) -> anyhow::Result<Ended> {
        self.namespaces.end();
        self.ledger.end(self.namespaces.end_ns());
        while self.read()? > 0 {}
        let (ledger, mut released) = (&mut self.ledger, Vec::new());
        self.interpreter
            .finish(&mut |incident| released.push(incident));
        for incident in &released {
            ledger.note(incident);
        }
        for incident in released {
            self.show(&incident)?;
        }
        self.look_around()?;
        let rows = self.compared(skipped);
        let summary = self.ledger.summary(rows);
        if !self.is_pipe_closed {
            let told = self.sink.summary(&summary);
            self.check(told)?;
            self.flush()?;
        }
        Ok(Ended {
            has_failed: self
                .settings
                .fail_on
                .iter()
                .any(|kind| self.ledger.shown(kind) > 0),
            has_lost: summary.loss.lost > 0,
            is_pipe_closed: self.is_pipe_closed,
        })
    }

    fn is_over(&self, begin: Instant) -> bool {
        self.is_pipe_closed
            || self
                .settings
                .after
                .is_some_and(|after| begin.elapsed() >= after)
            || self
                .settings
                .count
                .is_some_and(|count| self.ledger.shown_in_all() >= count)
    }

    fn rest(&self, begin: Instant) -> Duration {
        let left = |after: Duration| after.saturating_sub(begin.elapsed());
        self.settings.after.map_or(ROUND, left)
    }

    /// Takes a batch from the ring and shows what it means; how many records it were.
    fn read(&mut self) -> anyhow::Result<usize> {
        let mut incidents = Vec::new();
        let Self {
            live,
            attributor,
            interpreter,
            ledger,
            ..
        } = self;
        let taken = live.drain(BATCH, |bytes| {
            let Ok(mut event) = decode(bytes) else {
                let kind = kind_of(bytes).and_then(|n| Kind::from_index(usize::from(n)));
                ledger.lose(LossPlace::Channel, kind, 1);
                return;
            };
            attributor.attribute(&mut event);
            interpreter.on(event, &mut |incident| {
                ledger.note(&incident);
                incidents.push(incident);
            });
        });
        for incident in incidents {
            if !self.is_pipe_closed {
                self.show(&incident)?;
            }
        }
        Ok(taken)
    }

    fn show(&mut self, incident: &Incident) -> anyhow::Result<()> {
        let kind = incident.kind();
        let is_enough = self
            .settings
            .count
            .is_some_and(|count| self.ledger.shown_in_all() >= count);
        if !self.accepts(incident) || is_enough {
            self.ledger.filtered();
            return Ok(());
        }
        if self
            .rate
            .as_mut()
            .is_some_and(|rate| !rate.allows(Instant::now()))
        {
            self.ledger.rate_limited();
            return Ok(());
        }
        match self.sink.incident(incident) {
            Ok(()) => self.ledger.show(incident),
            Err(error) => {
                self.ledger.lose(LossPlace::Sink, Some(kind), 1);
                self.check(Err(error))?;
            }
        }
        Ok(())
    }

    fn accepts(&mut self, incident: &Incident) -> bool {
        if let (Some(followed), Some(owner)) = (&mut self.followed, &incident.owner) {
            let pid = owner.process.pid;
            if !self.settings.filter.pids.contains(&pid) && followed.contains(pid) {
                self.settings.filter.pids.insert(pid);
            }
        }
        self.settings.filter.accepts(incident)
    }

    /// Losses, and what interpretation held back.
    fn look_around(&mut self) -> anyhow::Result<()> {
        let now_ns = namespaces::boot_ns();
        let mut released = Vec::new();
        self.interpreter
            .tick(now_ns, &mut |incident| released.push(incident));
        for incident in released {
            self.ledger.note(&incident);
            self.show(&incident)?;
        }
        if self.counted_at.elapsed() >= COUNTING {
            self.counted_at = Instant::now();
            self.count(now_ns)?;
        }
        for (index, counters) in self.live.counters()?.iter().enumerate() {
            let Some(kind) = Kind::from_index(index) else {
                continue;
            };
            let lost = self.ledger.kernel(kind, counters.filtered, counters.lost);
            if lost > 0 && !self.is_pipe_closed {
                let loss = Loss {
                    place: LossPlace::Ring,
                    of_kind: Some(kind),
                    count: lost,
                };
                let told = self.sink.loss(&loss, now_ns);
                self.check(told)?;
            }
        }
        Ok(())
    }

    /// What hooks did not see, from the kernel's counters.
    fn count(&mut self, now_ns: u64) -> anyhow::Result<()> {
        let ledger = &self.ledger;
        let mut found = Vec::new();
        for mut event in self
            .counted
            .poll(now_ns, |netns, counter| ledger.seen(netns, counter))
        {
            self.attributor.attribute(&mut event);
            self.interpreter
                .on(event, &mut |incident| found.push(incident));
        }
        for incident in found {
            self.ledger.note(&incident);
            self.show(&incident)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.is_pipe_closed {
            return Ok(());
        }
        let flushed = self.sink.flush();
        self.check(flushed)
    }

    /// A closed pipe ends the run quietly; other failures are errors.
    fn check(&mut self, written: io::Result<()>) -> anyhow::Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_pipe_closed = true;
                Ok(())
            }
            other => other.context("cannot write the output"),
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
