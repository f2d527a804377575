//! What facts mean. Pure: no clock, no I/O, nothing of the running kernel but what the model holds.

pub mod advice;
pub mod cidr;
mod close;
pub mod counter_rules;
pub mod filter;
pub mod listen;
mod paws;
mod reset;
mod retransmit;
#[cfg(test)]
pub(crate) mod tests;
mod time_wait;

use crate::model::event::{LingerEnd, StateChange};
use crate::model::{Event, Evidence, Host, Incident, Signal, What};

/// How long a RST received by an orphan is held back: the kernel also reports it when it resets
/// an orphan of its own, and sends a RST in the same softirq. Longer than a softirq takes on a
/// machine under load, or an emulated one.
const HOLD_NS: u64 = 20_000_000;

/// Turns events into incidents.
#[derive(Debug)]
pub struct Interpreter {
    host: Host,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    sock: Option<u64>,
    incident: Incident,
}

impl Interpreter {
    /// For a kernel.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            held: Vec::new(),
        }
    }

    /// What the event means, into `found`: at most one incident, now or later.
    #[inline]
    pub fn on(&mut self, event: Event, found: &mut impl FnMut(Incident)) {
        self.release(Some(event.boot_ns), found);
        let sock = event.sock;
        let is_held = matches!(event.signal, Signal::ResetReceived { dead: true });
        let (mut evidence, host) = (event.evidence, &self.host);
        let what = match event.signal {
            Signal::State(change) => Some(state(change)),
            Signal::Reset(facts) => {
                if reset::answers_late_data(&facts) {
                    // The RST "received" just before was the kernel's own.
                    self.held.retain(|held| held.sock != sock);
                }
                let verdict = reset::classify(&facts, event.state, host);
                // What the hook had to infer is not made certain by what it says.
                if evidence == Evidence::Seen {
                    evidence = verdict.evidence;
                }
                Some(reset::what(&facts, verdict.cause, event.state, host))
            }
            Signal::ResetReceived { dead } => Some(reset::received(dead, event.state)),
            Signal::Retransmit(facts) => Some(retransmit::what(&facts, event.state)),
            Signal::AcceptDrop(facts) => Some(listen::accept_drop(&facts)),
            Signal::SynDrop(facts) => Some(listen::syn_drop(&facts)),
            Signal::TimeWait(facts) => Some(time_wait::what(facts, host)),
            Signal::Linger(facts) => Some(linger(&facts, event.boot_ns, host)),
            Signal::Paws { reason, check } => paws::what(reason, check, host),
            Signal::Close(facts) => Some(close::what(&facts, event.state)),
        };
        let Some(what) = what else { return };
        let incident = Incident {
            boot_ns: event.boot_ns,
            flow: event.flow,
            state: event.state,
            owner: event.owner,
            hook: event.hook,
            evidence,
            what,
        };
        if is_held {
            self.held.push(Held { sock, incident });
        } else {
            found(incident);
        }
    }

    /// Whether anything is held back, to be let go by [`Self::tick`].
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Lets go of what was held back long enough at `now_ns`; whether there was anything.
    pub fn tick(&mut self, now_ns: u64, found: &mut impl FnMut(Incident)) -> bool {
        let before = self.held.len();
        self.release(Some(now_ns), found);
        self.held.len() < before
    }

    /// Lets go of everything.
    pub fn finish(&mut self, found: &mut impl FnMut(Incident)) {
        self.release(None, found);
    }

    #[inline]
    fn release(&mut self, now_ns: Option<u64>, found: &mut impl FnMut(Incident)) {
        if self.held.is_empty() {
            return;
        }
        let is_due = |held: &Held| {
            now_ns.is_none_or(|now| now.saturating_sub(held.incident.boot_ns) > HOLD_NS)
        };
        while self.held.first().is_some_and(is_due) {
            found(self.held.remove(0).incident);
        }
    }
}

fn state(change: StateChange) -> What {
    What::State {
        old: change.old,
        new: change.new,
        in_old_us: change.in_old_ns.map(|nanos| nanos / 1000),
    }
}

fn linger(facts: &LingerEnd, end_ns: u64, host: &Host) -> What {
    What::LingerClose {
        linger_seconds: host
            .jiffies_ms(facts.linger_jiffies)
            .map(|millis| millis / 1000),
        blocked_ms: end_ns.saturating_sub(facts.start_ns) / 1_000_000,
        outcome: facts.outcome,
        unsent_bytes: facts.unsent_bytes,
        unacked_bytes: facts.unacked_bytes,
        remaining_bytes: facts.remaining_bytes,
    }
}
