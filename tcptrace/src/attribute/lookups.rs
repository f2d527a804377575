//! Look-ups in /proc by the inode of a socket's file, within a budget.

mod budget;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::boot_ns;
use super::holders::{self, Query};
use super::users::Users;
use crate::model::owner::Heard;
use budget::Budget;

/// How long the holders of a listener stand, boot clock.
const FRESH_NS: u64 = 250_000_000;
/// How long it stands that a process holds a socket, boot clock.
const CHECKED_NS: u64 = 20_000_000;
/// A listener nobody asked for in this time is not looked for in further walks, boot clock.
const ASKED_NS: u64 = 10_000_000_000;
/// Beyond this the tables are cleared.
const MOST: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Lookups {
    users: Users,
    /// Holder by inode, of what was found a moment ago, and when.
    found: HashMap<u64, (u32, u64), RandomState>,
    /// Whether the process of the number held the socket a moment ago.
    checked: HashMap<(u64, u32), Checked, RandomState>,
    /// Listeners by inode.
    listeners: HashMap<u64, Listener, RandomState>,
    /// From the walk at start, when the kernel side could not do it.
    by_cookie: HashMap<u64, u32, RandomState>,
    budget: Budget,
}

/// See [`Lookups::holds`].
#[derive(Clone, Copy, Debug)]
struct Checked {
    holds: bool,
    /// For an event of this time, boot clock.
    for_ns: u64,
    /// Before it was read, boot clock.
    read_ns: u64,
}

/// Who holds a listener.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// By rising number. Empty: nobody is known to, or nobody was looked for yet.
    pub(super) pids: Vec<u32>,
    /// When it was read last, boot clock.
    read_ns: Option<u64>,
    asked_ns: u64,
}

impl Lookups {
    pub(super) fn learn(&mut self, sockets: &[(u64, u64)]) {
        let wanted: HashSet<u64> = sockets.iter().map(|(inode, _)| *inode).collect();
        let Ok(holders) = holders::scan(&Query {
            wanted: Some(&wanted),
            ..Query::default()
        }) else {
            return;
        };
        for (inode, cookie) in sockets {
            if let Some(pid) = holders.of(*inode).next() {
                self.by_cookie.insert(*cookie, pid);
            }
        }
    }

    pub(super) fn by_cookie(&self, cookie: u64) -> Option<u32> {
        self.by_cookie.get(&cookie).copied()
    }

    /// Remembers who uses a port.
    #[inline]
    pub(super) fn note_user(&mut self, port: u16, heard: &Heard) {
        self.users.note(port, heard.pid);
    }

    /// The known users of a port, the latest last.
    pub(super) fn users(&self, port: u16) -> &[u32] {
        self.users.of(port)
    }

    /// Who holds the socket with that inode: the listener's process and the port's known users
    /// first, then everybody.
    pub(super) fn holder(
        &mut self,
        inode: u64,
        port: Option<u16>,
        heard: Option<&Heard>,
        now_ns: u64,
    ) -> Option<u32> {
        self.turn(now_ns);
        if let Some((pid, read_ns)) = self.found.get(&inode)
            && now_ns.saturating_sub(*read_ns) < CHECKED_NS
        {
            return Some(*pid);
        }
        let wanted = HashSet::from([inode]);
        let mut likely: Vec<u32> = heard.map(|heard| heard.pid).into_iter().collect();
        likely.extend(port.map_or(&[][..], |port| self.users.of(port)));
        let mut pid = None;
        if !likely.is_empty() {
            let look = || first(&wanted, Some(&likely));
            pid = self.budget.likely(look).flatten();
        }
        if pid.is_none() {
            pid = self.budget.walk(|| first(&wanted, None)).flatten();
        }
        let pid = pid?;
        if self.found.len() >= MOST {
            self.found.clear();
        }
        self.found.insert(inode, (pid, now_ns));
        Some(pid)
    }

    /// Whether the process holds the socket with that inode; `None` when that is not known.
    pub(super) fn holds(&mut self, inode: u64, pid: u32, now_ns: u64) -> Option<bool> {
        self.turn(now_ns);
        // What a process holds when it is asked it has held since it used it last; of what happened after
        // that it has to be asked again.
        let known = self.checked.get(&(inode, pid)).filter(|known| {
            now_ns.saturating_sub(known.for_ns) < CHECKED_NS
                && (!known.holds || now_ns <= known.read_ns)
        });
        if let Some(known) = known {
            return Some(known.holds);
        }
        let read_ns = boot_ns();
        let holds = self.budget.likely(|| is_among(inode, pid)).flatten()?;
        if self.checked.len() >= MOST {
            self.checked.clear();
        }
        let checked = Checked {
            holds,
            for_ns: now_ns,
            read_ns,
        };
        self.checked.insert((inode, pid), checked);
        Some(holds)
    }

    /// Who holds a listener, as of a moment ago. One walk through /proc answers for all listeners that
    /// were asked for lately; when there is no time for one, those that held it before are asked again.
    pub(super) fn listener(
        &mut self,
        inode: u64,
        heard: Option<u32>,
        now_ns: u64,
    ) -> Option<&mut Listener> {
        self.turn(now_ns);
        if self.listeners.len() >= MOST && !self.listeners.contains_key(&inode) {
            self.listeners.clear();
        }
        let listener = self.listeners.entry(inode).or_default();
        listener.asked_ns = now_ns;
        let is_fresh = |read: u64| now_ns.saturating_sub(read) < FRESH_NS;
        if !listener.read_ns.is_some_and(is_fresh) {
            self.read_listener(inode, heard, now_ns);
        }
        let listener = self.listeners.get_mut(&inode)?;
        listener.read_ns.is_some().then_some(listener)
    }

    fn read_listener(&mut self, inode: u64, heard: Option<u32>, now_ns: u64) {
        let Self {
            listeners, budget, ..
        } = self;
        listeners.retain(|_, other| now_ns.saturating_sub(other.asked_ns) < ASKED_NS);
        let wanted: HashSet<u64> = listeners.keys().copied().collect();
        let walked = budget.walk(|| {
            holders::scan(&Query {
                wanted: Some(&wanted),
                ..Query::default()
            })
        });
        if let Some(Ok(all)) = walked {
            for (inode, listener) in listeners {
                listener.pids = all.of(*inode).collect();
                listener.read_ns = Some(now_ns);
            }
            return;
        }
        let Some(listener) = listeners.get_mut(&inode) else {
            return;
        };
        let mut likely = listener.pids.clone();
        likely.extend(heard.filter(|pid| !listener.pids.contains(pid)));
        let wanted = HashSet::from([inode]);
        let among = budget.likely(|| {
            holders::scan(&Query {
                wanted: Some(&wanted),
                candidates: Some(&likely),
                ..Query::default()
            })
        });
        // None of them: only a walk over all processes finds the holder.
        if let Some(Ok(among)) = among
            && among.of(inode).len() > 0
        {
            listener.pids = among.of(inode).collect();
            listener.read_ns = Some(now_ns);
        }
    }

    /// A new second: a new budget, and answers may have changed.
    fn turn(&mut self, now_ns: u64) {
        if self.budget.turn(now_ns) {
            self.found.clear();
            self.checked.clear();
        }
    }
}

/// Whether the process holds the socket; `None` when its descriptors cannot be read.
pub(super) fn is_among(inode: u64, pid: u32) -> Option<bool> {
    let wanted = HashSet::from([inode]);
    let found = holders::scan(&Query {
        wanted: Some(&wanted),
        candidates: Some(&[pid]),
        first_holder_only: true,
        ..Query::default()
    });
    let found = found.ok().filter(|found| found.unreadable_processes == 0)?;
    Some(!found.pairs().is_empty())
}

fn first(wanted: &HashSet<u64>, candidates: Option<&[u32]>) -> Option<u32> {
    let query = Query {
        wanted: Some(wanted),
        candidates,
        first_holder_only: true,
        ..Query::default()
    };
    let found = holders::scan(&query).ok()?;
    found.pairs().first().map(|(_, pid)| *pid)
}
