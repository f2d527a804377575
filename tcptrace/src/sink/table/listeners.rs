//! The table of `listeners`.

use super::{Align, By, Column, TableStyle, Tabled, column, finish, grid, or_unknown, owner_cells};
use super::{
    PID_COLUMN, PROCESS_COLUMN, PROCESS_WIDTH, plural, reconciled, space_note, unseen, words,
};
use crate::model::incident::LimitedBy;
use crate::model::rows::{ListenerRow, Page, SpaceRow};
use crate::model::snapshot::Micros;
use crate::sink::color::Impact;

impl Tabled for ListenerRow {
    const COLUMNS: &'static [Column] = &[
        PID_COLUMN,
        PROCESS_COLUMN,
        column("local", "LOCAL", Align::Left, 21, By::First(&["local"])),
        column(
            "accept_queue",
            "ACCEPT",
            Align::Right,
            11,
            By::First(&["accept_queue.length"]),
        ),
        column(
            "limited_by",
            "LIMIT BY",
            Align::Left,
            9,
            By::First(&["limited_by"]),
        ),
        column(
            "syn_queue",
            "SYN",
            Align::Right,
            11,
            By::First(&["syn_queue.length"]),
        ),
        column("drops", "DROPS", Align::Right, 10, By::First(&["drops"])),
        column("notes", "NOTES", Align::Left, usize::MAX, By::Nothing),
    ];

    fn line(&self, page: &Page<Self>, style: &TableStyle) -> (Option<Impact>, Vec<String>) {
        let (pid, process) = owner_cells(self.owner.as_ref(), PROCESS_WIDTH, style);
        let cells = vec![
            pid,
            process,
            self.local.to_string(),
            format!("{}/{}", self.accept_queue.length, self.accept_queue.limit),
            self.limited_by.map_or("?", LimitedBy::name).to_owned(),
            format!("{}/{}", self.syn_queue.length, self.syn_queue.limit),
            or_unknown(self.drops),
            notes(self, &page.spaces),
        ];
        (impact(self), cells)
    }
}

/// Appends the table, and what holds for all of it.
pub fn listeners(out: &mut Vec<u8>, page: &Page<ListenerRow>, style: &TableStyle) {
    grid(page, style).render(out, style);
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
        Some(0) => "0: a full SYN queue drops SYNs",
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
