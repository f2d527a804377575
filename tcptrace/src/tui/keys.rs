//! From the bytes of a terminal to keys and clicks.
//!
//! Written for this screen because a general reader waits for the rest of a sequence that never comes, and
//! this screen must keep drawing: what is incomplete stays in the buffer until more comes, or until the caller
//! says that nothing did ([`Decoder::give_up`]). Bytes that mean nothing here are skipped.

/// A key, or a button of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as on the keyboard")]
pub enum Key {
    Char(char),
    /// With a lower-case letter.
    Ctrl(char),
    Enter,
    Escape,
    Tab,
    BackTab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    F(u8),
    /// At column and row, from 0.
    Click(u16, u16),
    WheelUp,
    WheelDown,
}

const ESCAPE: u8 = 0x1b;
/// No sequence that means anything here is as long.
const LONGEST: usize = 32;

/// What the front of the buffer is.
enum Front {
    /// So many bytes, and what they mean.
    Whole(usize, Option<Key>),
    /// The rest is still to come.
    Part,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes what the terminal sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether something incomplete waits.
    pub fn is_waiting(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The rest does not come: the first byte stands for itself.
    pub fn give_up(&mut self) -> Option<Key> {
        let first = self.buffer.first().copied()?;
        self.buffer.remove(0);
        (first == ESCAPE).then_some(Key::Escape)
    }

    fn front(&self) -> Front {
        match *self.buffer.as_slice() {
            [] => Front::Part,
            [ESCAPE, ref rest @ ..] => match escape(rest) {
                Front::Whole(length, key) => Front::Whole(length + 1, key),
                Front::Part if self.buffer.len() >= LONGEST => Front::Whole(1, None),
                Front::Part => Front::Part,
            },
            [byte @ 0..0x20 | byte @ 0x7f, ..] => Front::Whole(1, control(byte)),
            ref bytes => letter(bytes),
        }
    }
}

impl Iterator for Decoder {
    type Item = Key;

    /// The next key; `None`: none is complete.
    fn next(&mut self) -> Option<Key> {
        loop {
            let Front::Whole(length, key) = self.front() else {
                return None;
            };
            self.buffer.drain(..length.min(self.buffer.len()));
            if key.is_some() {
                return key;
            }
        }
    }
}

const fn control(byte: u8) -> Option<Key> {
    match byte {
        b'\r' | b'\n' => Some(Key::Enter),
        b'\t' => Some(Key::Tab),
        0x08 | 0x7f => Some(Key::Backspace),
        1..=26 => Some(Key::Ctrl((b'a' + byte - 1) as char)),
        _ => None,
    }
}

/// A character of UTF-8; a byte that begins none is skipped.
fn letter(bytes: &[u8]) -> Front {
    let length = match bytes[0] {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return Front::Whole(1, None),
    };
    let Some(whole) = bytes.get(..length) else {
        return Front::Part;
    };
    match std::str::from_utf8(whole) {
        Ok(text) => Front::Whole(length, text.chars().next().map(Key::Char)),
        Err(_) => Front::Whole(1, None),
    }
}

/// What follows an escape.
fn escape(rest: &[u8]) -> Front {
    match rest {
        [] | [b'[' | b'O'] | [b'[', b'['] => Front::Part,
        [b'O', letter, ..] => Front::Whole(2, named(*letter)),
        // Function keys of the Linux console.
        [b'[', b'[', letter, ..] => {
            let number = letter.checked_sub(b'A').filter(|number| *number < 5);
            Front::Whole(3, number.map(|number| Key::F(number + 1)))
        }
        [b'[', sequence @ ..] => {
            let Some(end) = sequence
                .iter()
                .position(|byte| !(0x20..0x40).contains(byte))
            else {
                return Front::Part;
            };
            let (text, last) = (&sequence[..end], sequence[end]);
            if last < 0x20 {
                // Interrupted: what comes next starts a new sequence.
                return Front::Whole(end + 1, None);
            }
            Front::Whole(end + 2, sequence_key(text, last))
        }
        // A key after Escape, or with Alt: Escape first.
        _ => Front::Whole(0, Some(Key::Escape)),
    }
}

const fn named(letter: u8) -> Option<Key> {
    Some(match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'Z' => Key::BackTab,
        b'P'..=b'S' => Key::F(letter - b'P' + 1),
        _ => return None,
    })
}

fn sequence_key(text: &[u8], last: u8) -> Option<Key> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(mouse) = text.strip_prefix('<') {
        return click(mouse, last);
    }
    if last != b'~' {
        return named(last);
    }
    // The second number is of Shift, Alt and Ctrl.
    let number: u8 = text.split(';').next()?.parse().ok()?;
    Some(match number {
        1 | 7 => Key::Home,
        4 | 8 => Key::End,
        5 => Key::PageUp,
        6 => Key::PageDown,
        11..=15 => Key::F(number - 10),
        17..=21 => Key::F(number - 11),
        23 | 24 => Key::F(number - 12),
        _ => return None,
    })
}

/// `button;column;row` from 1, pressed with `M`.
fn click(mouse: &str, last: u8) -> Option<Key> {
    let mut numbers = mouse.split(';').map(str::parse::<u16>);
    let (button, column, row) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?);
    match (button, last) {
        (0, b'M') => Some(Key::Click(
            column.ok()?.checked_sub(1)?,
            row.ok()?.checked_sub(1)?,
        )),
        (64, b'M') => Some(Key::WheelUp),
        (65, b'M') => Some(Key::WheelDown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        let mut keys: Vec<Key> = decoder.by_ref().collect();
        while decoder.is_waiting() {
            keys.extend(decoder.give_up());
            keys.extend(decoder.by_ref());
        }
        keys
    }

    #[test]
    fn keys_of_common_terminals_are_known() {
        for (bytes, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[1;5C", Key::Right),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6~", Key::PageDown),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[Z", Key::BackTab),
            (b"\x1bOP", Key::F(1)),
            (b"\x1b[[A", Key::F(1)),
            (b"\x1b[11~", Key::F(1)),
            (b"\x1b[17~", Key::F(6)),
            (b"\x1b[21~", Key::F(10)),
            (b"\x7f", Key::Backspace),
            (b"\r", Key::Enter),
            (b"\x03", Key::Ctrl('c')),
            (b"\x1a", Key::Ctrl('z')),
            ("ä".as_bytes(), Key::Char('ä')),
            (b"\x1b[<0;12;3M", Key::Click(11, 2)),
            (b"\x1b[<64;1;1M", Key::WheelUp),
            (b"\x1b", Key::Escape),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn what_means_nothing_is_skipped_whole() {
        for bytes in [
            &b"\x1b[<0;12;3m"[..],
            b"\x1b[<0;0;0M",
            b"\x1b[200~",
            b"\x1b[3~",
            b"\xff\xfe",
            b"\x1b[?1;2c",
            b"\x00",
        ] {
            assert_eq!(keys(bytes), [], "{bytes:?}");
        }
        assert_eq!(keys(b"\x1b[\x03a"), [Key::Ctrl('c'), Key::Char('a')]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
        assert_eq!(keys(b"\x1bq"), [Key::Escape, Key::Char('q')]);
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut decoder = Decoder::default();
        for piece in [&b"\x1b"[..], b"[", b"<0;1", b"2;3"] {
            decoder.feed(piece);
            assert_eq!(decoder.next(), None);
            assert!(decoder.is_waiting());
        }
        decoder.feed(b"Mx");
        assert_eq!(decoder.next(), Some(Key::Click(11, 2)));
        assert_eq!(decoder.next(), Some(Key::Char('x')));
        assert!(!decoder.is_waiting());
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            keys(&bytes);
        }

        #[test]
        fn sequences_of_any_kind_come_to_an_end(text in "(\x1b[\\[O<0-9;A-Zm~\x1b]{0,9}){0,20}") {
            keys(text.as_bytes());
        }
    }
}
