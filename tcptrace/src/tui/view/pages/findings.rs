//! What is wrong, the worst first, by the incidents of the run.

use ratatui_core::text::Line;

use super::{Owned, comm_column, pid_column, process_words, tie};
use crate::model::finding::Severity;
use crate::model::{Finding, Process};
use crate::sink::color::Impact;
use crate::tui::control::RowId;
use crate::tui::state::{Ranked, State};
use crate::tui::text::{clean, comm, pid, short};
use crate::tui::view::details::Details;
use crate::tui::view::table::{Column, Order, Sheet, Side};
use crate::tui::view::{Scene, plain};

/// Incidents in the details.
const LATEST: usize = 8;

/// See the module.
pub(in crate::tui::view) struct Findings;

/// The process concerned most.
impl Owned for Ranked {
    fn process(&self) -> Option<&Process> {
        self.finding.who.first().map(|owner| &*owner.process)
    }
}

const fn impact(finding: &Finding) -> Impact {
    match finding.severity {
        Severity::Broken => Impact::Bad,
        Severity::Degraded | Severity::Risk => Impact::Degraded,
        Severity::Note => Impact::Info,
    }
}

impl Sheet for Findings {
    type Row = Ranked;

    const COLUMNS: &'static [Column<Ranked>] = &[
        Column {
            name: "SEVERITY",
            side: Side::Left,
            width: (8, 9),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Number(row.rank as u64),
            cell: |row, scene, _| {
                let style = scene.theme().of(impact(&row.finding));
                Line::styled(row.finding.severity.name(), style)
            },
        },
        Column {
            name: "COUNT",
            side: Side::Right,
            width: (6, 6),
            rank: 0,
            is_falling: true,
            order: |row, _| Order::Number(row.finding.count),
            cell: |row, _, _| plain(short(row.finding.count)),
        },
        Column {
            rank: 1,
            ..pid_column()
        },
        comm_column(),
        Column {
            name: "WHAT IS WRONG",
            side: Side::Left,
            width: (24, 140),
            rank: 0,
            is_falling: false,
            order: |row, _| Order::Text(row.finding.title.clone()),
            cell: |row, _, _| plain(clean(&row.finding.title)),
        },
    ];

    const SORTED_BY: usize = 0;

    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a Ranked> + 'a> {
        Box::new(state.findings().iter())
    }

    fn id(row: &Ranked) -> RowId {
        let finding = &row.finding;
        RowId::Finding(finding.id, finding.netns, row.process().map(|p| p.pid))
    }

    fn tie(row: &Ranked) -> u128 {
        tie(row.process()).wrapping_add(row.rank as u128)
    }

    fn words(row: &Ranked, words: &mut String) {
        let finding = &row.finding;
        for owner in &finding.who {
            process_words(Some(&owner.process), words);
        }
        for word in [finding.id, finding.severity.name(), &finding.title] {
            words.push_str(word);
            words.push(' ');
        }
        for (kind, cause) in &finding.topics {
            words.push_str(kind.name());
            words.push(' ');
            words.push_str(cause.unwrap_or_default());
            words.push(' ');
        }
    }

    fn band(_: &Scene<'_>, _: u16) -> Vec<Line<'static>> {
        Vec::new()
    }

    fn nothing(scene: &Scene<'_>) -> String {
        let seen = match scene.state.total() {
            0 => "no incident yet".to_owned(),
            total => format!("nothing is wrong by the {} incidents so far", short(total)),
        };
        format!("{seen}; tcptrace doctor looks at queues, ports and settings, too")
    }

    fn left_out(_: &State) -> u64 {
        0
    }

    fn details(row: &Ranked, scene: &Scene<'_>) -> Details {
        let finding = &row.finding;
        let mut facts = vec![(
            "finding",
            format!("{} {}", finding.severity.name(), finding.id),
        )];
        if !finding.who.is_empty() {
            let who = finding.who.iter().map(|owner| {
                let process = Some(&*owner.process);
                format!("{} {}", pid(process), comm(process))
            });
            facts.push(("who", who.collect::<Vec<_>>().join(", ")));
        }
        for proof in &finding.evidence {
            facts.push(("evidence", format!("{} ({})", proof.text, proof.source)));
        }
        facts.push(("why", finding.why.clone()));
        facts.push(("do first", finding.do_first.clone()));
        if let Some(change) = &finding.do_then {
            facts.push(("then", change.command.clone()));
            facts.push(("risk", change.risk.clone()));
        }
        let latest = scene.state.recent().filter(|numbered| {
            let incident = &numbered.incident;
            let topic = (incident.kind(), incident.what.cause());
            finding.topics.contains(&topic) || finding.topics.contains(&(topic.0, None))
        });
        Details {
            title: clean(&finding.title),
            facts,
            latest: latest.take(LATEST).cloned().collect(),
            topics: finding.explain.into_iter().collect(),
        }
    }
}
