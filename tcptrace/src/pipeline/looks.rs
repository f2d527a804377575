//! How surveys of the host enter the pipeline during a run.

use super::Pipeline;
use super::recording_hooks::pass_by;
use crate::model::snapshot::Snapshot;
use crate::model::summary::Reconciled;
use crate::sink::Sink;
use crate::survey::{self, Answer, Look, Question, RefusalReading};

/// Something that a run may be waited for.
pub(super) enum Wanted<T> {
    Nothing,
    Awaited,
    There(T),
}

impl<S: Sink> Pipeline<S> {
    /// Our counts against the kernel's counters during the run, without pausing it. A difference is
    /// called one when it has lasted from one call to the next. `None`: `stop` was done first.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn reconcile(
        &mut self,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Option<Vec<Reconciled>>> {
        self.require(Question::Counters)?;
        self.counters = Wanted::Awaited;
        self.run(stop).await?;
        let is_there = matches!(
            std::mem::replace(&mut self.counters, Wanted::Nothing),
            Wanted::There(())
        );
        if !is_there {
            return Ok(None);
        }
        // What the counters show must have been taken from the ring.
        self.drain();
        self.look_for_skips();
        let rows = self.compared();
        Ok(Some(self.persistent.settle(rows)))
    }

    /// A snapshot; the run continues meanwhile. `None`: `stop` was done first.
    ///
    /// # Errors
    /// As [`Self::run`], and when /proc cannot be read.
    pub async fn look(
        &mut self,
        look: Look,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Option<Snapshot>> {
        self.require(Question::Snapshot(look))?;
        self.snapshot = Wanted::Awaited;
        self.run(stop).await?;
        match std::mem::replace(&mut self.snapshot, Wanted::Nothing) {
            Wanted::There(snapshot) => Ok(Some(*snapshot?)),
            Wanted::Nothing | Wanted::Awaited => Ok(None),
        }
    }

    fn require(&mut self, question: Question) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.surveys.ask(question),
            "cannot survey the host: its thread has ended"
        );
        Ok(())
    }

    /// What a look at the host has found.
    pub(super) fn surveyed(&mut self, answer: Answer) {
        match answer {
            Answer::Counters(reading) => {
                let read_ns = reading.boot_ns;
                self.kernel_counters.read(reading);
                self.rotate(Some(read_ns));
                if matches!(self.counters, Wanted::Awaited) {
                    self.counters = Wanted::There(());
                }
            }
            Answer::Refusals(reading) => self.count_unseen(&reading),
            Answer::Queues(sample) => {
                self.delivery.sample(&sample);
                if let Some(tap) = &mut self.tap {
                    tap.sample(&sample);
                }
            }
            Answer::Snapshot(snapshot) => self.snapshot = Wanted::There(snapshot),
        }
    }

    /// What hooks did not see, from the kernel's counters.
    fn count_unseen(&mut self, reading: &RefusalReading) {
        let now_ns = survey::boot_ns();
        let Self {
            counted,
            attributor,
            interpreter,
            delivery,
            tap,
            ..
        } = self;
        let ledger = &delivery.ledger;
        let found = counted.poll(reading, now_ns, |netns, counter| {
            ledger.seen(netns, counter)
        });
        for mut event in found {
            attributor.attribute(&mut event);
            if let Some(tap) = tap {
                pass_by(tap, delivery, &event);
            }
            interpreter.on(event, &mut |incident| delivery.take(&incident));
        }
    }
}
