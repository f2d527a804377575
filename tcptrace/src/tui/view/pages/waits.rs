//! TIME_WAIT by the process that left it.

use ratatui_core::text::{Line, Span};

use super::{
    Counted, Owned, comm_column, counts, labelled, latest_words, minute_column, pid_column,
    process_words, rate_column, tie,
};
use crate::model::Process;
use crate::tui::control::RowId;
use crate::tui::state::State;
use crate::tui::state::count::{Count, Who};
use crate::tui::state::waits::{SpaceLevel, WaitRow};
use crate::tui::text::{comm, pid, short};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// See the module.
pub(in crate::tui::view) struct Waits;

/// Namespaces shown above the table.
const SPACES: usize = 2;
/// Peers named in the details.
const REMOTES: usize = 10;

impl Owned for WaitRow {
    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }
}

impl Counted for WaitRow {
    fn count(&self) -> &Count {
        &self.count
    }
}

const fn number(
    name: &'static str,
    rank: u8,
    order: fn(&WaitRow, &Scene<'_>) -> Order,
    cell: fn(&WaitRow, &Scene<'_>, u16) -> Line<'static>,
) -> Column<WaitRow> {
    Column {
        name,
        side: Side::Right,
        width: (7, 7),
        rank,
        is_falling: true,
        order,
        cell,
    }
}

impl Sheet for Waits {
    type Row = WaitRow;

    const COLUMNS: &'static [Column<WaitRow>] = &[
        pid_column(),
        comm_column(),
        number(
            "HELD",
            0,
            // Not known comes after none.
            |row, _| Order::Number(row.held().map_or(0, |held| held + 1)),
            |row, scene, _| match row.held() {
                Some(held) => Line::styled(short(held), scene.theme().strong()),
                None => Line::styled("?", scene.theme().faint()),
            },
        ),
        number(
            "ENTERED",
            0,
            |row, _| Order::Number(row.entered),
            |row, _, _| plain(short(row.entered)),
        ),
        number(
            "REUSED",
            1,
            |row, _| Order::Number(row.reused),
            |row, _, _| plain(short(row.reused)),
        ),
        number(
            "ENDED",
            1,
            |row, _| Order::Number(row.expired),
            |row, _, _| plain(short(row.expired)),
        ),
        number(
            "REFUSED",
            0,
            |row, _| Order::Number(row.overflowed),
            |row, scene, _| {
                let style = if row.overflowed > 0 {
                    scene.theme().degraded()
                } else {
                    scene.theme().faint()
                };
                Line::styled(short(row.overflowed), style)
            },
        ),
        rate_column(),
        minute_column(2),
    ];

    const SORTED_BY: usize = 2;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a WaitRow> + 'a> {
        Box::new(state.waits.rows())
    }

    fn id(row: &WaitRow) -> RowId {
        RowId::Wait(row.who)
    }

    fn tie(row: &WaitRow) -> u128 {
        tie(row.process())
    }

    fn words(row: &WaitRow, words: &mut String) {
        process_words(row.process(), words);
        latest_words(&row.count, words);
    }

    fn band(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
        let levels = scene.state.waits.levels();
        let shown = levels.iter().take(SPACES);
        let mut lines: Vec<Line<'static>> = shown.map(|level| space(level, scene)).collect();
        if levels.len() > SPACES {
            let text = format!("{} with fewer entries", levels.len() - SPACES);
            lines.push(labelled("more namespaces:", text, scene));
        }
        let remotes = remotes(
            scene,
            None,
            usize::from(width / 16),
            width.saturating_sub(7),
        );
        if !remotes.is_empty() {
            lines.push(labelled("to:", remotes, scene));
        }
        lines
    }

    fn nothing(scene: &Scene<'_>) -> String {
        let kinds = scene.state.facts().map(|facts| facts.kinds);
        if kinds.is_some_and(|kinds| !kinds.contains(crate::model::Kind::TimeWait)) {
            return "time_wait is not being watched; remove it from --except or add it to --only"
                .into();
        }
        "no TIME_WAIT entry has started, ended or overflowed yet".to_owned()
    }

    fn left_out(state: &State) -> u64 {
        state.waits.left_out()
    }

    fn details(row: &WaitRow, scene: &Scene<'_>) -> Details {
        let title = format!(
            "TIME_WAIT of {} {}",
            pid(row.process()),
            comm(row.process())
        );
        let held = match row.held() {
            Some(held) => format!("{} (starts minus ends, as observed)", short(held)),
            None => "unknown: entries older than this run have ended".to_owned(),
        };
        let mut facts = vec![("held now", held)];
        let seen = [
            ("entered", row.entered),
            ("reused", row.reused),
            ("ended", row.expired),
            ("refused", row.overflowed),
        ];
        facts.push(("seen", counts(seen.into_iter(), u16::MAX)));
        let remotes = remotes(scene, Some(row.who), REMOTES, u16::MAX);
        if !remotes.is_empty() {
            facts.push(("to", remotes));
        }
        process_facts(row.process(), &mut facts);
        Details::of(title, facts, &row.count.latest)
    }
}

/// Peers that most were left to.
fn remotes(scene: &Scene<'_>, of: Option<Who>, most: usize, width: u16) -> String {
    let remotes = scene.state.waits.remotes(of);
    let named: Vec<(String, u64)> = remotes
        .into_iter()
        .take(most.max(1))
        .map(|(addr, count)| (addr.to_string(), count))
        .collect();
    counts(
        named.iter().map(|(addr, count)| (addr.as_str(), *count)),
        width,
    )
}

/// How full a namespace is.
fn space(level: &SpaceLevel, scene: &Scene<'_>) -> Line<'static> {
    let theme = scene.theme();
    let name = Span::styled(format!("netns {} ", level.netns), theme.faint());
    let (Some(entries), Some(limit)) = (level.entries, level.limit) else {
        let entries = level
            .entries
            .map_or_else(|| "?".to_owned(), |n| n.to_string());
        return Line::from(vec![name, Span::raw(format!("{entries} entries of ?"))]);
    };
    let limit = u64::from(limit);
    let style = match entries * 100 / limit.max(1) {
        90.. => theme.bad(),
        50.. => theme.degraded(),
        _ => theme.good(),
    };
    Line::from(vec![
        name,
        Span::styled(theme.bar(entries, limit, 12), style),
        Span::raw(format!(
            " {entries} entries of {limit} (tcp_max_tw_buckets)"
        )),
    ])
}
