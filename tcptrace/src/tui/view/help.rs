//! The keys, what marks mean, and all that is not seen in this run.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::details::{clear, put_lines};
use super::{Scene, plain};
use crate::tui::control::Seen;
use crate::tui::input::KEYS;
use crate::tui::text::{clean, wrap};

/// Width of the names of keys.
const KEY: usize = 28;

/// What stands on the pages and needs a word.
const MARKS: &[&str] = &[
    "A PID is always the owner of the socket, never the task on the CPU; ? means not known.",
    "Rates are averages of the last five seconds; curves show the last minute, each at its own scale.",
    "An accept queue is full when its length exceeds its limit, as in 129/128.",
    "DROPS is the socket's counter since it began: 1 for a SYN, 2 for a final ACK, and socket filters too. \
     IN RUN is its increase during this run. REFUSED counts refusals that hooks observed.",
    "TIME_WAIT held: starts minus ends, as observed; older entries appear only in the namespace's total.",
    "Each page shows a bounded number of rows; the rows that were idle longest are removed first, and the \
     last line shows how many. The details show the last 8 incidents of a row; Incidents shows the last \
     2000 of all.",
];

/// Draws it over the page, from a line on.
pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    scene: &Scene<'_>,
    from: usize,
    seen: &mut Seen,
) {
    let theme = scene.theme();
    let width = usize::from(area.width);
    let mut lines = vec![Line::styled("Keys", theme.heading())];
    let is_narrow = width < KEY * 2;
    for (keys, does) in KEYS {
        if is_narrow {
            lines.push(Line::styled((*keys).to_owned(), theme.accent()));
            for part in wrap(does, width.saturating_sub(2)) {
                lines.push(plain(format!("  {part}")));
            }
            continue;
        }
        for (at, part) in wrap(does, width - KEY - 1).into_iter().enumerate() {
            let keys = if at == 0 { *keys } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{keys:KEY$} "), theme.accent()),
                Span::raw(part),
            ]));
        }
    }
    let mut section = |heading: &'static str, texts: Vec<String>| {
        if texts.is_empty() {
            return;
        }
        lines.push(Line::default());
        lines.push(Line::styled(heading, theme.heading()));
        for text in texts {
            for (at, part) in wrap(&text, width.saturating_sub(2)).into_iter().enumerate() {
                let mark = if at == 0 { "- " } else { "  " };
                lines.push(plain(format!("{mark}{part}")));
            }
        }
    };
    let unseen = scene.state.facts().map(|facts| &facts.unseen);
    let unseen = unseen.into_iter().flatten().map(|text| clean(text));
    section("Not visible in this run", unseen.collect());
    let notices = scene.state.notices().iter().map(|text| clean(text));
    section("To be known", notices.collect());
    section(
        "Marks",
        MARKS.iter().map(|text| (*text).to_owned()).collect(),
    );
    clear(buffer, area);
    put_lines(buffer, area, &lines, from, seen);
}
