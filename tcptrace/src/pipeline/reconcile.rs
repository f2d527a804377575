//! Our counts against the kernel's own counters, over the same interval and namespaces.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::ledger::Ledger;
use super::namespaces::Namespaces;
use crate::model::incident::{DropOutcome, PawsWhere, ResetCause, RetransmitType, TimeWaitPhase};
use crate::model::summary::{Reconciled, Verdict};
use crate::model::{Evidence, Incident, Kind, KindSet, What};

/// Around the instants at which the counters were read, an event may fall on either side.
const SLACK_NS: u64 = 2_000_000;

/// What one incident adds to a counter; 0 = another counter's business.
type Adds = fn(&Incident) -> u64;

/// A counter, the kind that feeds it, and by how much.
struct Rule {
    counter: &'static str,
    kind: Kind,
    adds: Adds,
    /// Why the two may differ though nothing went wrong.
    known_gap: Option<Gap>,
}

/// A difference that has a known reason: on which side the larger count lies, and why.
#[derive(Clone, Copy)]
struct Gap {
    kernel_is: Ordering,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        counter: "TcpExt.ListenOverflows",
        kind: Kind::AcceptDrop,
        adds: |incident| match &incident.what {
            What::AcceptDrop { count, .. } => *count,
            _ => 0,
        },
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TCPReqQFullDrop",
        kind: Kind::SynDrop,
        adds: |incident| syn_drops(incident, DropOutcome::Dropped),
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TCPReqQFullDoCookies",
        kind: Kind::SynDrop,
        adds: |incident| syn_drops(incident, DropOutcome::Cookie),
        known_gap: Some(Gap {
            kernel_is: Ordering::Greater,
            why: "a SYN that wanted a cookie and met a full accept queue counts in both",
        }),
    },
    Rule {
        counter: "Tcp.OutRsts",
        kind: Kind::RstSent,
        adds: |_| 1,
        known_gap: Some(Gap {
            kernel_is: Ordering::Less,
            why: "resets without a route are reported but not counted",
        }),
    },
    Rule {
        counter: "TcpExt.TCPAbortOnData",
        kind: Kind::RstSent,
        adds: |incident| match reset(incident) {
            Some((ResetCause::LingerZero, _)) => 1,
            Some((_, Some("TCP_ABORT_ON_DATA"))) => 1,
            _ => 0,
        },
        known_gap: Some(Gap {
            kernel_is: Ordering::Greater,
            why: "also counts connections closed with SO_LINGER{1,0} before a handshake",
        }),
    },
    Rule {
        counter: "TcpExt.TCPAbortOnClose",
        kind: Kind::RstSent,
        adds: |incident| {
            let reason = reset(incident).and_then(|(_, reason)| reason);
            u64::from(reason == Some("TCP_ABORT_ON_CLOSE"))
        },
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TCPAbortOnLinger",
        kind: Kind::RstSent,
        adds: |incident| {
            let reason = reset(incident).and_then(|(_, reason)| reason);
            u64::from(reason == Some("TCP_ABORT_ON_LINGER"))
        },
        known_gap: None,
    },
    Rule {
        counter: "Tcp.RetransSegs",
        kind: Kind::Retransmit,
        adds: |incident| match &incident.what {
            What::Retransmit {
                segments,
                gave_up: false,
                ..
            } => u64::from(segments.unwrap_or(1)),
            _ => 0,
        },
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TCPSynRetrans",
        kind: Kind::Retransmit,
        adds: |incident| match &incident.what {
            What::Retransmit {
                kind: RetransmitType::Syn | RetransmitType::SynAck,
                gave_up: false,
                ..
            } => 1,
            _ => 0,
        },
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TW",
        kind: Kind::TimeWait,
        adds: |incident| time_waits(incident, TimeWaitPhase::Enter),
        known_gap: Some(Gap {
            kernel_is: Ordering::Less,
            why: "before 6.1 the kernel counts a TIME_WAIT when it ends",
        }),
    },
    Rule {
        counter: "TcpExt.TCPTimeWaitOverflow",
        kind: Kind::TimeWait,
        adds: |incident| time_waits(incident, TimeWaitPhase::Overflow),
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.TWRecycled",
        kind: Kind::TimeWait,
        adds: |incident| match &incident.what {
            // The kernel counts what connect() takes over, not what a SYN does.
            What::TimeWait {
                phase: TimeWaitPhase::Reuse,
                new_owner: Some(owner),
                ..
            } if owner.basis == crate::model::Basis::Task => 1,
            _ => 0,
        },
        known_gap: None,
    },
    Rule {
        counter: "TcpExt.PAWSEstab",
        kind: Kind::PawsDrop,
        adds: |incident| match &incident.what {
            What::PawsDrop {
                place: PawsWhere::Established,
                ..
            } => 1,
            _ => 0,
        },
        known_gap: None,
    },
];

fn syn_drops(incident: &Incident, wanted: DropOutcome) -> u64 {
    match &incident.what {
        What::SynDrop {
            outcome: Some(outcome),
            count,
            ..
        } if *outcome == wanted => *count,
        _ => 0,
    }
}

fn time_waits(incident: &Incident, wanted: TimeWaitPhase) -> u64 {
    match &incident.what {
        What::TimeWait { phase, .. } => u64::from(*phase == wanted),
        _ => 0,
    }
}

fn reset(incident: &Incident) -> Option<(ResetCause, Option<&str>)> {
    match &incident.what {
        What::RstSent { cause, reason, .. } => Some((*cause, reason.as_deref())),
        _ => None,
    }
}

/// Our counts of one namespace, in the order of the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    seen: [u64; RULES.len()],
    /// Read off the very counter: no second opinion.
    counted: [u64; RULES.len()],
}

impl Counts {
    pub(super) fn add(&mut self, incident: &Incident) {
        let sums = if incident.evidence == Evidence::Counted {
            &mut self.counted
        } else {
            &mut self.seen
        };
        for (sum, rule) in sums.iter_mut().zip(RULES) {
            if rule.kind == incident.kind() {
                *sum += (rule.adds)(incident);
            }
        }
    }
}

impl Counts {
    /// What hooks have told of a counter's events.
    pub(super) fn seen(&self, counter: &str) -> u64 {
        let place = RULES.iter().position(|rule| rule.counter == counter);
        place.map_or(0, |place| self.seen[place])
    }
}

/// The interval between the two readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    start_ns: u64,
    end_ns: u64,
}

impl Window {
    pub(super) fn begin(start_ns: u64, is_known: bool) -> Self {
        Self {
            start_ns: if is_known { start_ns } else { u64::MAX },
            end_ns: u64::MAX,
        }
    }

    pub(super) fn end(&mut self, end_ns: u64) {
        self.end_ns = end_ns;
    }

    pub(super) fn contains(&self, boot_ns: u64) -> bool {
        boot_ns >= self.start_ns && boot_ns <= self.end_ns.saturating_add(SLACK_NS)
    }
}

/// The table of the summary. Empty when a filter leaves out what the kernel counts.
pub(super) fn rows(
    namespaces: &Namespaces,
    ledger: &Ledger,
    kinds: KindSet,
    is_partial: bool,
) -> Vec<Reconciled> {
    if is_partial || !namespaces.is_known() {
        return Vec::new();
    }
    let has_gone = ledger
        .counts
        .keys()
        .any(|inode| !namespaces.is_read(*inode));
    let mut rows = Vec::new();
    let wanted = |(_, rule): &(usize, &Rule)| kinds.contains(rule.kind);
    for (place, rule) in RULES.iter().enumerate().filter(wanted) {
        let mut sums = Sums {
            kernel: 0,
            ours: 0,
            counted: 0,
            lost: ledger.lost_of(rule.kind),
            has_gone,
            unread: namespaces.unread,
        };
        let mut is_there = false;
        for (inode, rise) in namespaces.rises(rule.counter) {
            is_there = true;
            sums.kernel += rise;
            if let Some(counts) = ledger.counts.get(&inode) {
                sums.ours += counts.seen[place];
                sums.counted += counts.counted[place];
            }
        }
        if is_there {
            let (verdict, note) = sums.verdict(rule);
            rows.push(Reconciled {
                counter: rule.counter,
                kernel: sums.kernel,
                ours: sums.ours,
                verdict,
                note,
            });
        }
    }
    rows
}

/// What one counter is compared by.
#[derive(Clone, Copy, Debug)]
struct Sums {
    kernel: u64,
    ours: u64,
    counted: u64,
    lost: u64,
    /// A namespace ended with its counters.
    has_gone: bool,
    /// Namespaces whose counters could not be read.
    unread: u32,
}

impl Sums {
    fn verdict(&self, rule: &Rule) -> (Verdict, Option<String>) {
        let unread = || format!("{} network namespaces could not be read", self.unread);
        if self.kernel == self.ours {
            return (Verdict::Exact, (self.unread > 0).then(unread));
        }
        let side = self.kernel.cmp(&self.ours);
        let note = if self.counted > 0 && self.kernel == self.ours + self.counted {
            format!("{} were counted from this counter, not seen", self.counted)
        } else if self.kernel > self.ours && self.kernel - self.ours <= self.lost {
            format!("{} events of kind {} were lost", self.lost, rule.kind)
        } else if let Some(gap) = rule.known_gap.filter(|gap| side == gap.kernel_is) {
            gap.why.to_owned()
        } else if self.has_gone && self.ours > self.kernel {
            "a network namespace ended and took its counters along".to_owned()
        } else if self.unread > 0 {
            unread()
        } else {
            return (Verdict::Differs, None);
        };
        (Verdict::Explained, Some(note))
    }
}
