//! `tcptrace timewait`: who left the TIME_WAIT sockets there are, and what they cost.

use std::io;

use super::args::snapshot::SnapshotArgs;
use super::exit::Exit;
use super::snapshot::{self, Question, View};
use crate::diagnose::settings::about_time_wait;
use crate::model::{Kind, KindSet};
use crate::query::timewait;
use crate::sink::{JsonSink, TableStyle, table};
use crate::source::sock_diag::States;
use crate::survey::Look;

struct OfTimeWait;

/// Answers.
///
/// # Errors
/// When sockets cannot be listed, or the output not be written.
pub fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    snapshot::run(&OfTimeWait, args)
}

impl Question for OfTimeWait {
    const KINDS: KindSet = KindSet::EMPTY.with(Kind::TimeWait);

    fn look(&self) -> Look {
        Look {
            // Live sockets occupy local ports too, and listeners identify services.
            states: States::ALL,
            has_times: false,
            has_half_open: false,
            owners_of_listeners: true,
            has_activities: false,
        }
    }

    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>) {
        let page = timewait::rows(view.snapshot, view.folds, view.filter);
        let settings: Vec<_> = page
            .spaces
            .iter()
            .map(|space| about_time_wait(&space.settings))
            .collect();
        table::timewait(out, &page, &settings, style);
    }

    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()> {
        sink.page(&timewait::rows(view.snapshot, view.folds, view.filter))
    }
}
