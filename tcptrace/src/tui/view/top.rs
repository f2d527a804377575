//! What stands above and below a page: whose screen it is, the rates, what is lost or not seen, the
//! pages, and the keys.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::{Scene, put};
use crate::tui::control::{Control, Mode, Seen, Tab};
use crate::tui::state::Source;
use crate::tui::text::{clean, clock_time, rate, short};
use crate::tui::theme::Theme;

impl Tab {
    /// Whole, and where there is less room.
    const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Findings => ["Findings", "Find"],
            Self::Processes => ["Processes", "Proc"],
            Self::Listeners => ["Listeners", "List"],
            Self::Waits => ["TIME_WAIT", "TW"],
            Self::Resets => ["Resets", "RST"],
            Self::Retransmits => ["Retransmits", "Retr"],
            Self::Incidents => ["Incidents", "Inc"],
        }
    }
}

/// From this height on, a separate line shows what is not visible.
const TALL: u16 = 20;

/// Draws the header; the line after it.
pub(super) fn header(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, control: &Control) -> u16 {
    let (state, theme) = (scene.state, scene.theme());
    // By weight: what does not fit is left out from the end.
    let mut right: Vec<Span<'static>> = Vec::new();
    if control.frozen.is_some() {
        right.push(Span::styled(" PAUSED ", theme.chosen()));
    }
    if state.lost() > 0 {
        right.push(Span::styled(
            format!("lost {}", short(state.lost())),
            theme.bad(),
        ));
    }
    right.push(Span::styled(
        format!("{}/s", rate(state.per_second())),
        theme.strong(),
    ));
    right.push(Span::raw(format!("{} incidents", short(state.total()))));
    let unseen = state.facts().map_or(0, |facts| facts.unseen.len());
    if unseen > 0 {
        right.push(Span::styled(
            format!("{unseen} not visible"),
            theme.degraded(),
        ));
    }
    let notices = state.notices().len();
    if notices > 0 {
        right.push(Span::styled(
            format!("{notices} notices: ?"),
            theme.degraded(),
        ));
    }
    let mut left: Vec<Span<'static>> = vec![Span::styled("tcptrace top", theme.strong())];
    left.push(Span::raw(match state.source() {
        Source::Live => clock_time(state.lasted_ns()),
        Source::Recording => format!("recording {}", clock_time(state.lasted_ns())),
        Source::Read => format!("recording {}, at its end", clock_time(state.lasted_ns())),
    }));
    if let Some(facts) = state.facts() {
        if let Some(name) = &facts.host_name {
            left.push(Span::raw(clean(name)));
        }
        left.push(Span::raw(format!("Linux {}", clean(&facts.kernel))));
    }
    let room = usize::from(area.width);
    let right = joined(right, room);
    let left = joined(left, room.saturating_sub(right.width() + 2));
    put(buffer, 0, 0, &left, area.width);
    let width = u16::try_from(right.width()).unwrap_or(area.width);
    put(buffer, area.width.saturating_sub(width), 0, &right, width);
    if area.height < TALL {
        return 1;
    }
    let Some(first) = state.facts().and_then(|facts| facts.unseen.first()) else {
        return 1;
    };
    let more = if unseen > 1 {
        format!(" (and {} more: ?)", unseen - 1)
    } else {
        String::new()
    };
    let room = usize::from(area.width).saturating_sub(more.len());
    let mut text = clean(first);
    if text.chars().count() > room {
        text = text.chars().take(room.saturating_sub(1)).collect();
        text.push_str(theme.cut());
    }
    let line = Line::styled(text + &more, theme.degraded());
    put(buffer, 0, 1, &line, area.width);
    2
}

/// As many of them as fit, two spaces apart.
fn joined(spans: Vec<Span<'static>>, room: usize) -> Line<'static> {
    let mut line = Line::default();
    for span in spans {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        if line.width() + gap.len() + span.width() > room {
            break;
        }
        line.push_span(Span::raw(gap));
        line.push_span(span);
    }
    line
}

/// Draws the pages' names.
pub(super) fn tabs(buffer: &mut Buffer, area: Rect, now: Tab, theme: Theme, seen: &mut Seen) {
    let labels = |form: usize| {
        Tab::ALL.iter().enumerate().map(move |(at, tab)| {
            let name = match form {
                2 if *tab != now => "",
                2 => tab.names()[0],
                form => tab.names()[form],
            };
            let space = if name.is_empty() { "" } else { " " };
            (*tab, format!(" {}{space}{name} ", at + 1))
        })
    };
    let width = |form| labels(form).map(|(_, label)| label.len()).sum::<usize>();
    let form = (0..2).find(|form| width(*form) <= usize::from(area.width));
    let mut x = area.x;
    for (tab, label) in labels(form.unwrap_or(2)) {
        let style = if tab == now {
            theme.strong().patch(theme.chosen())
        } else {
            theme.plain()
        };
        let room = area.right().saturating_sub(x);
        let end = put(buffer, x, area.y, &Line::styled(label, style), room);
        seen.tabs.push((x, end, tab));
        x = end;
    }
}

/// Draws the last line: keys, or what is being written.
pub(super) fn footer(
    buffer: &mut Buffer,
    area: Rect,
    scene: &Scene<'_>,
    control: &Control,
    seen: &Seen,
) {
    let theme = scene.theme();
    let filter = clean(&control.filter);
    let scroll = match seen.below {
        0 => "scroll".to_owned(),
        below => format!("scroll, {below} lines below"),
    };
    let (mut left, keys): (Vec<Span<'static>>, &[(&str, &str)]) = match &control.mode {
        Mode::Filter(_) => (
            vec![
                Span::styled("filter: ", theme.strong()),
                Span::raw(filter.clone()),
                Span::styled(" ", theme.chosen()),
            ],
            &[("Enter", "keep"), ("Esc", "as before")],
        ),
        Mode::Help(_) => (Vec::new(), &[("Esc", "back"), ("Up/Down", &scroll)]),
        Mode::Details(_) => (
            Vec::new(),
            &[("Esc", "back"), ("Up/Down", &scroll), ("[ ]", "other row")],
        ),
        Mode::Rows => (
            Vec::new(),
            &[
                ("?", "help"),
                ("/", "filter"),
                ("Enter", "details"),
                ("s", "sort"),
                ("p", "pause"),
                ("c", "clear"),
                ("q", "quit"),
            ],
        ),
    };
    if !filter.is_empty() && !matches!(control.mode, Mode::Filter(_)) {
        let text = format!("\"{filter}\" {} of {}", seen.order.len(), seen.all);
        left.push(Span::styled(text, theme.degraded()));
    }
    if let Some(frozen) = &control.frozen {
        let since = scene.moment(frozen.now_ns(), false);
        left.push(Span::styled(
            format!("paused at {since}; counting continues"),
            theme.strong(),
        ));
    } else if scene.state.is_cleared() {
        let since = scene.moment(scene.since_ns(), false);
        left.push(Span::raw(format!("counts since {since}")));
    }
    if seen.left_out > 0 {
        let text = format!("{} more not shown", short(seen.left_out));
        left.push(Span::styled(text, theme.degraded()));
    }
    let is_written = matches!(control.mode, Mode::Filter(_));
    let mut line = Line::default();
    for (at, span) in left.into_iter().enumerate() {
        if at > 0 && !is_written {
            line.push_span(Span::raw("  "));
        }
        line.push_span(span);
    }
    let room = usize::from(area.width);
    for (key, does) in keys {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        if line.width() + gap.len() + key.len() + 1 + does.len() > room {
            break;
        }
        line.push_span(Span::raw(gap));
        line.push_span(Span::styled(
            (*key).to_owned(),
            theme.accent().patch(theme.strong()),
        ));
        line.push_span(Span::raw(format!(" {does}")));
    }
    put(buffer, area.x, area.y, &line, area.width);
}
