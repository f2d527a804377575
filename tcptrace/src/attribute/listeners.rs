//! Who owns a listening socket: it is inherited by workers, handed on by whoever started the service,
//! shared by a whole pool.
//!
//! listen() is often called by a process that ends right after (a daemon that forks, a reload), or that never accepts.
//! So the owner is one of the processes that hold the socket now: the one that the kernel side reported while it does,
//! else the latest known user of the port, else the oldest. Whoever only made the socket for another program gives way
//! to that program ([`serving`]). All of them are reported.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Attributor;
use crate::model::flow::TcpState;
use crate::model::owner::MOST_HOLDERS;
use crate::model::{Basis, Event, Owner, Process};

/// Whether the fact is about a listener with a file: itself, or a connection that nobody has accepted.
pub(super) fn is_about_one(event: &Event) -> bool {
    let has_its_file = |heard: &crate::model::owner::ReportedOwner| heard.has_listener_file;
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
    /// The owner of the listener that the event is about; `heard` is the owner that the kernel side reported, and
    /// stands if nothing else is known.
    pub(super) fn of_listener(&mut self, event: &Event, heard: Option<Owner>) -> Option<Owner> {
        let Self {
            lookups, processes, ..
        } = self;
        let now_ns = event.boot_ns;
        let port = event.flow.local.map_or(0, |end| end.port);
        let users = lookups.users(port).to_vec();
        let inode = event.inode?;
        let heard_pid = heard.as_ref().map(|owner| owner.process.pid);
        let identity = heard.as_ref().and_then(|owner| identity(&owner.process));
        let is_its =
            |heard: &crate::model::owner::ReportedOwner| heard.holds && !heard.is_discarded;
        let holds = event.heard.as_ref().is_some_and(is_its);
        let pids = match lookups.listener(inode, heard_pid, now_ns) {
            Some(listener) => listener.pids.clone(),
            None => Vec::new(),
        };
        let mut holders: Vec<Arc<Process>> = Vec::new();
        let first = heard_pid.filter(|pid| pids.contains(pid));
        let others = pids.iter().filter(|pid| Some(**pid) != first);
        for pid in first.iter().chain(others).take(MOST_HOLDERS) {
            holders.extend(processes.found(*pid, now_ns));
        }
        let is_heard =
            |process: &Arc<Process>| identity.is_some() && self::identity(process) == identity;
        let mut holds_now = |pid: u32| lookups.holds(inode, pid, now_ns);
        let stays = holds
            || heard_pid.is_some_and(|pid| {
                holds_now(pid) == Some(true)
                    && processes.found(pid, now_ns).as_ref().is_some_and(is_heard)
            });
        let uses = |process: &Process| users.contains(&process.pid);
        let service = heard
            .as_ref()
            .filter(|_| stays)
            .and_then(|owner| serving(&owner.process, &holders, uses))
            .filter(|service| holds_now(service.pid) == Some(true));
        let (owner, is_right) = if stays && service.is_none() {
            let mut owner = heard?;
            if let Some(process) = holders.iter().find(|process| is_heard(process))
                && !event.heard.as_ref().is_some_and(|heard| heard.is_current)
            {
                owner.process = Arc::clone(process);
            }
            (owner, true)
        } else {
            let ranked = service.map_or_else(|| ranked(&holders, &users), |service| vec![service]);
            let present = ranked
                .iter()
                .find(|holder| holds_now(holder.pid) == Some(true));
            match (present.or(ranked.first()), heard) {
                (Some(chosen), heard) => {
                    let is_listeners = heard.is_some_and(|owner| owner.basis == Basis::Listener);
                    let basis = if is_listeners {
                        Basis::Listener
                    } else {
                        Basis::Snapshot
                    };
                    let process = processes.present(chosen.pid, now_ns);
                    let process = process.as_ref().unwrap_or(chosen);
                    (found(process, basis), present.is_some())
                }
                (None, heard) => (heard?, false),
            }
        };
        let mut owner = shared(owner, pids.len(), holders);
        owner.is_stale = !is_right;
        Some(owner)
    }
}

/// Who serves a listener that another program made and still holds, as a service manager does: of the program whose
/// processes use connections of its port, the oldest that holds the listener. `None` while the maker uses some itself,
/// and where only processes of its own program do: those may be children that it forked for a connection each.
pub(crate) fn serving(
    maker: &Process,
    holders: &[Arc<Process>],
    uses: impl Fn(&Process) -> bool,
) -> Option<Arc<Process>> {
    if uses(maker) {
        return None;
    }
    let user = holders
        .iter()
        .find(|holder| uses(holder) && !is_one_program(holder, maker))?;
    let of_it = holders.iter().filter(|holder| is_one_program(holder, user));
    of_it
        .min_by_key(|holder| (holder.start_ticks, holder.pid))
        .cloned()
}

/// Two scripts of an interpreter count as one program: apart, the master of a pool would lose its listener to the first
/// of its workers that renames itself.
fn is_one_program(one: &Process, other: &Process) -> bool {
    one.comm == other.comm || (one.name.is_some() && one.name == other.name)
}

/// An owner that was found in /proc.
pub(super) fn found(process: &Arc<Process>, basis: Basis) -> Owner {
    Owner {
        process: Arc::clone(process),
        basis,
        shared_by: None,
        tid: None,
        holders: None,
        is_stale: false,
    }
}

/// (pid, start in clock ticks since boot).
fn identity(process: &Process) -> Option<(u32, u64)> {
    Some((process.pid, process.start_ticks?))
}

/// Who may represent a listener when the reported process has given it up, the likeliest first:
/// known users of the port, the latest first, then the oldest process.
fn ranked(holders: &[Arc<Process>], users: &[u32]) -> Vec<Arc<Process>> {
    let mut ranked = holders.to_vec();
    ranked.sort_by_key(|holder| {
        let use_of = users.iter().rposition(|pid| *pid == holder.pid);
        (
            use_of.map_or(usize::MAX, |place| users.len() - place),
            holder.start_ticks,
            holder.pid,
        )
    });
    ranked
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
