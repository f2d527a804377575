//! A buffer before a writer: many lines, one write.

use std::io::{self, Write};

/// Written out early beyond this, so that a caller who never flushes cannot eat the memory.
const EARLY_BYTES: usize = 256 * 1024;

pub(super) struct Out<W> {
    pub(super) buffer: Vec<u8>,
    writer: W,
}

impl<W: Write> Out<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            buffer: Vec::with_capacity(16 * 1024),
            writer,
        }
    }

    /// Ends the line, broken between words where it is wider than `columns`; later parts begin after `indent` blanks.
    pub(super) fn end_line(&mut self, columns: usize, indent: usize) {
        let begin = self.buffer.iter().rposition(|byte| *byte == b'\n');
        let line = self.buffer.split_off(begin.map_or(0, |at| at + 1));
        let mut width = 0;
        for word in line.split_inclusive(|byte| *byte == b' ') {
            let taken = visible(word.trim_ascii_end());
            if width > indent && width + taken > columns {
                let end = self.buffer.trim_ascii_end().len();
                self.buffer.truncate(end);
                self.buffer.push(b'\n');
                self.buffer.extend(std::iter::repeat_n(b' ', indent));
                width = indent;
            }
            self.buffer.extend_from_slice(word);
            width += visible(word);
        }
        self.buffer.push(b'\n');
    }

    /// To be called after each line.
    pub(super) fn line_done(&mut self) -> io::Result<()> {
        if self.buffer.len() < EARLY_BYTES {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Writes the buffer out. It is empty afterwards even on `Err`: a batch is not written twice.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self
            .writer
            .write_all(&self.buffer)
            .and_then(|()| self.writer.flush());
        self.buffer.clear();
        written
    }
}

/// Lines of text, broken between words where a terminal of that many columns is narrower; later parts are indented.
pub fn broken(text: &str, columns: Option<usize>) -> String {
    let mut out = Out::new(io::sink());
    for line in text.lines() {
        out.buffer.extend_from_slice(line.as_bytes());
        out.end_line(columns.unwrap_or(usize::MAX), 2);
    }
    String::from_utf8_lossy(&out.buffer).into_owned()
}

/// Characters that take room on a terminal: not those of a colour.
fn visible(text: &[u8]) -> usize {
    let mut in_color = false;
    let takes_room = |byte: &&u8| match (in_color, **byte) {
        (false, 0x1b) => {
            in_color = true;
            false
        }
        (true, end) => {
            in_color = end != b'm';
            false
        }
        // Every byte but those that continue a character.
        (false, byte) => byte & 0xc0 != 0x80,
    };
    text.iter().filter(takes_room).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, columns: usize, indent: usize) -> String {
        let mut out = Out::new(Vec::new());
        out.buffer.extend_from_slice(text.as_bytes());
        out.end_line(columns, indent);
        String::from_utf8(out.buffer).unwrap()
    }

    #[test]
    fn a_line_is_broken_between_words_and_only_where_it_must() {
        assert_eq!(lines("one\ntwo three", 9, 2), "one\ntwo three\n");
        assert_eq!(lines("two three four", 9, 2), "two three\n  four\n");
        assert_eq!(lines("endless_word b", 5, 2), "endless_word\n  b\n");
        assert_eq!(
            lines("a é\u{1b}[31mé\u{1b}[0m b", 4, 0),
            "a é\u{1b}[31mé\u{1b}[0m\nb\n"
        );
        assert_eq!(lines("", 4, 0), "\n");
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_reported_and_empties_the_buffer() {
        let mut out = Out::new(Closed);
        out.buffer.extend_from_slice(b"line\n");
        assert_eq!(out.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(out.flush().is_ok());
    }

    #[test]
    fn an_unflushed_buffer_stays_bounded() {
        let mut written = Vec::new();
        let mut out = Out::new(&mut written);
        for _ in 0..EARLY_BYTES / 1024 {
            out.buffer.extend_from_slice(&[b'x'; 1024]);
            out.line_done().unwrap();
        }
        assert!(out.buffer.is_empty());
        drop(out);
        assert_eq!(written.len(), EARLY_BYTES);
    }
}
