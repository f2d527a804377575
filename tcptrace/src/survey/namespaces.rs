//! The one loop over network namespaces, and its one limit.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::io;

use crate::source::netns::{self, Netns, Reach};

/// Namespaces that one look enters. A host with more has those looked at in which most processes
/// live, and every result says how many were left out.
pub const MOST: usize = 1024;

/// The namespaces to look at.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    /// At most [`MOST`], by rising inode number, each once.
    pub found: Vec<Netns>,
    /// Inode numbers of all there are, those beyond the limit too.
    pub listed: HashSet<u32>,
    /// How many were left out for the limit.
    pub left_out: u32,
    /// Processes that did not show which namespace they live in: one may be missing in `listed`.
    pub unreadable_processes: u32,
}

impl Namespaces {
    /// What was left out, in one sentence; `None`: nothing.
    pub fn left_out(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "{} of {} network namespaces were not looked at: tcptrace looks at {MOST} at most",
                self.left_out,
                self.listed.len()
            )
        })
    }
}

/// Those of `watched` that can be found; `watched` empty: all there are.
///
/// # Errors
/// When /proc cannot be read.
pub fn namespaces(watched: &[u32]) -> io::Result<Namespaces> {
    let (found, unreadable_processes) = if watched.is_empty() {
        let scan = netns::scan()?;
        (scan.found, scan.unreadable_processes)
    } else {
        let mut found = Vec::new();
        for inode in watched {
            found.extend(netns::find(u64::from(*inode))?);
        }
        (found, 0)
    };
    let all = limited(found, MOST, unreadable_processes);
    if let Some(why) = all.left_out() {
        log::warn!(target: "survey", "{why}");
    }
    Ok(all)
}

/// The number of a namespace as events bear it.
pub fn number(found: &Netns) -> Option<u32> {
    u32::try_from(found.inode).ok()
}

fn limited(mut found: Vec<Netns>, most: usize, unreadable_processes: u32) -> Namespaces {
    found.sort_by_key(|netns| netns.inode);
    found.dedup_by_key(|netns| netns.inode);
    let listed = found.iter().filter_map(number).collect();
    let left_out = found.len().saturating_sub(most);
    if left_out > 0 {
        let is_foreign = |netns: &Netns| netns.reach != Reach::Own;
        found.sort_by_key(|netns| (is_foreign(netns), Reverse(netns.processes), netns.inode));
        found.truncate(most);
        found.sort_by_key(|netns| netns.inode);
    }
    Namespaces {
        found,
        listed,
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        unreadable_processes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netns(inode: u64, processes: u32, reach: Reach) -> Netns {
        Netns {
            inode,
            reach,
            processes,
        }
    }

    #[test]
    fn the_limit_keeps_the_own_one_and_the_busiest_and_says_what_it_left_out() {
        let found = vec![
            netns(9, 0, Reach::Own),
            netns(5, 1, Reach::Pid(50)),
            netns(7, 30, Reach::Pid(70)),
            netns(5, 1, Reach::Pid(51)),
            netns(6, 2, Reach::Pid(60)),
        ];
        let all = limited(found, 2, 3);
        let kept: Vec<u64> = all.found.iter().map(|netns| netns.inode).collect();
        assert_eq!(kept, [7, 9]);
        assert_eq!(all.listed, HashSet::from([5, 6, 7, 9]));
        assert_eq!((all.left_out, all.unreadable_processes), (2, 3));
        let why = all.left_out().unwrap();
        assert!(why.starts_with("2 of 4 network namespaces"), "{why}");
    }

    #[test]
    fn below_the_limit_nothing_is_left_out() {
        let all = limited(vec![netns(5, 1, Reach::Pid(50))], 1, 0);
        assert_eq!((all.found.len(), all.left_out()), (1, None));
    }
}
