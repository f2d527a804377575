//! What a live run keeps beside what it shows: a recording, and samples of queues.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::signal::unix::{SignalKind, signal};

use super::outlet::Outlet;
use super::samples::Sampler;
use super::tap::{self, Tap};
use super::{Pipeline, namespaces};
use crate::model::{Event, Host, RunFacts};
use crate::recording::{Files, Recorder, Start};
use crate::sink::Sink;

impl<S: Sink> Pipeline<S> {
    /// What will be shown is recorded too, from now on.
    ///
    /// # Errors
    /// When the file cannot be begun.
    pub fn record(&mut self, files: Files, facts: &RunFacts, host: Host) -> anyhow::Result<()> {
        // Without a handler, writing beyond RLIMIT_FSIZE would kill the process; with one it fails like
        // writing to a full disk. A handler stays installed, and a command that is started does not
        // inherit it. Where none can be installed, the kernel's default holds.
        drop(signal(SignalKind::from_raw(libc::SIGXFSZ)));
        let why = format!("cannot record into {}", files.path.display());
        let mut run = [0; 16];
        getrandom(&mut run, GetRandomFlags::empty()).context("no random numbers")?;
        let start_ns = self.namespaces.start_ns();
        let standing = tap::standing(&self.namespaces, &self.outlet.ledger, start_ns, 0);
        let start = Start {
            run,
            sequence: 0,
            facts: Some(facts.clone()),
            host,
            standing,
        };
        let recorder = Recorder::create(files, start).context(why)?;
        self.tap = Some(Tap::new(recorder));
        Ok(())
    }

    /// Looks at queues and levels every so often, and tells the sink, and the recording.
    pub fn sample(&mut self, every: Duration, facts: &RunFacts) {
        let limits = facts.spaces.iter().filter_map(|space| {
            let limit = space.settings.tcp_max_tw_buckets?;
            Some((space.netns, limit))
        });
        let limits: HashMap<u32, u32> = limits.collect();
        let watched = &self.outlet.filter.netns;
        self.sampler = Some(Sampler::new(every, watched, limits));
    }

    /// Tells the sink what holds for the run.
    pub fn begin(&mut self, facts: &RunFacts) {
        self.outlet.begin(facts);
    }

    /// What a recording needs now and then.
    pub(super) fn keep_recording(&mut self, now: Instant) {
        if let Some(sample) = self.sampler.as_mut().and_then(|sampler| sampler.poll(now)) {
            self.outlet.sample(&sample);
            if let Some(tap) = &mut self.tap {
                tap.sample(&sample);
            }
        }
        let Some(tap) = &mut self.tap else { return };
        while tap.is_next_due(now) {
            self.namespaces.look();
            let now_ns = namespaces::boot_ns();
            let ledger = &self.outlet.ledger;
            tap.recorder
                .rotate(tap::standing(&self.namespaces, ledger, now_ns, 0));
        }
        if let Some(trouble) = tap.trouble(now) {
            let (why, lost) = (trouble.why, trouble.lost_events);
            self.outlet
                .notice(&format!("{why}; not recorded so far: {lost} events"));
        }
    }
}

/// Records the event if it will be shown. One that will not may still let go of what was held back.
pub(super) fn pass_by<S: Sink>(tap: &mut Tap, outlet: &mut Outlet<S>, event: &Event) {
    if outlet.wants(event) {
        tap.event(event);
    } else {
        tap.tick(event.boot_ns);
    }
}
