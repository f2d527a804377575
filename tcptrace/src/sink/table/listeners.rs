//! The table of `listeners`.

use super::{Align, Column, Grid, TableStyle, or_unknown, owner_cells, plural, space_note, unseen};
use super::{finish, reconciled, words};
use crate::model::incident::LimitedBy;
use crate::model::rows::{ListenerRow, Page, SpaceRow};
use crate::model::snapshot::Micros;
use crate::sink::color::Impact;

const COLUMNS: &[Column] = &[
    ("PID", Align::Right, 7),
    ("PROCESS", Align::Left, 15),
    ("LOCAL", Align::Left, 21),
    ("ACCEPT", Align::Right, 11),
    ("LIMIT BY", Align::Left, 9),
    ("SYN", Align::Right, 11),
    ("DROPS", Align::Right, 10),
    ("NOTES", Align::Left, usize::MAX),
];
const PROCESS: usize = 15;

/// Appends the table, and what holds for all of it.
pub fn listeners(out: &mut Vec<u8>, page: &Page<ListenerRow>, style: &TableStyle) {
    let mut grid = Grid::new(COLUMNS);
    for row in &page.rows {
        let (pid, process) = owner_cells(row.owner.as_ref(), PROCESS, style);
        grid.push(
            impact(row),
            vec![
                pid,
                process,
                row.local.to_string(),
                format!("{}/{}", row.accept_queue.length, row.accept_queue.limit),
                row.limited_by.map_or("?", LimitedBy::name).to_owned(),
                format!("{}/{}", row.syn_queue.length, row.syn_queue.limit),
                or_unknown(row.drops),
                notes(row, &page.spaces),
            ],
        );
    }
    grid.render(out, style);
    if page.rows.is_empty() {
        finish(out, "  no listening socket matches", None, style);
    }
    for space in &page.spaces {
        if page.rows.iter().any(|row| row.netns == space.netns) {
            words(out, &settings(space), None, style);
        }
    }
    reconciled(out, &page.reconciliation, style);
    unseen(out, &page.unseen, style);
}

fn impact(row: &ListenerRow) -> Option<Impact> {
    let is_refusing = row.drops_per_second.is_some_and(|rate| rate > 0.0)
        || row.refusals.is_some_and(|seen| seen.refused() > 0);
    if row.is_full() {
        Some(Impact::Bad)
    } else if row.is_syn_full() || is_refusing {
        Some(Impact::Degraded)
    } else {
        None
    }
}

fn notes(row: &ListenerRow, spaces: &[SpaceRow]) -> String {
    let mut notes = Vec::new();
    if row.is_full() {
        notes.push("FULL".to_owned());
    }
    if row.is_syn_full() {
        notes.push("SYN FULL".to_owned());
    }
    if let Some(risen) = row.drops_risen.filter(|risen| *risen > 0) {
        let rate = row.drops_per_second.unwrap_or(0.0);
        notes.push(format!("+{risen} {rate:.1}/s"));
    }
    if let Some(seen) = row.refusals {
        for (count, what) in [
            (seen.accept_syn, "syn"),
            (seen.accept_ack, "ack"),
            (seen.accept_counted, "counted"),
            (seen.syn_queue, "syn-queue"),
            (seen.cookies, "cookie"),
        ] {
            if count > 0 {
                notes.push(format!("{what} {count}"));
            }
        }
    }
    if let Some(waits) = row.accepts.and_then(|accepts| accepts.waits()) {
        notes.push(format!(
            "wait {}/{}",
            Micros(waits.p99_us),
            Micros(waits.max_us)
        ));
    }
    if let Some(group) = row.group {
        notes.push(match group.skew {
            Some(skew) => format!("group of {} skew {skew:.1}", group.size),
            None => format!("group of {}", group.size),
        });
    }
    notes.extend(space_note(row.netns, spaces));
    notes.join(" ")
}

fn settings(space: &SpaceRow) -> String {
    let overflow = match space.settings.tcp_abort_on_overflow {
        Some(0) => "0: when full, handshakes are dropped and clients retry",
        Some(_) => "1: when full, a completed handshake gets a RST",
        None => "?",
    };
    let cookies = match space.settings.tcp_syncookies {
        Some(0) => "0: a full SYN queue drops SYNs SYNs",
        Some(1) => "1: a full SYN queue answers with cookies",
        Some(_) => "2: always answers with cookies",
        None => "?",
    };
    let since = match space.risen.and_then(|risen| risen.accept_overflows) {
        Some(risen) => format!(" (+{risen} since watching)"),
        None => String::new(),
    };
    let overflows = match space.counters.accept_overflows {
        Some(overflows) => format!("; accept queue overflowed {}", plural(overflows, "time")),
        None => String::new(),
    };
    format!(
        "netns {}{}: somaxconn {}; abort_on_overflow {overflow}; syncookies {cookies}{overflows}{since}",
        space.netns,
        if space.is_own { " (own)" } else { "" },
        or_unknown(space.settings.somaxconn),
    )
}
