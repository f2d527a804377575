//! RSTs by cause or meaning, and by process.

use ratatui_core::text::Line;

use super::{
    Counted, Owned, comm_column, counts, labelled, latest_words, minute_column, pid_column,
    process_words, rate_column, tie, total_column,
};
use crate::interpret::advice;
use crate::model::Process;
use crate::tui::control::RowId;
use crate::tui::state::State;
use crate::tui::state::count::Count;
use crate::tui::state::resets::{ResetRow, Way};
use crate::tui::text::{comm, pid, short};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// See the module.
pub(in crate::tui::view) struct Resets;

impl Owned for ResetRow {
    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }
}

impl Counted for ResetRow {
    fn count(&self) -> &Count {
        &self.count
    }
}

const fn direction(way: Way) -> &'static str {
    match way {
        Way::Sent(_) => "sent",
        Way::Received(_) => "rcvd",
    }
}

/// `+`: at least.
fn bytes(row: &ResetRow) -> String {
    match row.way {
        Way::Received(_) => "-".to_owned(),
        Way::Sent(_) if row.unknown == row.count.total && row.bytes == 0 => "?".to_owned(),
        Way::Sent(_) if row.unknown > 0 => format!("{}+", short(row.bytes)),
        Way::Sent(_) => short(row.bytes),
    }
}

impl Sheet for Resets {
    type Row = ResetRow;

    const COLUMNS: &'static [Column<ResetRow>] = &[
        Column {
            name: "RST",
            side: Side::Left,
            width: (4, 4),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(format!("{} {}", direction(row.way), row.way.name())),
            cell: |row, _, _| plain(direction(row.way)),
        },
        Column {
            name: "CAUSE/MEANING",
            side: Side::Left,
            width: (17, 18),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(row.way.name().to_owned()),
            cell: |row, scene, _| {
                let style = match row.way {
                    Way::Sent(_) => scene.theme().bad(),
                    Way::Received(_) => scene.theme().degraded(),
                };
                Line::styled(row.way.name(), style)
            },
        },
        pid_column(),
        comm_column(),
        rate_column(),
        total_column(),
        Column {
            name: "BYTES LOST",
            side: Side::Right,
            width: (10, 10),
            rank: 1,
            is_falling: true,
            order: |row, _| Order::Number(row.bytes),
            cell: |row, _, _| plain(bytes(row)),
        },
        minute_column(2),
    ];

    const SORTED_BY: usize = 4;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a ResetRow> + 'a> {
        Box::new(state.resets.rows())
    }

    fn id(row: &ResetRow) -> RowId {
        RowId::Reset(row.way, row.who)
    }

    fn tie(row: &ResetRow) -> u128 {
        let way = match row.way {
            Way::Sent(cause) => cause as u128,
            Way::Received(meaning) => 100 + meaning as u128,
        };
        // Far below the start time of a process.
        tie(row.process()).wrapping_mul(256).wrapping_add(way)
    }

    fn words(row: &ResetRow, words: &mut String) {
        process_words(row.process(), words);
        for word in [direction(row.way), row.way.name(), row.way.kind().name()] {
            words.push_str(word);
            words.push(' ');
        }
        latest_words(&row.count, words);
    }

    fn band(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
        let totals = scene.state.resets.totals();
        let of = |wanted: bool| {
            let ways = totals
                .iter()
                .filter(move |(way, _)| matches!(way, Way::Sent(_)) == wanted);
            counts(
                ways.map(|(way, count)| (way.name(), *count)),
                width.saturating_sub(10),
            )
        };
        [("sent:", of(true)), ("received:", of(false))]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(label, text)| labelled(label, text, scene))
            .collect()
    }

    fn nothing(_: &Scene<'_>) -> String {
        "no RST was sent or received yet".to_owned()
    }

    fn left_out(state: &State) -> u64 {
        state.resets.left_out()
    }

    fn details(row: &ResetRow, _: &Scene<'_>) -> Details {
        let (process, name) = (row.process(), row.way.name());
        let title = format!(
            "RST {}: {name}, {} {}",
            direction(row.way),
            pid(process),
            comm(process)
        );
        let mut facts = Vec::new();
        process_facts(process, &mut facts);
        facts.push(("in all", short(row.count.total)));
        if matches!(row.way, Way::Sent(_)) {
            let known = if row.unknown > 0 {
                format!(
                    " (incomplete: bytes of {} RSTs are not known)",
                    short(row.unknown)
                )
            } else {
                String::new()
            };
            facts.push(("bytes lost", bytes(row) + &known));
        }
        let mut details = Details::of(title, facts, &row.count.latest);
        let name = Some(name).filter(|name| advice::find(row.way.kind(), Some(name)).is_some());
        details.topics = vec![(row.way.kind(), name)];
        details
    }
}
