//! Look-ups in /proc by the inode of a socket's file, within a budget.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::holders::{self, Query};
use super::users::Users;
use crate::model::owner::Heard;

/// Look-ups per second among processes that are likely; each takes some 50 us.
const LIKELY_PER_SECOND: u32 = 200;
/// Walks through all of /proc per second; each takes a millisecond for 500 processes.
const WALKS_PER_SECOND: u32 = 4;
/// Answers are kept so long, boot clock.
pub(super) const SECOND_NS: u64 = 1_000_000_000;
/// Beyond this the tables begin anew.
const MOST: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Lookups {
    users: Users,
    /// Holder by inode, of what was found before.
    found: HashMap<u64, u32, RandomState>,
    /// How many hold a listener.
    counts: HashMap<u64, Option<u32>, RandomState>,
    /// From the walk at start, when the kernel side could not do it.
    by_cookie: HashMap<u64, u32, RandomState>,
    second: u64,
    likely: u32,
    walks: u32,
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

    /// Who holds the socket with that inode: the listener's process and the port's known users
    /// first, then everybody.
    pub(super) fn holder(
        &mut self,
        inode: u64,
        port: Option<u16>,
        heard: Option<&Heard>,
        now_ns: u64,
    ) -> Option<u32> {
        if let Some(pid) = self.found.get(&inode) {
            return Some(*pid);
        }
        self.turn(now_ns);
        let wanted = HashSet::from([inode]);
        let mut likely: Vec<u32> = heard.map(|heard| heard.pid).into_iter().collect();
        likely.extend(port.map_or(&[][..], |port| self.users.of(port)));
        let mut pid = None;
        if self.likely < LIKELY_PER_SECOND && !likely.is_empty() {
            self.likely += 1;
            pid = first(&wanted, Some(&likely));
        }
        if pid.is_none() && self.walks < WALKS_PER_SECOND {
            self.walks += 1;
            pid = first(&wanted, None);
        }
        let pid = pid?;
        if self.found.len() >= MOST {
            self.found.clear();
        }
        self.found.insert(inode, pid);
        Some(pid)
    }

    /// How many processes hold a listener, above one; asked at most a few times a second.
    pub(super) fn holder_count(&mut self, inode: u64, now_ns: u64) -> Option<u32> {
        self.turn(now_ns);
        if let Some(count) = self.counts.get(&inode) {
            return *count;
        }
        if self.walks >= WALKS_PER_SECOND {
            return None;
        }
        self.walks += 1;
        let wanted = HashSet::from([inode]);
        let all = holders::scan(&Query {
            wanted: Some(&wanted),
            ..Query::default()
        })
        .ok()?;
        let count = u32::try_from(all.of(inode).len())
            .ok()
            .filter(|count| *count > 1);
        self.counts.insert(inode, count);
        count
    }

    /// A new second: a new budget, and answers may have changed.
    fn turn(&mut self, now_ns: u64) {
        let second = now_ns / SECOND_NS;
        if second != self.second {
            self.second = second;
            self.likely = 0;
            self.walks = 0;
            self.counts.clear();
            self.found.clear();
        }
    }
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
