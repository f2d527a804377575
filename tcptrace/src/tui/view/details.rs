//! What is known of one row: facts, its last incidents, and what these mean, by `explain`'s texts.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::{Scene, put};
use crate::interpret::advice::{self, Advice};
use crate::model::cgroup::Container;
use crate::model::{Incident, Kind};
use crate::sink::color::Impact;
use crate::sink::text::detail_of;
use crate::tui::control::Seen;
use crate::tui::state::Numbered;
use crate::tui::state::latest::Latest;
use crate::tui::text::{clean, comm, pid, place, wrap};

/// Kinds and causes that are explained at once.
const TOPICS: usize = 3;
/// Width of the names of facts.
const LABEL: usize = 12;

/// See the module.
pub(super) struct Details {
    pub(super) title: String,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) latest: Vec<Numbered>,
    pub(super) topics: Vec<(Kind, Option<&'static str>)>,
}

impl Details {
    /// Of a row that keeps its last incidents.
    pub(super) fn of(title: String, facts: Vec<(&'static str, String)>, latest: &Latest) -> Self {
        Self {
            title,
            facts,
            latest: latest.iter().cloned().collect(),
            topics: latest.topics(advice::cause),
        }
    }

    /// Draws it from a line on.
    pub(super) fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        scene: &Scene<'_>,
        from: usize,
        seen: &mut Seen,
    ) {
        let theme = scene.theme();
        clear(buffer, area);
        let rule = theme.line().repeat(usize::from(area.width));
        put(
            buffer,
            area.x,
            area.y,
            &Line::styled(rule, theme.faint()),
            area.width,
        );
        let title = Line::styled(format!(" {} ", self.title), theme.strong());
        put(
            buffer,
            area.x + 1,
            area.y,
            &title,
            area.width.saturating_sub(2),
        );
        let text = Rect::new(
            area.x,
            area.y + 1,
            area.width,
            area.height.saturating_sub(1),
        );
        put_lines(buffer, text, &self.lines(scene, text.width), from, seen);
    }

    fn lines(&self, scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
        let theme = scene.theme();
        let width = usize::from(width);
        let mut lines = Vec::new();
        for (label, value) in &self.facts {
            let room = width.saturating_sub(LABEL + 1);
            // Names of processes may stand anywhere in it.
            for (at, part) in wrap(&clean(value), room).into_iter().enumerate() {
                let label = if at == 0 { *label } else { "" };
                lines.push(Line::from(vec![
                    Span::styled(format!("{label:LABEL$} "), theme.accent()),
                    Span::raw(part),
                ]));
            }
        }
        if !self.latest.is_empty() {
            lines.push(Line::default());
            lines.push(Line::styled("last incidents", theme.heading()));
            for numbered in &self.latest {
                lines.push(one_line(&numbered.incident, scene));
            }
        }
        for (kind, cause) in self.topics.iter().take(TOPICS) {
            if let Some(found) = advice::find(*kind, *cause) {
                lines.push(Line::default());
                explain(found, scene, width, &mut lines);
            }
        }
        lines
    }
}

/// When, what, whose, between whom.
fn one_line(incident: &Incident, scene: &Scene<'_>) -> Line<'static> {
    let process = incident.owner.as_ref().map(|owner| &*owner.process);
    let flow = &incident.flow;
    let remote = flow
        .remote
        .map_or_else(|| "*".to_owned(), |end| place(Some(end)));
    let theme = scene.theme();
    Line::from(vec![
        Span::styled(scene.moment(incident.boot_ns, true), theme.faint()),
        Span::styled(
            format!(" {:12} ", incident.kind().name()),
            theme.of(Impact::of(&incident.what)),
        ),
        Span::raw(format!("{} {} ", pid(process), comm(process))),
        Span::styled(format!("{} > {remote} ", place(flow.local)), theme.faint()),
        Span::raw(detail_of(incident, false)),
    ])
}

/// An advice as lines.
pub(super) fn explain(
    advice: &Advice,
    scene: &Scene<'_>,
    width: usize,
    lines: &mut Vec<Line<'static>>,
) {
    let theme = scene.theme();
    let topic = match advice.cause {
        Some(cause) => format!("{}/{cause}", advice.kind),
        None => advice.kind.name().to_owned(),
    };
    lines.push(Line::styled(topic, theme.heading()));
    let mut paragraph = |indent: &str, mark: &str, text: &str, style| {
        let room = width.saturating_sub(indent.len() + mark.len());
        for (at, part) in wrap(text, room).into_iter().enumerate() {
            let mark = if at == 0 {
                mark
            } else {
                &"  "[..mark.len().min(2)]
            };
            lines.push(Line::styled(format!("{indent}{mark}{part}"), style));
        }
    };
    paragraph("", "", advice.line, theme.strong());
    paragraph("", "", advice.meaning, theme.plain());
    if !advice.confirm.is_empty() {
        paragraph("", "", "Confirm", theme.accent());
        for (command, says) in advice.confirm {
            paragraph("  ", "$ ", command, theme.strong());
            paragraph("    ", "", says, theme.plain());
        }
    }
    for (heading, items) in [("Fix", advice.fix), ("Pitfalls", advice.pitfalls)] {
        if !items.is_empty() {
            paragraph("", "", heading, theme.accent());
            for item in items {
                paragraph("  ", "- ", item, theme.plain());
            }
        }
    }
}

/// What of a text fits, from a line on.
pub(super) fn put_lines(
    buffer: &mut Buffer,
    area: Rect,
    lines: &[Line<'_>],
    from: usize,
    seen: &mut Seen,
) {
    let room = usize::from(area.height);
    seen.text = (lines.len(), room);
    let from = from.min(lines.len().saturating_sub(room));
    for (line, y) in lines.iter().skip(from).zip(area.top()..area.bottom()) {
        put(buffer, area.x, y, line, area.width);
    }
    seen.below = lines.len().saturating_sub(from + room);
}

/// Makes room for something on top.
pub(super) fn clear(buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}

/// Facts of a process.
pub(super) fn process_facts(
    process: Option<&crate::model::Process>,
    facts: &mut Vec<(&'static str, String)>,
) {
    let Some(process) = process else {
        facts.push(("process", "not known".to_owned()));
        return;
    };
    let name = format!("{} {}", process.pid, clean(process.display_name()));
    facts.push(("process", name));
    let container = process.container.as_ref();
    let known = [
        ("executable", process.exe.as_deref()),
        ("cgroup", process.cgroup.as_deref()),
        ("unit", process.unit.as_deref()),
        ("container", container.and_then(Container::label)),
        (
            "runtime",
            container.and_then(|container| container.runtime.as_deref()),
        ),
    ];
    for (label, value) in known {
        if let Some(value) = value {
            facts.push((label, clean(value)));
        }
    }
    if let Some(uid) = process.uid {
        facts.push(("user", uid.to_string()));
    }
}
