//! Objects that are written seldom, by serde: rows, losses, the summary, the doctor's report.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use super::escape::{is_plain, put_escaped, put_unit};

/// Appends the fields of an object to one that is open.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    let start = out.len();
    value
        .serialize(&mut Serializer::with_formatter(
            &mut *out,
            Harmless(Digits::Two),
        ))
        .map_err(io::Error::from)?;
    // The braces are those of the open object.
    if let Some(brace) = out.get_mut(start) {
        *brace = b',';
    }
    out.pop();
    Ok(())
}

/// An object as text of its own.
pub(super) fn text(value: &impl Serialize, digits: Digits) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // The model's objects can be written, and so can a Vec.
    drop(value.serialize(&mut Serializer::with_formatter(&mut out, Harmless(digits))));
    out
}

/// Digits behind the point.
#[derive(Clone, Copy)]
pub(super) enum Digits {
    /// Two.
    Two,
    /// As many as there are.
    All,
}

/// Compact, with escapes for what could harm a terminal.
struct Harmless(Digits);

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain(fragment) {
            return to.write_all(fragment.as_bytes());
        }
        let mut escaped = Vec::with_capacity(fragment.len() * 2);
        put_escaped(&mut escaped, fragment);
        to.write_all(&escaped)
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let unit = match escape {
            CharEscape::Quote => return to.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return to.write_all(b"\\\\"),
            CharEscape::Solidus => b'/',
            CharEscape::Backspace => 8,
            CharEscape::FormFeed => 12,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        let mut escaped = Vec::with_capacity(6);
        put_unit(&mut escaped, unit.into());
        to.write_all(&escaped)
    }

    fn write_f64<W: ?Sized + Write>(&mut self, to: &mut W, value: f64) -> io::Result<()> {
        match self.0 {
            Digits::Two => write!(to, "{value:.2}"),
            Digits::All => CompactFormatter.write_f64(to, value),
        }
    }
}
