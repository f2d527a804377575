//! Look-ups in /proc by the inode of a socket's file, within a budget. Likely processes are asked at once, up to a
//! time limit; walks through all of /proc are made by a thread of their own.

mod budget;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::aside::Aside;
use super::boot_ns;
use super::holders::{self, Holders, Query};
use super::users::Users;
use crate::model::owner::ReportedOwner;
use budget::Budget;

/// How long the holders of a listener stand, boot clock.
const FRESH_NS: u64 = 250_000_000;
/// How long it stands that a process holds a socket, boot clock.
const CHECKED_NS: u64 = 20_000_000;
/// A listener nobody asked for in this time is not looked for in further walks, boot clock.
const ASKED_NS: u64 = 10_000_000_000;
/// Beyond this the tables are cleared.
const MOST: usize = 4_096;
/// How long the descriptors of likely processes are read, and how long a walk through all of /proc is waited for. A
/// healthy host needs a few milliseconds; shorter limits cost owners on slow ones.
const LIKELY_MOMENT: Duration = Duration::from_millis(100);
const WALK_MOMENT: Duration = Duration::from_millis(500);

#[derive(Debug)]
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
    walks: Aside<Walk, io::Result<Holders>>,
}

/// A walk through all of /proc.
#[derive(Debug)]
pub(super) struct Walk {
    wanted: HashSet<u64>,
    first_holder_only: bool,
    /// Of the connection whose holder is looked for.
    port: Option<u16>,
    /// For an event of this time, boot clock.
    for_ns: u64,
}

impl Walk {
    fn run(&self) -> io::Result<Holders> {
        holders::scan(&Query {
            wanted: Some(&self.wanted),
            first_holder_only: self.first_holder_only,
            ..Query::default()
        })
    }
}

impl Default for Lookups {
    fn default() -> Self {
        Self::walked_by(Walk::run)
    }
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
    /// With who walks through /proc.
    pub(super) fn walked_by(
        walks: impl FnMut(&Walk) -> io::Result<Holders> + Send + 'static,
    ) -> Self {
        Self {
            users: Users::default(),
            found: HashMap::default(),
            checked: HashMap::default(),
            listeners: HashMap::default(),
            by_cookie: HashMap::default(),
            budget: Budget::default(),
            walks: Aside::new("proc-walk", WALK_MOMENT, 1, walks),
        }
    }

    /// Takes an answer that came late: of listeners it stands; the holder of a connection is likely next time.
    #[inline]
    pub(super) fn take_late(&mut self) {
        if let Some(late) = self.walks.late() {
            self.budget
                .walk_took(late.took.saturating_sub(self.walks.moment));
            if let Ok(holders) = late.answer {
                self.walked_late(&late.question, &holders);
            }
        }
    }

    fn walked_late(&mut self, walk: &Walk, holders: &Holders) {
        if walk.first_holder_only {
            if let (Some(port), Some((_, pid))) = (walk.port, holders.pairs().first()) {
                self.users.note(port, *pid);
            }
            return;
        }
        for inode in &walk.wanted {
            let is_older =
                |listener: &&mut Listener| listener.read_ns.is_none_or(|read| read < walk.for_ns);
            if let Some(listener) = self.listeners.get_mut(inode).filter(is_older) {
                listener.pids = holders.of(*inode).collect();
                listener.read_ns = Some(walk.for_ns);
            }
        }
    }

    /// How long the oldest walk that is not done takes.
    pub(super) fn waiting(&self, now: Instant) -> Duration {
        self.walks.waiting(now)
    }

    /// Reads the descriptors of likely processes, if the budget allows.
    fn among(&mut self, inode: u64, pids: &[u32], first_holder_only: bool) -> Option<Holders> {
        let wanted = HashSet::from([inode]);
        let query = Query {
            wanted: Some(&wanted),
            candidates: Some(pids),
            first_holder_only,
            until: Some(Instant::now() + LIKELY_MOMENT),
            ..Query::default()
        };
        self.budget.likely(|| holders::scan(&query))?.ok()
    }

    /// Walks through all of /proc, if the budget allows; `None` too when that takes long.
    fn walk(&mut self, walk: Walk) -> Option<Holders> {
        let Self { budget, walks, .. } = self;
        budget.walk(|| walks.ask(walk))??.ok()
    }

    /// Before the first event.
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
    pub(super) fn note_user(&mut self, port: u16, heard: &ReportedOwner) {
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
        heard: Option<&ReportedOwner>,
        now_ns: u64,
    ) -> Option<u32> {
        self.turn(now_ns);
        if let Some((pid, read_ns)) = self.found.get(&inode)
            && now_ns.saturating_sub(*read_ns) < CHECKED_NS
        {
            return Some(*pid);
        }
        let mut likely: Vec<u32> = heard.map(|heard| heard.pid).into_iter().collect();
        likely.extend(port.map_or(&[][..], |port| self.users.of(port)));
        let mut pid = None;
        if !likely.is_empty() {
            pid = self.among(inode, &likely, true).as_ref().and_then(first);
        }
        let pid = pid.or_else(|| {
            let walked = self.walk(Walk {
                wanted: HashSet::from([inode]),
                first_holder_only: true,
                port,
                for_ns: now_ns,
            });
            first(&walked?)
        })?;
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
        let among = self.among(inode, &[pid], true)?;
        // A process whose descriptors cannot be read, or not in time, may hold it.
        if among.unreadable_processes > 0 && among.pairs().is_empty() {
            return None;
        }
        let holds = !among.pairs().is_empty();
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
        self.listeners
            .retain(|_, other| now_ns.saturating_sub(other.asked_ns) < ASKED_NS);
        let walked = self.walk(Walk {
            wanted: self.listeners.keys().copied().collect(),
            first_holder_only: false,
            port: None,
            for_ns: now_ns,
        });
        if let Some(all) = walked {
            for (inode, listener) in &mut self.listeners {
                listener.pids = all.of(*inode).collect();
                listener.read_ns = Some(now_ns);
            }
            return;
        }
        let Some(listener) = self.listeners.get(&inode) else {
            return;
        };
        let mut likely = listener.pids.clone();
        likely.extend(heard.filter(|pid| !listener.pids.contains(pid)));
        let among = self.among(inode, &likely, false);
        // None of them: only a walk over all processes finds the holder.
        if let (Some(among), Some(listener)) = (among, self.listeners.get_mut(&inode))
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

/// The first holder that was found.
fn first(found: &Holders) -> Option<u32> {
    found.pairs().first().map(|(_, pid)| *pid)
}
