//! `tcptrace states`: sockets by state and process, what is wrong first.

use std::io;

use super::args::columns::ColumnArgs;
use super::args::snapshot::StatesArgs;
use super::exit::Exit;
use super::snapshot::{self, Question, View};
use crate::model::KindSet;
use crate::model::rows::{Page, StateRow};
use crate::query::states;
use crate::sink::{JsonSink, TableStyle, table};
use crate::source::sock_diag::States;
use crate::survey::Look;

struct OfStates {
    shown: ColumnArgs<StateRow>,
}

/// Answers.
///
/// # Errors
/// When sockets cannot be listed, or the output not be written.
pub fn run(args: StatesArgs) -> anyhow::Result<Exit> {
    let question = OfStates { shown: args.shown };
    snapshot::run(&question, &args.common)
}

impl Question for OfStates {
    /// Hooks add nothing here: the kernel lists the state of every socket.
    const KINDS: KindSet = KindSet::EMPTY;

    fn look(&self) -> Look {
        Look {
            states: States::ALL,
            has_info: true,
            has_half_open: false,
            owners_of_listeners: false,
            has_activities: false,
        }
    }

    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>) {
        let page = self.page(view);
        if self.shown.columns.is_empty() {
            table::states(out, &page, style);
        } else {
            table::chosen(out, &page, &self.shown.columns, style);
        }
    }

    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()> {
        sink.page(&self.page(view))
    }
}

impl OfStates {
    fn page(&self, view: &View<'_>) -> Page<StateRow> {
        let page = states::rows(view.snapshot, view.folds, view.filter);
        self.shown.sorted(page)
    }
}
