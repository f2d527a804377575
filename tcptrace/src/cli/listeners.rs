//! `tcptrace listeners [PORT]`: every listening socket, or one port, explained in sentences.

use std::io;

use clap::error::ErrorKind;

use super::args::columns::ColumnArgs;
use super::args::snapshot::ListenersArgs;
use super::exit::Exit;
use super::output;
use super::snapshot::{self, Question, View};
use crate::diagnose::listener;
use crate::model::rows::{self, ListenerRow};
use crate::model::{Kind, KindSet};
use crate::query::listeners;
use crate::sink::page::Page;
use crate::sink::{JsonSink, TableStyle, table};
use crate::source::sock_diag::States;
use crate::survey::Look;

struct Listeners {
    is_explained: bool,
    shown: ColumnArgs<ListenerRow>,
}

/// Answers.
///
/// # Errors
/// When sockets cannot be listed, or the output not be written.
pub fn run(mut args: ListenersArgs) -> anyhow::Result<Exit> {
    let filter = &mut args.common.filter;
    if !filter.rport.is_empty() || !filter.raddr.is_empty() {
        let why = "--rport and --raddr: a listener has no remote end; use --lport or --laddr";
        let error = super::usage_error("listeners", ErrorKind::ArgumentConflict, &why);
        return Ok(super::parse_failed(&error));
    }
    let is_explained = args.explain.is_some();
    if is_explained && !args.shown.columns.is_empty() {
        let why = "--columns: PORT prints sentences and no table; use --lport PORT";
        let error = super::usage_error("listeners", ErrorKind::ArgumentConflict, &why);
        return Ok(super::parse_failed(&error));
    }
    filter.lport.extend(args.explain.map(u16::from));
    let question = Listeners {
        is_explained,
        shown: args.shown,
    };
    snapshot::run(&question, &args.common)
}

impl Question for Listeners {
    const KINDS: KindSet = KindSet::EMPTY.with(Kind::AcceptDrop).with(Kind::SynDrop);

    fn look(&self) -> Look {
        Look {
            states: States::LISTEN,
            has_info: false,
            has_half_open: true,
            owners_of_listeners: true,
            // Looked at twice with a pause between: only where it is explained.
            has_activities: self.is_explained,
        }
    }

    fn text(&self, view: &View<'_>, style: &TableStyle, out: &mut Vec<u8>) {
        let page = self.page(view);
        if !self.shown.columns.is_empty() {
            table::chosen(out, &page, &self.shown.columns, style);
            return;
        }
        if !self.is_explained || page.rows.is_empty() {
            table::listeners(out, &page, style);
            return;
        }
        let mut text = Page::default().in_columns(output::page_columns(&io::stdout()));
        for row in &page.rows {
            let Some(space) = page.spaces.iter().find(|space| space.netns == row.netns) else {
                continue;
            };
            text.heading(&row.local.to_string());
            for (label, sentence) in listener::listener(row, space, page.watched_ms) {
                text.row(label, &sentence);
            }
        }
        for sentence in &page.unseen {
            text.row("not visible", sentence);
        }
        out.extend_from_slice(text.text().as_bytes());
    }

    fn json(&self, view: &View<'_>, sink: &mut JsonSink<io::Stdout>) -> io::Result<()> {
        sink.page(&self.page(view))
    }
}

impl Listeners {
    fn page(&self, view: &View<'_>) -> rows::Page<ListenerRow> {
        let page = listeners::rows(view.snapshot, view.folds, view.filter);
        self.shown.sorted(page)
    }
}
