//! The table of `states`.

use super::{
    Align, By, Column, TableStyle, Tabled, column, duration_text, finish, grid, or_unknown,
};
use super::{
    PID_COLUMN, PROCESS_COLUMN, PROCESS_WIDTH, owner_cells, reconciled, space_note, unseen, words,
};
use crate::model::Endpoint;
use crate::model::flow::TcpState;
use crate::model::rows::{Anomaly, Held, Page, StateRow, TopRemote};
use crate::sink::color::Impact;

impl Tabled for StateRow {
    const COLUMNS: &'static [Column] = &[
        column("count", "COUNT", Align::Right, 10, By::First(&["count"])),
        column("state", "STATE", Align::Left, 11, By::First(&["state"])),
        PID_COLUMN,
        PROCESS_COLUMN,
        column(
            "silent",
            "SILENT",
            Align::Right,
            8,
            By::First(&["silent_ms_max"]),
        ),
        column(
            "most_with",
            "MOST WITH",
            Align::Left,
            21,
            By::First(&["top_remote"]),
        ),
        column("notes", "NOTES", Align::Left, usize::MAX, By::Nothing),
    ];

    fn line(&self, page: &Page<Self>, style: &TableStyle) -> (Option<Impact>, Vec<String>) {
        let (pid, process) = match self.held {
            Held::AcceptQueue if self.owner.is_some() => {
                owner_cells(self.owner.as_ref(), PROCESS_WIDTH, style)
            }
            Held::Process => owner_cells(self.owner.as_ref(), PROCESS_WIDTH, style),
            held => ("-".to_owned(), nobody(held).to_owned()),
        };
        let impact = self.anomaly.map(|anomaly| match anomaly {
            Anomaly::CloseWaitPiling | Anomaly::ManyOrphans => Impact::Bad,
            Anomaly::SynSentStuck
            | Anomaly::FinWait1Unsent
            | Anomaly::SendStuck
            | Anomaly::PeerWindowShut
            | Anomaly::OwnWindowShut => Impact::Degraded,
        });
        let silent = self.silent_ms_max.map(|ms| duration_text(u64::from(ms)));
        let cells = vec![
            self.count.to_string(),
            self.state.name().to_owned(),
            pid,
            process,
            silent.unwrap_or_else(|| "-".to_owned()),
            remote(self),
            notes(self, page),
        ];
        (impact, cells)
    }
}

/// Appends the table, and what holds for all of it.
pub fn states(out: &mut Vec<u8>, page: &Page<StateRow>, style: &TableStyle) {
    grid(page, style).render(out, style);
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
            Anomaly::FinWait1Unsent => {
                let queued = row.unacked_bytes.unwrap_or(0) + row.unsent_bytes.unwrap_or(0);
                format!("{queued}B stuck in the send queue")
            }
            Anomaly::ManyOrphans => "close to tcp_max_orphans".to_owned(),
            Anomaly::SendStuck => format!(
                "{}no ACK for {}, {} resends,",
                of_row(row.stuck, row),
                span(row.stuck_ms_max),
                row.resends_max
            ),
            Anomaly::PeerWindowShut => format!(
                "{}peer's window shut <{},",
                of_row(row.window_shut, row),
                span(row.window_shut_ms_max)
            ),
            Anomaly::OwnWindowShut => format!(
                "{}the peer waits for a read,",
                of_row(row.own_window_shut.unwrap_or(0), row)
            ),
        });
    }
    let is_explained = matches!(
        row.anomaly,
        Some(
            Anomaly::CloseWaitPiling
                | Anomaly::SynSentStuck
                | Anomaly::FinWait1Unsent
                | Anomaly::ManyOrphans
        )
    );
    if !is_explained && row.state != TcpState::Listen {
        if row.unread_bytes > 0 {
            notes.push(format!("unread {}B", row.unread_bytes));
        }
        // A SYN or a FIN takes a number of the sequence too.
        let parts = [("unacked", row.unacked_bytes), ("unsent", row.unsent_bytes)];
        for (name, bytes) in parts {
            if let Some(bytes) = bytes.filter(|bytes| *bytes > row.count) {
                notes.push(format!("{name} {bytes}B"));
            }
        }
    }
    notes.extend(space_note(row.netns, &page.spaces));
    notes.join(" ")
}

/// How many of the sockets of a row, unless all: `2 of 30: `.
fn of_row(count: u64, row: &StateRow) -> String {
    if count == row.count {
        String::new()
    } else {
        format!("{count} of {}: ", row.count)
    }
}

fn span(ms: Option<u64>) -> String {
    ms.map_or_else(|| "?".to_owned(), duration_text)
}
