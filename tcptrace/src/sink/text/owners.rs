//! The PID and COMM columns, made once for each process and room: incidents come in bursts of few
//! processes.

use std::sync::Arc;

use crate::model::{Basis, Owner, Process};
use crate::sink::{put, sanitize};

pub(super) const PID_WIDTH: usize = 7;
pub(super) const COMM_WIDTH: usize = 12;
const COMM_WIDTH_MAX: usize = 18;
const COMM_WIDTH_WIDE: usize = 26;

/// Owners kept, each in the place that its process number and its suffix fall on: a process has
/// connections of its own and such that it did not accept yet at the same time.
const PLACES: usize = 64;

pub(super) struct Owners {
    is_wide: bool,
    places: Vec<Option<Cell>>,
    nobody: Vec<u8>,
}

/// Both columns of an owner, each with a space.
struct Cell {
    /// Kept, so that no other process can lie at its address.
    process: Arc<Process>,
    suffix: &'static str,
    shared_by: Option<u32>,
    longest: usize,
    width: usize,
    text: Vec<u8>,
}

impl Owners {
    pub(super) fn new(is_wide: bool) -> Self {
        let mut nobody = Vec::new();
        put::spaces(&mut nobody, PID_WIDTH - 1);
        nobody.extend_from_slice(b"? ?");
        put::spaces(&mut nobody, Self::column(is_wide));
        let mut places = Vec::new();
        places.resize_with(PLACES, || None);
        Self {
            is_wide,
            places,
            nobody,
        }
    }

    /// Width of the COMM column.
    pub(super) const fn column(is_wide: bool) -> usize {
        if is_wide { COMM_WIDTH_WIDE } else { COMM_WIDTH }
    }

    /// Appends PID and COMM, each with a space; returns their width. `room`: for both; `overhang`: columns
    /// that the cell before has taken from the blanks before PID.
    #[inline]
    pub(super) fn append(
        &mut self,
        out: &mut Vec<u8>,
        owner: Option<&Owner>,
        room: usize,
        overhang: usize,
    ) -> usize {
        let Some(owner) = owner else {
            return put_right(out, &self.nobody, self.nobody.len(), overhang);
        };
        let suffix = suffix(owner);
        let at = (owner.process.pid as usize).wrapping_add(suffix.len());
        let place = &mut self.places[at % PLACES];
        let longest = if self.is_wide {
            usize::MAX
        } else {
            let digits = put::digits(owner.process.pid.into());
            room.saturating_sub(digits.max(PID_WIDTH) + 2)
                .clamp(COMM_WIDTH, COMM_WIDTH_MAX)
        };
        let is_known = place.as_ref().is_some_and(|cell| {
            Arc::ptr_eq(&cell.process, &owner.process)
                && (cell.shared_by, cell.longest) == (owner.shared_by, longest)
                && cell.suffix == suffix
        });
        if !is_known {
            *place = Some(Cell::of(owner, longest, Self::column(self.is_wide)));
        }
        place
            .as_ref()
            .map_or(0, |cell| put_right(out, &cell.text, cell.width, overhang))
    }
}

/// Appends a cell without as many of its leading blanks as `overhang`; returns the width of the rest.
#[inline]
fn put_right(out: &mut Vec<u8>, text: &[u8], width: usize, overhang: usize) -> usize {
    let blanks = text
        .iter()
        .take(overhang)
        .take_while(|byte| **byte == b' ')
        .count();
    put::line(out, &text[blanks..]);
    width - blanks
}

impl Cell {
    #[cold]
    fn of(owner: &Owner, longest: usize, column: usize) -> Self {
        let mut text = Vec::with_capacity(64);
        put::number_right(&mut text, owner.process.pid, PID_WIDTH);
        text.push(b' ');
        let pid_width = text.len();
        let comm_width = put_comm(&mut text, owner, longest);
        let missing = column.saturating_sub(comm_width);
        put::spaces(&mut text, missing + 1);
        Self {
            process: Arc::clone(&owner.process),
            suffix: suffix(owner),
            shared_by: owner.shared_by,
            longest,
            width: pid_width + comm_width + missing + 1,
            text,
        }
    }
}

/// The basis, when there is something to say of it.
pub(super) const fn suffix(owner: &Owner) -> &'static str {
    if owner.is_stale {
        return "(last user)";
    }
    match owner.basis {
        Basis::Task | Basis::Socket => "",
        Basis::Listener => "(listener)",
        Basis::Snapshot => "(snapshot)",
    }
}

/// The name with its basis, or the number of holders, when there is something to say.
fn put_comm(buffer: &mut Vec<u8>, owner: &Owner, longest: usize) -> usize {
    let whole = suffix(owner);
    let short = match owner.basis {
        _ if owner.is_stale => "(last)",
        Basis::Task | Basis::Socket => "",
        Basis::Listener => "(lsn)",
        Basis::Snapshot => "(snap)",
    };
    let name = owner
        .process
        .display_name_within(longest.saturating_sub(short.len()));
    // The name is at least as long in bytes as in characters: a guess on the safe side.
    let has_room = name.len().saturating_add(whole.len()) <= longest;
    let suffix = if has_room { whole } else { short };
    let mut holders = itoa::Buffer::new();
    let holders = owner.shared_by.map(|count| holders.format(count));
    // Beside a basis the holders are shown only where there is room for everything.
    let holders = holders.filter(|_| suffix.is_empty() || longest == usize::MAX);
    let holders_width = holders.map_or(0, |digits| digits.len() + "(x)".len());
    let name_room = longest.saturating_sub(suffix.len() + holders_width);
    let name_width = sanitize::append(buffer, name, name_room);
    buffer.extend_from_slice(suffix.as_bytes());
    if let Some(digits) = holders {
        buffer.extend_from_slice(b"(x");
        buffer.extend_from_slice(digits.as_bytes());
        buffer.push(b')');
    }
    name_width + suffix.len() + holders_width
}
