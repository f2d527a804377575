//! One snapshot after the other on stdout: as objects, as text, or in place on a terminal.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;

use super::hooks::Folded;
use super::screen::Screen;
use super::{Question, View, style, style_in_place};
use crate::attribute::proc;
use crate::cli::output::Output;
use crate::interpret::filter::Filter;
use crate::model::Clock;
use crate::model::snapshot::Snapshot;
use crate::session::Plan;
use crate::sink::{JsonSink, Sink, table};

/// What the drawing needs.
pub(super) struct Canvas<'a, Q> {
    pub(super) question: &'a Q,
    pub(super) plan: &'a Plan,
    pub(super) output: &'a Output,
    pub(super) filter: Filter,
    pub(super) roots: Vec<(u32, u64)>,
    pub(super) folded: Rc<RefCell<Folded>>,
    pub(super) clock: Clock,
    pub(super) interval: Duration,
    pub(super) screen: Option<Screen>,
    /// The last frame, to be left on the terminal.
    pub(super) last: Vec<u8>,
    pub(super) frames: u64,
    pub(super) without_hooks: Option<String>,
}

impl<Q: Question> Canvas<'_, Q> {
    pub(super) fn draw(&mut self, mut snapshot: Snapshot) -> anyhow::Result<()> {
        self.follow_children()?;
        let mut folded = self.folded.borrow_mut();
        folded.folds.look(&snapshot);
        snapshot.unseen.extend(self.without_hooks.clone());
        if folded.lost > 0 {
            snapshot.unseen.push(format!(
                "{} events were lost in the kernel's ring buffer; counts from hooks are too low",
                folded.lost
            ));
        }
        let dropped = folded.folds.dropped();
        if dropped > 0 {
            snapshot.unseen.push(format!(
                "{dropped} incidents are missing from this table: tcptrace had no room for them"
            ));
        }
        let view = View {
            snapshot: &snapshot,
            folds: &folded.folds,
            filter: &self.filter,
        };
        self.frames += 1;
        if self.output.is_json {
            let mut sink = JsonSink::new(io::stdout(), self.clock);
            self.question.json(&view, &mut sink)?;
            sink.flush()?;
            return Ok(());
        }
        let in_place = style_in_place(self.output);
        let style = match in_place {
            Some((style, _)) if self.screen.is_some() => style,
            _ => style(self.output),
        };
        let mut text = Vec::new();
        table::moment(
            &mut text,
            self.clock,
            snapshot.boot_ns,
            self.interval,
            &style,
        );
        self.question.text(&view, &style, &mut text);
        match (&mut self.screen, in_place) {
            (Some(screen), Some((_, rows))) => {
                screen.draw(&text, rows)?;
                self.last = text;
            }
            _ => {
                let mut out = io::stdout().lock();
                if self.frames > 1 {
                    out.write_all(b"\n")?;
                }
                out.write_all(&text)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Processes of `--children` come and go.
    fn follow_children(&mut self) -> anyhow::Result<()> {
        if self.plan.with_children {
            let all = proc::children_closure(&self.roots).context("cannot read /proc")?;
            self.filter.pids.forget_processes();
            for (pid, start_ticks) in all {
                self.filter.pids.add(pid, start_ticks);
            }
        }
        Ok(())
    }

    /// Gives the terminal back, and leaves the last frame on it.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if self.screen.take().is_some() {
            let mut out = io::stdout().lock();
            out.write_all(&self.last)?;
            out.flush()?;
        }
        Ok(())
    }
}
