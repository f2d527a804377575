//! Tables of the snapshot commands for people: columns as wide as they need to be, coloured by
//! meaning.
//!
//! Without `wide` a line stays within its columns where addresses are IPv4: names are cut with
//! `…`, then the notes at the end are. A number or an address is never cut, unless the screen is
//! narrower than that (`is_clipped`), since a line that wraps would spoil a screen drawn in place.

mod chosen;
mod listeners;
mod states;
mod timewait;

pub use chosen::{chosen, column_names, sort, sort_names};
pub use listeners::listeners;
pub use states::states;
pub use timewait::timewait;

use super::color::{END, Impact};
use super::sanitize;
use super::stamp::{Stamp, TimeStyle};
use crate::model::rows::{Page, Row, SpaceRow};
use crate::model::summary::{Reconciled, Verdict};
use crate::model::{Clock, Owner};
use std::time::Duration;

/// What the marks in the tables mean.
pub const LEGEND: &str = "\
!           first column: needs attention
+3          three more processes hold the socket
?           not known
~           inferred: the process that listens on that port, which probably left it";

/// How tables look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStyle {
    /// Nothing is cut.
    pub is_wide: bool,
    /// Names of the columns first.
    pub has_header: bool,
    /// Colour.
    pub is_colored: bool,
    /// Columns of a line.
    pub columns: usize,
    /// Columns of sentences below and above a table. Where they are fewer than `columns`, the last cell of a longer
    /// line stands below the others.
    pub text_columns: usize,
    /// Nothing may be longer than `columns`.
    pub is_clipped: bool,
}

/// Appends the line above a snapshot of many: when it was taken, and how often that is.
pub fn moment(
    out: &mut Vec<u8>,
    clock: Clock,
    boot_ns: u64,
    interval: Duration,
    style: &TableStyle,
) {
    let mut line = Vec::new();
    Stamp::new(clock, TimeStyle::Local).append(&mut line, boot_ns);
    let every = interval.as_secs_f64();
    let text = format!(
        "{} every {every} s; Ctrl-C ends",
        String::from_utf8_lossy(&line)
    );
    finish(out, &text, None, style);
}

/// The side of a column where its cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    align: Align,
    /// The most characters without `wide`.
    most: usize,
    /// Its name for `--columns` and `--sort`, and what orders it.
    name: &'static str,
    by: By,
}

/// The fields that order a column.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// The first of these that is known.
    First(&'static [&'static str]),
    /// All of these together.
    Sum(&'static [&'static str]),
    /// None: it is free text.
    Nothing,
}

const fn column(
    name: &'static str,
    title: &'static str,
    align: Align,
    most: usize,
    by: By,
) -> Column {
    Column {
        title,
        align,
        most,
        name,
        by,
    }
}

const PROCESS_WIDTH: usize = 15;
const PID_COLUMN: Column = column("pid", "PID", Align::Right, 7, By::First(&["owner.pid"]));
const PROCESS_COLUMN: Column = column(
    "process",
    "PROCESS",
    Align::Left,
    PROCESS_WIDTH,
    By::First(&["owner.name", "owner.comm"]),
);

/// A row with a line in a table.
pub trait Tabled: Row {
    /// The columns that are shown unless others are asked for.
    const COLUMNS: &'static [Column];

    /// Whether the line needs attention, and its cells, one for each column.
    fn line(&self, page: &Page<Self>, style: &TableStyle) -> (Option<Impact>, Vec<String>)
    where
        Self: Sized;
}

/// The lines of a page under all columns.
fn grid<R: Tabled>(page: &Page<R>, style: &TableStyle) -> Grid<'static> {
    let columns = R::COLUMNS.iter();
    let mut grid = Grid::new(columns.map(|column| (column.title, column.align, column.most)));
    for row in &page.rows {
        let (impact, cells) = row.line(page, style);
        grid.push(impact, cells);
    }
    grid
}

struct Line {
    cells: Vec<String>,
    impact: Option<Impact>,
}

/// Cells first, widths afterwards.
struct Grid<'a> {
    /// Title, side, most characters.
    columns: Vec<(&'a str, Align, usize)>,
    lines: Vec<Line>,
    /// Lines that need attention are marked in front.
    has_marks: bool,
}

impl<'a> Grid<'a> {
    fn new(columns: impl IntoIterator<Item = (&'a str, Align, usize)>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            lines: Vec::new(),
            has_marks: true,
        }
    }

    /// `impact`: the line needs attention.
    fn push(&mut self, impact: Option<Impact>, cells: Vec<String>) {
        self.lines.push(Line { cells, impact });
    }

    /// The last column is free text, and takes what is left of the line.
    fn render(&self, out: &mut Vec<u8>, style: &TableStyle) {
        let last = self.columns.len().saturating_sub(1);
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (title, _, most))| {
                let cells = self.lines.iter().filter_map(|line| line.cells.get(at));
                let widest = cells.map(|cell| width(cell)).max().unwrap_or(0);
                let widest = if style.is_wide {
                    widest
                } else {
                    widest.min(*most)
                };
                widest.max(title.len())
            })
            .collect();
        if style.has_header {
            let titles: Vec<String> = self
                .columns
                .iter()
                .map(|(title, ..)| (*title).to_owned())
                .collect();
            let mut text = String::from(if self.has_marks { "  " } else { "" });
            self.put_cells(&mut text, &titles, &widths, last);
            finish(out, &text, None, style);
        }
        for line in &self.lines {
            let mut text = String::from(match (self.has_marks, line.impact) {
                (false, _) => "",
                (true, Some(_)) => "! ",
                (true, None) => "  ",
            });
            self.put_cells(&mut text, &line.cells, &widths, last);
            // A terminal that is narrower than a line should be gets the last cell below the others.
            let is_narrow = style.text_columns < style.columns && width(&text) > style.text_columns;
            match line.cells.get(last).filter(|_| is_narrow) {
                Some(notes) => {
                    let others = text.strip_suffix(notes.as_str()).unwrap_or(&text);
                    finish(out, others, line.impact, style);
                    words(out, &format!("    {notes}"), line.impact, style);
                }
                None => finish(out, &text, line.impact, style),
            }
        }
    }

    fn put_cells(&self, text: &mut String, cells: &[String], widths: &[usize], last: usize) {
        for (at, cell) in cells.iter().enumerate() {
            let room = widths.get(at).copied().unwrap_or(0);
            let align = self
                .columns
                .get(at)
                .map_or(Align::Left, |(_, align, _)| *align);
            let shown = if at == last || align == Align::Right {
                cell.clone()
            } else {
                clean(cell, room.max(uncut(cell)))
            };
            let missing = room.saturating_sub(width(&shown));
            if align == Align::Right {
                text.extend(std::iter::repeat_n(' ', missing));
            }
            text.push_str(&shown);
            if align == Align::Left && at != last {
                text.extend(std::iter::repeat_n(' ', missing));
            }
            if at != last {
                text.push(' ');
            }
        }
    }
}

/// Addresses are not cut: whatever ends in a port.
fn uncut(cell: &str) -> usize {
    let has_port = cell.rsplit_once(':').is_some_and(|(_, port)| {
        port == "*" || (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if has_port { width(cell) } else { 0 }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most `room` characters, nothing hostile.
fn clean(text: &str, room: usize) -> String {
    let mut out = Vec::new();
    sanitize::append(&mut out, text, room);
    String::from_utf8_lossy(&out).into_owned()
}

/// Ends a line: cut, coloured, without blanks at the end.
fn finish(out: &mut Vec<u8>, text: &str, impact: Option<Impact>, style: &TableStyle) {
    let room = match (style.is_clipped, style.is_wide) {
        (true, _) => style.columns,
        (false, true) => usize::MAX,
        (false, false) => style.columns,
    };
    let text = clean(text.trim_end(), room);
    match impact.filter(|_| style.is_colored) {
        Some(impact) => {
            out.extend_from_slice(impact.start().as_bytes());
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(END.as_bytes());
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
    out.push(b'\n');
}

/// A line of plain words below or above a table, broken into more when it is too long.
fn words(out: &mut Vec<u8>, text: &str, impact: Option<Impact>, style: &TableStyle) {
    let indent = text.len() - text.trim_start().len();
    let mut line = " ".repeat(indent);
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && width(&line) + 1 + width(word) > style.text_columns {
            finish(out, &line, impact, style);
            line = " ".repeat(indent + 2);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    finish(out, &line, impact, style);
}

/// What could not be seen, in so many words.
fn unseen(out: &mut Vec<u8>, sentences: &[String], style: &TableStyle) {
    for sentence in sentences {
        words(
            out,
            &format!("not visible: {sentence}"),
            Some(Impact::Degraded),
            style,
        );
    }
}

/// Our counts against the kernel's: how many counters agree, and each that does not.
fn reconciled(out: &mut Vec<u8>, rows: &[Reconciled], style: &TableStyle) {
    if rows.is_empty() {
        return;
    }
    let exact = rows.iter().filter(|row| row.verdict == Verdict::Exact);
    let text = format!(
        "reconciliation: {} of {} agree with the events observed",
        exact.count(),
        plural(rows.len() as u64, "kernel counter")
    );
    words(out, &text, None, style);
    for row in rows.iter().filter(|row| row.verdict != Verdict::Exact) {
        let note = row.note.as_deref().unwrap_or("reason not known");
        let impact = (row.verdict == Verdict::Differs).then_some(Impact::Degraded);
        let text = format!(
            "  {}: kernel {}, observed {}: {note}",
            row.counter, row.kernel, row.ours
        );
        words(out, &text, impact, style);
    }
}

/// PID and name of an owner, the name with how many more share the socket.
fn owner_cells(owner: Option<&Owner>, room: usize, style: &TableStyle) -> (String, String) {
    let Some(owner) = owner else {
        return ("?".to_owned(), "?".to_owned());
    };
    let more = owner
        .shared_by
        .map(|holders| format!(" +{}", holders.saturating_sub(1)))
        .unwrap_or_default();
    let room = if style.is_wide { usize::MAX } else { room };
    let room = room.saturating_sub(more.len());
    let name = clean(owner.process.display_name_within(room), room);
    (owner.process.pid.to_string(), name + &more)
}

/// How a namespace is called in a note; nothing when there is only one.
fn space_note(netns: u32, spaces: &[SpaceRow]) -> Option<String> {
    let is_own = |space: &&SpaceRow| space.netns == netns && space.is_own;
    (spaces.len() > 1 && !spaces.iter().any(|space| is_own(&space)))
        .then(|| format!("netns {netns}"))
}

/// `250ms` below ten seconds, `45s`, `12m`, `3h`.
fn duration_text(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms}ms"),
        10_000..120_000 => format!("{}s", ms / 1000),
        120_000..7_200_000 => format!("{}m", ms / 60_000),
        _ => format!("{}h", ms / 3_600_000),
    }
}

fn or_unknown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
