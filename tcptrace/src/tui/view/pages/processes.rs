//! Incidents by process.

use ratatui_core::text::Line;

use super::{
    Counted, Owned, comm_column, counts, kinds, labelled, latest_words, minute_column, pid_column,
    process_words, rate_column, tie, total_column,
};
use crate::model::{Basis, Kind, Process};
use crate::tui::control::RowId;
use crate::tui::state::State;
use crate::tui::state::count::Count;
use crate::tui::state::processes::ProcessRow;
use crate::tui::text::{comm, pid, short};
use crate::tui::view::details::{Details, process_facts};
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// Findings shown above the table, the worst ones.
const FINDINGS: usize = 3;

/// See the module.
pub(in crate::tui::view) struct Processes;

impl Owned for ProcessRow {
    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }
}

impl Counted for ProcessRow {
    fn count(&self) -> &Count {
        &self.count
    }
}

impl Sheet for Processes {
    type Row = ProcessRow;

    const COLUMNS: &'static [Column<ProcessRow>] = &[
        pid_column(),
        comm_column(),
        rate_column(),
        total_column(),
        minute_column(1),
        Column {
            name: "KINDS",
            side: Side::Left,
            width: (14, 60),
            rank: 0,
            is_falling: true,
            order: |row, _| {
                // By what happened most: the kind, then how often.
                let most = kinds(&row.by_kind).max_by_key(|(_, count)| *count);
                Order::Text(
                    most.map_or_else(String::new, |(name, count)| format!("{name} {count:020}")),
                )
            },
            cell: |row, _, width| plain(counts(kinds(&row.by_kind), width)),
        },
    ];

    const SORTED_BY: usize = 2;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a ProcessRow> + 'a> {
        Box::new(state.processes.rows())
    }

    fn id(row: &ProcessRow) -> RowId {
        RowId::Process(row.who)
    }

    fn tie(row: &ProcessRow) -> u128 {
        tie(row.process())
    }

    fn words(row: &ProcessRow, words: &mut String) {
        process_words(row.process(), words);
        for (name, _) in kinds(&row.by_kind).filter(|(_, count)| *count > 0) {
            words.push_str(name);
            words.push(' ');
        }
        latest_words(&row.count, words);
    }

    fn band(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
        let by_kind = scene.state.by_kind();
        if by_kind.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let mut lines: Vec<Line<'static>> = scene
            .state
            .findings()
            .iter()
            .take(FINDINGS)
            .map(|ranked| {
                let finding = &ranked.finding;
                let text = format!("{} x {}", short(finding.count), finding.title);
                labelled(finding.severity.name(), text, scene)
            })
            .collect();
        lines.push(labelled(
            "all:",
            counts(kinds(by_kind), width.saturating_sub(5)),
            scene,
        ));
        lines
    }

    fn nothing(scene: &Scene<'_>) -> String {
        let kinds = scene.state.facts().map(|facts| facts.kinds);
        let names = kinds.map(|kinds| kinds.iter().map(Kind::name).collect::<Vec<_>>().join(" "));
        match names {
            Some(names) => format!("no incident yet; watching {names}"),
            None => "no incident yet".to_owned(),
        }
    }

    fn left_out(state: &State) -> u64 {
        state.processes.left_out()
    }

    fn details(row: &ProcessRow, _: &Scene<'_>) -> Details {
        let title = format!("{} {}", pid(row.process()), comm(row.process()));
        let mut facts = Vec::new();
        process_facts(row.process(), &mut facts);
        facts.push(("incidents", counts(kinds(&row.by_kind), u16::MAX)));
        let bases = Basis::ALL.iter().map(|basis| basis.name());
        let known = counts(bases.zip(row.by_basis.iter().copied()), u16::MAX);
        if !known.is_empty() {
            facts.push(("owner known", format!("by {known}")));
        }
        if row.process.is_none() {
            let why = "no process: none holds the socket (any more), or tcptrace never observed its owner";
            facts.push(("why", why.to_owned()));
        }
        facts.push(("in all", short(row.count.total)));
        Details::of(title, facts, &row.count.latest)
    }
}
