//! From an incident to what it means, how to confirm it and how to fix it.
//!
//! The texts are plain data, one file per family; `cli` and the sinks print them. A test holds that
//! every kind and every cause of the model has its text.

mod deaths;
mod queues;
mod reset_causes;
mod resets;
mod sending;
mod times;

use crate::model::incident::{DropOutcome, What};
use crate::model::{Incident, Kind};

/// What is known about one kind, or one cause of it.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// The kind.
    pub kind: Kind,
    /// Its cause, outcome, type or phase, as named in the NDJSON contract; `None`: the kind itself.
    pub cause: Option<&'static str>,
    /// The whole in one sentence.
    pub line: &'static str,
    /// What happened, and what each side notices of it.
    pub meaning: &'static str,
    /// Commands, and what in their output confirms it.
    pub confirm: &'static [(&'static str, &'static str)],
    /// What to change, the best first.
    pub fix: &'static [&'static str],
    /// What misleads.
    pub pitfalls: &'static [&'static str],
}

const FAMILIES: &[&[Advice]] = &[
    deaths::ADVICE,
    resets::ADVICE,
    reset_causes::ADVICE,
    queues::ADVICE,
    sending::ADVICE,
    times::ADVICE,
];

/// Everything, kind by kind: each kind itself before its causes.
pub fn all() -> impl Iterator<Item = &'static Advice> {
    Kind::ALL.iter().flat_map(|&kind| {
        let of_kind = || {
            FAMILIES
                .iter()
                .copied()
                .flatten()
                .filter(move |advice| advice.kind == kind)
        };
        let itself = of_kind().filter(|advice| advice.cause.is_none());
        itself.chain(of_kind().filter(|advice| advice.cause.is_some()))
    })
}

/// The advice on a kind, or on one cause of it; `None` for a cause the kind does not have.
pub fn find(kind: Kind, cause: Option<&str>) -> Option<&'static Advice> {
    FAMILIES
        .iter()
        .copied()
        .flatten()
        .find(|advice| advice.kind == kind && advice.cause == cause)
}

/// The cause advice is filed under; `None`: only the kind is known.
pub fn cause(incident: &Incident) -> Option<&'static str> {
    match &incident.what {
        // Refused by a RST is another thing than by silence, whatever the step.
        What::AcceptDrop {
            outcome: Some(DropOutcome::Reset),
            ..
        } => Some("reset"),
        // Rare errors are explained with the kind.
        What::ConnectFailed { .. } => what_cause_with_text(&incident.what),
        what => what.cause(),
    }
}

fn what_cause_with_text(what: &What) -> Option<&'static str> {
    what.cause()
        .filter(|cause| find(what.kind(), Some(cause)).is_some())
}

/// The incident in one sentence; `None` for ordinary life, which needs no advice.
pub fn one_line(incident: &Incident) -> Option<&'static str> {
    use crate::model::errno::Errno;
    use crate::model::incident::{CloseHow, TimeWaitPhase};
    match &incident.what {
        What::State { .. }
        | What::Close {
            how: None | Some(CloseHow::Fin),
            ..
        }
        | What::TimeWait {
            phase: TimeWaitPhase::Enter | TimeWaitPhase::Reuse | TimeWaitPhase::Expire,
            ..
        } => None,
        // Programs try IPv6 first also on hosts that have no route for it, and use IPv4 then.
        What::ConnectFailed {
            error: Some(Errno::Enetunreach),
            ..
        } if incident.flow.remote.is_some_and(|end| end.addr.is_ipv6()) => None,
        _ => find(incident.kind(), cause(incident)).map(|advice| advice.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that occur: a refused third ACK is distinguished by its outcome, and a SYN gets no RST.
    fn causes(kind: Kind) -> Vec<&'static str> {
        let mut causes = kind.causes().to_vec();
        match kind {
            Kind::AcceptDrop => causes.push("reset"),
            Kind::SynDrop => causes.retain(|cause| *cause != "reset"),
            // The errors that have a text of their own; the others are explained with the kind.
            Kind::ConnectFailed => {
                causes.retain(|cause| find(Kind::ConnectFailed, Some(cause)).is_some());
            }
            _ => {}
        }
        causes
    }

    #[test]
    fn every_kind_and_every_cause_is_explained_once() {
        for &kind in Kind::ALL {
            let filed: Vec<_> = all()
                .filter(|advice| advice.kind == kind)
                .map(|advice| advice.cause)
                .collect();
            let mut wanted = vec![None];
            wanted.extend(causes(kind).into_iter().map(Some));
            assert_eq!(filed.len(), wanted.len(), "{kind}: {filed:?}");
            for cause in wanted {
                assert!(filed.contains(&cause), "{kind}/{cause:?}");
                assert!(find(kind, cause).is_some());
            }
        }
    }

    #[test]
    fn every_text_is_whole_sentences() {
        for advice in all() {
            let topic = (advice.kind, advice.cause);
            assert!(advice.line.len() <= 100, "{topic:?}: line too long");
            let says = advice.confirm.iter().map(|(_, says)| *says);
            let texts = [advice.line, advice.meaning].into_iter().chain(says);
            for text in texts
                .chain(advice.fix.iter().copied())
                .chain(advice.pitfalls.iter().copied())
            {
                assert!(text.ends_with('.'), "{topic:?}: {text}");
                assert!(text.is_ascii() && !text.contains("  "), "{topic:?}: {text}");
            }
        }
    }
}
