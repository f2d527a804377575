//! `tcptrace states`: sockets by state and process, what is wrong first.

use std::io;

use super::args::snapshot::SnapshotArgs;
use super::exit::Exit;
use super::snapshot::{self, Question, View};
use crate::model::KindSet;
use crate::query::states;
use crate::sink::{JsonSink, TableStyle, table};
use crate::source::sock_diag::States;
use crate::survey::Look;

struct OfStates;

/// Answers.
///
/// # Errors
/// When sockets cannot be listed, or the output not be written.
pub fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    snapshot::run(&OfStates, args)
}

impl Question for OfStates {
    /// Hooks add nothing here: the kernel lists the state of every socket.
    const KINDS: KindSet = KindSet::EMPTY;

    fn look(&self) -> Look {
        Look {
            states: States::ALL,
            has_times: true,
            has_half_open: false,
            owners_of_listeners: false,
            has_activities: false,
        }
    }

    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>) {
        table::states(
            out,
            &states::rows(view.snapshot, view.folds, view.filter),
            style,
        );
    }

    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()> {
        sink.page(&states::rows(view.snapshot, view.folds, view.filter))
    }
}
