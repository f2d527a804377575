//! What the user has chosen: tab, order, row, filter, pause. Actions change it; drawing reads it.
//!
//! A row is chosen by what it is, not by its place: it stays chosen while others overtake it. What
//! the last frame showed ([`Seen`]) is how places on the screen are understood.

use std::net::IpAddr;

use super::sink::Shared;
use super::state::count::Who;
use super::state::listeners::ListenerKey;
use super::state::resets::Way;
use super::state::{Numbered, State};

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// What is wrong.
    Findings,
    /// By process.
    Processes,
    /// Queues.
    Listeners,
    /// TIME_WAIT.
    Waits,
    /// RSTs.
    Resets,
    /// By peer.
    Retransmits,
    /// One by one.
    Incidents,
}

impl Tab {
    /// Every page, as they stand side by side.
    pub const ALL: [Self; 7] = [
        Self::Findings,
        Self::Processes,
        Self::Listeners,
        Self::Waits,
        Self::Resets,
        Self::Retransmits,
        Self::Incidents,
    ];

    fn after(self, steps: usize) -> Self {
        Self::ALL[(self as usize + steps) % Self::ALL.len()]
    }
}

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowId {
    /// Of the findings: its name, its namespace, the process concerned most.
    Finding(&'static str, Option<u32>, Option<u32>),
    /// Of the processes.
    Process(Who),
    /// Of the listeners.
    Listener(ListenerKey),
    /// Of the TIME_WAITs.
    Wait(Who),
    /// Of the RSTs.
    Reset(Way, Who),
    /// Of the retransmissions.
    Peer(Option<IpAddr>),
    /// Of the incidents.
    Incident(u64),
}

/// What keys and mouse may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// Give the terminal to the shell for a while.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// That page.
    Tab(Tab),
    /// The page to the right.
    NextTab,
    /// The page to the left.
    PreviousTab,
    /// So many rows or lines down.
    Move(isize),
    /// So many screens down.
    Page(isize),
    /// The first row or line.
    First,
    /// The last.
    Last,
    /// Another row while its details are shown.
    OtherRow(isize),
    /// Details of the row.
    Open,
    /// Out of whatever is on top.
    Back,
    /// The keys.
    Help,
    /// Begin to write a filter.
    Filter,
    /// A character of it.
    Write(char),
    /// Without its last character.
    Erase,
    /// Without any.
    EraseAll,
    /// It holds.
    Accept,
    /// Sort by another column, to the right or left.
    Sort(isize),
    /// The other way round.
    Reverse,
    /// Pause or resume.
    Pause,
    /// Reset the counters.
    Clear,
    /// A click at column and row.
    Click(u16, u16),
}

/// What is on top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The rows.
    Rows,
    /// Details of a row, from this line on.
    Details(usize),
    /// The keys, from this line on.
    Help(usize),
    /// A filter is written; what it was before.
    Filter(String),
}

/// Order and choice of one page.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The column; `None`: the page's own order.
    pub sort: Option<usize>,
    /// The other way round.
    pub is_reversed: bool,
    /// The row; `None`: whichever comes first.
    pub row: Option<RowId>,
    /// Its place when it was last seen.
    pub at: usize,
}

/// What the last frame showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Every row that passed the filter, in order.
    pub order: Vec<RowId>,
    /// How many there were before the filter.
    pub all: usize,
    /// How many more there was no room for in memory.
    pub left_out: u64,
    /// Which of them was at the top of the screen.
    pub first: usize,
    /// Line of the first row, and how many rows were shown.
    pub rows: (u16, u16),
    /// Pages by their columns in the line of tabs.
    pub tabs: Vec<(u16, u16, Tab)>,
    /// The line of tabs.
    pub tabs_line: u16,
    /// Columns shown: from, to, which.
    pub columns: Vec<(u16, u16, usize)>,
    /// The line with their names.
    pub columns_line: u16,
    /// By which it was sorted.
    pub sort: usize,
    /// Lines of the text on top, and how many were shown.
    pub text: (usize, usize),
    /// How many of them are below.
    pub below: usize,
}

/// What the loop has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Draw.
    Draw,
    /// Draw, whatever the terminal shows.
    Redraw,
    /// End.
    Quit,
    /// Stop until continued.
    Suspend,
}

/// See the module.
#[derive(Debug)]
pub struct Control {
    /// The page.
    pub tab: Tab,
    /// What is on top.
    pub mode: Mode,
    /// Rows must contain it.
    pub filter: String,
    /// The screen is paused: it shows an earlier moment.
    pub frozen: Option<Box<State>>,
    /// The incident whose details are shown: it may be too old to be among the last by now.
    pub held: Option<Numbered>,
    /// As of the last frame.
    pub seen: Seen,
    choices: [Choice; Tab::ALL.len()],
}

impl Default for Control {
    fn default() -> Self {
        Self {
            tab: Tab::Findings,
            mode: Mode::Rows,
            filter: String::new(),
            frozen: None,
            held: None,
            seen: Seen::default(),
            choices: Default::default(),
        }
    }
}

/// Longest filter.
const FILTER_LONGEST: usize = 64;

impl Control {
    /// Order and choice of the page.
    pub fn choice(&self) -> &Choice {
        &self.choices[self.tab as usize]
    }

    fn choice_mut(&mut self) -> &mut Choice {
        &mut self.choices[self.tab as usize]
    }

    /// The place of the chosen row in `order`; where it is gone, whichever took its place.
    pub fn place(&self, order: &[RowId]) -> usize {
        let choice = self.choice();
        let Some(row) = choice.row else { return 0 };
        let place = order.iter().position(|id| *id == row);
        place.unwrap_or_else(|| choice.at.min(order.len().saturating_sub(1)))
    }

    /// Does what was asked for.
    pub fn apply(&mut self, action: Action, shared: &Shared) -> Effect {
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Redraw => return Effect::Redraw,
            Action::Tab(tab) => self.turn_to(tab),
            Action::NextTab => self.turn_to(self.tab.after(1)),
            Action::PreviousTab => self.turn_to(self.tab.after(Tab::ALL.len() - 1)),
            Action::Move(by) => self.scroll(by),
            Action::Page(by) => {
                let page = match self.mode {
                    Mode::Rows | Mode::Filter(_) => usize::from(self.seen.rows.1),
                    Mode::Details(_) | Mode::Help(_) => self.seen.text.1,
                };
                let page = isize::try_from(page).unwrap_or(isize::MAX).max(1);
                self.scroll(by.saturating_mul(page));
            }
            Action::First => self.scroll(isize::MIN),
            Action::Last => self.scroll(isize::MAX),
            Action::OtherRow(by) => {
                self.choose(by);
                if let Mode::Details(line) = &mut self.mode {
                    *line = 0;
                }
                self.hold(shared);
            }
            Action::Open => self.open(shared),
            Action::Back => self.back(),
            Action::Help => self.mode = Mode::Help(0),
            Action::Filter => self.mode = Mode::Filter(self.filter.clone()),
            Action::Write(letter) => {
                if self.filter.chars().count() < FILTER_LONGEST {
                    self.filter.push(letter);
                }
            }
            Action::Erase => drop(self.filter.pop()),
            Action::EraseAll => self.filter.clear(),
            Action::Accept => self.mode = Mode::Rows,
            Action::Sort(by) => self.sort(by),
            Action::Reverse => {
                let choice = self.choice_mut();
                choice.is_reversed = !choice.is_reversed;
            }
            Action::Pause => {
                self.frozen = match self.frozen {
                    Some(_) => None,
                    None => Some(Box::new(shared.lock().clone())),
                };
            }
            Action::Clear => {
                shared.lock().clear();
                // What was there is counted no more, and is not shown either.
                (self.frozen, self.held) = (None, None);
                self.mode = Mode::Rows;
                for choice in &mut self.choices {
                    choice.row = None;
                }
            }
            Action::Click(column, row) => self.click(column, row, shared),
        }
        Effect::Draw
    }

    fn turn_to(&mut self, tab: Tab) {
        self.tab = tab;
        self.mode = Mode::Rows;
        // Nothing on the screen is of this page yet.
        self.seen.order.clear();
        self.seen.first = 0;
    }

    fn scroll(&mut self, by: isize) {
        match &mut self.mode {
            Mode::Rows | Mode::Filter(_) => self.choose(by),
            Mode::Details(line) | Mode::Help(line) => {
                let (lines, shown) = self.seen.text;
                let last = lines.saturating_sub(shown);
                *line = line.saturating_add_signed(by).min(last);
            }
        }
    }

    fn choose(&mut self, by: isize) {
        let order = std::mem::take(&mut self.seen.order);
        let last = order.len().saturating_sub(1);
        let at = self.place(&order).saturating_add_signed(by).min(last);
        let choice = self.choice_mut();
        choice.at = at;
        // The first row is chosen as such: it stays the first.
        choice.row = if at == 0 {
            None
        } else {
            order.get(at).copied()
        };
        self.seen.order = order;
    }

    fn open(&mut self, shared: &Shared) {
        match self.mode {
            Mode::Rows if !self.seen.order.is_empty() => {
                // From now on it is this one, even the first.
                let at = self.place(&self.seen.order);
                let row = self.seen.order.get(at).copied();
                let choice = self.choice_mut();
                (choice.row, choice.at) = (row, at);
                self.mode = Mode::Details(0);
                self.hold(shared);
            }
            Mode::Rows => {}
            Mode::Details(_) | Mode::Help(_) | Mode::Filter(_) => self.mode = Mode::Rows,
        }
    }

    /// Keeps the chosen incident.
    fn hold(&mut self, shared: &Shared) {
        let Some(RowId::Incident(number)) = self.choice().row else {
            self.held = None;
            return;
        };
        let of = |state: &State| state.recent().find(|one| one.number == number).cloned();
        let found = match &self.frozen {
            Some(frozen) => of(frozen),
            None => of(&shared.lock()),
        };
        self.held = found.or_else(|| self.held.take().filter(|one| one.number == number));
    }

    fn back(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Rows) {
            Mode::Filter(before) => self.filter = before,
            Mode::Rows => self.filter.clear(),
            Mode::Details(_) | Mode::Help(_) => {}
        }
    }

    fn sort(&mut self, by: isize) {
        let (columns, now) = (&self.seen.columns, self.seen.sort);
        let Some(count) = isize::try_from(columns.len()).ok().filter(|n| *n > 0) else {
            return;
        };
        let at = columns.iter().position(|(.., column)| *column == now);
        let at = at.and_then(|at| isize::try_from(at).ok()).unwrap_or(0);
        let next = usize::try_from((at + by).rem_euclid(count)).unwrap_or(0);
        self.sort_by(columns[next].2);
    }

    fn sort_by(&mut self, column: usize) {
        let choice = self.choice_mut();
        choice.sort = Some(column);
        choice.is_reversed = false;
    }

    fn click(&mut self, column: u16, row: u16, shared: &Shared) {
        let within = |from: u16, to: u16| (from..to).contains(&column);
        if row == self.seen.tabs_line {
            let hit = self
                .seen
                .tabs
                .iter()
                .find(|(from, to, _)| within(*from, *to));
            if let Some((.., tab)) = hit {
                self.turn_to(*tab);
            }
            return;
        }
        if self.mode != Mode::Rows {
            return;
        }
        if row == self.seen.columns_line {
            let mut columns = self.seen.columns.iter();
            if let Some((.., hit)) = columns.find(|(from, to, _)| within(*from, *to)) {
                if *hit == self.seen.sort {
                    let choice = self.choice_mut();
                    choice.is_reversed = !choice.is_reversed;
                } else {
                    self.sort_by(*hit);
                }
            }
            return;
        }
        let (line, count) = self.seen.rows;
        if !(line..line.saturating_add(count)).contains(&row) {
            return;
        }
        let at = self.seen.first + usize::from(row - line);
        let Some(hit) = self.seen.order.get(at).copied() else {
            return;
        };
        let is_chosen = self.place(&self.seen.order) == at;
        let choice = self.choice_mut();
        (choice.row, choice.at) = (Some(hit), at);
        if is_chosen {
            self.open(shared);
        }
    }
}
