//! Colour by meaning: red for what was lost or refused, yellow for what got worse, dim for news.

pub use crate::model::Impact;
use crate::model::incident::{
    CloseHow, DropOutcome, LingerOutcome, ResetMeaning, TimeWaitPhase, What,
};
use crate::model::named;

named! {
    /// When to colour.
    ColorChoice {
        /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

impl ColorChoice {
    /// Whether a stream is coloured; each stream is judged by itself.
    pub fn colors(self, is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

impl Impact {
    /// Of an incident: that of its kind, unless the fields say better or worse.
    pub fn of(what: &What) -> Self {
        match what {
            What::RstReceived {
                meaning: ResetMeaning::AfterClose,
                ..
            }
            | What::LingerClose {
                outcome: LingerOutcome::Drained | LingerOutcome::Interrupted,
                ..
            }
            | What::SynDrop {
                outcome: Some(DropOutcome::Cookie),
                ..
            }
            | What::TimeWait {
                phase: TimeWaitPhase::Overflow,
                ..
            } => Self::Degraded,
            What::Close { how, .. } => match how {
                Some(CloseHow::Fin) | None => Self::Info,
                Some(_) => Self::Degraded,
            },
            what => what.kind().impact(),
        }
    }

    /// Begins its colour on a terminal.
    pub const fn start(self) -> &'static str {
        match self {
            Self::Bad => "\x1b[31m",
            Self::Degraded => "\x1b[33m",
            Self::Info => "\x1b[2m",
        }
    }
}

/// Ends what [`Impact::start`] began.
pub const END: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_colours_a_terminal_only() {
        assert!(ColorChoice::Auto.colors(true, None, Some("xterm")));
        assert!(!ColorChoice::Auto.colors(false, None, Some("xterm")));
    }

    #[test]
    fn no_color_counts_when_it_is_not_empty() {
        assert!(!ColorChoice::Auto.colors(true, Some("1"), None));
        assert!(ColorChoice::Auto.colors(true, Some(""), None));
        assert!(!ColorChoice::Auto.colors(true, None, Some("dumb")));
    }

    #[test]
    fn an_explicit_choice_beats_the_environment() {
        assert!(ColorChoice::Always.colors(false, Some("1"), Some("dumb")));
        assert!(!ColorChoice::Never.colors(true, None, None));
    }
}
