//! Draws one frame over the other on a terminal, and gives the terminal back as it was.

use std::io::{self, Write};
use std::os::fd::AsFd;

/// The other screen, no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";
const HOME: &[u8] = b"\x1b[H";
const CLEAR_LINE: &[u8] = b"\x1b[K";
const CLEAR_BELOW: &[u8] = b"\x1b[J";

/// A terminal that is drawn on in place until it is dropped.
#[derive(Debug)]
pub(super) struct Screen;

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let mut out = io::stdout().lock();
        out.write_all(ENTER)?;
        out.flush()?;
        Ok(Self)
    }

    /// Columns and rows; `None` if it is not a terminal or does not report them.
    pub(super) fn size(stream: &impl AsFd) -> Option<(usize, usize)> {
        let size = rustix::termios::tcgetwinsize(stream).ok()?;
        (size.ws_col > 0 && size.ws_row > 0)
            .then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Shows as many lines as there are rows; the last row says how many are left out.
    pub(super) fn draw(&mut self, text: &[u8], rows: usize) -> io::Result<()> {
        let lines: Vec<&[u8]> = text
            .strip_suffix(b"\n")
            .unwrap_or(text)
            .split(|byte| *byte == b'\n')
            .collect();
        let shown = if lines.len() > rows {
            rows.saturating_sub(1)
        } else {
            lines.len()
        };
        let mut frame = HOME.to_vec();
        for (at, line) in lines.iter().take(shown).enumerate() {
            if at > 0 {
                frame.extend_from_slice(b"\r\n");
            }
            frame.extend_from_slice(line);
            frame.extend_from_slice(CLEAR_LINE);
        }
        if shown < lines.len() {
            let more = format!("\r\n… {} lines more", lines.len() - shown);
            frame.extend_from_slice(more.as_bytes());
            frame.extend_from_slice(CLEAR_LINE);
        }
        frame.extend_from_slice(CLEAR_BELOW);
        let mut out = io::stdout().lock();
        out.write_all(&frame)?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        // A terminal that went away needs nothing back.
        drop(out.write_all(LEAVE).and_then(|()| out.flush()));
    }
}
