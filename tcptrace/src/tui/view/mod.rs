//! The screen: from the state and the user's choices to characters. Draws and does nothing else; what
//! it has drawn where goes back to the caller, so that clicks and scrolling can be understood.
//!
//! Any size will do: below [`LEAST`] it only says so. Nothing here fails.

mod details;
mod help;
mod pages;
mod table;
#[cfg(test)]
mod tests;
mod top;

use std::borrow::Cow;

use jiff::tz::TimeZone;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::control::{Control, Mode, Seen, Tab};
use super::state::{Numbered, State};
use super::text;
use super::theme::Theme;
use pages::{Findings, Incidents, Listeners, Processes, Resets, Retransmits, Waits};
use table::{Ordered, Sheet};

/// Columns and rows below which there is no picture.
pub const LEAST: (u16, u16) = (20, 6);
/// From this height on there is room for more than rows.
const TALL: u16 = 16;
/// A body of so many rows is shared by rows and details.
const SHARED: u16 = 22;

/// How to draw.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours and marks.
    pub theme: Theme,
    /// For times of day.
    pub zone: TimeZone,
}

/// What a cell may need.
pub(super) struct Scene<'a> {
    pub(super) look: &'a Look,
    pub(super) state: &'a State,
}

impl Scene<'_> {
    pub(super) fn theme(&self) -> Theme {
        self.look.theme
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.state.now_ns()
    }

    pub(super) fn since_ns(&self) -> u64 {
        self.state.since_ns()
    }

    /// Time of day; time since the begin where the wall clock is not known.
    pub(super) fn moment(&self, boot_ns: u64, has_millis: bool) -> String {
        match self.state.clock() {
            Some(clock) => text::moment(clock, &self.look.zone, boot_ns, has_millis),
            None => format!("+{}", text::clock_time(boot_ns)),
        }
    }

    pub(super) fn curve(&self, rate: &super::state::rate::Rate, width: u16) -> Line<'static> {
        let theme = self.theme();
        let curve = theme.curve(&rate.minute(self.now_ns()), usize::from(width));
        Line::from(Span::styled(curve, theme.accent()))
    }
}

/// Writes a line, clipped to the buffer; the column after it.
pub(super) fn put(buffer: &mut Buffer, x: u16, y: u16, line: &Line<'_>, width: u16) -> u16 {
    let area = buffer.area;
    if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
        return x;
    }
    buffer.set_line(x, y, line, width.min(area.right() - x)).0
}

/// A line of one piece.
pub(super) fn plain(text: impl Into<Cow<'static, str>>) -> Line<'static> {
    Line::from(Span::raw(text))
}

/// Draws everything.
pub fn draw(buffer: &mut Buffer, state: &State, control: &Control, look: &Look) -> Seen {
    let scene = Scene { look, state };
    let area = buffer.area;
    let mut seen = Seen {
        first: control.seen.first,
        ..Seen::default()
    };
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(buffer, area, look.theme);
        // Keys keep their meaning.
        seen.order.clone_from(&control.seen.order);
        return seen;
    }
    let mut y = top::header(buffer, area, &scene, control);
    seen.tabs_line = y;
    top::tabs(
        buffer,
        Rect::new(0, y, area.width, 1),
        control.tab,
        look.theme,
        &mut seen,
    );
    y += 1;
    let body = Rect::new(0, y, area.width, area.height - y - 1);
    let footer = Rect::new(0, area.height - 1, area.width, 1);
    let held = control.held.as_ref();
    match control.tab {
        Tab::Findings => page::<Findings>(buffer, body, &scene, control, &mut seen),
        Tab::Processes => page::<Processes>(buffer, body, &scene, control, &mut seen),
        Tab::Listeners => page::<Listeners>(buffer, body, &scene, control, &mut seen),
        Tab::Waits => page::<Waits>(buffer, body, &scene, control, &mut seen),
        Tab::Resets => page::<Resets>(buffer, body, &scene, control, &mut seen),
        Tab::Retransmits => page::<Retransmits>(buffer, body, &scene, control, &mut seen),
        Tab::Incidents => page_of_incidents(buffer, body, &scene, control, held, &mut seen),
    }
    if let Mode::Help(line) = control.mode {
        help::draw(buffer, body, &scene, line, &mut seen);
    }
    top::footer(buffer, footer, &scene, control, &seen);
    seen
}

fn too_small(buffer: &mut Buffer, area: Rect, theme: Theme) {
    let (columns, rows) = LEAST;
    let says = format!(
        "too small: {}x{} of {columns}x{rows}",
        area.width, area.height
    );
    for (line, y) in text::wrap(&says, usize::from(area.width))
        .into_iter()
        .zip(0..)
    {
        put(
            buffer,
            0,
            y,
            &Line::styled(line, theme.strong()),
            area.width,
        );
    }
}

/// The page of incidents drops old rows quickly: an opened one is still shown.
fn page_of_incidents(
    buffer: &mut Buffer,
    body: Rect,
    scene: &Scene<'_>,
    control: &Control,
    held: Option<&Numbered>,
    seen: &mut Seen,
) {
    let ordered = Ordered::<Incidents>::new(scene, control);
    shown(buffer, body, scene, control, seen, &ordered, held);
}

fn page<S: Sheet>(
    buffer: &mut Buffer,
    body: Rect,
    scene: &Scene<'_>,
    control: &Control,
    seen: &mut Seen,
) {
    let ordered = Ordered::<S>::new(scene, control);
    shown(buffer, body, scene, control, seen, &ordered, None);
}

/// Rows, and details of the chosen one where they are asked for; `held` is it where it is known.
fn shown<S: Sheet>(
    buffer: &mut Buffer,
    mut body: Rect,
    scene: &Scene<'_>,
    control: &Control,
    seen: &mut Seen,
    ordered: &Ordered<'_, S>,
    held: Option<&S::Row>,
) {
    seen.order = ordered.ids();
    seen.first = seen.first.min(seen.order.len());
    seen.left_out = S::left_out(scene.state);
    seen.all = ordered.all;
    let at = control.place(&seen.order);
    if let Mode::Details(line) = control.mode {
        let chosen = held.or_else(|| ordered.get(at));
        let height = if body.height >= SHARED {
            body.height * 3 / 5
        } else {
            body.height
        };
        let pane = Rect::new(0, body.bottom() - height, body.width, height);
        match chosen {
            Some(row) => S::details(row, scene).draw(buffer, pane, scene, line, seen),
            None => put_nothing(
                buffer,
                pane,
                scene,
                "this row no longer exists; Esc goes back",
            ),
        }
        body.height -= height;
    }
    if body.height == 0 {
        return;
    }
    let band = S::band(scene, body.width);
    let most = if body.height >= TALL {
        4
    } else {
        usize::from(body.height / 6)
    };
    for line in band.iter().take(most) {
        put(buffer, body.x, body.y, line, body.width);
        body.y += 1;
        body.height -= 1;
    }
    ordered.draw(buffer, body, at, scene, seen);
    if ordered.len() == 0 && body.height > 1 {
        let says = if ordered.all > 0 {
            format!(
                "nothing contains \"{}\"; Esc shows all",
                text::clean(&control.filter)
            )
        } else {
            S::nothing(scene)
        };
        let below = Rect::new(body.x, body.y + 1, body.width, body.height - 1);
        put_nothing(buffer, below, scene, &says);
    }
}

fn put_nothing(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>, says: &str) {
    let lines = text::wrap(says, usize::from(area.width));
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        let line = Line::styled(line, scene.theme().faint());
        put(buffer, area.x, y, &line, area.width);
    }
}
