//! Retransmissions by peer.

use ratatui_core::text::Line;

use super::{
    Counted, Owned, counts, labelled, latest_words, minute_column, process_words, rate_column,
    total_column,
};
use crate::model::Process;
use crate::model::incident::RetransmitType;
use crate::tui::control::RowId;
use crate::tui::state::State;
use crate::tui::state::count::Count;
use crate::tui::state::peers::{PeerRow, TYPES};
use crate::tui::text::{comm, pid, short};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// See the module.
pub(in crate::tui::view) struct Retransmits;

impl Owned for PeerRow {
    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }
}

impl Counted for PeerRow {
    fn count(&self) -> &Count {
        &self.count
    }
}

fn peer(row: &PeerRow) -> String {
    row.addr
        .map_or_else(|| "?".to_owned(), |addr| addr.to_string())
}

fn types(by_type: &[u64; TYPES]) -> impl Iterator<Item = (&'static str, u64)> {
    let names = RetransmitType::ALL.iter().map(|kind| kind.name());
    names.zip(by_type.iter().copied())
}

impl Sheet for Retransmits {
    type Row = PeerRow;

    const COLUMNS: &'static [Column<PeerRow>] = &[
        Column {
            name: "PEER",
            side: Side::Left,
            width: (15, 39),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(peer(row)),
            cell: |row, scene, _| Line::styled(peer(row), scene.theme().accent()),
        },
        rate_column(),
        total_column(),
        Column {
            name: "BYTES",
            side: Side::Right,
            width: (6, 6),
            rank: 1,
            is_falling: true,
            order: |row, _| Order::Number(row.bytes),
            cell: |row, _, _| plain(short(row.bytes)),
        },
        Column {
            name: "GAVE UP",
            side: Side::Right,
            width: (7, 7),
            rank: 4,
            is_falling: true,
            order: |row, _| Order::Number(row.given_up),
            cell: |row, scene, _| {
                let style = if row.given_up > 0 {
                    scene.theme().bad()
                } else {
                    scene.theme().faint()
                };
                Line::styled(short(row.given_up), style)
            },
        },
        minute_column(3),
        Column {
            name: "LAST PROCESS",
            side: Side::Left,
            width: (12, 23),
            rank: 2,
            is_falling: false,
            order: |row, _| Order::Text(comm(row.process())),
            cell: |row, _, _| plain(format!("{} {}", pid(row.process()), comm(row.process()))),
        },
        Column {
            name: "TYPES",
            side: Side::Left,
            width: (14, 50),
            rank: 0,
            is_falling: true,
            order: |row, _| {
                let most = types(&row.by_type).max_by_key(|(_, count)| *count);
                Order::Text(
                    most.map_or_else(String::new, |(name, count)| format!("{name} {count:020}")),
                )
            },
            cell: |row, _, width| plain(counts(types(&row.by_type), width)),
        },
    ];

    const SORTED_BY: usize = 1;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a PeerRow> + 'a> {
        Box::new(state.peers.rows())
    }

    fn id(row: &PeerRow) -> RowId {
        RowId::Peer(row.addr)
    }

    fn tie(row: &PeerRow) -> u128 {
        match row.addr {
            Some(std::net::IpAddr::V4(addr)) => u128::from(addr.to_bits()),
            Some(std::net::IpAddr::V6(addr)) => addr.to_bits(),
            None => u128::MAX,
        }
    }

    fn words(row: &PeerRow, words: &mut String) {
        words.push_str(&peer(row));
        words.push(' ');
        process_words(row.process(), words);
        for (name, _) in types(&row.by_type).filter(|(_, count)| *count > 0) {
            words.push_str(name);
            words.push(' ');
        }
        latest_words(&row.count, words);
    }

    fn band(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
        let text = counts(types(scene.state.peers.by_type()), width.saturating_sub(5));
        if text.is_empty() {
            return Vec::new();
        }
        vec![labelled("all:", text, scene)]
    }

    fn nothing(_: &Scene<'_>) -> String {
        "no retransmission yet".to_owned()
    }

    fn left_out(state: &State) -> u64 {
        state.peers.left_out()
    }

    fn details(row: &PeerRow, _: &Scene<'_>) -> Details {
        let mut facts = vec![
            ("sent again", counts(types(&row.by_type), u16::MAX)),
            ("bytes", short(row.bytes)),
        ];
        if row.given_up > 0 {
            let text = format!("{} handshakes after the last attempt", short(row.given_up));
            facts.push(("given up", text));
        }
        process_facts(row.process(), &mut facts);
        Details::of(
            format!("retransmissions to {}", peer(row)),
            facts,
            &row.count.latest,
        )
    }
}
