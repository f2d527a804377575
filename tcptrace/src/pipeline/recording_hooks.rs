//! What a live run keeps beside what it shows: a recording, and samples of queues.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::signal::unix::{SignalKind, signal};

use super::Pipeline;
use super::delivery::Delivery;
use super::tap::{self, Tap};
use crate::model::{Event, Host, RunFacts};
use crate::recording::{Confine, Files, Recorder, Start};
use crate::sink::Sink;
use crate::survey::{self, Question};

/// How long the next file waits for the counters with which it begins.
const LATE: Duration = Duration::from_secs(1);

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
        let start_ns = self.kernel_counters.start_ns();
        let standing = tap::standing(&self.kernel_counters, &self.delivery.ledger, start_ns);
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

    /// Starts the thread that writes the recording, if there is one, after it has run `confine`. Returns what
    /// it could not give up.
    pub fn confine_recorder(&mut self, confine: Confine) -> Vec<String> {
        let tap = self.tap.as_mut();
        tap.map_or_else(Vec::new, |tap| tap.recorder.confine(confine))
    }

    /// Samples queues and levels at intervals, and passes the samples to the sink and the recording.
    pub fn sample(&mut self, every: Duration, facts: &RunFacts) {
        let limits = facts.spaces.iter().filter_map(|space| {
            let limit = space.settings.tcp_max_tw_buckets?;
            Some((space.netns, limit))
        });
        let limits: HashMap<u32, u32> = limits.collect();
        self.surveys.sample(every, limits);
    }

    /// Passes the facts of the run to the sink.
    pub fn begin(&mut self, facts: &RunFacts) {
        self.delivery.begin(facts);
    }

    /// What a recording needs now and then.
    pub(super) fn keep_recording(&mut self, now: Instant) {
        let Some(tap) = &mut self.tap else { return };
        if tap.is_next_due(now) {
            let since = *tap.rotation_since.get_or_insert(now);
            // A file that begins without counters is better than one that does not begin.
            if !self.surveys.ask(Question::Counters) || now.duration_since(since) >= LATE {
                self.rotate(None);
            }
        }
        let Some(tap) = &mut self.tap else { return };
        if let Some(trouble) = tap.trouble(now) {
            let (why, lost) = (trouble.why, trouble.lost_events);
            let mut text = format!("{why}; not recorded so far: {lost} events");
            if trouble.doubtful_events > 0 {
                let doubtful = trouble.doubtful_events;
                text.push_str(&format!("; {doubtful} more may be missing"));
            }
            self.delivery.notice(&text);
        }
    }

    /// Begins the next file where that is due, at a reading of the counters; `None`: there is none.
    pub(super) fn rotate(&mut self, read_ns: Option<u64>) {
        if self
            .tap
            .as_ref()
            .is_none_or(|tap| tap.rotation_since.is_none())
        {
            return;
        }
        // What the counters show belongs to the file that ends.
        self.drain();
        let Some(tap) = &mut self.tap else { return };
        tap.rotation_since = None;
        let now = Instant::now();
        while tap.is_next_due(now) {
            let (counters, ledger) = (&self.kernel_counters, &self.delivery.ledger);
            let boot_ns = read_ns.unwrap_or_else(survey::boot_ns);
            let mut standing = tap::standing(counters, ledger, boot_ns);
            if read_ns.is_none() {
                standing.counters.clear();
            }
            tap.recorder.rotate(standing);
        }
    }
}

/// Records the event if it will be shown. One that will not may still let go of what was held back.
pub(super) fn pass_by<S: Sink>(tap: &mut Tap, delivery: &mut Delivery<S>, event: &Event) {
    if delivery.wants(event) {
        tap.event(event);
    } else {
        tap.tick(event.boot_ns);
    }
}
