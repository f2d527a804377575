//! The table of `states`.

use super::{Align, Column, Grid, TableStyle, finish, lasting, owner_cells, space_note, unseen};
use super::{or_unknown, reconciled, words};
use crate::model::Endpoint;
use crate::model::flow::TcpState;
use crate::model::rows::{Anomaly, Held, Page, StateRow, TopRemote};
use crate::sink::color::Impact;

const COLUMNS: &[Column] = &[
    ("COUNT", Align::Right, 10),
    ("STATE", Align::Left, 11),
    ("PID", Align::Right, 7),
    ("PROCESS", Align::Left, 15),
    ("SILENT", Align::Right, 8),
    ("MOST WITH", Align::Left, 21),
    ("NOTES", Align::Left, usize::MAX),
];
const PROCESS: usize = 15;

/// Appends the table, and what holds for all of it.
pub fn states(out: &mut Vec<u8>, page: &Page<StateRow>, style: &TableStyle) {
    let mut grid = Grid::new(COLUMNS);
    for row in &page.rows {
        let (pid, process) = match row.held {
            Held::AcceptQueue if row.owner.is_some() => {
                owner_cells(row.owner.as_ref(), PROCESS, style)
            }
            Held::Process => owner_cells(row.owner.as_ref(), PROCESS, style),
            held => ("-".to_owned(), nobody(held).to_owned()),
        };
        let impact = row.anomaly.map(|anomaly| match anomaly {
            Anomaly::CloseWaitPiling | Anomaly::ManyOrphans => Impact::Bad,
            Anomaly::SynSentStuck | Anomaly::FinWait1Unsent => Impact::Degraded,
        });
        let silent = row.silent_ms_max.map(|ms| lasting(u64::from(ms)));
        grid.push(
            impact,
            vec![
                row.count.to_string(),
                row.state.name().to_owned(),
                pid,
                process,
                silent.unwrap_or_else(|| "-".to_owned()),
                remote(row),
                notes(row, page),
            ],
        );
    }
    grid.render(out, style);
    if page.rows.is_empty() {
        finish(out, "  no socket matches", None, style);
    }
    let orphans = page.spaces.iter().find_map(|space| space.counters.orphans);
    let limit = page
        .spaces
        .iter()
        .find_map(|space| space.settings.tcp_max_orphans);
    let line = format!(
        "orphans (closed by their process, not finished): {} of tcp_max_orphans {} on this host; \
         SILENT: longest time without data from the peer",
        or_unknown(orphans),
        or_unknown(limit),
    );
    words(out, &line, None, style);
    reconciled(out, &page.reconciliation, style);
    unseen(out, &page.unseen, style);
}

fn nobody(held: Held) -> &'static str {
    match held {
        Held::Process => "",
        Held::AcceptQueue => "(not accepted)",
        Held::SynQueue => "(SYN queue)",
        Held::Orphan => "(orphan)",
        Held::Minisock => "(kernel)",
        Held::Unknown => "?",
    }
}

fn remote(row: &StateRow) -> String {
    match row.top_remote {
        Some(TopRemote {
            addr,
            port: Some(port),
            ..
        }) => Endpoint { addr, port }.to_string(),
        Some(TopRemote {
            addr, port: None, ..
        }) => addr.to_string(),
        None => "-".to_owned(),
    }
}

fn notes(row: &StateRow, page: &Page<StateRow>) -> String {
    let mut notes = Vec::new();
    if row.held == Held::AcceptQueue && row.owner.is_some() {
        notes.push("not accepted".to_owned());
    }
    if let Some(anomaly) = row.anomaly {
        notes.push(match anomaly {
            Anomaly::CloseWaitPiling => {
                "the peer closed but the process did not: a leak".to_owned()
            }
            Anomaly::SynSentStuck => {
                format!("no answer to {} SYNs", u32::from(row.resends_max) + 1)
            }
            Anomaly::FinWait1Unsent => format!("{}B stuck in the send queue", row.unacked_bytes),
            Anomaly::ManyOrphans => "close to tcp_max_orphans".to_owned(),
        });
    } else if row.state != TcpState::Listen {
        if row.unread_bytes > 0 {
            notes.push(format!("unread {}B", row.unread_bytes));
        }
        // A SYN or a FIN takes a number of the sequence too.
        if row.unacked_bytes > row.count {
            notes.push(format!("unacked {}B", row.unacked_bytes));
        }
    }
    notes.extend(space_note(row.netns, &page.spaces));
    notes.join(" ")
}
