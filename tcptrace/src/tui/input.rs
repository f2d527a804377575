//! From keys to actions: which key does what, and where.

use super::control::{Action, Mode, Tab};
use super::keys::Key;

/// Rows that the wheel moves by.
const WHEEL: isize = 3;

/// The keys, for the page of help and the docs.
pub const KEYS: &[(&str, &str)] = &[
    ("1 to 7, Tab, Left, Right", "switch page"),
    ("Up, Down, k, j", "select a row; scroll a text"),
    (
        "PgUp, PgDn, Home, End, g, G",
        "move by a screen, to the start, to the end",
    ),
    (
        "Enter",
        "details of the row: latest incidents, what they mean, what to check",
    ),
    ("[ ] Left Right", "in the details: previous row, next row"),
    (
        "/, F4",
        "show only rows that contain a text: name, PID, address, port or kind",
    ),
    ("Esc", "back; on a list: clear the filter"),
    ("s >, <, F6", "sort by the next or the previous column"),
    ("S, r", "reverse the sort order"),
    ("p, Space", "pause (counting continues); p again resumes"),
    ("c", "reset counters (losses are kept)"),
    ("?, h, F1", "help"),
    ("Ctrl-L", "redraw the screen"),
    ("Ctrl-Z", "suspend; fg resumes"),
    ("q, Ctrl-C, F10", "quit with a summary"),
    (
        "mouse",
        "click a page, a column or a row (double-click: details); Shift and drag selects text",
    ),
];

/// What a key asks for; `None`: nothing.
pub fn action(key: Key, mode: &Mode) -> Option<Action> {
    match key {
        Key::Ctrl('c') | Key::F(10) => return Some(Action::Quit),
        Key::Ctrl('z') => return Some(Action::Suspend),
        Key::Ctrl('l') => return Some(Action::Redraw),
        Key::Click(column, row) => return Some(Action::Click(column, row)),
        Key::WheelUp => return Some(Action::Move(-WHEEL)),
        Key::WheelDown => return Some(Action::Move(WHEEL)),
        _ => {}
    }
    match mode {
        Mode::Filter(_) => written(key),
        Mode::Rows => moved(key).or_else(|| turned(key)).or_else(|| chosen(key)),
        Mode::Details(_) => match key {
            Key::Left | Key::Char('[') => Some(Action::OtherRow(-1)),
            Key::Right | Key::Char(']') => Some(Action::OtherRow(1)),
            _ => moved(key).or_else(|| turned(key)).or_else(|| chosen(key)),
        },
        Mode::Help(_) => match key {
            Key::Escape | Key::Enter | Key::Char('q' | '?' | 'h') | Key::F(1) => Some(Action::Back),
            _ => moved(key).or_else(|| turned(key)),
        },
    }
}

fn written(key: Key) -> Option<Action> {
    Some(match key {
        Key::Char(letter) => Action::Write(letter),
        Key::Backspace => Action::Erase,
        Key::Ctrl('u') => Action::EraseAll,
        Key::Enter => Action::Accept,
        Key::Escape => Action::Back,
        Key::Up | Key::Down | Key::PageUp | Key::PageDown => return moved(key),
        _ => return None,
    })
}

fn moved(key: Key) -> Option<Action> {
    Some(match key {
        Key::Up | Key::Char('k') => Action::Move(-1),
        Key::Down | Key::Char('j') => Action::Move(1),
        Key::PageUp | Key::Ctrl('b') => Action::Page(-1),
        Key::PageDown | Key::Ctrl('f') => Action::Page(1),
        Key::Home | Key::Char('g') => Action::First,
        Key::End | Key::Char('G') => Action::Last,
        _ => return None,
    })
}

fn turned(key: Key) -> Option<Action> {
    Some(match key {
        Key::Tab | Key::Right => Action::NextTab,
        Key::BackTab | Key::Left => Action::PreviousTab,
        Key::Char(digit @ '1'..='7') => {
            let tab = Tab::ALL.get(digit as usize - '1' as usize)?;
            Action::Tab(*tab)
        }
        _ => return None,
    })
}

fn chosen(key: Key) -> Option<Action> {
    Some(match key {
        Key::Char('q') => Action::Quit,
        Key::Char('?' | 'h') | Key::F(1) => Action::Help,
        Key::Enter => Action::Open,
        Key::Escape => Action::Back,
        Key::Char('/') | Key::F(4) => Action::Filter,
        Key::Char('s' | '>' | '.') | Key::F(6) => Action::Sort(1),
        Key::Char('<' | ',') => Action::Sort(-1),
        Key::Char('S' | 'r') => Action::Reverse,
        Key::Char('p' | ' ') => Action::Pause,
        Key::Char('c') => Action::Clear,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_every_letter_and_the_way_out_stays() {
        let mode = Mode::Filter(String::new());
        for letter in "qp/?1sc ".chars() {
            assert_eq!(
                action(Key::Char(letter), &mode),
                Some(Action::Write(letter))
            );
        }
        assert_eq!(action(Key::Ctrl('c'), &mode), Some(Action::Quit));
        assert_eq!(action(Key::Escape, &mode), Some(Action::Back));
        assert_eq!(action(Key::Enter, &mode), Some(Action::Accept));
    }

    #[test]
    fn arrows_turn_pages_among_rows_and_rows_among_details() {
        assert_eq!(action(Key::Right, &Mode::Rows), Some(Action::NextTab));
        assert_eq!(
            action(Key::Right, &Mode::Details(0)),
            Some(Action::OtherRow(1))
        );
        assert_eq!(
            action(Key::Char('7'), &Mode::Rows),
            Some(Action::Tab(Tab::Incidents))
        );
        assert_eq!(action(Key::Char('8'), &Mode::Rows), None);
    }

    #[test]
    fn q_ends_but_only_closes_the_help() {
        assert_eq!(action(Key::Char('q'), &Mode::Rows), Some(Action::Quit));
        assert_eq!(
            action(Key::Char('q'), &Mode::Details(3)),
            Some(Action::Quit)
        );
        assert_eq!(action(Key::Char('q'), &Mode::Help(0)), Some(Action::Back));
    }
}
