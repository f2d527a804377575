//! Cells to the bytes of a terminal: moves, styles and characters of what has changed, one write a
//! frame. Knows the 16 colours and the styles of [`super::theme`], and nothing of what is drawn.

use std::fmt;
use std::io;
use std::io::Write as _;

use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

use super::term;

/// What the terminal writes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Pen = Pen {
    fg: Color::Reset,
    bg: Color::Reset,
    modifier: Modifier::empty(),
};

/// See the module.
#[derive(Debug)]
pub(super) struct Screen {
    out: Vec<u8>,
    pen: Pen,
    /// Where the next character goes, if that is known.
    at: Option<(u16, u16)>,
}

impl Default for Screen {
    /// The terminal's pen is plain.
    fn default() -> Self {
        Self {
            out: Vec::new(),
            pen: PLAIN,
            at: None,
        }
    }
}

impl Screen {
    /// Appends; writing to memory does not fail.
    fn add(&mut self, text: fmt::Arguments<'_>) {
        drop(self.out.write_fmt(text));
    }

    fn cell(&mut self, x: u16, y: u16, cell: &Cell) {
        if self.at != Some((x, y)) {
            self.add(format_args!(
                "\x1b[{};{}H",
                u32::from(y) + 1,
                u32::from(x) + 1
            ));
        }
        let pen = Pen {
            fg: cell.fg,
            bg: cell.bg,
            modifier: cell.modifier,
        };
        if pen != self.pen {
            self.take(pen);
        }
        let symbol = cell.symbol();
        self.out.extend_from_slice(symbol.as_bytes());
        // Only of these it is certain how far the terminal moves.
        self.at = (symbol.len() == 1).then(|| (x.saturating_add(1), y));
    }

    fn take(&mut self, pen: Pen) {
        self.pen = pen;
        self.out.extend_from_slice(b"\x1b[0");
        for (modifier, code) in [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::UNDERLINED, 4),
            (Modifier::REVERSED, 7),
        ] {
            if pen.modifier.contains(modifier) {
                self.add(format_args!(";{code}"));
            }
        }
        for (color, base) in [(pen.fg, 30), (pen.bg, 40)] {
            if let Some(number) = number(color) {
                self.add(format_args!(";{}", base + number));
            }
        }
        self.out.push(b'm');
    }
}

/// Of the 16; `None`: the terminal's own.
const fn number(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        _ => return None,
    })
}

impl Backend for Screen {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        for (x, y, cell) in content {
            self.cell(x, y, cell);
        }
        Ok(())
    }

    /// It is hidden as long as the screen is ours.
    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.at.map_or(Position::ORIGIN, Position::from))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.add(format_args!(
            "\x1b[{};{}H",
            u32::from(y) + 1,
            u32::from(x) + 1
        ));
        self.at = Some((x, y));
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.take(PLAIN);
        self.out.extend_from_slice(b"\x1b[2J");
        self.at = None;
        Ok(())
    }

    /// Whatever part is meant: what stays is drawn again.
    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        let (columns, rows) = term::size();
        Ok(Size::new(columns, rows))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = term::write(&self.out);
        self.out.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use ratatui_core::buffer::Buffer;
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;

    use super::*;

    fn bytes(before: &Buffer, after: &Buffer) -> String {
        let mut screen = Screen::default();
        screen.draw(before.diff_iter(after)).unwrap();
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn only_what_changed_is_written_with_its_style() {
        let empty = Buffer::empty(Rect::new(0, 0, 10, 2));
        let mut full = empty.clone();
        full.set_string(2, 1, "ab", Style::new().fg(Color::Red));
        full.set_string(4, 1, "c", Style::new());
        assert_eq!(bytes(&empty, &full), "\x1b[2;3H\x1b[0;31mab\x1b[0mc");
        let mut bold = full.clone();
        bold.set_string(
            0,
            0,
            "x",
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        );
        assert_eq!(bytes(&full, &bold), "\x1b[1;1H\x1b[0;1;7mx");
        assert_eq!(bytes(&full, &full), "");
    }

    #[test]
    fn after_a_wide_character_the_place_is_reported_again() {
        let empty = Buffer::empty(Rect::new(0, 0, 10, 1));
        let mut full = empty.clone();
        full.set_string(0, 0, "漢x", Style::new());
        assert_eq!(bytes(&empty, &full), "\x1b[1;1H漢\x1b[1;3Hx");
    }
}
