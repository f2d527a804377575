//! From NDJSON of earlier runs to the sinks: what was interpreted once is only filtered and shown.
//!
//! The counts continue from those of the lines: what was filtered or lost then is so now.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Ended;
use super::delivery::Delivery;
use super::ledger::Ledger;
use super::period::{Part, Place};
use super::replay::{Pace, Settings};
use crate::model::KindSet;
use crate::model::loss::Tally;
use crate::model::summary::Summary;
use crate::sink::Sink;
use crate::source::lines::{Bad, Lines};
use crate::source::ndjson::Line;

/// Bad lines that are reported one by one.
const LISTED: u64 = 10;

/// Shows lines. `stop`, once set, ends it as a signal ends a live run.
///
/// # Errors
/// When the disk fails, or the output other than by a closed pipe.
pub fn import<S: Sink>(
    mut lines: Lines,
    settings: Settings,
    sink: S,
    stop: &AtomicBool,
) -> anyhow::Result<Ended> {
    let start_ns = lines.clock().start_boot_ns;
    let part = Part::new(settings.period, lines.clock().boot_to_wall_ns);
    let mut import = Import {
        delivery: Delivery::of_the_past(
            settings.filter,
            settings.count,
            Ledger::new(part.begin_ns(start_ns), false),
            sink,
        ),
        part,
        pace: settings.speed.map(Pace::new),
        last_ns: start_ns,
        bad: 0,
        others: 0,
        summaries: Vec::new(),
        is_partial: settings.is_partial,
        stop,
    };
    while let Some(line) = lines.next_line()? {
        match line {
            Ok(parsed) => {
                if let Some(boot_ns) = parsed.boot_ns {
                    import.last_ns = import.last_ns.max(boot_ns);
                }
                import.line(parsed.line);
            }
            Err(bad) => import.bad(&bad),
        }
        if import.is_over() {
            break;
        }
        // More of a file is there at once; of a pipe, nobody knows when.
        if lines.is_piped() {
            import.delivery.write_out();
        }
    }
    import.finish(settings.fail_on)
}

struct Import<'a, S> {
    delivery: Delivery<S>,
    part: Part,
    pace: Option<Pace>,
    last_ns: u64,
    /// Lines that say nothing.
    bad: u64,
    /// Lines of other kinds.
    others: u64,
    summaries: Vec<Summary>,
    is_partial: bool,
    stop: &'a AtomicBool,
}

impl<S: Sink> Import<'_, S> {
    fn is_over(&self) -> bool {
        self.delivery.is_pipe_closed
            || self.delivery.failure.is_some()
            || self.delivery.has_enough()
            || self.stop.load(Ordering::Relaxed)
    }

    fn line(&mut self, line: Line) {
        let delivery = &mut self.delivery;
        match line {
            Line::Incident(incident) => {
                let place = self.part.reach(incident.boot_ns, delivery);
                if let Some(pace) = self.pace.as_mut().filter(|_| place == Place::Within) {
                    pace.wait_for(incident.boot_ns, delivery, self.stop);
                }
                self.part.take(&incident, delivery);
            }
            Line::Lost(loss, boot_ns) => match self.part.reach(boot_ns, delivery) {
                Place::Within => delivery.lost_before(&loss, boot_ns),
                place => self.part.lost(place, loss.count),
            },
            Line::Summary(summary) => self.summaries.push(summary),
            Line::Other(_) => self.others += 1,
        }
    }

    fn bad(&mut self, bad: &Bad) {
        self.bad += 1;
        if self.bad <= LISTED {
            let text = format!("{}: line {}: {}", bad.path.display(), bad.number, bad.why);
            self.delivery.notice(&text);
        }
    }

    fn finish(mut self, fail_on: KindSet) -> anyhow::Result<Ended> {
        let is_cut = self.is_over();
        if self.bad > LISTED {
            let more = self.bad - LISTED;
            self.delivery.notice(&format!("and {more} more such lines"));
        }
        if self.others > 0 {
            let text = format!("{} lines are not events and were skipped", self.others);
            self.delivery.notice(&text);
        }
        let has_missed = self.summaries.is_empty() && !is_cut;
        if has_missed {
            self.delivery
                .notice("the summary is missing, so the end of the run is missing too");
        }
        self.delivery.ledger.end(self.part.end_ns(self.last_ns));
        self.part.read_to_the_end();
        self.part.finish(self.last_ns, &mut self.delivery);
        let mut summary = self.delivery.ledger.summary(Vec::new());
        // A summary is that of all of it.
        if !is_cut && self.part.is_all() {
            self.complete(&mut summary);
        }
        self.delivery.summary(&summary);
        self.delivery.flush()?;
        let ledger = &self.delivery.ledger;
        Ok(Ended {
            has_failed: fail_on.iter().any(|kind| ledger.shown(kind) > 0),
            has_lost: summary.loss.lost > 0 || self.bad > 0 || has_missed,
            is_pipe_closed: self.delivery.is_pipe_closed,
            recorded: None,
        })
    }

    /// With what the runs said of themselves.
    fn complete(&self, summary: &mut Summary) {
        let Some((last, earlier)) = self.summaries.split_last() else {
            return;
        };
        let sum =
            |of: fn(&Summary) -> u64| self.summaries.iter().map(of).fold(0, u64::saturating_add);
        let here = summary.loss;
        let reported = here.shown.saturating_add(here.filtered);
        // Lines that were shown then and are not there now.
        let gone = sum(|run| run.loss.shown).saturating_sub(reported);
        summary.duration_ms = sum(|run| run.duration_ms);
        summary.loss = Tally {
            seen: sum(|run| run.loss.seen).max(reported),
            shown: here.shown,
            filtered: here.filtered.saturating_add(sum(|run| run.loss.filtered)),
            rate_limited: sum(|run| run.loss.rate_limited),
            lost: gone.saturating_add(sum(|run| run.loss.lost)),
        };
        // Counters of several runs are not to be added up, nor compared with a part.
        if earlier.is_empty() && !self.is_partial {
            summary.reconciliation.clone_from(&last.reconciliation);
        }
    }
}
