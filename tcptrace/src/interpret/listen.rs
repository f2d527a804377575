//! Refused connections.

use std::cmp::Ordering;

use crate::model::What;
use crate::model::event::QueueDrop;
use crate::model::incident::LimitedBy;

/// Accept queue full.
pub(super) fn accept_drop(facts: &QueueDrop) -> What {
    What::AcceptDrop {
        step: facts.step,
        outcome: facts.outcome,
        queue: facts.queue,
        limited_by: by_listen(facts),
        count: facts.count,
    }
}

/// What was given to listen(), or what cut it.
pub(super) fn by_listen(facts: &QueueDrop) -> Option<LimitedBy> {
    let limit = facts.queue?.limit;
    limited_by(limit, facts.somaxconn, facts.backlog)
}

/// SYN queue full: it has the accept queue's limit, and below that tcp_max_syn_backlog may refuse.
pub(super) fn syn_drop(facts: &QueueDrop, limited_by: Option<LimitedBy>) -> What {
    What::SynDrop {
        outcome: facts.outcome,
        queue: facts.queue,
        limited_by,
        count: facts.count,
    }
}

/// Which setting a limit comes from: it is `min(backlog, somaxconn)` at the time of listen().
///
/// With the backlog known that is certain. Otherwise the limit is compared with somaxconn of now:
/// below it the backlog binds; at it somaxconn does, whatever the program asked for, since a larger
/// backlog alone would not help; above it nothing can be said, for somaxconn was lowered since.
#[must_use]
pub fn limited_by(limit: u32, somaxconn: Option<u32>, backlog: Option<u32>) -> Option<LimitedBy> {
    let Some(backlog) = backlog else {
        return match limit.cmp(&somaxconn?) {
            Ordering::Less => Some(LimitedBy::Backlog),
            Ordering::Equal => Some(LimitedBy::Somaxconn),
            Ordering::Greater => None,
        };
    };
    match limit.cmp(&backlog) {
        Ordering::Less => Some(LimitedBy::Somaxconn),
        Ordering::Equal if somaxconn == Some(limit) => Some(LimitedBy::Both),
        Ordering::Equal => Some(LimitedBy::Backlog),
        Ordering::Greater => None,
    }
}
