//! What was seen, shown, left out and lost. Identity: seen = shown + filtered + rate_limited + lost.

use super::{Kind, named};

named! {
    /// Where events were lost.
    LossPlace {
        /// The kernel's ring was full.
        Ring = "ring",
        /// A channel inside tcptrace was full, or a record could not be decoded.
        Channel = "channel",
        /// The output could not be written.
        Sink = "sink",
    }
}

/// A loss as it is reported while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where.
    pub place: LossPlace,
    /// Which kind; `None` when the record could not even be told.
    pub of_kind: Option<Kind>,
    /// How many since the last such report.
    pub count: u64,
}

/// The totals of a run, or of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything heard.
    pub seen: u64,
    /// Written out.
    pub shown: u64,
    /// Left out by a filter, in the kernel or after it.
    pub filtered: u64,
    /// Left out by `--rate-limit`.
    pub rate_limited: u64,
    /// Lost.
    pub lost: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            seen: self.seen.saturating_add(other.seen),
            shown: self.shown.saturating_add(other.shown),
            filtered: self.filtered.saturating_add(other.filtered),
            rate_limited: self.rate_limited.saturating_add(other.rate_limited),
            lost: self.lost.saturating_add(other.lost),
        }
    }

    /// Whether nothing is unaccounted for.
    pub const fn is_balanced(&self) -> bool {
        self.seen == self.shown + self.filtered + self.rate_limited + self.lost
    }
}
