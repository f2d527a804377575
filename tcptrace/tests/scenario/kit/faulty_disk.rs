//! A file system that fails on demand: one directory in memory, served through /dev/fuse by a thread of the
//! test. Writing, syncing and creating can be given an error of their own, and writing can hang, which no
//! real disk does when it is asked to.
//!
//! Only what a recorder and a reader of its files ask for is served; the rest is ENOSYS, which the kernel
//! remembers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Result, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::confine;

/// Requests of the kernel, by their numbers (fuse.h).
mod request {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const UNLINK: u32 = 10;
    pub(super) const RENAME: u32 = 12;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const WRITE: u32 = 16;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const INIT: u32 = 26;
    pub(super) const CREATE: u32 = 35;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const BATCH_FORGET: u32 = 42;
    pub(super) const RENAME2: u32 = 45;
}

const HEAD: usize = 40;
const ROOT: u64 = 1;
/// Of one write, bytes.
const MOST: u32 = 128 << 10;

/// What fails from now on, by its errno; 0: nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) write: i32,
    pub(crate) sync: i32,
    pub(crate) create: i32,
    /// Writing gets no answer.
    pub(crate) hangs: bool,
}

#[derive(Default)]
struct Shared {
    faults: Mutex<Faults>,
    changed: Condvar,
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mounted one; unmounted with the value.
pub(crate) struct FaultyDisk {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl FaultyDisk {
    /// Mounts it over a directory, in the calling thread's mount namespace.
    pub(crate) fn mount(path: &Path) -> Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        confine::mount(c"fuse", path, &options)?;
        let shared = Arc::new(Shared::default());
        let disk = Disk {
            device,
            shared: Arc::clone(&shared),
            names: BTreeMap::new(),
            files: Vec::new(),
        };
        std::thread::spawn(move || disk.serve());
        Ok(Self {
            path: path.to_owned(),
            shared,
        })
    }

    pub(crate) fn fail(&self, faults: Faults) {
        *self.shared.faults() = faults;
        self.shared.changed.notify_all();
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        self.fail(Faults::default());
        confine::detach_path(&self.path);
    }
}

struct Disk {
    device: File,
    shared: Arc<Shared>,
    /// Places in `files`.
    names: BTreeMap<Vec<u8>, usize>,
    files: Vec<Vec<u8>>,
}

type Answer = std::result::Result<Vec<u8>, i32>;

fn number(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_le_bytes)
}

/// Names, each with a NUL behind it.
fn names(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec)
}

impl Disk {
    /// Until it is unmounted and nobody uses it any more.
    fn serve(mut self) {
        let mut buffer = vec![0; (MOST as usize) + 4096];
        while let Ok(length) = self.device.read(&mut buffer) {
            let (head, body) = buffer[..length].split_at(HEAD.min(length));
            let kind = half(head, 4);
            if matches!(
                kind,
                request::FORGET | request::BATCH_FORGET | request::INTERRUPT
            ) {
                continue;
            }
            let answer = self.answer(kind, number(head, 16), body);
            let (error, payload) = match answer {
                Ok(payload) => (0, payload),
                Err(errno) => (-errno, Vec::new()),
            };
            let mut out = Vec::new();
            out.extend((16 + payload.len() as u32).to_le_bytes());
            out.extend(error.to_le_bytes());
            out.extend(number(head, 8).to_le_bytes());
            out.extend(payload);
            // One that was interrupted waits for nothing any more.
            drop(self.device.write_all(&out));
        }
    }

    fn answer(&mut self, kind: u32, node: u64, body: &[u8]) -> Answer {
        match kind {
            request::INIT => Ok(Self::init(body)),
            request::LOOKUP => {
                let name = names(body).next().unwrap_or_default();
                self.names
                    .get(&name)
                    .map(|at| self.entry(*at))
                    .ok_or(libc::ENOENT)
            }
            request::GETATTR => self.attributes(node),
            request::SETATTR => {
                const SIZE: u32 = 1 << 3;
                if half(body, 0) & SIZE != 0 {
                    let length = number(body, 16) as usize;
                    self.file(node)?.resize(length, 0);
                }
                self.attributes(node)
            }
            request::CREATE => {
                fails(self.shared.faults().create)?;
                let name = names(body.get(16..).unwrap_or_default()).next();
                let at = self.files.len();
                self.files.push(Vec::new());
                self.names.insert(name.unwrap_or_default(), at);
                Ok([self.entry(at), vec![0; 16]].concat())
            }
            request::OPEN => Ok(vec![0; 16]),
            request::READ => {
                let (from, most) = (number(body, 8) as usize, half(body, 16) as usize);
                let file = self.file(node)?;
                let rest = file.get(from..).unwrap_or_default();
                Ok(rest[..most.min(rest.len())].to_vec())
            }
            request::WRITE => self.write(node, body),
            request::FSYNC => fails(self.shared.faults().sync).map(|()| Vec::new()),
            request::UNLINK => {
                let name = names(body).next().unwrap_or_default();
                self.names.remove(&name).ok_or(libc::ENOENT)?;
                Ok(Vec::new())
            }
            request::RENAME | request::RENAME2 => {
                fails(self.shared.faults().create)?;
                let head = if kind == request::RENAME { 8 } else { 16 };
                let mut words = names(body.get(head..).unwrap_or_default());
                let (old, new) = (
                    words.next().unwrap_or_default(),
                    words.next().unwrap_or_default(),
                );
                let at = self.names.remove(&old).ok_or(libc::ENOENT)?;
                self.names.insert(new, at);
                Ok(Vec::new())
            }
            request::RELEASE => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        }
    }

    /// Speaks version 7.31, which all kernels from 5.4 on do, and asks for nothing.
    fn init(body: &[u8]) -> Vec<u8> {
        let minor = half(body, 4).min(31);
        let words = [7, minor, half(body, 8), 0, 0, MOST, 1];
        let mut out: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        out.resize(64, 0);
        out
    }

    fn write(&mut self, node: u64, body: &[u8]) -> Answer {
        let shared = Arc::clone(&self.shared);
        let stuck = |faults: &mut Faults| faults.hangs;
        let faults = shared.changed.wait_while(shared.faults(), stuck);
        fails(faults.unwrap_or_else(PoisonError::into_inner).write)?;
        let (from, data) = (number(body, 8) as usize, body.get(40..).unwrap_or_default());
        let file = self.file(node)?;
        let end = from + data.len();
        file.resize(file.len().max(end), 0);
        file[from..end].copy_from_slice(data);
        Ok([data.len() as u32, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect())
    }

    fn file(&mut self, node: u64) -> std::result::Result<&mut Vec<u8>, i32> {
        let at = usize::try_from(node)
            .ok()
            .and_then(|node| node.checked_sub(2));
        at.and_then(|at| self.files.get_mut(at)).ok_or(libc::ENOENT)
    }

    /// A node, which nobody may take for granted for any time.
    fn entry(&self, at: usize) -> Vec<u8> {
        let node = at as u64 + 2;
        let mut out = vec![0; 40];
        out[..8].copy_from_slice(&node.to_le_bytes());
        out.extend(Self::attribute(node, self.files[at].len() as u64));
        out
    }

    fn attributes(&mut self, node: u64) -> Answer {
        let length = if node == ROOT {
            0
        } else {
            self.file(node)?.len() as u64
        };
        Ok([vec![0; 16], Self::attribute(node, length)].concat())
    }

    /// Root's; the recorder writes as root.
    fn attribute(node: u64, length: u64) -> Vec<u8> {
        let (mode, links) = if node == ROOT {
            (libc::S_IFDIR | 0o755, 2)
        } else {
            (libc::S_IFREG | 0o600, 1)
        };
        let mut out = Vec::new();
        for word in [node, length, length.div_ceil(512), 0, 0, 0] {
            out.extend(word.to_le_bytes());
        }
        for word in [0, 0, 0, mode, links, 0, 0, 0, 4096, 0_u32] {
            out.extend(word.to_le_bytes());
        }
        out
    }
}

fn fails(errno: i32) -> std::result::Result<(), i32> {
    if errno == 0 { Ok(()) } else { Err(errno) }
}
