//! How things look: styles by meaning, with colour or without, and the marks of bars and curves.
//!
//! Colours are the 16 of the terminal's own palette. Without colour, meaning is carried by bold and
//! reverse; nothing is shown by colour alone, since numbers and words stand next to it.

use ratatui_core::style::{Color, Modifier, Style};

use crate::sink::color::Impact;

/// What curves, bars and marks are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Eighths of blocks, arrows.
    Unicode,
    /// For terminals that are not known to show these.
    Ascii,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Colours may be used.
    pub is_colored: bool,
    /// What to draw with.
    pub marks: Marks,
}

impl Theme {
    fn with(self, color: Color, otherwise: Modifier) -> Style {
        if self.is_colored {
            Style::new().fg(color)
        } else {
            Style::new().add_modifier(otherwise)
        }
    }

    pub(super) fn plain(self) -> Style {
        Style::new()
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of less weight.
    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bad(self) -> Style {
        self.with(Color::Red, Modifier::BOLD)
            .add_modifier(Modifier::BOLD)
    }

    pub(super) fn degraded(self) -> Style {
        self.with(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.with(Color::Green, Modifier::empty())
    }

    /// Names of things, curves.
    pub(super) fn accent(self) -> Style {
        self.with(Color::Cyan, Modifier::empty())
    }

    /// Names of columns.
    pub(super) fn heading(self) -> Style {
        self.strong().add_modifier(Modifier::UNDERLINED)
    }

    /// What is chosen.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn of(self, impact: Impact) -> Style {
        match impact {
            Impact::Bad => self.bad(),
            Impact::Degraded => self.degraded(),
            Impact::Info => self.plain(),
        }
    }

    /// The eight heights of a curve, after nothing.
    fn heights(self) -> &'static [char; 9] {
        match self.marks {
            Marks::Unicode => &[' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Marks::Ascii => &[' ', '.', '.', ':', ':', '-', '=', '+', '#'],
        }
    }

    /// A curve of `width` characters; `values` are shared out evenly among them, the highest is full.
    pub(super) fn curve(self, values: &[u32], width: usize) -> String {
        let width = width.clamp(1, values.len().max(1));
        let mut sums = vec![0_u64; width];
        for (at, value) in values.iter().enumerate() {
            sums[at * width / values.len()] += u64::from(*value);
        }
        let most = sums.iter().copied().max().unwrap_or(0).max(1);
        // Something is never shown as nothing.
        let height = |sum: u64| (sum * 8).div_ceil(most).min(8) as usize;
        sums.iter()
            .map(|sum| self.heights()[height(*sum)])
            .collect()
    }

    /// A bar of `width` characters of which `full` parts of `all` are filled.
    pub(super) fn bar(self, full: u64, all: u64, width: usize) -> String {
        let width_wide = width as u64;
        let filled = match all {
            0 => width_wide.min(full),
            _ => full
                .saturating_mul(width_wide)
                .div_ceil(all)
                .min(width_wide),
        };
        let (on, off) = match self.marks {
            Marks::Unicode => ("█", "░"),
            Marks::Ascii => ("#", "."),
        };
        let filled = usize::try_from(filled).unwrap_or(width);
        on.repeat(filled) + &off.repeat(width - filled)
    }

    /// That something was cut off.
    pub(super) fn cut(self) -> &'static str {
        match self.marks {
            Marks::Unicode => "…",
            Marks::Ascii => "~",
        }
    }

    /// Which way a column is sorted.
    pub(super) fn sorted(self, is_falling: bool) -> &'static str {
        match (self.marks, is_falling) {
            (Marks::Unicode, true) => "▼",
            (Marks::Unicode, false) => "▲",
            (Marks::Ascii, true) => "v",
            (Marks::Ascii, false) => "^",
        }
    }

    pub(super) fn line(self) -> &'static str {
        match self.marks {
            Marks::Unicode => "─",
            Marks::Ascii => "-",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Theme = Theme {
        is_colored: false,
        marks: Marks::Unicode,
    };

    #[test]
    fn the_highest_fills_and_something_is_never_nothing() {
        assert_eq!(PLAIN.curve(&[0, 1, 800, 400], 4), " ▁█▄");
        assert_eq!(PLAIN.curve(&[1, 1, 2, 2], 2), "▄█");
        assert_eq!(PLAIN.curve(&[0; 60], 3), "   ");
        assert_eq!(PLAIN.bar(1, 1000, 4), "█░░░");
        assert_eq!(PLAIN.bar(2000, 1000, 4), "████");
        assert_eq!(PLAIN.bar(0, 0, 4), "░░░░");
        assert_eq!(PLAIN.bar(1, 0, 2), "█░");
    }

    #[test]
    fn without_colour_no_style_has_one() {
        for style in [
            PLAIN.bad(),
            PLAIN.degraded(),
            PLAIN.good(),
            PLAIN.accent(),
            PLAIN.heading(),
            PLAIN.chosen(),
            PLAIN.faint(),
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }

    proptest! {
        #[test]
        fn curves_and_bars_have_their_width(
            values in proptest::collection::vec(any::<u32>(), 1..90),
            width in 1_usize..90,
            full: u64,
            all: u64,
        ) {
            let curve = PLAIN.curve(&values, width);
            prop_assert_eq!(curve.chars().count(), width.min(values.len()));
            prop_assert_eq!(PLAIN.bar(full, all, width).chars().count(), width);
        }
    }
}
