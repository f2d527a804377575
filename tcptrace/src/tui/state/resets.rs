//! RSTs by cause (sent) or meaning (received), and by process.

use std::sync::Arc;

use super::bounded::Bounded;
use super::count::{Count, Who, renew, who};
use super::latest::Numbered;
use crate::model::incident::{ResetCause, ResetMeaning};
use crate::model::{Kind, Process, What};

/// Rows kept at most.
const MOST: usize = 512;

/// Which way a RST went, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// From here.
    Sent(ResetCause),
    /// To here.
    Received(ResetMeaning),
}

impl Way {
    /// The kind of such incidents.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Sent(_) => Kind::RstSent,
            Self::Received(_) => Kind::RstReceived,
        }
    }

    /// Name of the cause or meaning.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent(cause) => cause.name(),
            Self::Received(meaning) => meaning.name(),
        }
    }
}

/// One cause in one process.
#[derive(Clone, Debug)]
pub struct ResetRow {
    /// Identity, the first half.
    pub way: Way,
    /// Identity, the second half.
    pub who: Who,
    /// `None`: the owner is not known.
    pub process: Option<Arc<Process>>,
    /// RSTs.
    pub count: Count,
    /// Bytes that these threw away, as far as known: written and not acknowledged, or received and
    /// not read.
    pub bytes: u64,
    /// RSTs of which not all of that is known.
    pub unknown: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Resets {
    rows: Bounded<(Way, Who), ResetRow>,
    sent: [u64; ResetCause::ALL.len()],
    received: [u64; ResetMeaning::ALL.len()],
}

impl Default for Resets {
    fn default() -> Self {
        Self {
            rows: Bounded::new(MOST),
            sent: [0; ResetCause::ALL.len()],
            received: [0; ResetMeaning::ALL.len()],
        }
    }
}

impl Resets {
    pub(super) fn on(&mut self, numbered: &Numbered) {
        let incident = &*numbered.incident;
        let (way, parts) = match &incident.what {
            What::RstSent {
                cause,
                unsent_bytes,
                unacked_bytes,
                unread_bytes,
                ..
            } => {
                self.sent[*cause as usize] += 1;
                let parts = [*unsent_bytes, *unacked_bytes, *unread_bytes];
                (Way::Sent(*cause), Some(parts))
            }
            What::RstReceived { meaning, .. } => {
                self.received[*meaning as usize] += 1;
                (Way::Received(*meaning), None)
            }
            _ => return,
        };
        let who = who(incident);
        let row = self.rows.touch((way, who), || ResetRow {
            way,
            who,
            process: None,
            count: Count::default(),
            bytes: 0,
            unknown: 0,
        });
        row.count.add(numbered);
        renew(&mut row.process, incident);
        if let Some(parts) = parts {
            row.bytes += parts.iter().flatten().map(|b| u64::from(*b)).sum::<u64>();
            row.unknown += u64::from(parts.iter().any(Option::is_none));
        }
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &ResetRow> {
        self.rows.values()
    }

    /// RSTs by cause and meaning, of rows that went too; only those above 0, the most first.
    pub fn totals(&self) -> Vec<(Way, u64)> {
        let sent = ResetCause::ALL.iter().map(|cause| Way::Sent(*cause));
        let received = ResetMeaning::ALL.iter().map(|m| Way::Received(*m));
        let counts = self.sent.iter().chain(&self.received);
        let mut totals: Vec<_> = sent.chain(received).zip(counts.copied()).collect();
        totals.retain(|(_, count)| *count > 0);
        totals.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        totals
    }

    /// How many rows went for room.
    pub fn left_out(&self) -> u64 {
        self.rows.left_out()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
