//! What facts mean. Pure: no clock, no I/O, nothing of the running kernel but what the model holds.

pub mod advice;
pub mod cidr;
mod close;
mod connect;
pub mod counter_rules;
mod delayed_resets;
pub mod filter;
pub mod listen;
mod paws;
pub mod pids;
mod reset;
mod retransmit;
#[cfg(test)]
pub(crate) mod tests;
mod time_wait;
mod timed_out;

use crate::model::event::{LingerEnd, StateChange};
use crate::model::{Event, Evidence, Host, Incident, Signal, What};

use delayed_resets::DelayedResets;

pub use delayed_resets::HOLD_NS;

/// Turns events into incidents.
#[derive(Debug)]
pub struct Interpreter {
    host: Host,
    delayed_resets: DelayedResets,
}

/// Whether what the event means is held back for [`HOLD_NS`].
pub const fn is_held_back(event: &Event) -> bool {
    matches!(event.signal, Signal::ResetReceived { dead: true })
}

impl Interpreter {
    /// For a kernel.
    pub fn new(host: Host) -> Self {
        Self {
            host,
            delayed_resets: DelayedResets::default(),
        }
    }

    /// What the event means, into `found`: at most one incident, now or later.
    #[inline]
    pub fn on(&mut self, event: Event, found: &mut impl FnMut(Incident)) {
        self.release(Some(event.boot_ns), found);
        let sock = event.sock;
        let is_held = is_held_back(&event);
        let (mut evidence, host) = (event.evidence, &self.host);
        let what = match event.signal {
            Signal::State(change) => Some(state(change)),
            Signal::Reset(facts) => {
                if reset::answers_late_data(&facts)
                    && let Some(sock) = sock
                {
                    // The RST "received" just before was the kernel's own.
                    self.delayed_resets.take_back(sock);
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
            Signal::SynDrop(facts) => Some(listen::syn_drop(&facts, listen::by_listen(&facts))),
            Signal::BacklogDrop(facts) => Some(listen::syn_drop(
                &facts,
                Some(crate::model::incident::LimitedBy::MaxSynBacklog),
            )),
            Signal::TimeWait(facts) => Some(time_wait::what(facts, host)),
            Signal::Linger(facts) => Some(linger(&facts, event.boot_ns, host)),
            Signal::Paws { reason, check } => paws::what(reason, check, host),
            Signal::Close(facts) => Some(close::what(&facts, event.state)),
            Signal::TimedOut(facts) => {
                evidence = timed_out::evidence(&facts);
                Some(timed_out::what(&facts, event.state, host))
            }
            Signal::ConnectFailed(facts) => {
                evidence = connect::evidence(&facts);
                connect::what(&facts)
            }
            Signal::CallFailed(facts) => Some(connect::returned(&facts)),
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
            self.delayed_resets.push(sock, incident);
        } else {
            found(incident);
        }
    }

    /// Whether anything is held back, to be let go by [`Self::tick`].
    pub fn is_holding(&self) -> bool {
        !self.delayed_resets.is_empty()
    }

    /// Incidents dropped since the last call because too many were held back: to be counted as lost.
    pub fn take_dropped(&mut self) -> u64 {
        self.delayed_resets.take_dropped()
    }

    /// Lets go of what was held back long enough at `now_ns`.
    pub fn tick(&mut self, now_ns: u64, found: &mut impl FnMut(Incident)) {
        self.release(Some(now_ns), found);
    }

    /// Lets go of everything.
    pub fn finish(&mut self, found: &mut impl FnMut(Incident)) {
        self.release(None, found);
    }

    #[inline]
    fn release(&mut self, now_ns: Option<u64>, found: &mut impl FnMut(Incident)) {
        while let Some(incident) = self.delayed_resets.pop_due(now_ns) {
            found(incident);
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
