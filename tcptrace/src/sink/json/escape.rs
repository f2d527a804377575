//! Strings with what JSON demands escaped, and what could harm a terminal.

use crate::sink::sanitize;

/// A string with quotes. Escapes what JSON demands and what could harm a terminal: the value stays
/// the same.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        put_escaped(out, text);
    }
    out.push(b'"');
}

/// Whether nothing in it is escaped. Without an early end the check works on many bytes at once.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |is_plain, byte| {
        is_plain & (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
    })
}

pub(super) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if sanitize::is_hostile(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    put_unit(out, *unit);
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

pub(super) fn put_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = (unit >> shift & 0xf) as u8;
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_string_reads_back_and_stays_on_one_harmless_line(text in sanitize::any_text()) {
            let mut out = Vec::new();
            put_string(&mut out, &text);
            let written = String::from_utf8(out).unwrap();
            prop_assert!(!written.chars().any(sanitize::is_hostile));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
