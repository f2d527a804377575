//! Text from outside as text of a page, whatever is in it.
//!
//! maud escapes all that is not a literal of this program, so that nothing from outside becomes markup:
//! a process may call itself `<script>`. Characters that turn the writing direction, or have no
//! width, would let a name forge what stands beside it: [`text`] and [`prose`] replace them and all
//! controls, and cut what is too long. Everything from outside goes through one of the two.

use std::fmt::{self, Display, Write as _};

use maud::{Markup, Render, html};

use crate::sink::sanitize::is_hostile;

/// Characters of a name from outside at most; a path may have thousands.
const LONGEST: usize = 240;
/// Characters of a sentence at most.
const LONGEST_SENTENCE: usize = 1000;

/// Text from anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T> {
    text: T,
    /// Characters at most.
    room: usize,
}

/// A name or a number, from anywhere.
pub(super) const fn text<T: Display>(text: T) -> Text<T> {
    Text {
        text,
        room: LONGEST,
    }
}

/// A sentence, from anywhere.
pub(super) const fn prose<T: Display>(text: T) -> Text<T> {
    Text {
        text,
        room: LONGEST_SENTENCE,
    }
}

impl<T: Display> Render for Text<T> {
    fn render_to(&self, out: &mut String) {
        let room = self.room;
        // Writing to a String cannot fail; a text that is cut ends early on purpose.
        let _cut = write!(Escaping { out, room }, "{}", self.text);
    }
}

/// Parts with a comma between each two of them.
pub(super) fn listed(parts: impl IntoIterator<Item = Markup>) -> Markup {
    html! {
        @for (at, part) in parts.into_iter().enumerate() {
            @if at > 0 { ", " }
            (part)
        }
    }
}

/// A path of SVG; nothing where it is empty.
pub(super) fn path(class: &'static str, data: &PathData) -> Markup {
    html! {
        @if !data.0.is_empty() {
            path class=(class) d=(data.0) {}
        }
    }
}

/// Commands of an SVG path: built of numbers only.
#[derive(Debug, Default)]
pub(super) struct PathData(String);

impl PathData {
    fn put(&mut self, command: char, numbers: &[f64]) -> &mut Self {
        self.0.push(command);
        for (at, number) in numbers.iter().enumerate() {
            if at > 0 {
                self.0.push(' ');
            }
            // Two decimals of a bin or a percent are finer than any screen.
            let rounded = (number * 100.0).round() / 100.0;
            // Writing to a String cannot fail.
            let _infallible = write!(self.0, "{rounded}");
        }
        self
    }

    /// Moves the pen.
    pub(super) fn start(&mut self, x: f64, y: f64) -> &mut Self {
        self.put('M', &[x, y])
    }

    /// A line across.
    pub(super) fn across(&mut self, x: f64) -> &mut Self {
        self.put('H', &[x])
    }

    /// A line up or down.
    pub(super) fn upright(&mut self, y: f64) -> &mut Self {
        self.put('V', &[y])
    }

    /// A filled box.
    pub(super) fn of_area(x: f64, y: f64, width: f64, height: f64) -> Self {
        let mut area = Self::default();
        area.start(x, y)
            .put('h', &[width])
            .put('v', &[height])
            .put('h', &[-width]);
        area.0.push('z');
        area
    }
}

/// Writes text as text.
struct Escaping<'a> {
    out: &'a mut String,
    /// Characters that may still come.
    room: usize,
}

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.room == 0 {
                // One mark only, however much more comes.
                return Err(fmt::Error);
            }
            self.room -= 1;
            if self.room == 0 {
                self.out.push('…');
                return Err(fmt::Error);
            }
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                c if is_hostile(c) => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
        Ok(())
    }
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0 bytes`, `1 byte`, `1,023 bytes`, `1.5 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 10_240 {
        return plural(count, "byte", "bytes");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `1 process`, `2 processes`.
pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(count),
        if count == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> String {
        super::text(text).render().into_string()
    }

    #[test]
    fn a_process_named_like_a_tag_stays_text() {
        assert_eq!(
            text("<script>alert('x' & \"y\")</script>"),
            "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;"
        );
    }

    #[test]
    fn an_attribute_cannot_be_left() {
        let cell = html! { td title=(super::text("\" onmouseover=\"x")) { "a" } };
        assert_eq!(
            cell.into_string(),
            "<td title=\"&quot; onmouseover=&quot;x\">a</td>"
        );
    }

    #[test]
    fn controls_and_direction_marks_are_replaced() {
        assert_eq!(text("a\u{1b}[2J\u{202e}b\u{0}\u{200b}c\n"), "a�[2J�b��c�");
    }

    #[test]
    fn endless_text_is_cut_with_a_mark() {
        let cut = text(&"ä".repeat(10_000));
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        let texts = [1, 10_239, 10_240, 1_572_864, u64::MAX].map(bytes);
        assert_eq!(
            texts,
            ["1 byte", "10,239 bytes", "10.0 KiB", "1.5 MiB", "16.0 EiB"]
        );
    }

    #[test]
    fn a_path_is_short_and_made_of_numbers() {
        let data = PathData::of_area(3.0, 1.0 / 3.0, 1.0, 99.999);
        assert_eq!(
            path("a", &data).into_string(),
            r#"<path class="a" d="M3 0.33h1v100h-1z"></path>"#
        );
        assert_eq!(path("a", &PathData::default()).into_string(), "");
    }

    proptest! {
        #[test]
        fn no_text_makes_markup(hostile in crate::sink::sanitize::any_text()) {
            let written = text(&hostile);
            prop_assert!(!written.contains(['<', '>', '"', '\'']));
            prop_assert!(!written.chars().any(is_hostile));
        }
    }
}
