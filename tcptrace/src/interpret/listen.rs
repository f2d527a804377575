//! Refused connections.

use crate::model::What;
use crate::model::event::QueueDrop;
use crate::model::incident::LimitedBy;

/// Accept queue full.
pub(super) fn accept_drop(facts: &QueueDrop) -> What {
    What::AcceptDrop {
        step: facts.step,
        outcome: facts.outcome,
        queue: facts.queue,
        limited_by: limited_by(facts),
        count: facts.count,
    }
}

/// SYN queue full.
pub(super) fn syn_drop(facts: &QueueDrop) -> What {
    What::SynDrop {
        outcome: facts.outcome,
        queue: facts.queue,
        count: facts.count,
    }
}

/// The limit is `min(backlog, somaxconn)`. Below somaxconn the backlog binds. At somaxconn that
/// binds, whatever the program asked for: a larger backlog would not help.
fn limited_by(facts: &QueueDrop) -> Option<LimitedBy> {
    let (limit, somaxconn) = (facts.queue?.limit, facts.somaxconn?);
    Some(if limit < somaxconn {
        LimitedBy::Backlog
    } else {
        LimitedBy::Somaxconn
    })
}
