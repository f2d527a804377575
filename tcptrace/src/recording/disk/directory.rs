//! The directory of a recording, held open: files are made, moved on and removed in it by their names, so
//! that the recorder needs no path once it has begun, and stays in the directory when that is renamed.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};

use super::Files;
use crate::recording::MAGIC;

/// A lock on a new file is tried so often.
const PROBED: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Directory {
    /// `None`: the working directory of the thread, which is that one.
    open: Option<OwnedFd>,
}

impl Directory {
    /// The one in which `path` is, and the name there.
    pub(super) fn of(path: &Path) -> io::Result<(Self, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // Its files need not be listed.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = openat(CWD, parent, flags, Mode::empty())?;
        Ok((Self { open: Some(open) }, name.to_owned()))
    }

    /// Its descriptor.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.as_ref().map_or(CWD, OwnedFd::as_fd)
    }

    /// From now on it is the working directory of the calling thread.
    pub(super) fn is_entered(&mut self) {
        self.open = None;
    }

    /// A file that only its owner may read, locked. Nobody's file is written over, nor a link followed.
    pub(super) fn create(&self, name: &OsStr, overwrites: bool) -> io::Result<File> {
        let mut flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !overwrites {
            flags |= OFlags::EXCL;
        }
        let file = File::from(openat(self.as_fd(), name, flags, Mode::RUSR | Mode::WUSR)?);
        let mut is_locked = lock_file(&file);
        // Another process may look whether a new file is in use, which takes it a moment.
        for _ in 0..PROBED {
            if is_locked.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            is_locked = lock_file(&file);
        }
        is_locked?;
        if overwrites {
            file.set_len(0)?;
        }
        Ok(file)
    }

    /// An existing file is moved on, left to be written over, or refused.
    pub(super) fn clear_the_way(&self, name: &OsStr, files: &Files) -> io::Result<()> {
        self.refuse_if_in_use(name)?;
        let Ok(found) = statat(self.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(());
        };
        let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, why.to_owned()));
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return refuse("it exists and is not a regular file");
        }
        if !self.is_recording(name)? {
            return refuse("it exists and is not a recording; choose another name");
        }
        match files.rotation {
            Some(rotation) => self.rotate(name, rotation.keep.max(1)),
            None if files.overwrites => Ok(()),
            None => refuse("it exists; choose another name, or overwrite it with --force"),
        }
    }

    /// Refuses a recording that another process is writing, also while that one changes files.
    fn refuse_if_in_use(&self, name: &OsStr) -> io::Result<()> {
        for name in [name, &numbered(name, 1)] {
            // A file that cannot be opened is judged by whoever opens it next.
            if let Ok(file) = self.open_to_read(name) {
                lock_file(&file)?;
            }
        }
        Ok(())
    }

    fn open_to_read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(self.as_fd(), name, flags, Mode::empty())?.into())
    }

    /// Whether it begins like one. An empty file will do: it was one that could not begin.
    fn is_recording(&self, name: &OsStr) -> io::Result<bool> {
        let mut begin = Vec::new();
        let length = MAGIC.len() as u64;
        let file = self.open_to_read(name)?;
        file.take(length).read_to_end(&mut begin)?;
        Ok(begin.is_empty() || begin == MAGIC)
    }

    /// Moves each file on by one; what is beyond `keep` goes.
    pub(super) fn rotate(&self, name: &OsStr, keep: u32) -> io::Result<()> {
        let absent = |result: rustix::io::Result<()>| match result {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(io::Error::from(errno)),
        };
        // The newest one has no number.
        let nth = |number| match number {
            0 => name.to_owned(),
            _ => numbered(name, number),
        };
        // Also those of an earlier run that kept more.
        let mut beyond = keep.max(1);
        while statat(self.as_fd(), nth(beyond), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            beyond += 1;
        }
        for number in (keep.max(1) - 1..beyond).rev() {
            absent(unlinkat(self.as_fd(), nth(number), AtFlags::empty()))?;
        }
        for number in (0..keep.max(1) - 1).rev() {
            let (from, to) = (nth(number), nth(number + 1));
            absent(renameat(self.as_fd(), from, self.as_fd(), to))?;
        }
        Ok(())
    }

    /// So that a new name outlives a power cut. A file system that cannot is none the worse.
    pub(super) fn sync(&self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(directory) = openat(self.as_fd(), ".", flags, Mode::empty()) {
            let _refused = rustix::fs::fsync(directory);
        }
    }
}

/// Keeps every other recorder off the file. It goes with the process, however that ends.
fn lock_file(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "another tcptrace is recording into it; choose another name",
        )),
        // Some file systems have no locks. Recording without one is better than not at all.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// The name with a number behind it; the larger the older.
pub(super) fn numbered(name: &OsStr, number: u32) -> OsString {
    let mut name = name.to_owned();
    name.push(format!(".{number}"));
    name
}
