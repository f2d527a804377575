//! What becomes of incidents: shown, left out or lost, and the books of it.
//!
//! It stands apart from what makes them, so that each is shown the moment it is made: nothing is
//! gathered in between. A failed write is kept until asked for: whoever hands incidents over, from
//! within the ring, cannot stop there.

use std::borrow::Cow;
use std::io;
use std::time::Instant;

use anyhow::Context;

use super::ledger::Ledger;
use super::rate::RateLimit;
use super::wall_clock;
use crate::interpret::filter::Filter;
use crate::model::loss::{Loss, LossPlace};
use crate::model::summary::Summary;
use crate::model::{Event, Incident, Kind, Owner, RunFacts, Sample};
use crate::sink::Sink;
use crate::source::followed::Followed;

/// Followed processes that are remembered, living and dead.
const MOST_FOLLOWED: usize = 65_536;

pub(super) struct Delivery<S> {
    pub(super) filter: Filter,
    /// No more than so many are shown.
    pub(super) count: Option<u64>,
    pub(super) followed: Option<Followed>,
    pub(super) rate: Option<RateLimit>,
    pub(super) ledger: Ledger,
    pub(super) sink: S,
    pub(super) is_pipe_closed: bool,
    /// The first failure that nobody has asked for yet.
    pub(super) failure: Option<io::Error>,
}

impl<S: Sink> Delivery<S> {
    /// For what is shown again: nothing is followed, and no line is too many.
    pub(super) fn of_the_past(filter: Filter, count: Option<u64>, ledger: Ledger, sink: S) -> Self {
        Self {
            filter,
            count,
            followed: None,
            rate: None,
            ledger,
            sink,
            is_pipe_closed: false,
            failure: None,
        }
    }

    /// An incident was made.
    #[inline]
    pub(super) fn take(&mut self, incident: &Incident) {
        self.ledger.note(incident);
        if self.is_pipe_closed || self.failure.is_some() {
            return;
        }
        if !self.accepts(incident) || self.has_enough() {
            self.ledger.filtered();
            return;
        }
        if let Some(rate) = &mut self.rate
            && !rate.allows(Instant::now())
        {
            self.ledger.rate_limited();
            return;
        }
        match self.sink.incident(incident) {
            Ok(()) => self.ledger.show(incident),
            Err(error) => {
                let kind = Some(incident.kind());
                self.ledger.lose(LossPlace::Sink, kind, 1);
                self.fail(error);
            }
        }
    }

    fn accepts(&mut self, incident: &Incident) -> bool {
        self.follow(incident.owner.as_ref());
        self.filter.accepts(incident)
    }

    /// Whether what becomes of the event would be shown.
    pub(super) fn wants(&mut self, event: &Event) -> bool {
        self.follow(event.owner.as_ref());
        !self.is_pipe_closed && !self.has_enough() && self.filter.accepts_event(event)
    }

    /// Any process that holds the socket may be one that is followed.
    fn follow(&mut self, owner: Option<&Owner>) {
        let (Some(followed), Some(owner)) = (&mut self.followed, owner) else {
            return;
        };
        for process in owner.processes() {
            if let Some(start) = process.start_ticks
                && !self.filter.pids.contains(process.pid, Some(start))
                && followed.contains(process.pid, start)
            {
                self.filter.pids.add(process.pid, start);
            }
        }
    }

    /// The kernel side has reported a process that it follows. It removes those that end, before what
    /// they did last is looked at here.
    pub(super) fn heard_of(&mut self, event: &Event) {
        let Some(heard) = event.heard.as_ref().filter(|heard| heard.is_followed) else {
            return;
        };
        let Some(followed) = &self.followed else {
            return;
        };
        let pids = &mut self.filter.pids;
        if pids.len() >= MOST_FOLLOWED {
            // The longest dead have nothing left to say.
            pids.forget_processes();
            for (pid, start_ticks) in followed.roots() {
                pids.add(pid, start_ticks);
            }
        }
        pids.add(heard.pid, heard.start_ticks);
    }

    pub(super) fn begin(&mut self, facts: &RunFacts) {
        let outcome = self.sink.begin(facts);
        self.check(outcome);
    }

    pub(super) fn sample(&mut self, sample: &Sample) {
        if !self.is_pipe_closed {
            let outcome = self.sink.sample(sample);
            self.check(outcome);
        }
    }

    pub(super) fn tick(&mut self, boot_ns: u64) {
        if !self.is_pipe_closed {
            let shown = self.sink.tick(boot_ns);
            self.check(shown);
        }
    }

    pub(super) fn notice(&mut self, text: &str) {
        let outcome = self.sink.notice(text);
        self.check(outcome);
    }

    /// The wall clock stands so from now on; `step_ns` by how much it was set, 0 when that was said before.
    pub(super) fn set_clock(&mut self, boot_to_wall_ns: i64, step_ns: i64) {
        let outcome = self.sink.clock(boot_to_wall_ns);
        self.check(outcome);
        if step_ns != 0 {
            self.notice(&wall_clock::text_of(step_ns));
        }
    }

    pub(super) fn has_enough(&self) -> bool {
        self.count
            .is_some_and(|count| self.ledger.shown_in_all() >= count)
    }

    /// The kernel side's counters of a kind as they stand; new losses are reported.
    pub(super) fn kernel(&mut self, kind: Kind, filtered: u64, lost: u64, now_ns: u64) {
        let lost = self.ledger.kernel(kind, filtered, lost);
        if lost > 0 && !self.is_pipe_closed {
            let loss = Loss {
                place: LossPlace::Ring,
                of_kind: Some(kind),
                hook: None,
                count: lost,
            };
            let outcome = self.sink.loss(&loss, now_ns);
            self.check(outcome);
        }
    }

    /// Runs of a hook that the kernel has skipped so far; new ones are reported. An empty name: of a hook
    /// that is not known.
    pub(super) fn skipped(&mut self, hook: Cow<'static, str>, count: u64, now_ns: u64) {
        let count = self.ledger.skip(hook.clone(), count);
        if count > 0 && !self.is_pipe_closed {
            let loss = Loss {
                place: LossPlace::Kernel,
                of_kind: None,
                hook: Some(hook).filter(|hook| !hook.is_empty()),
                count,
            };
            let outcome = self.sink.loss(&loss, now_ns);
            self.check(outcome);
        }
    }

    /// RSTs received by orphans that interpretation had no room to hold back.
    pub(super) fn dropped(&mut self, count: u64) {
        self.ledger
            .lose(LossPlace::Channel, Some(Kind::RstReceived), count);
    }

    /// What was lost in a run of the past.
    pub(super) fn lost_before(&mut self, loss: &Loss, boot_ns: u64) {
        self.ledger.lose(loss.place, loss.of_kind, loss.count);
        let outcome = self.sink.loss(loss, boot_ns);
        self.check(outcome);
    }

    /// Events were seen that are in no file of the recording.
    pub(super) fn unrecorded(&mut self, events: u64, now_ns: u64) {
        if events == 0 {
            return;
        }
        self.ledger.unrecorded(events);
        let loss = Loss {
            place: LossPlace::Sink,
            of_kind: None,
            hook: None,
            count: events,
        };
        let outcome = self.sink.loss(&loss, now_ns);
        self.check(outcome);
    }

    pub(super) fn summary(&mut self, summary: &Summary) {
        if !self.is_pipe_closed {
            let outcome = self.sink.summary(summary);
            self.check(outcome);
        }
    }

    /// Writes out what is buffered. Err when that or anything before failed, other than by a
    /// closed pipe.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.write_out();
        self.failure
            .take()
            .map_or(Ok(()), Err)
            .context("cannot write the output")
    }

    /// Writes out what is buffered; a failure is kept.
    pub(super) fn write_out(&mut self) {
        if !self.is_pipe_closed {
            let flushed = self.sink.flush();
            self.check(flushed);
        }
    }

    fn check(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.fail(error);
        }
    }

    /// A closed pipe ends the run quietly; other failures are errors.
    fn fail(&mut self, error: io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.is_pipe_closed = true;
        } else if self.failure.is_none() {
            self.failure = Some(error);
        }
    }
}
