//! What was seen, shown, left out and lost. Identity: seen = shown + filtered + rate_limited + lost.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::known;
use super::{Kind, named};

named! {
    /// Where events were lost.
    LossPlace {
        /// The kernel skipped runs of a hook, since an interrupt brought the same hook again while it
        /// ran. Each run is counted as one event; some of them would have reported none.
        Kernel = "kernel",
        /// The kernel's ring was full.
        Ring = "ring",
        /// A channel inside tcptrace was full, or a record could not be decoded.
        Channel = "channel",
        /// The output could not be written.
        Sink = "sink",
    }
}

/// A loss as it is reported while running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// Where the events were lost.
    #[serde(rename = "where")]
    pub place: LossPlace,
    /// Which kind was lost; null: not known.
    #[serde(deserialize_with = "known")]
    pub of_kind: Option<Kind>,
    /// Which hook was skipped, with `kernel` only; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Cow<'static, str>>,
    /// How many events since the last such report.
    pub count: u64,
}

/// The totals of a run, or of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Tally {
    /// Every event received.
    pub seen: u64,
    /// Events written out.
    pub shown: u64,
    /// Events left out by a filter, in the kernel or after it.
    pub filtered: u64,
    /// Events left out by `--rate-limit`.
    pub rate_limited: u64,
    /// Events lost; at most so many where the kernel skipped runs of a hook.
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
    pub fn is_balanced(&self) -> bool {
        // A summary that is read back may say any numbers.
        let parts = [self.shown, self.filtered, self.rate_limited, self.lost];
        u128::from(self.seen) == parts.into_iter().map(u128::from).sum()
    }
}
