//! The owner chain: what the kernel side reported, then what /proc adds.
//!
//! 1. The hook-time owner (basis `task`, `socket`, `listener`, or `snapshot` from the walk at
//!    start) becomes a process, named by the event and, while it lives, by /proc.
//! 2. A TIME_WAIT socket is known by who left it: remembered from when it began.
//! 3. A connection whose accepting process made no call on it yet is looked up in /proc by the
//!    inode of its file (basis `snapshot`).
//! 4. A listener is inherited, passed on and shared: it belongs to whoever holds it now, and the
//!    reported process is its owner only while it is one of them ([`listeners`]).
//! 5. Who used a connection last may have given it away since. The kernel side compares its descriptor
//!    with the socket's file at the moment of the event; where that does not decide, `/proc` is read. An
//!    owner that was not seen to hold the socket by either is marked ([`Owner::is_stale`]).
//!
//! Fails by leaving the owner `None`. Attribution must never hold up the ring: the few files that say who a
//! process is are read at once, since it may be gone a moment later; descriptors and command lines are read by other
//! threads ([`aside`]), within a budget, and waited for a moment only.

mod aside;
pub mod holders;
mod listeners;
mod lookups;
mod minisocks;
pub mod proc;
mod processes;
#[cfg(test)]
mod tests;
mod users;

use std::time::{Duration, Instant};

use crate::model::event::{StateChange, TimeWait};
use crate::model::flow::TcpState;
use crate::model::incident::TimeWaitPhase;
use crate::model::owner::ReportedOwner;
use crate::model::{Basis, Event, Owner, Signal};

use lookups::Lookups;
use minisocks::Minisocks;
use processes::Processes;

pub(crate) use listeners::serving;
pub use processes::with_name;

/// Finds owners.
#[derive(Debug, Default)]
pub struct Attributor {
    processes: Processes,
    minisocks: Minisocks,
    lookups: Lookups,
}

impl Attributor {
    /// Learns who holds sockets now, for when the kernel side could not list them itself:
    /// (inode, cookie) of each socket.
    pub fn learn(&mut self, sockets: &[(u64, u64)]) {
        self.lookups.learn(sockets);
    }

    /// How long the oldest reading of /proc that is not done takes.
    #[must_use]
    pub fn waiting(&self, now: Instant) -> Duration {
        self.lookups.waiting(now).max(self.processes.waiting(now))
    }

    /// Fills `event.owner`.
    pub fn attribute(&mut self, event: &mut Event) {
        self.lookups.take_late();
        self.processes.take_late();
        let now_ns = event.boot_ns;
        let mut owner = event
            .heard
            .as_ref()
            .map(|heard| self.processes.owner(heard, now_ns));
        if listeners::is_about_one(event) {
            owner = self.of_listener(event, owner);
        } else {
            owner = self.of_connection(event, owner);
        }
        // Who makes a listener need not use what it accepts.
        if let (Some(port), Some(heard)) = (event.flow.local.map(|end| end.port), &event.heard)
            && heard.basis != Basis::Listener
            && !has_listened(event)
        {
            self.lookups.note_user(port, heard);
        }
        if let Signal::TimeWait(time_wait) = &mut event.signal {
            let has_left = !matches!(
                time_wait.phase,
                TimeWaitPhase::Enter | TimeWaitPhase::Overflow
            );
            owner = self.time_wait(time_wait, &event.flow, owner);
            if let Some(owner) = owner.as_mut().filter(|_| has_left) {
                self.processes.bring_up_to_date(&mut owner.process, now_ns);
            }
        } else if is_about_minisock(event)
            && let Some(mut left_by) = self.minisocks.find(&event.flow)
        {
            self.processes
                .bring_up_to_date(&mut left_by.process, now_ns);
            owner = Some(left_by);
        }
        event.owner = owner;
    }

    /// A socket that has a file but no caller yet, that is older than the walk covers, or that was handed on.
    fn look_up(&mut self, event: &Event) -> Option<Owner> {
        let port = event.flow.local.map(|end| end.port);
        let pid = match (event.inode, event.flow.cookie) {
            (Some(inode), _) => {
                self.lookups
                    .holder(inode, port, event.heard.as_ref(), event.boot_ns)
            }
            (_, Some(cookie)) => self.lookups.by_cookie(cookie),
            _ => None,
        }?;
        let process = self.processes.present(pid, event.boot_ns)?;
        Some(listeners::found(&process, Basis::Snapshot))
    }

    /// The owner of a connection; `heard` is the owner that the kernel side reported.
    fn of_connection(&mut self, event: &Event, heard: Option<Owner>) -> Option<Owner> {
        let Some(mut owner) = heard else {
            return self.look_up(event);
        };
        match (owner.basis, &event.heard, event.inode) {
            // Accepted, but whoever did that has not used it yet.
            (Basis::Listener, heard, _) => {
                let is_its = |heard: &ReportedOwner| heard.holds && !heard.is_discarded;
                owner.is_stale = !heard.as_ref().is_some_and(is_its);
                return self.look_up(event).or(Some(owner));
            }
            (Basis::Task, ..) => {}
            (_, Some(heard), _) if heard.is_discarded => owner.is_stale = true,
            // Without a file the socket is closed, by whoever used it last.
            (_, Some(heard), Some(inode)) if !heard.holds => {
                match self.lookups.holds(inode, heard.pid, event.boot_ns) {
                    Some(true) if self.lives(heard, event.boot_ns) => {}
                    None => owner.is_stale = true,
                    Some(_) => match self.look_up(event) {
                        Some(holder) => return Some(holder),
                        None => owner.is_stale = true,
                    },
                }
            }
            _ => {}
        }
        Some(owner)
    }

    /// Whether the reported process still has its number.
    fn lives(&mut self, heard: &ReportedOwner, now_ns: u64) -> bool {
        let process = self.processes.found(heard.pid, now_ns);
        process.is_some_and(|process| process.start_ticks == Some(heard.start_ticks))
    }

    /// Who left it. The owner reported with a reuse is that of the new connection.
    fn time_wait(
        &mut self,
        time_wait: &mut TimeWait,
        flow: &crate::model::Flow,
        heard: Option<Owner>,
    ) -> Option<Owner> {
        match time_wait.phase {
            TimeWaitPhase::Enter => {
                self.minisocks.enter(flow, heard.as_ref());
                heard
            }
            TimeWaitPhase::Overflow => heard,
            TimeWaitPhase::Reuse => {
                time_wait.new_owner = heard;
                self.minisocks.leave(flow)
            }
            TimeWaitPhase::Expire => self.minisocks.leave(flow),
        }
    }
}

/// Whether it is about a TIME_WAIT socket, which may stand in for one in FIN_WAIT2.
fn is_about_minisock(event: &Event) -> bool {
    let answers = matches!(&event.signal, Signal::Reset(reset) if reset.is_minisock);
    answers || event.state == Some(TcpState::TimeWait)
}

/// Whether it is about a listener, or has just become one.
fn has_listened(event: &Event) -> bool {
    let listens = |change: &StateChange| change.new == TcpState::Listen;
    event.state == Some(TcpState::Listen)
        || matches!(&event.signal, Signal::State(change) if listens(change))
}

/// The boot clock, which events bear.
fn boot_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// The reported name as text: up to its NUL, foreign bytes replaced.
fn comm_text(heard: &ReportedOwner) -> String {
    let end = heard
        .comm
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(heard.comm.len());
    String::from_utf8_lossy(&heard.comm[..end]).into_owned()
}
