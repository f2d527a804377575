//! Colour by meaning: red for what was lost or refused, yellow for what got worse, dim for news.

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

/// How bad an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Data lost, or a connection refused or killed.
    Bad,
    /// Service got worse.
    Degraded,
    /// Ordinary life.
    Info,
}

impl Severity {
    /// Of an incident.
    pub fn of(what: &What) -> Self {
        match what {
            What::RstSent { .. } => Self::Bad,
            What::RstReceived { meaning } => match meaning {
                ResetMeaning::Refused | ResetMeaning::Reset => Self::Bad,
                ResetMeaning::AfterClose => Self::Degraded,
            },
            What::LingerClose { outcome, .. } => match outcome {
                LingerOutcome::Drained | LingerOutcome::Interrupted => Self::Degraded,
                LingerOutcome::TimedOut | LingerOutcome::Reset => Self::Bad,
            },
            What::AcceptDrop { .. } => Self::Bad,
            What::SynDrop { outcome, .. } => match outcome {
                Some(DropOutcome::Cookie) => Self::Degraded,
                Some(DropOutcome::Dropped | DropOutcome::Reset) | None => Self::Bad,
            },
            What::Retransmit { .. } | What::PawsDrop { .. } => Self::Degraded,
            What::TimeWait { phase, .. } => match phase {
                TimeWaitPhase::Overflow => Self::Degraded,
                TimeWaitPhase::Enter | TimeWaitPhase::Reuse | TimeWaitPhase::Expire => Self::Info,
            },
            What::State { .. } => Self::Info,
            What::Close { how, .. } => match how {
                Some(CloseHow::Fin) | None => Self::Info,
                Some(
                    CloseHow::RstSent
                    | CloseHow::RstReceived
                    | CloseHow::Timeout
                    | CloseHow::Aborted,
                ) => Self::Degraded,
            },
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

/// Ends what [`Severity::start`] began.
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
