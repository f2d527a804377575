//! Listeners: queues and refusals.

use ratatui_core::text::{Line, Span};

use super::{Counted, Owned, counts, end_words, latest_words, minute_column, process_words};
use crate::model::incident::Queue;
use crate::model::{Kind, Process};
use crate::tui::control::RowId;
use crate::tui::state::State;
use crate::tui::state::count::Count;
use crate::tui::state::listeners::{ListenerKey, ListenerRow};
use crate::tui::text::{comm, pid, place, short};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// See the module.
pub(in crate::tui::view) struct Listeners;

impl Owned for ListenerRow {
    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }
}

impl Counted for ListenerRow {
    fn count(&self) -> &Count {
        &self.count
    }
}

/// Length against limit, in thousandths.
fn fill(queue: Option<Queue>) -> u64 {
    queue.map_or(0, |queue| {
        u64::from(queue.length) * 1000 / u64::from(queue.limit.max(1))
    })
}

/// A number that asks for attention when it is not 0.
fn alarming(count: Option<u64>, scene: &Scene<'_>) -> Line<'static> {
    match count {
        None => Line::styled("?", scene.theme().faint()),
        Some(0) => Line::styled("0", scene.theme().faint()),
        Some(count) => Line::styled(short(count), scene.theme().bad()),
    }
}

fn bar(row: &ListenerRow, scene: &Scene<'_>, width: u16) -> Line<'static> {
    let theme = scene.theme();
    let Some(queue) = row.queue.filter(|_| !row.is_gone) else {
        let says = if row.is_gone { "gone" } else { "not sampled" };
        return Line::styled(says, theme.faint());
    };
    let style = match fill(Some(queue)) {
        // Full means length above limit.
        _ if queue.length > queue.limit => theme.bad(),
        500.. => theme.degraded(),
        _ => theme.good(),
    };
    let text = format!(" {}/{}", queue.length, queue.limit);
    let room = usize::from(width).saturating_sub(text.len());
    let bar = theme.bar(queue.length.into(), queue.limit.into(), room);
    Line::from(vec![Span::styled(bar, style), Span::styled(text, style)])
}

impl Sheet for Listeners {
    type Row = ListenerRow;

    const COLUMNS: &'static [Column<ListenerRow>] = &[
        Column {
            name: "LISTENER",
            side: Side::Left,
            width: (15, 27),
            rank: 0,
            is_falling: false,
            order: |row, _| {
                let port = row.local.map_or(0, |end| end.port);
                Order::Text(format!("{port:05} {}", place(row.local)))
            },
            cell: |row, scene, _| Line::styled(place(row.local), scene.theme().accent()),
        },
        Column {
            name: "ACCEPT QUEUE",
            side: Side::Left,
            width: (13, 26),
            rank: 0,
            is_falling: true,
            order: |row, _| Order::Number(if row.is_gone { 0 } else { fill(row.queue) }),
            cell: bar,
        },
        Column {
            name: "PEAK",
            side: Side::Right,
            width: (5, 5),
            rank: 1,
            is_falling: true,
            order: |row, _| Order::Number(row.peak.into()),
            cell: |row, _, _| plain(short(row.peak.into())),
        },
        Column {
            name: "REFUSED",
            side: Side::Right,
            width: (8, 8),
            rank: 0,
            is_falling: true,
            order: |row, _| Order::Number(row.refusals()),
            cell: |row, scene, _| alarming(Some(row.refusals()), scene),
        },
        Column {
            name: "IN RUN",
            side: Side::Right,
            width: (6, 6),
            rank: 2,
            is_falling: true,
            order: |row, _| Order::Number(row.risen.unwrap_or(0)),
            cell: |row, scene, _| alarming(row.risen, scene),
        },
        Column {
            name: "DROPS",
            side: Side::Right,
            width: (5, 5),
            rank: 1,
            is_falling: true,
            order: |row, _| Order::Number(row.drops.unwrap_or(0).into()),
            cell: |row, _, _| {
                plain(
                    row.drops
                        .map_or_else(|| "?".to_owned(), |n| short(n.into())),
                )
            },
        },
        Column {
            name: "PROCESS",
            side: Side::Left,
            width: (16, 23),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(comm(row.process())),
            cell: |row, _, _| plain(format!("{} {}", pid(row.process()), comm(row.process()))),
        },
        minute_column(3),
    ];

    /// Once it is of use: until something is refused, the fullest come first by the tie.
    const SORTED_BY: usize = 3;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a ListenerRow> + 'a> {
        Box::new(state.listeners.rows())
    }

    fn id(row: &ListenerRow) -> RowId {
        RowId::Listener(row.key)
    }

    fn tie(row: &ListenerRow) -> u128 {
        let full = if row.is_gone { 0 } else { fill(row.queue) };
        let peak = u128::from(u32::MAX - row.peak);
        let (namespace, number) = match row.key {
            ListenerKey::Socket(netns, cookie) => (netns, cookie),
            ListenerKey::Place(netns, end) => (netns, end.map_or(0, |end| u64::from(end.port))),
        };
        let port = row.local.map_or(0, |end| end.port);
        let place = u128::from(port) << 40 | u128::from(namespace.unwrap_or(0) & 0xff_ffff) << 16;
        u128::from(1_000_000 - full.min(1_000_000)) << 96
            | peak << 60
            | place
            | u128::from(number & 0xffff)
    }

    fn words(row: &ListenerRow, words: &mut String) {
        if let Some(end) = row.local {
            end_words(end, words);
        }
        process_words(row.process(), words);
        latest_words(&row.count, words);
    }

    fn band(_: &Scene<'_>, _: u16) -> Vec<Line<'static>> {
        Vec::new()
    }

    fn nothing(scene: &Scene<'_>) -> String {
        if scene.state.listeners.has_samples() {
            "no listener, and nothing was refused".to_owned()
        } else {
            "listeners not sampled yet, and nothing was refused".to_owned()
        }
    }

    fn left_out(state: &State) -> u64 {
        state.listeners.left_out()
    }

    fn details(row: &ListenerRow, _: &Scene<'_>) -> Details {
        let mut facts = Vec::new();
        let queue = match row.queue {
            Some(queue) => format!(
                "{} of {} at the last sample{}; longest so far {}",
                queue.length,
                queue.limit,
                if row.is_gone { ", gone since" } else { "" },
                row.peak
            ),
            None => "this listener was never sampled".to_owned(),
        };
        facts.push(("accept queue", queue));
        let refused = [
            ("accept queue full", row.refused),
            ("SYN queue full", row.syn_dropped),
            ("answered by a cookie", row.cookies),
        ];
        let refused = counts(refused.into_iter(), u16::MAX);
        let refused = if refused.is_empty() {
            "nothing".to_owned()
        } else {
            refused
        };
        facts.push(("refused", format!("{refused} (by hooks)")));
        if let Some(drops) = row.drops {
            let rise = row
                .risen
                .map_or_else(|| "?".to_owned(), |risen| risen.to_string());
            let text = format!("{drops} since the socket was created, {rise} of them in this run");
            facts.push(("drops", text));
        }
        if let Some(netns) = row.netns {
            facts.push(("netns", netns.to_string()));
        }
        process_facts(row.process(), &mut facts);
        let title = format!("listener {}", place(row.local));
        let mut details = Details::of(title, facts, &row.count.latest);
        if details.topics.is_empty() && (row.risen.unwrap_or(0) > 0 || row.peak > 0) {
            details.topics = vec![(Kind::AcceptDrop, None)];
        }
        details
    }
}
