//! The last incidents, one by one.

use ratatui_core::text::Line;

use super::{Owned, comm_column, kind_of, pid_column, process_words};
use crate::interpret::advice;
use crate::model::{Incident, Process};
use crate::sink::text::detail_of;
use crate::tui::control::RowId;
use crate::tui::state::{Numbered, State};
use crate::tui::text::{clean, comm, pid, place};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// See the module.
pub(in crate::tui::view) struct Incidents;

impl Owned for Numbered {
    fn process(&self) -> Option<&Process> {
        self.incident.owner.as_ref().map(|owner| &*owner.process)
    }
}

fn remote(incident: &Incident) -> String {
    let remote = incident.flow.remote;
    remote.map_or_else(|| "*".to_owned(), |end| place(Some(end)))
}

impl Sheet for Incidents {
    type Row = Numbered;

    const COLUMNS: &'static [Column<Numbered>] = &[
        Column {
            name: "TIME",
            side: Side::Left,
            width: (8, 12),
            rank: 0,
            is_falling: true,
            order: |row, _| Order::Number(row.number),
            cell: |row, scene, width| {
                let time = scene.moment(row.incident.boot_ns, width >= 12);
                Line::styled(time, scene.theme().faint())
            },
        },
        Column {
            name: "KIND",
            side: Side::Left,
            width: (12, 12),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(row.incident.kind().name().to_owned()),
            cell: |row, scene, _| Line::from(kind_of(&row.incident, scene)),
        },
        pid_column(),
        comm_column(),
        Column {
            name: "LOCAL",
            side: Side::Left,
            width: (21, 21),
            rank: 2,
            is_falling: false,
            order: |row, _| Order::Text(place(row.incident.flow.local)),
            cell: |row, _, _| plain(place(row.incident.flow.local)),
        },
        Column {
            name: "REMOTE",
            side: Side::Left,
            width: (21, 22),
            rank: 1,
            is_falling: false,
            order: |row, _| Order::Text(remote(&row.incident)),
            cell: |row, _, _| plain(remote(&row.incident)),
        },
        Column {
            name: "DETAIL",
            side: Side::Left,
            width: (17, 200),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(detail_of(&row.incident, false)),
            cell: |row, _, _| plain(detail_of(&row.incident, false)),
        },
    ];

    const SORTED_BY: usize = 0;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a Numbered> + 'a> {
        Box::new(state.recent())
    }

    fn id(row: &Numbered) -> RowId {
        RowId::Incident(row.number)
    }

    fn tie(row: &Numbered) -> u128 {
        // The youngest first.
        u128::MAX - u128::from(row.number)
    }

    fn words(row: &Numbered, words: &mut String) {
        process_words(row.process(), words);
        let incident = &row.incident;
        for word in [
            incident.kind().name(),
            &place(incident.flow.local),
            &remote(incident),
            &detail_of(incident, false),
        ] {
            words.push_str(word);
            words.push(' ');
        }
    }

    fn band(_: &Scene<'_>, _: u16) -> Vec<Line<'static>> {
        Vec::new()
    }

    fn nothing(_: &Scene<'_>) -> String {
        "no incident yet".to_owned()
    }

    fn left_out(_: &State) -> u64 {
        0
    }

    fn details(row: &Numbered, scene: &Scene<'_>) -> Details {
        let incident = &*row.incident;
        let process = row.process();
        let title = format!("{} {} {}", incident.kind(), pid(process), comm(process));
        let flow = &incident.flow;
        let mut facts = vec![
            ("time", scene.moment(incident.boot_ns, true)),
            ("detail", detail_of(incident, false)),
            ("local", place(flow.local)),
            ("remote", remote(incident)),
        ];
        let known = [
            ("state", incident.state.map(|state| state.name().to_owned())),
            ("netns", flow.netns.map(|number| number.to_string())),
            ("cookie", flow.cookie.map(|cookie| cookie.to_string())),
        ];
        for (label, value) in known {
            facts.extend(value.map(|value| (label, value)));
        }
        facts.push(("hook", clean(incident.hook)));
        facts.push(("evidence", incident.evidence.name().to_owned()));
        process_facts(process, &mut facts);
        if let Some(owner) = &incident.owner {
            facts.push(("owner known", format!("by {}", owner.basis)));
            if let Some(holders) = owner.shared_by {
                facts.push(("shared by", format!("{holders} processes")));
            }
        }
        Details {
            title,
            facts,
            latest: Vec::new(),
            topics: vec![(incident.kind(), advice::cause(incident))],
        }
    }
}
