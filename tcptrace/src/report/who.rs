//! Processes that are one thing to a reader: the same name in the same container or unit. A server
//! that forks for each connection is one row, not thousands.

use hashbrown::Equivalent;

use crate::model::{Owner, Process};

/// A program in its place. Ordered by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Who {
    /// Name of the processes; `None`: the owner is not known.
    pub(super) comm: Option<String>,
    /// Container, else cgroup.
    pub(super) place: Option<String>,
}

/// The same, borrowed: no text is copied for the many incidents of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WhoRef<'a> {
    comm: Option<&'a str>,
    place: Option<&'a str>,
}

impl Equivalent<Who> for WhoRef<'_> {
    fn equivalent(&self, key: &Who) -> bool {
        self.comm == key.comm.as_deref() && self.place == key.place.as_deref()
    }
}

impl<'a> WhoRef<'a> {
    /// Of a socket's owner, known or not.
    pub(super) fn of(owner: Option<&'a Owner>) -> Self {
        Self::of_process(owner.map(|owner| &*owner.process))
    }

    /// Of a process.
    pub(super) fn of_process(process: Option<&'a Process>) -> Self {
        Self {
            comm: process.map(Process::display_name),
            place: process.and_then(|process| {
                let place = process.container.as_deref();
                place
                    .or(process.cgroup.as_deref())
                    .filter(|path| *path != "/")
            }),
        }
    }

    /// To keep.
    pub(super) fn owned(self) -> Who {
        Who {
            comm: self.comm.map(str::to_owned),
            place: self.place.map(str::to_owned),
        }
    }
}

/// Processes distinguished at most.
const MOST: usize = 32;

/// The processes of a program.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// Number and start.
    known: Vec<(u32, Option<u64>)>,
    /// There were more than could be distinguished.
    has_more: bool,
    /// Of the first one that had it.
    exe: Option<String>,
    uid: Option<u32>,
}

impl Members {
    /// Counts a process in.
    pub(super) fn join(&mut self, process: &Process) {
        let identity = (process.pid, process.start_ticks);
        if self.known.contains(&identity) {
            return;
        }
        if self.known.len() >= MOST {
            self.has_more = true;
            return;
        }
        self.known.push(identity);
        if self.exe.is_none() {
            self.exe.clone_from(&process.exe);
        }
        self.uid = self.uid.or(process.uid);
    }

    /// `pid 12`, `pids 12, 13`, `more than 32 processes: pids 12, 13, 14, …`; empty for nobody.
    pub(super) fn text(&self) -> String {
        let mut pids: Vec<u32> = self.known.iter().map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        let pids: Vec<String> = pids.iter().take(4).map(u32::to_string).collect();
        let pids = pids.join(", ");
        match self.known.len() {
            0 => String::new(),
            1 => format!("pid {pids}"),
            2..=4 => format!("pids {pids}"),
            count if self.has_more => format!("more than {count} processes: pids {pids}, …"),
            count => format!("{count} processes: pids {pids}, …"),
        }
    }

    /// Executable of the first, and its user.
    pub(super) fn origin(&self) -> (Option<&str>, Option<u32>) {
        (self.exe.as_deref(), self.uid)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    fn process(pid: u32) -> Process {
        Process {
            pid,
            start_ticks: Some(1),
            comm: "nginx".into(),
            exe: Some("/usr/sbin/nginx".into()),
            uid: Some(33),
            cgroup: Some("/system.slice/nginx.service".into()),
            container: None,
            ..Process::default()
        }
    }

    #[test]
    fn a_borrowed_key_finds_the_kept_one() {
        let process = process(7);
        let key = WhoRef::of_process(Some(&process));
        let hasher = foldhash::fast::FixedState::default();
        assert!(key.equivalent(&key.owned()));
        assert_eq!(hasher.hash_one(key), hasher.hash_one(key.owned()));
        let nobody = WhoRef::of(None);
        assert_eq!(hasher.hash_one(nobody), hasher.hash_one(nobody.owned()));
    }

    #[test]
    fn workers_of_one_service_are_counted_once_each() {
        let mut members = Members::default();
        assert_eq!(members.text(), "");
        members.join(&process(1));
        members.join(&process(1));
        assert_eq!(members.text(), "pid 1");
        (2..=5).for_each(|pid| members.join(&process(pid)));
        assert_eq!(members.text(), "5 processes: pids 1, 2, 3, 4, …");
        (6..=99).for_each(|pid| members.join(&process(pid)));
        assert_eq!(members.text(), "more than 32 processes: pids 1, 2, 3, 4, …");
    }
}
