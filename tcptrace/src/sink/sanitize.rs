//! Foreign text (process names, paths) made harmless for a terminal.
//!
//! A process may call itself anything: an escape sequence would run in the reader's terminal, and
//! characters that turn the writing direction or have no width would forge a line.

use super::put;

/// Whether the character must not reach a terminal as it is: controls (C0, DEL, C1), line and
/// paragraph separators, and format characters without a width or that turn the direction.
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text without anything that a terminal would obey.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_hostile(c) { '?' } else { c })
        .collect()
}

/// The same of a text for people, whose lines stay lines.
pub fn clean_lines(text: &str) -> String {
    let harmless = |c: char| if c != '\n' && is_hostile(c) { '?' } else { c };
    text.chars().map(harmless).collect()
}

/// Appends at most `width` characters; hostile ones become `?`, a cut is marked by `…`. Returns how
/// many characters were appended.
pub(super) fn append(out: &mut Vec<u8>, text: &str, width: usize) -> usize {
    // Without an early end the check works on many bytes at once.
    let is_plain = text.bytes().fold(true, |is_plain, byte| {
        is_plain & (b' '..=b'~').contains(&byte)
    });
    if is_plain && text.len() <= width {
        put::text(out, text);
        return text.len();
    }
    let is_cut = text.chars().nth(width).is_some();
    let kept = if is_cut {
        width.saturating_sub(1)
    } else {
        width
    };
    let mut appended = 0;
    for c in text.chars().take(kept) {
        let c = if is_hostile(c) { '?' } else { c };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        appended += 1;
    }
    if is_cut && width > 0 {
        out.extend_from_slice("…".as_bytes());
        appended += 1;
    }
    appended
}

/// Any text for tests, with what terminals obey and what forges lines in every other one. The `String` of
/// proptest has no control and no format character at all.
#[cfg(test)]
pub(crate) fn any_text() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    const HOSTILE: &str =
        "\0\t\n\r\u{1b}\u{7}\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{202e}\u{2028}\u{feff}\u{e0001}";
    let hostile: Vec<char> = HOSTILE.chars().collect();
    let any = prop_oneof![3 => any::<char>(), 1 => prop::sample::select(hostile)];
    prop::collection::vec(any, 0..80).prop_map(|chars| chars.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str, width: usize) -> String {
        let mut out = Vec::new();
        let count = append(&mut out, text, width);
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(count, shown.chars().count());
        shown
    }

    #[test]
    fn escape_sequences_newlines_and_direction_marks_never_pass() {
        assert_eq!(clean("\u{1b}[31mred\n", 20), "?[31mred?");
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{9b}d", 20), "a?b?c?d");
    }

    #[test]
    fn a_cut_is_marked_and_an_exact_fit_is_not() {
        assert_eq!(clean("gunicorn-worker", 15), "gunicorn-worker");
        assert_eq!(clean("gunicorn-worker", 14), "gunicorn-work…");
        assert_eq!(clean("größe", 5), "größe");
        assert_eq!(clean("größe", 4), "grö…");
        assert_eq!(clean("abc", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_hostile_passes(text in any_text(), width in 0usize..40) {
            let shown = clean(&text, width);
            prop_assert!(shown.chars().count() <= width);
            prop_assert!(!shown.chars().any(is_hostile));
        }
    }
}
