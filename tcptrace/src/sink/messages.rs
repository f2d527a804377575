//! Messages on stderr, apart from the data: losses during the run and the summary after it.

use std::io::{self, Write};

use super::Sink;
use super::color::{END, Impact};
use super::doctor;
use super::out::Out;
use super::page::Page;
use super::put;
use super::sanitize;
use crate::model::loss::{Loss, LossPlace, Tally};
use crate::model::summary::{OwnerCount, Reconciled, Summary, Verdict};
use crate::model::{Finding, Incident, Kind};

/// Characters of a process name in the table.
const COMM_WIDTH: usize = 15;
/// Columns of that table before the numbers by kind: PID, name and total, each with a blank.
const OWNER_WIDTH: usize = 8 + COMM_WIDTH + 1 + 10;
/// Writes losses and the summary as text; incidents are left to the data's sink.
pub struct Messages<W> {
    out: Out<W>,
    is_colored: bool,
    has_summary: bool,
    /// Counters that agree have a row each.
    is_wide: bool,
    /// Columns of the terminal; `None`: it is not one, and no line is broken.
    columns: Option<usize>,
    /// What is wrong, as text.
    findings: String,
}

impl<W: Write> Messages<W> {
    /// Without `has_summary` only losses are printed: they are never silent.
    pub fn new(writer: W, is_colored: bool, has_summary: bool) -> Self {
        Self {
            out: Out::new(writer),
            is_colored,
            has_summary,
            is_wide: false,
            columns: None,
            findings: String::new(),
        }
    }

    /// With a row for each counter, also for those that agree.
    #[must_use]
    pub fn wide(mut self, is_wide: bool) -> Self {
        self.is_wide = is_wide;
        self
    }

    /// For a terminal of that many columns.
    #[must_use]
    pub fn in_columns(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }

    fn text(&mut self, text: &str) {
        self.out.buffer.extend_from_slice(text.as_bytes());
    }

    fn count(&mut self, label: &str, value: u64) {
        self.text(label);
        put::number(&mut self.out.buffer, value);
    }

    fn line(&mut self) {
        self.line_with(2);
    }

    /// Ends a line whose later parts, where the terminal is narrow, begin after `indent` blanks.
    fn line_with(&mut self, indent: usize) {
        self.out
            .end_line(self.columns.unwrap_or(usize::MAX), indent);
    }

    /// Left-aligned text of a column that is followed by another.
    fn cell(&mut self, text: &str, width: usize) {
        let taken = sanitize::append(&mut self.out.buffer, text, usize::MAX);
        put::spaces(&mut self.out.buffer, width.saturating_sub(taken) + 1);
    }

    /// Right-aligned number of a column that is followed by another.
    fn number_cell(&mut self, value: u64, width: usize) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value);
        put::spaces(&mut self.out.buffer, width.saturating_sub(digits.len()));
        self.text(digits);
        self.text(" ");
    }

    fn warned(&mut self, impact: Impact, text: &str) {
        if self.is_colored {
            self.text(impact.start());
            self.text(text);
            self.text(END);
        } else {
            self.text(text);
        }
    }

    fn kinds(&mut self, counts: &[(Kind, u64)]) {
        for (at, (kind, count)) in counts.iter().enumerate() {
            self.text(if at == 0 { "" } else { ", " });
            self.text(kind.name());
            self.count(" ", *count);
        }
    }

    fn owners(&mut self, owners: &[OwnerCount], left_out: u64) {
        if owners.is_empty() {
            return;
        }
        self.text("\n    PID COMM            INCIDENTS BY KIND\n");
        for owner in owners {
            match owner.pid {
                Some(pid) => put::number_right(&mut self.out.buffer, pid, 7),
                None => self.text("      ?"),
            }
            self.text(" ");
            let comm = owner.comm.as_deref().unwrap_or("?");
            let width = sanitize::append(&mut self.out.buffer, comm, COMM_WIDTH);
            put::spaces(&mut self.out.buffer, COMM_WIDTH + 1 - width);
            self.number_cell(owner.total, 9);
            self.kinds(&owner.by_kind);
            self.line_with(OWNER_WIDTH);
        }
        if left_out > 0 {
            self.count("and ", left_out);
            self.text(" more owners; --json prints every incident with its owner\n");
        }
    }

    fn tally(&mut self, tally: &Tally) {
        self.count("\nseen ", tally.seen);
        self.count(" = shown ", tally.shown);
        self.count(" + filtered ", tally.filtered);
        self.count(" + rate-limited ", tally.rate_limited);
        self.text(" + ");
        if tally.lost > 0 {
            self.warned(Impact::Bad, "lost ");
        } else {
            self.text("lost ");
        }
        self.count("", tally.lost);
        if !tally.is_balanced() {
            self.warned(
                Impact::Bad,
                " (does not add up; please report this as a bug)",
            );
        }
        self.line();
    }

    /// Those that agree are one line, unless all are asked for.
    fn counters(&mut self, counters: &[Reconciled]) {
        let is_exact = |row: &&Reconciled| row.verdict == Verdict::Exact;
        let exact = counters.iter().filter(is_exact).count();
        let rows: Vec<&Reconciled> = counters
            .iter()
            .filter(|row| self.is_wide || !is_exact(row))
            .collect();
        self.counter_rows(&rows);
        if exact > 0 && !self.is_wide {
            let what = match exact {
                1 => " kernel counter agrees exactly\n",
                _ => " kernel counters agree exactly\n",
            };
            self.count("\n", exact as u64);
            self.text(what);
        }
    }

    fn counter_rows(&mut self, counters: &[&Reconciled]) {
        if counters.is_empty() {
            return;
        }
        let widest = counters
            .iter()
            .map(|row| row.counter.chars().count())
            .max()
            .unwrap_or(0)
            .max(7);
        self.line();
        self.cell("COUNTER", widest);
        self.text("    KERNEL       OURS VERDICT\n");
        for row in counters {
            self.cell(&row.counter, widest);
            self.number_cell(row.kernel, 10);
            self.number_cell(row.ours, 10);
            match row.verdict {
                Verdict::Exact | Verdict::Explained => self.text(row.verdict.name()),
                Verdict::Differs => self.warned(Impact::Degraded, row.verdict.name()),
            }
            if let Some(note) = &row.note {
                self.text(": ");
                sanitize::append(&mut self.out.buffer, note, usize::MAX);
            }
            self.line();
        }
    }

    fn next_step(&mut self, by_kind: &[(Kind, u64)]) {
        let seen = |kind: &&Kind| {
            by_kind
                .iter()
                .any(|(seen, count)| seen == *kind && *count > 0)
        };
        if let Some(kind) = Kind::BY_RANK
            .iter()
            .filter(|kind| kind.is_default())
            .find(seen)
        {
            self.text("\nWhat this means and how to fix it: tcptrace explain ");
            self.text(kind.name());
            self.line();
        }
    }
}

/// What can be done about a loss.
const fn remedy(place: LossPlace) -> &'static str {
    match place {
        LossPlace::Kernel => {
            "the kernel skipped the hook because an interrupt triggered it again while it ran; some of \
             these runs would have reported nothing"
        }
        LossPlace::Ring => {
            "the kernel's ring buffer was full; use --ring-size 16M or fewer kinds (--only)"
        }
        LossPlace::Channel => "tcptrace could not keep up; use fewer kinds (--only)",
        LossPlace::Sink => "the output could not be written",
    }
}

impl<W: Write> Sink for Messages<W> {
    fn incident(&mut self, _: &Incident) -> io::Result<()> {
        Ok(())
    }

    fn loss(&mut self, loss: &Loss, _: u64) -> io::Result<()> {
        self.warned(Impact::Bad, "lost");
        self.count(" ", loss.count);
        self.text(match (loss.place, loss.count) {
            (LossPlace::Kernel, 1) => " run",
            (LossPlace::Kernel, _) => " runs",
            (_, 1) => " event",
            _ => " events",
        });
        if let Some(hook) = &loss.hook {
            self.text(" of hook ");
            sanitize::append(&mut self.out.buffer, hook, usize::MAX);
        }
        if let Some(kind) = loss.of_kind {
            self.text(" of kind ");
            self.text(kind.name());
        }
        self.text(": ");
        self.text(remedy(loss.place));
        self.line();
        self.out.line_done()
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        sanitize::append(&mut self.out.buffer, text, usize::MAX);
        self.line();
        self.out.line_done()
    }

    fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        let mut page = Page::new(self.is_colored);
        if let Some(columns) = self.columns {
            page = page.in_columns(columns);
        }
        doctor::brief(&mut page, findings);
        page.text().clone_into(&mut self.findings);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if !self.has_summary {
            return Ok(());
        }
        let incidents = summary.by_kind.iter().map(|(_, count)| count).sum();
        self.text("\nwatched ");
        put::millis(&mut self.out.buffer, summary.duration_ms);
        self.count(", ", incidents);
        self.text(if incidents == 1 {
            " incident"
        } else {
            " incidents"
        });
        if !summary.by_kind.is_empty() {
            self.text(": ");
            self.kinds(&summary.by_kind);
        }
        self.line();
        let findings = std::mem::take(&mut self.findings);
        if !findings.is_empty() {
            self.line();
            self.text(&findings);
        }
        self.owners(&summary.by_owner, summary.owners_left_out);
        self.tally(&summary.loss);
        self.counters(&summary.reconciliation);
        self.next_step(&summary.by_kind);
        self.out.line_done()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
