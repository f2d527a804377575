//! Turns /proc and the mount table into the list of network namespaces that can be reached, and
//! runs code inside one of them.
//!
//! A namespace is known by the inode number of its nsfs file, the number `lsns` and
//! `/proc/PID/ns/net` show. The kernel gives the number of a dead namespace to a new one, so it
//! is checked again on every entry. The calling thread never changes namespace: [`with`] enters on
//! a thread of its own that ends with the call.
//!
//! Not found are namespaces held only by an open file or a socket, or by a thread whose
//! process is in another one. Processes that may not be inspected are counted, never dropped in
//! silence.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::kernel::confine;

/// Where `ip netns add` puts its names.
const NAMED_DIR: &str = "/run/netns";
const OWN_LINK: &str = "/proc/thread-self/ns/net";

/// A network namespace and a way into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netns {
    /// Inode number of its nsfs file.
    pub inode: u64,
    /// A way into it.
    pub reach: Reach,
    /// How many processes (kernel threads too) live in it, as far as they may be inspected.
    pub processes: u32,
}

/// A way into a network namespace, the easiest one that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is the namespace tcptrace runs in.
    Own,
    /// Through a process that lives in it.
    Pid(u32),
    /// Through a file it is mounted on, with no process known to live in it.
    Named(PathBuf),
}

impl Reach {
    /// The nsfs file to open.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Own => PathBuf::from(OWN_LINK),
            Self::Pid(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
            Self::Named(path) => path.clone(),
        }
    }
}

impl Netns {
    /// Checks that the namespace is still where it was found.
    pub fn confirm(&self) -> Result<(), EnterError> {
        self.open().map(drop)
    }

    fn open(&self) -> Result<File, EnterError> {
        let inode = self.inode;
        let path = self.reach.path();
        let opened = open_netns(&path).and_then(|file| Ok((inode_of(&file)?, file)));
        match opened {
            Ok((found, file)) if found == inode => Ok(file),
            Ok(_) => Err(EnterError::Gone { inode, path }),
            Err(source) if is_absence(&source) || source.kind() == io::ErrorKind::InvalidInput => {
                Err(EnterError::Gone { inode, path })
            }
            Err(source) => Err(refused(inode, source)),
        }
    }
}

/// What [`scan`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Namespaces by rising inode number, each once.
    pub found: Vec<Netns>,
    /// Processes whose namespace could not be read (other users' take CAP_SYS_PTRACE).
    pub unreadable_processes: u32,
}

/// Why a namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The process may not do that.
    #[error("entering network namespace {inode} needs CAP_SYS_ADMIN and CAP_SYS_PTRACE")]
    NotPermitted {
        /// The namespace.
        inode: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The process or the name it was reached through is gone or now stands for another namespace.
    #[error("network namespace {inode} is no longer at {}", path.display())]
    Gone {
        /// The namespace.
        inode: u64,
        /// The file that led to it.
        path: PathBuf,
    },
    /// Another system call failed.
    #[error("cannot enter network namespace {inode}")]
    Failed {
        /// The namespace.
        inode: u64,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why what the user named is no network namespace.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No process has that number.
    #[error("no process {0}")]
    NoProcess(u32),
    /// Nothing of that name.
    #[error("no network namespace named {0:?} under {NAMED_DIR}")]
    NoName(String),
    /// The file exists and is something else.
    #[error("{} is not a network namespace", .0.display())]
    NotNetns(PathBuf),
    /// Neither a process number, nor a name, nor `inode:N`.
    #[error("{0:?} is neither a process id, nor a name under {NAMED_DIR}, nor inode:NUMBER")]
    Syntax(String),
    /// The file may not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Inode of the calling thread's network namespace.
pub fn own() -> io::Result<u64> {
    link_inode(Path::new(OWN_LINK))
}

/// Every network namespace that a process lives in or that is mounted on a file.
///
/// Err only when /proc itself cannot be read.
pub fn scan() -> io::Result<Scan> {
    let own = own()?;
    let mut unreadable_processes = 0;
    let mut found = BTreeMap::from([(
        own,
        Netns {
            inode: own,
            reach: Reach::Own,
            processes: 0,
        },
    )]);
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let reach = Reach::Pid(pid);
        match link_inode(&reach.path()) {
            Ok(inode) => {
                let netns = found.entry(inode).or_insert(Netns {
                    inode,
                    reach,
                    processes: 0,
                });
                netns.processes += 1;
            }
            // The process ended meanwhile.
            Err(error) if is_absence(&error) => {}
            Err(_) => unreadable_processes += 1,
        }
    }
    let mounts = std::fs::read("/proc/thread-self/mountinfo")?;
    for mount in parse_mounts(&mounts) {
        // Another mount may cover this one: believe the file, not the table.
        if open_netns(&mount.path).is_ok_and(|file| inode_of(&file).ok() == Some(mount.inode)) {
            found.entry(mount.inode).or_insert(Netns {
                inode: mount.inode,
                reach: Reach::Named(mount.path),
                processes: 0,
            });
        }
    }
    Ok(Scan {
        found: found.into_values().collect(),
        unreadable_processes,
    })
}

/// The namespace of that number, `None` when nothing leads there. Looks at threads too, which
/// [`scan`] does not: a namespace in which only a thread lives is rare, and threads are many.
///
/// Err only when /proc itself cannot be read.
pub fn find(inode: u64) -> io::Result<Option<Netns>> {
    if let Some(found) = scan()?.found.into_iter().find(|found| found.inode == inode) {
        return Ok(Some(found));
    }
    for process in std::fs::read_dir("/proc")? {
        let name = process?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process that ended meanwhile has no threads.
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        let tids = threads.filter_map(|thread| thread.ok()?.file_name().to_str()?.parse().ok());
        for tid in tids.filter(|tid| *tid != pid) {
            let reach = Reach::Pid(tid);
            if link_inode(&reach.path()).is_ok_and(|number| number == inode) {
                return Ok(Some(Netns {
                    inode,
                    reach,
                    processes: 0,
                }));
            }
        }
    }
    Ok(None)
}

/// Runs `f` inside `netns` and returns its result.
///
/// In tcptrace's own namespace `f` runs on the calling thread, else on a new one that ends here. Where the process
/// that leads there has ended, another one is looked for.
pub fn with<T: Send>(netns: &Netns, f: impl FnOnce() -> T + Send) -> Result<T, EnterError> {
    let inode = netns.inode;
    let file = match netns.open() {
        // A short process of a namespace that others live in.
        Err(gone @ EnterError::Gone { .. }) => match find(inode) {
            Ok(Some(other)) => other.open()?,
            _ => return Err(gone),
        },
        opened => opened?,
    };
    if netns.reach == Reach::Own {
        return Ok(f());
    }
    std::thread::scope(|scope| {
        let inside = move || {
            let network = Some(LinkNameSpaceType::Network);
            confine::entering(|| move_into_link_name_space(file.as_fd(), network))
                .map_err(|errno| refused(inode, errno.into()))?;
            Ok(f())
        };
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, inside)
            .map_err(|source| EnterError::Failed { inode, source })?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The inode number meant by `PID`, `NAME` (under /run/netns) or `inode:N`.
///
/// A number is a process, never a name. `inode:N` is taken as it is: events of a namespace that
/// cannot be reached from here are still seen.
pub fn resolve(spec: &str) -> Result<u64, ResolveError> {
    resolve_in(spec, Path::new(NAMED_DIR))
}

fn resolve_in(spec: &str, named_dir: &Path) -> Result<u64, ResolveError> {
    let syntax = || ResolveError::Syntax(spec.to_owned());
    if let Some(number) = spec.strip_prefix("inode:") {
        return match number.parse() {
            Ok(inode) if inode > 0 && all_digits(number) => Ok(inode),
            _ => Err(syntax()),
        };
    }
    if all_digits(spec) {
        let pid = spec.parse().map_err(|_| syntax())?;
        let path = Reach::Pid(pid).path();
        return link_inode(&path).map_err(|source| {
            if is_absence(&source) {
                ResolveError::NoProcess(pid)
            } else {
                ResolveError::Unreadable { path, source }
            }
        });
    }
    if spec.is_empty() || spec.contains(['/', '\0']) || spec == "." || spec == ".." {
        return Err(syntax());
    }
    let path = named_dir.join(spec);
    match open_netns(&path) {
        Ok(file) => inode_of(&file).map_err(|source| ResolveError::Unreadable { path, source }),
        Err(source) => Err(match source.kind() {
            io::ErrorKind::NotFound => ResolveError::NoName(spec.to_owned()),
            io::ErrorKind::InvalidInput => ResolveError::NotNetns(path),
            _ => ResolveError::Unreadable { path, source },
        }),
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// No such file, or the process behind it ended while it was looked at.
fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn refused(inode: u64, source: io::Error) -> EnterError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => EnterError::NotPermitted { inode, source },
        _ => EnterError::Failed { inode, source },
    }
}

/// Opens a file that must be a network namespace; `InvalidInput` when it is anything else.
fn open_netns(path: &Path) -> io::Result<File> {
    // NONBLOCK and NOCTTY for files that are no namespace: a fifo would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    // SAFETY: NS_GET_NSTYPE takes no argument and writes to no memory; the descriptor is open.
    let kind = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&file), libc::NS_GET_NSTYPE) };
    if kind == libc::CLONE_NEWNET {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a network namespace",
        ))
    }
}

fn inode_of(file: &File) -> io::Result<u64> {
    fstat(file).map(|stat| stat.st_ino).map_err(io::Error::from)
}

/// The inode in a `/proc/.../ns/net` link, whose text is `net:[INODE]`.
fn link_inode(path: &Path) -> io::Result<u64> {
    let target = rustix::fs::readlink(path, Vec::new())?;
    parse_link(target.as_bytes()).ok_or_else(|| Errno::INVAL.into())
}

/// The inode number in the text of a namespace link; `None` unless it is a network one.
#[must_use]
pub fn parse_link(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| all_digits(text))?
        .parse()
        .ok()
}

/// A file that a network namespace is mounted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Inode of the namespace.
    pub inode: u64,
    /// The file.
    pub path: PathBuf,
}

/// The network namespaces in the text of a mountinfo file. Lines that say something else, or
/// nothing that can be understood, are passed over.
#[must_use]
pub fn parse_mounts(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(parse_mount)
        .collect()
}

/// `ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAGS...] - FSTYPE ...`
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let inode = parse_link(fields.next()?)?;
    let path = unescape(fields.next()?);
    fields.find(|field| *field == b"-")?;
    (fields.next()? == b"nsfs").then(|| Mount {
        inode,
        path: PathBuf::from(path),
    })
}

/// Undoes the kernel's `\OOO` (octal) writing of blanks and backslashes.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(OsStr::from_bytes(digits).to_str()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() {
            tail.get(3..).unwrap_or_default()
        } else {
            tail
        };
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
pub(super) mod tests;
