//! Who owns a listening socket: it is inherited by workers, handed on by whoever started the service,
//! shared by a whole pool.
//!
//! listen() is often called by a process that ends right after (a daemon that forks, a reload), or that
//! never accepts. So the owner is one of the processes that hold the socket now: the one that was heard
//! of while it does, else the latest known user of the port, else the oldest. All of them are told.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::lookups::is_among;
use super::{Attributor, proc};
use crate::model::flow::TcpState;
use crate::model::owner::MOST_HOLDERS;
use crate::model::{Basis, Event, Owner, Process};

/// Whether the fact is about a listener with a file: itself, or a connection that nobody has accepted.
pub(super) fn is_about_one(event: &Event) -> bool {
    let has_its_file = |heard: &crate::model::owner::Heard| heard.has_listener_file;
    event.inode.is_some()
        && match &event.heard {
            // Its own call: there is nothing to find out.
            Some(heard) if heard.basis == Basis::Task => false,
            heard => {
                event.state == Some(TcpState::Listen) || heard.as_ref().is_some_and(has_its_file)
            }
        }
}

impl Attributor {
    /// The owner of the listener that the event is about, `heard` being who was heard of. As heard where
    /// nothing else is known.
    pub(super) fn of_listener(&mut self, event: &Event, heard: Option<Owner>) -> Option<Owner> {
        let Self {
            lookups, processes, ..
        } = self;
        let now_ns = event.boot_ns;
        let port = event.flow.local.map_or(0, |end| end.port);
        let users = lookups.users(port).to_vec();
        let inode = event.inode?;
        let heard_pid = heard.as_ref().map(|owner| owner.process.pid);
        let Some(listener) = lookups.listener(inode, heard_pid, now_ns) else {
            return heard;
        };
        let identity = heard.as_ref().and_then(|owner| identity(&owner.process));
        let question = (identity, heard.as_ref().map(|owner| owner.basis));
        if let Some((asked, owner)) = &listener.owner
            && *asked == question
        {
            return Some(owner.clone());
        }
        let mut holders: Vec<Arc<Process>> = Vec::new();
        let first = heard_pid.filter(|pid| listener.pids.contains(pid));
        let others = listener.pids.iter().filter(|pid| Some(**pid) != first);
        for pid in first.iter().chain(others).take(MOST_HOLDERS) {
            holders.extend(processes.found(*pid, now_ns));
        }
        let is_heard =
            |process: &Arc<Process>| identity.is_some() && self::identity(process) == identity;
        let stays = match identity {
            Some(identity) => {
                holders.iter().any(is_heard) || listener.is_partial && may_hold(inode, identity)
            }
            None => false,
        };
        let owner = if stays || holders.is_empty() {
            let mut owner = heard?;
            if let Some(process) = holders.iter().find(|process| is_heard(process)) {
                owner.process = Arc::clone(process);
            }
            owner
        } else {
            let process = successor(&holders, &users)?;
            let basis = match &heard {
                Some(owner) if owner.basis == Basis::Listener => Basis::Listener,
                _ => Basis::Snapshot,
            };
            Owner {
                process: Arc::clone(process),
                basis,
                shared_by: None,
                tid: None,
                holders: None,
            }
        };
        let owner = shared(owner, listener.pids.len(), holders);
        listener.owner = Some((question, owner.clone()));
        Some(owner)
    }
}

/// (pid, start in clock ticks since boot).
fn identity(process: &Process) -> Option<(u32, u64)> {
    Some((process.pid, process.start_ticks?))
}

/// Whether a process that could not be read may hold the socket still: it lives.
fn may_hold(inode: u64, (pid, start_ticks): (u32, u64)) -> bool {
    is_among(inode, pid) != Some(false)
        && proc::read(pid)
            .ok()
            .flatten()
            .is_some_and(|facts| facts.start_ticks == start_ticks)
}

/// Who stands for a listener when the process that was heard of has given it up.
fn successor<'a>(holders: &'a [Arc<Process>], users: &[u32]) -> Option<&'a Arc<Process>> {
    let latest = users.iter().rev();
    let mut used = latest.filter_map(|pid| holders.iter().find(|holder| holder.pid == *pid));
    let oldest = || {
        holders
            .iter()
            .min_by_key(|holder| (holder.start_ticks, holder.pid))
    };
    used.next().or_else(oldest)
}

/// The owner, with all holders of what it shares.
fn shared(mut owner: Owner, mut count: usize, mut holders: Vec<Arc<Process>>) -> Owner {
    let own = identity(&owner.process);
    if !holders.iter().any(|holder| identity(holder) == own) {
        count += 1;
        holders.insert(0, Arc::clone(&owner.process));
        holders.truncate(MOST_HOLDERS);
    }
    owner.shared_by = u32::try_from(count).ok().filter(|count| *count > 1);
    owner.holders = owner.shared_by.map(|_| holders.into());
    owner
}
