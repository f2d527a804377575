//! What is wrong by the incidents of a run, for a sink that sums it up.

use std::io;
use std::time::Duration;

use crate::diagnose::{self, Tallies};
use crate::model::loss::Loss;
use crate::model::rows::ListenerRow;
use crate::model::summary::Summary;
use crate::model::survey::{Space, Survey};
use crate::model::{Clock, Incident, Kind};
use crate::sink::Sink;
use crate::survey::First;

/// How long the holders of a full listener are looked at.
const LOOKED: Duration = Duration::from_millis(250);
/// What decides which limit binds.
const SETTINGS: &[&str] = &["net.core.somaxconn"];

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

impl<S> Judged<S> {
    /// Listeners that are full now, and what their holders do, if clients were refused in this run. Where it
    /// cannot be read, the incidents alone are judged.
    fn listeners(&self) -> Survey {
        let causes = [None, Some("syn"), Some("ack"), Some("reset")];
        let refusals = causes.map(|cause| self.tallies.of((Kind::AcceptDrop, cause)));
        let mut watched = Vec::new();
        for tally in refusals.into_iter().flatten() {
            let Some(netns) = tally.netns() else {
                return Survey::default();
            };
            watched.push(netns);
        }
        if watched.is_empty() {
            return Survey::default();
        }
        let looked = First::take(&watched).and_then(|first| first.again(LOOKED, SETTINGS));
        let survey = looked.map(diagnose::survey).unwrap_or_default();
        let spaces = survey.spaces.into_iter().map(only_full_listeners);
        Survey {
            looked_ms: survey.looked_ms,
            spaces: spaces.collect(),
            ..Survey::default()
        }
    }
}

/// The rest of a namespace is not what the run was about.
fn only_full_listeners(space: Space) -> Space {
    let mut listeners = space.listeners;
    listeners.retain(ListenerRow::is_full);
    Space {
        listeners,
        counters: None,
        time_wait: None,
        ports: Vec::new(),
        stuck: Vec::new(),
        ..space
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
        let findings = diagnose::findings(&self.listeners(), &self.tallies);
        self.sink.findings(&findings)?;
        self.sink.summary(summary)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
