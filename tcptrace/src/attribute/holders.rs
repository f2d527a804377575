//! Turns /proc/*/fd into who holds which socket: socket inode -> processes.
//!
//! One pass reads every descriptor of every process asked for, into reused buffers: nothing is
//! allocated per descriptor. The kernel needs some 5 us for each, which is the whole cost. It must not judge: several processes holding one socket (after a
//! fork, or sent over a Unix socket) are all reported. The view is as old as its slowest process;
//! who closed a socket meanwhile is still listed. Without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH
//! other users' descriptors cannot be read; such processes are counted. Those hidden altogether (hidepid) cannot even
//! be counted.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{Mode, OFlags, RawDir, open, openat, readlinkat_raw};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// `socket:[` + 20 digits + `]`; longer links are files and only their beginning matters.
const LINK_BYTES: usize = 32;
/// Some 1300 entries per system call.
const LISTING_BYTES: usize = 32 * 1024;
/// Descriptors that are read without a look at the clock: some 0.3 ms.
const BETWEEN_CHECKS: u32 = 64;

/// What to look for, and where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<'a> {
    /// Only these socket inodes; `None` for every socket.
    pub wanted: Option<&'a HashSet<u64>>,
    /// Only these processes, in this order; `None` for all of /proc.
    pub candidates: Option<&'a [u32]>,
    /// Stop when every wanted inode has one holder: faster, but further holders are not found.
    pub first_holder_only: bool,
    /// Also look at threads that do not share the descriptors of their process (rare, slow).
    pub deep: bool,
    /// Processes that are not read by then count as unreadable.
    pub until: Option<Instant>,
}

/// Who holds which socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// (inode, pid), sorted, each once.
    pairs: Vec<(u64, u32)>,
    /// Processes whose descriptors could not be read (mostly for lack of privilege): they may hold
    /// sockets too.
    pub unreadable_processes: u32,
}

impl Holders {
    /// The processes that hold the socket, by rising pid; none when nobody is known to.
    pub fn of(&self, inode: u64) -> impl ExactSizeIterator<Item = u32> + '_ {
        let start = self.pairs.partition_point(|(key, _)| *key < inode);
        let tail = self.pairs.get(start..).unwrap_or_default();
        let length = tail.partition_point(|(key, _)| *key == inode);
        tail.get(..length)
            .unwrap_or_default()
            .iter()
            .map(|(_, pid)| *pid)
    }

    /// Every (inode, pid), by rising inode, then pid.
    #[must_use]
    pub fn pairs(&self) -> &[(u64, u32)] {
        &self.pairs
    }
}

/// Looks through the descriptors of the processes asked for. Err only when /proc cannot be read.
pub fn scan(query: &Query<'_>) -> io::Result<Holders> {
    let proc_dir = open(
        "/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let listed;
    let pids = match query.candidates {
        Some(pids) => pids,
        None => {
            listed = super::proc::all_pids()?;
            &listed
        }
    };
    let mut scanner = Scanner {
        query,
        pairs: Vec::new(),
        missing: query.wanted.filter(|_| query.first_holder_only).cloned(),
        listing: vec![MaybeUninit::uninit(); LISTING_BYTES],
    };
    let mut unreadable_processes = 0;
    for pid in pids {
        if scanner.missing.as_ref().is_some_and(HashSet::is_empty) {
            break;
        }
        match scanner.process(&proc_dir, *pid) {
            Ok(()) => {}
            // It ended meanwhile, and holds nothing.
            Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => unreadable_processes += 1,
        }
    }
    let mut pairs = scanner.pairs;
    pairs.sort_unstable();
    pairs.dedup();
    Ok(Holders {
        pairs,
        unreadable_processes,
    })
}

/// Who holds the socket: asks `candidates` first, and only when none of them does all of /proc.
pub fn holders_of(inode: u64, candidates: &[u32]) -> io::Result<Holders> {
    let wanted = HashSet::from([inode]);
    let query = Query {
        wanted: Some(&wanted),
        ..Query::default()
    };
    let among = scan(&Query {
        candidates: Some(candidates),
        ..query
    })?;
    if among.of(inode).len() > 0 {
        Ok(among)
    } else {
        scan(&query)
    }
}

struct Scanner<'a> {
    query: &'a Query<'a>,
    pairs: Vec<(u64, u32)>,
    /// Wanted inodes without a holder yet, when finding one ends the search.
    missing: Option<HashSet<u64>>,
    listing: Vec<MaybeUninit<u8>>,
}

impl Scanner<'_> {
    fn process(&mut self, proc_dir: &OwnedFd, pid: u32) -> Result<(), Errno> {
        // The leader of a process may end before its other threads, which continue to use the sockets.
        // Its own table is then empty, and without privilege not even readable.
        match openat(proc_dir, format!("{pid}/fd"), DIRECTORY, Mode::empty()) {
            Ok(fds) => {
                let descriptors = self.table(fds.as_fd(), pid)?;
                if self.query.deep || descriptors == 0 {
                    self.threads(proc_dir, pid, descriptors > 0)?;
                }
                Ok(())
            }
            Err(refusal @ Errno::ACCESS) => {
                if self.threads(proc_dir, pid, false)? {
                    Ok(())
                } else {
                    Err(refusal)
                }
            }
            Err(errno) => Err(errno),
        }
    }

    /// Reads one descriptor table; the number of descriptors in it.
    fn table(&mut self, fds: BorrowedFd<'_>, pid: u32) -> Result<u32, Errno> {
        let mut link = [MaybeUninit::uninit(); LINK_BYTES];
        let mut descriptors = 0;
        let until = self.query.until;
        let mut entries = RawDir::new(fds, &mut self.listing);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_bytes().first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            if descriptors % BETWEEN_CHECKS == 0
                && until.is_some_and(|until| Instant::now() >= until)
            {
                return Err(Errno::TIMEDOUT);
            }
            descriptors += 1;
            let target = match readlinkat_raw(fds, name, &mut link[..]) {
                Ok((target, _)) => &*target,
                // Closed since it was listed.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            };
            let Some(inode) = parse_socket_link(target) else {
                continue;
            };
            if self
                .query
                .wanted
                .is_none_or(|wanted| wanted.contains(&inode))
            {
                self.pairs.push((inode, pid));
                if let Some(missing) = &mut self.missing {
                    missing.remove(&inode);
                }
            }
        }
        Ok(descriptors)
    }

    /// Reads the tables of the threads other than the leader, leaving out those known to share one
    /// that was read. Whether any table, the leader's included, was read.
    fn threads(
        &mut self,
        proc_dir: &OwnedFd,
        pid: u32,
        leader_was_read: bool,
    ) -> Result<bool, Errno> {
        let tasks = openat(proc_dir, format!("{pid}/task"), DIRECTORY, Mode::empty())?;
        let mut listing = [MaybeUninit::uninit(); 1024];
        let mut entries = RawDir::new(&tasks, &mut listing);
        let mut reference = leader_was_read.then_some(pid);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let Some(tid) = entry
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if tid == pid || reference.is_some_and(|other| share_files(other, tid)) {
                continue;
            }
            let path = format!("{tid}/fd");
            let read = openat(&tasks, path, DIRECTORY, Mode::empty())
                .and_then(|fds| self.table(fds.as_fd(), pid));
            match read {
                Ok(_) => reference = reference.or(Some(tid)),
                // The thread ended meanwhile.
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(reference.is_some())
    }
}

/// Whether two threads are known to share their descriptors; false also when the kernel does not
/// say (then the table is read once more, which costs time and changes nothing).
fn share_files(one: u32, other: u32) -> bool {
    const KCMP_FILES: libc::c_long = 2;
    // SAFETY: kcmp compares kernel objects of two threads by number; with KCMP_FILES it takes no
    // pointer and writes no memory.
    let order = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            libc::c_long::from(one),
            libc::c_long::from(other),
            KCMP_FILES,
            0 as libc::c_long,
            0 as libc::c_long,
        )
    };
    order == 0
}

/// The inode in the text of a descriptor link, `socket:[INODE]`; `None` for any other file.
#[must_use]
pub fn parse_socket_link(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
