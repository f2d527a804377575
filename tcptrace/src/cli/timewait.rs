//! `tcptrace timewait`: who left the TIME_WAIT sockets there are, and what they cost.

use std::io;

use super::args::columns::ColumnArgs;
use super::args::snapshot::TimewaitArgs;
use super::exit::Exit;
use super::snapshot::{self, Question, View};
use crate::diagnose::settings::about_time_wait;
use crate::model::rows::{Page, TimeWaitRow};
use crate::model::{Kind, KindSet};
use crate::query::timewait;
use crate::sink::{JsonSink, TableStyle, table};
use crate::source::sock_diag::States;
use crate::survey::Look;

struct OfTimeWait {
    shown: ColumnArgs<TimeWaitRow>,
}

/// Answers.
///
/// # Errors
/// When sockets cannot be listed, or the output not be written.
pub fn run(args: TimewaitArgs) -> anyhow::Result<Exit> {
    let question = OfTimeWait { shown: args.shown };
    snapshot::run(&question, &args.common)
}

impl Question for OfTimeWait {
    const KINDS: KindSet = KindSet::EMPTY.with(Kind::TimeWait);

    fn look(&self) -> Look {
        Look {
            // Live sockets occupy local ports too, and listeners identify services.
            states: States::ALL,
            has_info: false,
            has_half_open: false,
            owners_of_listeners: true,
            has_activities: false,
        }
    }

    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>) {
        let page = self.page(view);
        if !self.shown.columns.is_empty() {
            table::chosen(out, &page, &self.shown.columns, style);
            return;
        }
        let settings: Vec<_> = page
            .spaces
            .iter()
            .map(|space| about_time_wait(&space.settings))
            .collect();
        table::timewait(out, &page, &settings, style);
    }

    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()> {
        sink.page(&self.page(view))
    }
}

impl OfTimeWait {
    fn page(&self, view: &View<'_>) -> Page<TimeWaitRow> {
        let page = timewait::rows(view.snapshot, view.folds, view.filter);
        self.shown.sorted(page)
    }
}
