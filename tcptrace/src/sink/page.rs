//! Lines of at most 100 columns, or as many as the terminal has: headings, and rows with a label and a wrapped text.
//!
//! Whatever goes through here is harmless for a terminal: errors quote the kernel and /proc.

use super::color::{END, Impact};
use super::sanitize::clean;

/// Columns of a line at most: longer ones are hard to read.
const COLUMNS: usize = 100;
/// Columns at least: texts begin at column 51 and need some room.
const FEWEST_COLUMNS: usize = 72;
/// Where the texts of plain rows begin.
const TEXT_AT: usize = 22;

/// A text in the making.
#[derive(Debug)]
pub struct Page {
    text: String,
    is_colored: bool,
    columns: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Page {
    /// An empty one.
    pub const fn new(is_colored: bool) -> Self {
        Self {
            text: String::new(),
            is_colored,
            columns: COLUMNS,
        }
    }

    /// The same for a terminal of that many columns.
    #[must_use]
    pub fn in_columns(self, columns: usize) -> Self {
        Self {
            columns: columns.clamp(FEWEST_COLUMNS, COLUMNS),
            ..self
        }
    }

    /// Columns of a line.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Begins a part.
    pub fn heading(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(title);
    }

    /// A label and what there is to say of it.
    pub fn row(&mut self, label: &str, text: &str) {
        self.hang(&format!("  {label}"), TEXT_AT, text);
    }

    /// Text that begins at column `at`, behind `label`, and is wrapped there.
    pub fn hang(&mut self, label: &str, at: usize, text: &str) {
        self.hang_in(None, label, at, text);
    }

    /// The same, every line of it in the colour of `impact`.
    pub fn hang_in(&mut self, impact: Option<Impact>, label: &str, at: usize, text: &str) {
        let mut begin = format!("{:<at$}", clean(label));
        if begin.chars().count() > at {
            begin.push(' ');
        }
        let first = self.columns.saturating_sub(begin.chars().count());
        let lines = wrapped(&clean(text), first, self.columns.saturating_sub(at).max(1));
        for (place, part) in lines.iter().enumerate() {
            if place > 0 {
                begin = " ".repeat(at);
            }
            begin.push_str(part);
            self.line_in(impact, &begin);
        }
    }

    /// One line, however long.
    pub fn line(&mut self, text: &str) {
        self.line_in(None, &clean(text));
    }

    fn line_in(&mut self, impact: Option<Impact>, text: &str) {
        let text = text.trim_end();
        match impact.filter(|_| self.is_colored && !text.is_empty()) {
            Some(impact) => {
                self.text.push_str(impact.start());
                self.text.push_str(text);
                self.text.push_str(END);
            }
            None => self.text.push_str(text),
        }
        self.text.push('\n');
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Lines of at most `first`, then `width` characters, broken between words and, where a word is
/// longer than a line, within it. At least one line.
fn wrapped(text: &str, first: usize, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = first;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        loop {
            let gap = usize::from(room < if lines.len() == 1 { first } else { width });
            if rest.len() + gap <= room {
                push(&mut lines, gap, &rest);
                room -= rest.len() + gap;
                break;
            }
            if gap == 0 {
                let tail = rest.split_off(room.min(rest.len()));
                push(&mut lines, 0, &rest);
                rest = tail;
            }
            lines.push(String::new());
            room = width;
        }
    }
    lines
}

fn push(lines: &mut [String], gap: usize, word: &[char]) {
    if let Some(line) = lines.last_mut() {
        line.extend(std::iter::repeat_n(' ', gap));
        line.extend(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_narrow_terminal_gets_shorter_lines() {
        for (asked, longest) in [(80, 80), (20, FEWEST_COLUMNS), (300, COLUMNS)] {
            let mut page = Page::default().in_columns(asked);
            page.hang("label", 51, &"word ".repeat(40));
            let lengths = page.text().lines().map(|line| line.chars().count());
            let most = lengths.max().unwrap_or(0);
            assert!(most <= longest && most + 5 > longest, "{most} of {longest}");
        }
    }

    #[test]
    fn rows_hang_at_their_column() {
        let mut page = Page::default();
        page.heading("PART");
        page.row("label", &"word ".repeat(30));
        let lines: Vec<&str> = page.text().lines().collect();
        assert_eq!(lines[0], "PART");
        assert!(lines[1].starts_with("  label               word word"));
        assert!(lines[2].starts_with(&format!("{}word", " ".repeat(TEXT_AT))));
    }

    #[test]
    fn a_label_longer_than_its_column_is_kept_whole() {
        let mut page = Page::default();
        page.row("a_label_that_is_longer_than_that", "text");
        assert_eq!(page.text(), "  a_label_that_is_longer_than_that text\n");
    }

    #[test]
    fn an_empty_text_leaves_the_label() {
        let mut page = Page::default();
        page.row("label", "");
        assert_eq!(page.text(), "  label\n");
    }

    #[test]
    fn colour_begins_and_ends_on_each_line_and_only_where_it_is_wanted() {
        for (is_colored, begins) in [(true, "\u{1b}[31m"), (false, "")] {
            let mut page = Page::new(is_colored);
            page.hang_in(Some(Impact::Bad), "label", 8, &"word ".repeat(30));
            assert_eq!(page.text().lines().count(), 2);
            for line in page.text().lines() {
                assert!(line.starts_with(begins), "{line:?}");
                assert_eq!(line.contains('\u{1b}'), is_colored, "{line:?}");
                assert_eq!(line.ends_with(END), is_colored, "{line:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_nothing_but_blanks_is_lost(text in crate::sink::sanitize::any_text(), at in 2usize..60) {
            let mut page = Page::default();
            page.hang("", at, &text);
            prop_assert!(page.text().lines().all(|line| line.chars().count() <= COLUMNS));
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(solid(page.text()), solid(&clean(&text)));
        }

        #[test]
        fn nothing_hostile_reaches_the_terminal(text in crate::sink::sanitize::any_text()) {
            let mut page = Page::default();
            page.row("label", &text);
            prop_assert!(!page.text().chars().any(|c| c != '\n' && crate::sink::sanitize::is_hostile(c)));
        }
    }
}
