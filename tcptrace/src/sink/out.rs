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

#[cfg(test)]
mod tests {
    use super::*;

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
