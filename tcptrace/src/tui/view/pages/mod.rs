//! The pages: what their rows and columns are.

mod findings;
mod incidents;
mod listeners;
mod processes;
mod resets;
mod retransmits;
mod waits;

use std::fmt::Write;

use ratatui_core::text::{Line, Span};

use super::table::{Column, Order, Side};
use super::{Scene, plain};
use crate::model::{Endpoint, Incident, Kind, Process};
use crate::sink::color::Impact;
use crate::tui::state::count::Count;
use crate::tui::text::{comm, pid, rate, short};

pub(super) use findings::Findings;
pub(super) use incidents::Incidents;
pub(super) use listeners::Listeners;
pub(super) use processes::Processes;
pub(super) use resets::Resets;
pub(super) use retransmits::Retransmits;
pub(super) use waits::Waits;

/// A row that belongs to a process, if it is known.
trait Owned {
    fn process(&self) -> Option<&Process>;
}

/// A row that counts incidents.
trait Counted {
    fn count(&self) -> &Count;
}

const fn pid_column<R: Owned>() -> Column<R> {
    Column {
        name: "PID",
        side: Side::Right,
        width: (7, 7),
        rank: 0,
        is_falling: false,
        order: |row, _| Order::Number(row.process().map_or(u64::MAX, |p| u64::from(p.pid))),
        cell: |row, _, _| plain(pid(row.process())),
    }
}

const fn comm_column<R: Owned>() -> Column<R> {
    Column {
        name: "PROCESS",
        side: Side::Left,
        width: (10, 15),
        rank: 0,
        is_falling: false,
        order: |row, _| Order::Text(comm(row.process())),
        cell: |row, scene, _| Line::styled(comm(row.process()), scene.theme().accent()),
    }
}

const fn rate_column<R: Counted>() -> Column<R> {
    Column {
        name: "RATE/s",
        side: Side::Right,
        width: (7, 7),
        rank: 0,
        is_falling: true,
        order: |row, scene| {
            let per_second = row
                .count()
                .rate
                .per_second(scene.now_ns(), scene.since_ns());
            Order::Number((per_second * 1000.0) as u64)
        },
        cell: |row, scene, _| {
            let per_second = row
                .count()
                .rate
                .per_second(scene.now_ns(), scene.since_ns());
            let style = if per_second > 0.0 {
                scene.theme().strong()
            } else {
                scene.theme().faint()
            };
            Line::styled(rate(per_second), style)
        },
    }
}

const fn total_column<R: Counted>() -> Column<R> {
    Column {
        name: "TOTAL",
        side: Side::Right,
        width: (6, 6),
        rank: 0,
        is_falling: true,
        order: |row, _| Order::Number(row.count().total),
        cell: |row, _, _| plain(short(row.count().total)),
    }
}

/// Widths at which each character is as many seconds.
const fn minute_column<R: Counted>(rank: u8) -> Column<R> {
    Column {
        name: "LAST 60 s",
        side: Side::Left,
        width: (12, 30),
        rank,
        is_falling: true,
        order: |row, scene| {
            let minute = row.count().rate.minute(scene.now_ns());
            Order::Number(minute.iter().map(|count| u64::from(*count)).sum())
        },
        cell: |row, scene, width| {
            let width = [30, 20, 15, 12].into_iter().find(|even| *even <= width);
            scene.curve(&row.count().rate, width.unwrap_or(12))
        },
    }
}

/// Names with their counts, the most first, as many as fit.
fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>, width: u16) -> String {
    let mut counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut text = String::new();
    for (name, count) in counts {
        let gap = if text.is_empty() { "" } else { "  " };
        let next = format!("{gap}{name} {}", short(count));
        if !text.is_empty() && text.len() + next.len() > usize::from(width) {
            text.push_str(" +");
            break;
        }
        text.push_str(&next);
    }
    text
}

/// A label and its value, for lines above a table.
fn labelled(label: &str, value: String, scene: &Scene<'_>) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{label} "), scene.theme().faint()),
        Span::raw(value),
    ])
}

/// A kind in the colour of what happened.
fn kind_of(incident: &Incident, scene: &Scene<'_>) -> Span<'static> {
    let style = scene.theme().of(Impact::of(&incident.what));
    Span::styled(incident.kind().name(), style)
}

/// Appends what a filter may find of a process.
fn process_words(process: Option<&Process>, words: &mut String) {
    words.push_str(&comm(process));
    words.push(' ');
    words.push_str(&pid(process));
    words.push(' ');
}

/// The same of the connections of the last incidents.
fn latest_words(count: &Count, words: &mut String) {
    for numbered in count.latest.iter() {
        let flow = &numbered.incident.flow;
        for end in [flow.local, flow.remote].into_iter().flatten() {
            end_words(end, words);
        }
        words.push_str(numbered.incident.kind().name());
        words.push(' ');
    }
}

fn end_words(end: Endpoint, words: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(words, "{end} ");
}

/// Names of the kinds with their counts.
fn kinds(by_kind: &[u64; Kind::ALL.len()]) -> impl Iterator<Item = (&'static str, u64)> {
    Kind::ALL
        .iter()
        .map(|kind| kind.name())
        .zip(by_kind.iter().copied())
}

/// Identity of a process, for the order of rows that are alike.
fn tie(process: Option<&Process>) -> u128 {
    process.map_or(u128::MAX, |process| {
        u128::from(process.pid) << 64 | u128::from(process.start_ticks.unwrap_or(0))
    })
}
