//! What `listeners`, `states` and `timewait` share: options, the snapshot, and looking again.
//!
//! A snapshot needs no hook and no privilege beyond reading /proc; what is missing without them is
//! reported. `--watch` attaches hooks where it may, and continues without them where it may not.

mod canvas;
mod hooks;
mod live;
mod screen;

use std::io::{self, IsTerminal};

use super::args::snapshot::SnapshotArgs;
use super::exit::Exit;
use super::output::{self, Output};
use super::plan;
use crate::interpret::filter::Filter;
use crate::model::snapshot::Snapshot;
use crate::model::{Kind, KindSet};
use crate::query::folds::Folds;
use crate::session::plan::{Engine, Plan};
use crate::session::{Refused, Scope};
use crate::sink::{JsonSink, Sink, TableStyle};
use crate::survey::{self, Look};

use screen::Screen;

/// The default ring size of `--watch`.
const RING_BYTES: u32 = 4 << 20;

/// One of the commands: what it looks at, and how it shows that.
pub(super) trait Question {
    /// What hooks must report with `--watch`; empty: nothing.
    const KINDS: KindSet;

    /// What to look at.
    fn look(&self) -> Look;

    /// Appends a snapshot for people.
    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>);

    /// Writes it for programs.
    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()>;
}

/// What there is to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) folds: &'a Folds,
    pub(super) filter: &'a Filter,
}

/// Answers once, or again and again.
pub(super) fn run(question: &impl Question, args: &SnapshotArgs) -> anyhow::Result<Exit> {
    let plan = plan(args, kinds(question));
    let output = output(args);
    let scope = Scope::resolve(&plan).map_err(Refused::Usage)?;
    if let Some(interval) = args.watch {
        return live::run(question, args, interval, plan, output, scope);
    }
    let snapshot = survey::take(&question.look(), &scope.filter.netns)?;
    let view = View {
        snapshot: &snapshot,
        folds: &Folds::default(),
        filter: &scope.filter,
    };
    if args.json {
        let mut sink = JsonSink::new(io::stdout(), survey::clock());
        question.json(&view, &mut sink)?;
        sink.flush()?;
        return Ok(Exit::Done);
    }
    let mut text = Vec::new();
    question.text(&view, &style(&output), &mut text);
    super::print(&text)
}

const fn kinds<Q: Question>(_: &Q) -> KindSet {
    Q::KINDS
}

/// How a table looks that is not drawn in place.
fn style(output: &Output) -> TableStyle {
    let stdout = io::stdout();
    TableStyle {
        is_wide: output.is_wide,
        has_header: output.has_header,
        is_colored: output::is_colored(output, &stdout),
        columns: output::columns(&stdout),
        text_columns: output::page_columns(&stdout),
        is_clipped: false,
    }
}

/// How a table looks in place, and the rows there are; `None` where it is not drawn so.
fn style_in_place(output: &Output) -> Option<(TableStyle, usize)> {
    let stdout = io::stdout();
    if output.is_json || !stdout.is_terminal() {
        return None;
    }
    let (columns, rows) = Screen::size(&stdout)?;
    let style = TableStyle {
        columns,
        text_columns: columns,
        is_clipped: true,
        ..style(output)
    };
    Some((style, rows))
}

fn plan(args: &SnapshotArgs, kinds: KindSet) -> Plan {
    let engine = Engine {
        tier: None,
        ring_bytes: RING_BYTES,
    };
    Plan {
        measures_accepts: kinds.contains(Kind::AcceptDrop),
        ..plan::live(kinds, args.filter.clone(), engine)
    }
}

fn output(args: &SnapshotArgs) -> Output {
    Output {
        has_lines: true,
        is_json: args.json,
        is_wide: args.wide,
        has_header: !args.no_header,
        ready_file: args.ready_file.clone(),
        ..Output::none(args.color, args.quiet)
    }
}
