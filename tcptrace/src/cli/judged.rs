//! What is wrong by the incidents of a run, for a sink that sums it up.

use std::io;

use crate::diagnose::{self, Tallies};
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::survey::Survey;
use crate::model::{Clock, Incident};
use crate::sink::Sink;

/// Hands on what the run reports, and the findings before its summary.
pub(super) struct Judged<S> {
    sink: S,
    clock: Clock,
    tallies: Tallies,
}

impl<S: Sink> Judged<S> {
    /// `clock` ties the boot clock to the wall clock.
    pub(super) fn new(sink: S, clock: Clock) -> Self {
        Self {
            sink,
            clock,
            tallies: Tallies::default(),
        }
    }
}

impl<S: Sink> Sink for Judged<S> {
    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        let wall_ns = self.clock.boot_to_wall_ns;
        let wall_ns = wall_ns.saturating_add_unsigned(incident.boot_ns);
        self.tallies.on(incident, wall_ns);
        self.sink.incident(incident)
    }

    fn loss(&mut self, loss: &Loss, boot_ns: u64) -> io::Result<()> {
        self.sink.loss(loss, boot_ns)
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.sink.notice(text)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let findings = diagnose::findings(&Survey::default(), &self.tallies);
        self.sink.findings(&findings)?;
        self.sink.summary(summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
