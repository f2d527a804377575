//! One line per incident for people: `TIME KIND PID PROCESS LOCAL > REMOTE DETAIL`.
//!
//! Data only: losses and the summary are talk (see [`super::Messages`]). Without `wide` a line between
//! IPv4 ends stays within its columns; what does not fit is replaced by `…`, never cut within a
//! number. An IPv6 address is never cut, so its line may be longer.

mod chosen;
mod detail;
mod fold;
mod folded;
mod owners;
mod spread;

use std::io::{self, Write};

use super::Sink;
use super::color::{END, Impact};
use super::flows::Flows;
use super::out::Out;
use super::put;
use super::stamp::{Stamp, TimeStyle};
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Clock, Evidence, Flow, Incident};
use chosen::Chosen;
use fold::{Fold, Folded};
use owners::{Owners, PID_WIDTH};

pub use chosen::column_names;
pub use folded::FoldChoice;

/// What the marks in a line mean: for help, the manual and a banner.
pub const LEGEND: &str = "\
?           not known; a PID is always the owner of the socket, never the task on the CPU
(listener)  not accepted yet: the owner is the listener's; (lsn) where space is short
(snapshot)  the owner was found in /proc when tracing began; (snap) where space is short
(x4)        four processes hold the socket; one of them is shown
~           before DETAIL: inferred from kernel data by a documented rule
#           before DETAIL: counted from kernel counters
*           no remote end: the incident concerns a listener; as a port: several
×5 more     five further lines of the same kind, cause, owner and service within a second
…           truncated; --wide shows all";

/// Columns of a line unless the terminal has more.
pub const COLUMNS: usize = 100;

/// A longer name takes what the number of its process leaves free.
const KIND_WIDTH: usize = 12;
const FLOW_WIDTH: usize = 33;
const FLOW_WIDTH_WIDE: usize = 45;
/// What the details get at least before a process name has to yield.
const DETAIL_WISHED: usize = 19;
/// The same, whatever the columns, beside IPv6 addresses.
const DETAIL_BESIDE_IPV6: usize = 24;
/// What stands before details that have a line of their own.
const BELOW: &[u8] = b"\n    ";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// The TIME column.
    pub time: TimeStyle,
    /// No limit, and all details.
    pub is_wide: bool,
    /// Names of the columns first.
    pub has_header: bool,
    /// Colour.
    pub is_colored: bool,
    /// Columns without `is_wide`. Where they are fewer than [`COLUMNS`], details have a line of their own.
    pub columns: usize,
    /// Lines that say the same within a second become one.
    pub is_folded: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self {
            time: TimeStyle::Local,
            is_wide: false,
            has_header: true,
            is_colored: false,
            columns: COLUMNS,
            is_folded: false,
        }
    }
}

/// Writes lines.
pub struct TextSink<W> {
    out: Out<W>,
    stamp: Stamp,
    style: TextStyle,
    owners: Owners,
    flows: Flows,
    /// `None`: every incident has a line of its own.
    fold: Option<Fold>,
    /// `None`: the usual columns.
    chosen: Option<Chosen>,
}

impl<W: Write> TextSink<W> {
    /// The header is written with the first flush.
    pub fn new(writer: W, style: TextStyle, clock: Clock) -> Self {
        Self::of_columns(writer, style, clock, &[])
    }

    /// The same of these columns, which are not folded; none: the usual ones.
    pub fn of_columns(writer: W, style: TextStyle, clock: Clock, columns: &[String]) -> Self {
        let chosen = (!columns.is_empty()).then(|| Chosen::new(columns, clock));
        let mut sink = Self {
            out: Out::new(writer),
            stamp: Stamp::new(clock, style.time),
            style,
            owners: Owners::new(style.is_wide),
            flows: Flows::default(),
            fold: (style.is_folded && chosen.is_none()).then(Fold::default),
            chosen,
        };
        match &sink.chosen {
            _ if !style.has_header => {}
            Some(chosen) => chosen.put_header(&mut sink.out.buffer, &style),
            None => sink.put_header(),
        }
        sink
    }

    fn put_header(&mut self) {
        let (comm_width, flow_width) = (Owners::column(self.style.is_wide), self.flow_width());
        let mut cell = |text: &str, width: usize| {
            self.out.buffer.extend_from_slice(text.as_bytes());
            put::spaces(&mut self.out.buffer, width.saturating_sub(text.len()) + 1);
        };
        if self.style.time != TimeStyle::None {
            let is_utc = self.style.time == TimeStyle::Utc;
            cell(
                if is_utc { "TIME(UTC)" } else { "TIME" },
                self.style.time.width(),
            );
        }
        cell("KIND", KIND_WIDTH);
        cell("    PID", PID_WIDTH);
        cell("PROCESS", comm_width);
        cell("LOCAL > REMOTE", flow_width);
        self.begin_detail(0);
        self.out.buffer.extend_from_slice(b"DETAIL\n");
    }

    /// Whether a terminal has no room for details behind the ends.
    const fn is_narrow(&self) -> bool {
        self.style.columns < COLUMNS && !self.style.is_wide
    }

    /// Where details begin, and their room, which is `room` behind the ends.
    fn begin_detail(&mut self, room: usize) -> (usize, usize) {
        let is_narrow = self.is_narrow();
        let buffer = &mut self.out.buffer;
        if !is_narrow {
            return (buffer.len(), room);
        }
        let end = buffer.trim_ascii_end().len();
        buffer.truncate(end);
        buffer.extend_from_slice(BELOW);
        (
            buffer.len(),
            self.style.columns.saturating_sub(BELOW.len() - 1),
        )
    }

    const fn flow_width(&self) -> usize {
        if self.style.is_wide {
            FLOW_WIDTH_WIDE
        } else {
            FLOW_WIDTH
        }
    }

    /// Appends the time and a space; returns their width.
    fn put_time(&mut self, boot_ns: u64) -> usize {
        if self.style.time == TimeStyle::None {
            return 0;
        }
        let buffer = &mut self.out.buffer;
        let width = self.stamp.append(buffer, boot_ns);
        let missing = self.style.time.width().saturating_sub(width);
        put::spaces(buffer, missing + 1);
        width + missing + 1
    }

    /// Appends the kind; returns by how much its name is longer than the column.
    fn put_kind(&mut self, incident: &Incident) -> usize {
        let buffer = &mut self.out.buffer;
        let name = incident.kind().name();
        if self.style.is_colored {
            buffer.extend_from_slice(Impact::of(&incident.what).start().as_bytes());
            buffer.extend_from_slice(name.as_bytes());
            buffer.extend_from_slice(END.as_bytes());
        } else {
            put::text(buffer, name);
        }
        put::spaces(buffer, KIND_WIDTH.saturating_sub(name.len()) + 1);
        name.len().saturating_sub(KIND_WIDTH)
    }

    /// Cuts the details that begin at `start` at a space, to `room` characters.
    fn cut_detail(&mut self, start: usize, room: usize) {
        let buffer = &mut self.out.buffer;
        if room == 0 {
            buffer.truncate(start);
        } else if let Some(kept) = cut(&buffer[start..], room).map(<[u8]>::len) {
            buffer.truncate(start + kept);
            buffer.extend_from_slice("…".as_bytes());
        }
    }

    /// The line of one incident.
    fn put_line(&mut self, incident: &Incident) -> io::Result<()> {
        if let Some(chosen) = &mut self.chosen {
            let (buffer, style) = (&mut self.out.buffer, &self.style);
            chosen.put_line(buffer, incident, &mut self.stamp, style);
            return self.out.line_done();
        }
        let width = self.flows.text(&incident.flow, put_flow).len();
        let room = self.put_columns(incident, incident.boot_ns, width.max(self.flow_width()));
        let missing = self.flow_width().saturating_sub(width);
        let buffer = &mut self.out.buffer;
        put::line(buffer, self.flows.text(&incident.flow, put_flow));
        put::spaces(buffer, missing + 1);
        let (start, room) = self.begin_detail(room);
        let buffer = &mut self.out.buffer;
        buffer.extend_from_slice(mark(incident.evidence).as_bytes());
        detail::put(buffer, incident, self.style.is_wide);
        self.cut_detail(start, room);
        self.out.buffer.push(b'\n');
        self.out.line_done()
    }

    /// The line of several. Its ends are not padded: the details, with the number in front, need room.
    fn put_folded(&mut self, folded: &Folded) -> io::Result<()> {
        if folded.count == 1 {
            return self.put_line(&folded.first);
        }
        let flow = folded::flow(folded);
        let room = self.put_columns(&folded.first, folded.last_ns, flow.len());
        let buffer = &mut self.out.buffer;
        put::line(buffer, flow.as_bytes());
        buffer.push(b' ');
        let (start, room) = self.begin_detail(room);
        let buffer = &mut self.out.buffer;
        buffer.extend_from_slice(folded::detail(folded).as_bytes());
        self.cut_detail(start, room);
        self.out.buffer.push(b'\n');
        self.out.line_done()
    }

    /// The columns before the ends, which take `flow_width`; returns what is left for the details.
    fn put_columns(&mut self, incident: &Incident, boot_ns: u64, flow_width: usize) -> usize {
        let flow_width = flow_width + 1;
        let mut used = self.put_time(boot_ns);
        let overhang = self.put_kind(incident);
        used += KIND_WIDTH + overhang + 1;
        let columns = self.style.columns.max(COLUMNS);
        let owner_room = columns.saturating_sub(used + flow_width + DETAIL_WISHED);
        used += self.owners.append(
            &mut self.out.buffer,
            incident.owner.as_ref(),
            owner_room,
            overhang,
        );
        if self.style.is_wide {
            return usize::MAX;
        }
        let room = columns.saturating_sub(used + flow_width);
        if has_ipv6(&incident.flow) {
            room.max(DETAIL_BESIDE_IPV6)
        } else {
            room
        }
    }

    /// Shows what was folded long enough.
    fn put_due(&mut self, boot_ns: u64) -> io::Result<()> {
        let due = match &mut self.fold {
            Some(fold) => fold.due(boot_ns),
            None => return Ok(()),
        };
        due.iter().try_for_each(|folded| self.put_folded(folded))
    }
}

/// The DETAIL column of an incident, with its mark of evidence and nothing cut. Foreign names in it are
/// harmless.
pub fn detail_of(incident: &Incident, is_wide: bool) -> String {
    let mut out = Vec::new();
    out.extend_from_slice(mark(incident.evidence).as_bytes());
    detail::put(&mut out, incident, is_wide);
    String::from_utf8_lossy(&out).into_owned()
}

/// What stands before the details.
const fn mark(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Seen => "",
        Evidence::Inferred => "~",
        Evidence::Counted => "#",
    }
}

/// What of a text goes before a `…` so that both take at most `room` characters: whole words if
/// there are any. `None` when the text fits. `room` is above 0.
fn cut(text: &[u8], room: usize) -> Option<&[u8]> {
    if text.len() <= room {
        return None;
    }
    // UTF-8: every byte but a continuation begins a character.
    let begins = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let mut starts = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| begins(byte))
        .map(|(at, _)| at);
    let end = starts.nth(room.saturating_sub(1))?;
    starts.next()?;
    let fitting = text.get(..end)?;
    let words = fitting
        .iter()
        .rposition(|byte| *byte == b' ')
        .and_then(|at| text.get(..=at));
    Some(words.unwrap_or(fitting))
}

fn put_flow(out: &mut Vec<u8>, flow: &Flow) {
    match (flow.local, flow.unbound) {
        (Some(end), _) => put::endpoint(out, end),
        (None, Some(addr)) => {
            put::address(out, addr);
            out.extend_from_slice(b":?");
        }
        (None, None) => out.push(b'?'),
    }
    out.extend_from_slice(b" > ");
    match flow.remote {
        Some(end) => put::endpoint(out, end),
        None => out.push(b'*'),
    }
}

fn has_ipv6(flow: &Flow) -> bool {
    [flow.local, flow.remote]
        .iter()
        .flatten()
        .any(|end| end.addr.is_ipv6())
}

impl<W: Write> Sink for TextSink<W> {
    fn clock(&mut self, boot_to_wall_ns: i64) -> io::Result<()> {
        self.stamp.set(boot_to_wall_ns);
        if let Some(chosen) = &mut self.chosen {
            chosen.clock(boot_to_wall_ns);
        }
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> io::Result<()> {
        if self.fold.is_some() {
            self.put_due(incident.boot_ns)?;
        }
        let is_wide = self.style.is_wide;
        let is_shown = self
            .fold
            .as_mut()
            .is_none_or(|fold| fold.takes(incident, &detail_of(incident, is_wide)));
        if is_shown {
            self.put_line(incident)
        } else {
            Ok(())
        }
    }

    fn tick(&mut self, boot_ns: u64) -> io::Result<()> {
        self.put_due(boot_ns)
    }

    fn loss(&mut self, _: &Loss, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        let rest = self.fold.as_mut().map(Fold::rest).unwrap_or_default();
        rest.iter().try_for_each(|folded| self.put_folded(folded))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    fn cut(text: &str, room: usize) -> Option<&str> {
        super::cut(text.as_bytes(), room).map(|start| std::str::from_utf8(start).unwrap())
    }

    #[test]
    fn a_cut_keeps_whole_words_and_whole_characters() {
        assert_eq!(cut("linger_zero 1749B lost", 22), None);
        assert_eq!(
            cut("linger_zero 1749B lost", 21),
            Some("linger_zero 1749B ")
        );
        assert_eq!(
            cut("linger_zero 1749B lost", 19),
            Some("linger_zero 1749B ")
        );
        assert_eq!(cut("linger_zero 1749B lost", 18), Some("linger_zero "));
        assert_eq!(cut("linger_zero 1749B lost", 5), Some("ling"));
        assert_eq!(cut("ack äöüß", 7), Some("ack "));
        assert_eq!(cut("äöüß", 3), Some("äö"));
        assert_eq!(cut("äöüß", 4), None);
        assert_eq!(cut("ab", 1), Some(""));
    }
}
