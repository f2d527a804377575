//! The few requests of roff that a manual page takes.

use std::io::{self, Write};

/// Lines as they are.
pub(super) fn literal(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(out, ".nf")?;
    for line in text.lines() {
        writeln!(out, "{}", escaped(line))?;
    }
    writeln!(out, ".fi")
}

/// Begins a part.
pub(super) fn section(out: &mut Vec<u8>, name: &str) -> io::Result<()> {
    writeln!(out, ".SH {name}")
}

/// A text, filled by roff.
pub(super) fn paragraph(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    writeln!(out, ".PP\n{}", escaped(text))
}

/// A term and what it means.
pub(super) fn tagged(out: &mut Vec<u8>, tag: &str, text: &str) -> io::Result<()> {
    writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(tag), escaped(text))
}

/// Text that roff takes literally: no escapes, no requests, dashes that can be copied.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('…', "\\[u2026]");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_a_request() {
        assert_eq!(escaped(".TH x"), "\\&.TH x");
        assert_eq!(escaped("a\\b --c"), "a\\eb \\-\\-c");
    }
}
