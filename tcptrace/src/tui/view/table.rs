//! A page of rows: filtered, ordered, and as much of it as fits.
//!
//! A page says what its rows and columns are ([`Sheet`]); only the rows that are shown are written.
//! Where the screen is narrow, the columns of the highest rank are left out; where it is wide, columns
//! grow to what they can use, in order.

use std::cmp::Ordering;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::{Line, Span};

use super::details::Details;
use super::{Scene, put};
use crate::tui::control::{Control, RowId, Seen};
use crate::tui::state::State;

/// What rows are ordered by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Number(u64),
    Text(String),
}

/// On which side the text of a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column.
pub(super) struct Column<R: 'static> {
    pub(super) name: &'static str,
    pub(super) side: Side,
    /// Characters at least, and at most.
    pub(super) width: (u16, u16),
    /// 0 is always shown.
    pub(super) rank: u8,
    /// The largest first, unless reversed.
    pub(super) is_falling: bool,
    pub(super) order: fn(&R, &Scene<'_>) -> Order,
    pub(super) cell: fn(&R, &Scene<'_>, u16) -> Line<'static>,
}

/// A page.
pub(super) trait Sheet {
    /// What it has in each line.
    type Row: 'static;

    /// From left to right.
    const COLUMNS: &'static [Column<Self::Row>];

    /// Its number in `COLUMNS`: the page's own order.
    const SORTED_BY: usize;

    /// Every row.
    fn rows<'a>(state: &'a State) -> Box<dyn Iterator<Item = &'a Self::Row> + 'a>;

    /// Which row it is.
    fn id(row: &Self::Row) -> RowId;

    /// Orders rows that are alike in their column, so that they do not change places.
    fn tie(row: &Self::Row) -> u128;

    /// Everything that a filter may find.
    fn words(row: &Self::Row, words: &mut String);

    /// Lines above the table.
    fn band(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>>;

    /// What is said where there is no row.
    fn nothing(scene: &Scene<'_>) -> String;

    /// Rows that there was no room for in memory.
    fn left_out(state: &State) -> u64;

    /// What is known of a row.
    fn details(row: &Self::Row, scene: &Scene<'_>) -> Details;
}

/// The rows of a page that pass the filter, in order.
pub(super) struct Ordered<'a, S: Sheet> {
    rows: Vec<&'a S::Row>,
    sort: usize,
    is_falling: bool,
    /// Before the filter.
    pub(super) all: usize,
}

impl<'a, S: Sheet> Ordered<'a, S> {
    pub(super) fn new(scene: &Scene<'a>, control: &Control) -> Self {
        let mut all = 0;
        let rows = S::rows(scene.state).inspect(|_| all += 1);
        let rows: Vec<&S::Row> = if control.filter.is_empty() {
            rows.collect()
        } else {
            let wanted = control.filter.to_lowercase();
            let mut words = String::new();
            rows.filter(|row| {
                words.clear();
                S::words(row, &mut words);
                words.to_lowercase().contains(&wanted)
            })
            .collect()
        };
        let choice = control.choice();
        let sort = choice
            .sort
            .filter(|sort| *sort < S::COLUMNS.len())
            .unwrap_or(S::SORTED_BY);
        let column = &S::COLUMNS[sort];
        let is_falling = column.is_falling != choice.is_reversed;
        let mut keyed: Vec<(Order, u128, &S::Row)> = rows
            .into_iter()
            .map(|row| ((column.order)(row, scene), S::tie(row), row))
            .collect();
        keyed.sort_unstable_by(|one, other| {
            let order = one.0.cmp(&other.0);
            let order = if is_falling { order.reverse() } else { order };
            match order {
                Ordering::Equal => one.1.cmp(&other.1),
                order => order,
            }
        });
        Self {
            rows: keyed.into_iter().map(|(.., row)| row).collect(),
            sort,
            is_falling,
            all,
        }
    }

    pub(super) fn ids(&self) -> Vec<RowId> {
        self.rows.iter().map(|row| S::id(row)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&'a S::Row> {
        self.rows.get(at).copied()
    }

    /// Draws names of columns and as many rows as fit; `at` is the chosen one.
    pub(super) fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        at: usize,
        scene: &Scene<'_>,
        seen: &mut Seen,
    ) {
        let widths = fit(S::COLUMNS, area.width);
        let theme = scene.theme();
        seen.sort = self.sort;
        seen.columns.clear();
        seen.columns_line = area.y;
        let mut x = area.x;
        for (index, (column, width)) in S::COLUMNS.iter().zip(&widths).enumerate() {
            let Some(width) = *width else { continue };
            let mut name = column.name.to_owned();
            let mut style = theme.heading();
            if index == self.sort {
                let mark = theme.sorted(self.is_falling);
                let room = usize::from(width).saturating_sub(1);
                name = name.chars().take(room).collect::<String>() + mark;
                style = style.patch(theme.chosen());
            }
            let line = Line::from(Span::styled(name, style));
            aligned(buffer, (x, area.y), width, column.side, &line, scene);
            seen.columns.push((x, x + width, index));
            x += width + 1;
        }
        let room = usize::from(area.height.saturating_sub(1));
        seen.first = first(seen.first, at, room, self.rows.len());
        let shown = self.rows.iter().skip(seen.first).take(room);
        let mut y = area.y;
        for (place, row) in shown.enumerate() {
            y += 1;
            let mut x = area.x;
            for (column, width) in S::COLUMNS.iter().zip(&widths) {
                let Some(width) = *width else { continue };
                let line = (column.cell)(row, scene, width);
                aligned(buffer, (x, y), width, column.side, &line, scene);
                x += width + 1;
            }
            if seen.first + place == at {
                let line = Rect::new(area.x, y, area.width, 1);
                buffer.set_style(line, theme.chosen());
            }
        }
        seen.rows = (area.y + 1, y - area.y);
    }
}

/// The first row shown: as before, moved so that the chosen one is among them.
fn first(before: usize, at: usize, room: usize, rows: usize) -> usize {
    let room = room.max(1);
    let least = at.saturating_sub(room - 1);
    before.clamp(least, at).min(rows.saturating_sub(room))
}

/// Widths of the columns; `None`: no room.
fn fit<R>(columns: &[Column<R>], width: u16) -> Vec<Option<u16>> {
    let mut shown: Vec<bool> = vec![true; columns.len()];
    let needed = |shown: &[bool]| -> u32 {
        let widths = columns.iter().zip(shown).filter(|(_, shown)| **shown);
        widths
            .map(|(column, _)| u32::from(column.width.0) + 1)
            .sum()
    };
    while needed(&shown) > u32::from(width) + 1 {
        let ranked = columns.iter().enumerate().filter(|(at, _)| shown[*at]);
        match ranked.max_by_key(|(at, column)| (column.rank, *at)) {
            Some((at, column)) if column.rank > 0 => shown[at] = false,
            _ => break,
        }
    }
    let mut left = (u32::from(width) + 1).saturating_sub(needed(&shown));
    let mut widths: Vec<Option<u16>> = columns
        .iter()
        .zip(shown)
        .map(|(column, shown)| shown.then_some(column.width.0))
        .collect();
    // What is never left out gets its room first.
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| columns[*at].rank);
    for at in order {
        let (least, most) = columns[at].width;
        if let Some(width) = &mut widths[at] {
            let more = left.min(u32::from(most.saturating_sub(least)));
            *width = least + u16::try_from(more).unwrap_or(0);
            left -= more;
        }
    }
    // What is never left out may still be wider than the screen.
    let mut room = width;
    for width in widths.iter_mut().flatten() {
        *width = (*width).min(room);
        room = room.saturating_sub(*width + 1);
    }
    widths
}

/// Writes a cell; what does not fit is marked.
fn aligned(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    width: u16,
    side: Side,
    line: &Line<'_>,
    scene: &Scene<'_>,
) {
    let needed = u16::try_from(line.width()).unwrap_or(u16::MAX);
    let shift = match side {
        Side::Right => width.saturating_sub(needed),
        Side::Left => 0,
    };
    put(buffer, x + shift, y, line, width - shift);
    if needed > width && width > 0 {
        let last = x + width - 1;
        let style = line.spans.last().map(|span| span.style).unwrap_or_default();
        let cut = Line::from(Span::styled(scene.theme().cut(), style));
        put(buffer, last, y, &cut, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(least: u16, most: u16, rank: u8) -> Column<()> {
        Column {
            name: "",
            side: Side::Left,
            width: (least, most),
            rank,
            is_falling: false,
            order: |(), _| Order::Number(0),
            cell: |(), _, _| Line::default(),
        }
    }

    #[test]
    fn the_highest_rank_goes_first_and_the_lowest_grows_first() {
        let columns = [column(5, 5, 0), column(5, 8, 2), column(5, 20, 1)];
        assert_eq!(fit(&columns, 17), [Some(5), Some(5), Some(5)]);
        assert_eq!(fit(&columns, 16), [Some(5), None, Some(10)]);
        assert_eq!(fit(&columns, 10), [Some(5), None, None]);
        assert_eq!(fit(&columns, 2), [Some(2), None, None]);
        assert_eq!(fit(&columns, 30), [Some(5), Some(5), Some(18)]);
        assert_eq!(fit(&columns, 100), [Some(5), Some(8), Some(20)]);
    }

    #[test]
    fn the_chosen_row_is_always_shown() {
        assert_eq!(first(0, 3, 5, 10), 0);
        assert_eq!(first(0, 7, 5, 10), 3);
        assert_eq!(first(5, 2, 5, 10), 2);
        assert_eq!(first(9, 9, 5, 10), 5);
        assert_eq!(first(7, 0, 0, 0), 0);
        for (before, at) in (0..20).flat_map(|a| (0..10).map(move |b| (a, b))) {
            let first = first(before, at, 4, 10);
            assert!((first..first + 4).contains(&at), "{before} {at}");
        }
    }
}
