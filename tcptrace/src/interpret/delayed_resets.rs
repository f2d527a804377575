//! RSTs received by orphans, held back until it is certain that the peer sent them.
//!
//! The kernel also reports a received RST when it resets an orphan of its own, and sends a RST in the
//! same softirq. A RST sent by the same socket takes the report back.

use std::collections::{HashMap, VecDeque};

use crate::model::Incident;

/// How long a report is held back. Longer than a softirq takes on a machine under load, or an
/// emulated one.
pub const HOLD_NS: u64 = 20_000_000;

/// Reports held at once at most: those of 800,000 RSTs a second.
const MOST: usize = 16_384;

/// Reports in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct DelayedResets {
    queue: VecDeque<Report>,
    /// Reports that have left the front of the queue: the number of its first one.
    left: u64,
    /// Number of the latest report of each socket.
    latest: HashMap<u64, u64>,
    /// Reports that found no room.
    dropped: u64,
}

#[derive(Debug)]
struct Report {
    sock: Option<u64>,
    /// `None`: taken back.
    incident: Option<Incident>,
}

impl DelayedResets {
    /// Whether a moment is more than [`HOLD_NS`] after another.
    pub(super) const fn is_due(boot_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(boot_ns) > HOLD_NS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Holds a report back. Without room the oldest one is dropped and counted.
    pub(super) fn push(&mut self, sock: Option<u64>, incident: Incident) {
        if self.queue.len() >= MOST {
            self.dropped += u64::from(self.pop().is_some());
        }
        if let Some(sock) = sock {
            self.latest
                .insert(sock, self.left + self.queue.len() as u64);
        }
        let incident = Some(incident);
        self.queue.push_back(Report { sock, incident });
    }

    /// Takes the latest report of a socket back.
    pub(super) fn take_back(&mut self, sock: u64) {
        let Some(number) = self.latest.remove(&sock) else {
            return;
        };
        // Fits: the queue is no longer than MOST.
        let at = number.wrapping_sub(self.left) as usize;
        if let Some(report) = self.queue.get_mut(at) {
            report.incident = None;
        }
        self.skip();
    }

    /// The oldest report if it was held long enough at `now_ns`; without a moment, in any case.
    pub(super) fn pop_due(&mut self, now_ns: Option<u64>) -> Option<Incident> {
        let oldest = self.queue.front()?.incident.as_ref()?;
        if now_ns.is_some_and(|now| !Self::is_due(oldest.boot_ns, now)) {
            return None;
        }
        self.pop()
    }

    /// Reports dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn pop(&mut self) -> Option<Incident> {
        let report = self.queue.pop_front()?;
        if let Some(sock) = report.sock
            && self.latest.get(&sock) == Some(&self.left)
        {
            self.latest.remove(&sock);
        }
        self.left += 1;
        self.skip();
        report.incident
    }

    /// The front of the queue is never a report that was taken back.
    fn skip(&mut self) {
        while self
            .queue
            .front()
            .is_some_and(|report| report.incident.is_none())
        {
            self.queue.pop_front();
            self.left += 1;
        }
    }
}
