//! Turns /proc/PID into the facts a process is named by.
//!
//! Everything of one process is read through one directory handle, which the kernel ties to that
//! process: when its number is given to a new process midway, the reads fail and the answer is
//! `None`, never a mix of two. Names are free text chosen by the process: invalid UTF-8 becomes
//! U+FFFD, control bytes stay in, and whoever prints them must sanitize them. It must not
//! look into file descriptors (see `holders`).

mod container;
mod name;
mod stat;
#[cfg(test)]
pub(super) mod tests;

pub use container::{cgroup_path, container_id};
pub use stat::{Stat, parse_effective_uid, parse_stat};

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open, openat, readlinkat};

/// So much of a command line is read; what it runs stands near its beginning.
const MOST_COMMAND_LINE: u64 = 4096;

/// What is known about a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process number (thread group), in the PID namespace of the mounted /proc.
    pub pid: u32,
    /// Start time in clock ticks since boot; with `pid` the identity of the process.
    pub start_ticks: u64,
    /// Parent process, 0 for one without (init, or a parent outside this PID namespace).
    pub ppid: u32,
    /// Name of the thread-group leader.
    pub comm: String,
    /// Executable as the kernel reports it, with " (deleted)" after it when it was replaced or
    /// removed; `None` for kernel threads, zombies and when it may not be read.
    pub exe: Option<PathBuf>,
    /// Effective user; `None` if the status file does not show it.
    pub uid: Option<u32>,
    /// Path in the cgroup v2 tree, or on a v1 host that of the most specific hierarchy.
    pub cgroup: Option<String>,
    /// Container id (mostly 64 hexadecimal digits) found in the cgroup; `None` outside of one.
    pub container: Option<String>,
    /// Number of threads.
    pub threads: u32,
}

/// The facts about `pid`; `None` when there is no such process, or it ended while being read.
///
/// What only the owner or root may see of an existing process (its executable) is `None` inside.
/// Err when the system could not answer, which says nothing about the process.
pub fn read(pid: u32) -> io::Result<Option<ProcessFacts>> {
    present(read_facts(pid))
}

fn read_facts(pid: u32) -> io::Result<ProcessFacts> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(format!("/proc/{pid}"), flags, Mode::empty())?;
    let stat = parse_stat(&read_file(&dir, "stat")?).ok_or_else(not_a_stat_file)?;
    let comm = if stat.comm.contains('\\') {
        // The kernel writes backslash and line feed escaped in stat, and as they are in comm.
        let raw = read_file(&dir, "comm")?;
        String::from_utf8_lossy(raw.strip_suffix(b"\n").unwrap_or(&raw)).into_owned()
    } else {
        stat.comm
    };
    let cgroup = permitted(read_file(&dir, "cgroup"))?;
    let exe = permitted(readlinkat(&dir, "exe", Vec::new()).map_err(io::Error::from))?;
    // Last, and not optional: what was missing above is missing, and not gone with the process.
    let status = read_file(&dir, "status")?;
    Ok(ProcessFacts {
        pid,
        start_ticks: stat.start_ticks,
        ppid: stat.ppid,
        comm,
        exe: exe.map(|path| PathBuf::from(OsString::from_vec(path.into_bytes()))),
        uid: parse_effective_uid(&status),
        cgroup: cgroup.as_deref().and_then(cgroup_path),
        container: cgroup.as_deref().and_then(container_id),
        threads: stat.threads,
    })
}

/// The name that people know a process by: what an interpreter runs. `None`: `comm` says what it is, or
/// that is not known. Reads the command line, which the kernel takes from the memory of the process, so
/// ask once for each.
pub fn display_name(pid: u32, comm: &str, exe: Option<&str>) -> Option<String> {
    let interpreter = name::interpreter(comm, exe)?;
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let mut line = Vec::new();
    file.take(MOST_COMMAND_LINE).read_to_end(&mut line).ok()?;
    name::of(interpreter, &line)
}

/// `None` for a process that is not there, or ended while its files were read.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None` for a part of a process that does not exist or may not be read.
fn permitted<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

fn not_a_stat_file() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the stat file of a process does not parse",
    )
}

/// Every process number in /proc, in no order.
pub fn all_pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        if let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// `roots` and all their descendants alive now, each as (pid, start in clock ticks since boot).
///
/// A root that has ended has none: who bears its number now is another process. A process whose parent
/// has ended belongs to whoever adopted it and is not found below its grandparent; a process forked
/// while /proc is being read may be missed.
pub fn children_closure(roots: &[(u32, u64)]) -> io::Result<HashSet<(u32, u64)>> {
    let (mut starts, mut parents) = (HashMap::new(), Vec::new());
    for pid in all_pids()? {
        if let Some(text) = present(std::fs::read(format!("/proc/{pid}/stat")))? {
            let stat = parse_stat(&text).ok_or_else(not_a_stat_file)?;
            starts.insert(pid, stat.start_ticks);
            parents.push((pid, stat.ppid));
        }
    }
    let living: Vec<u32> = roots
        .iter()
        .filter(|(pid, start)| starts.get(pid) == Some(start))
        .map(|(pid, _)| *pid)
        .collect();
    let found = descendants(&living, parents);
    Ok(found
        .into_iter()
        .filter_map(|pid| Some((pid, *starts.get(&pid)?)))
        .chain(roots.iter().copied())
        .collect())
}

/// `roots` and everything below them, given (process, parent) pairs.
pub fn descendants(roots: &[u32], parents: impl IntoIterator<Item = (u32, u32)>) -> HashSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, ppid) in parents {
        children.entry(ppid).or_default().push(pid);
    }
    let mut found: HashSet<u32> = roots.iter().copied().collect();
    let mut waiting = roots.to_vec();
    while let Some(pid) = waiting.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    found
}

fn read_file(dir: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    let file = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}
