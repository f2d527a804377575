//! Blocks to files, by a thread of its own: writing, syncing, the next file, a full disk.
//!
//! Whoever hands blocks over never waits: the queue takes no more than [`MOST_QUEUED`] blocks, and the
//! few orders that must not be missing (the end of a file, the next one) are always taken.
//!
//! A block is in the file as a whole or not at all: what was written of one that failed is cut off
//! again. While the disk is full each new block is tried, so that recording goes on once there is
//! room. Files are readable by their owner only: addresses and names of processes are nobody
//! else's.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::MAGIC;

/// Blocks that may wait for the disk: some 4 MB before compression.
pub(super) const MOST_QUEUED: usize = 64;
/// A lock on a new file is tried so often.
const PROBED: u32 = 20;
/// How often the disk is asked to keep what it has.
const SYNC: Duration = Duration::from_secs(1);

/// Where a recording goes, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The file; with a rotation the newest one.
    pub path: PathBuf,
    /// No file grows larger.
    pub max_bytes: Option<u64>,
    /// A full file is followed by the next; `None`: the recording ends.
    pub rotation: Option<Rotation>,
    /// An existing recording is written over.
    pub overwrites: bool,
}

/// One file after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The next begins after this time, full or not.
    pub after: Option<Duration>,
    /// Files that stay, the newest included; at least 1.
    pub keep: u32,
}

/// The disk did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub why: String,
    /// Events lost by now.
    pub lost_events: u64,
}

/// What the thread is to do.
#[derive(Debug)]
pub(super) enum Work {
    Append(Bytes, u32),
    Next(Bytes),
    Done,
}

/// What the disk did.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// Files begun.
    pub(super) files: u32,
    /// Bytes written.
    pub(super) bytes: u64,
    /// Events in no file.
    pub(super) lost_events: u64,
    /// Why, the last time.
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    done: Done,
    is_told: bool,
    /// Blocks on their way.
    queued: usize,
    /// Files ordered and not begun yet.
    files_due: u32,
}

impl Shared {
    fn lose(&mut self, events: u64, why: String) {
        self.done.lost_events += events;
        self.done.trouble = Some(why);
        self.is_told = false;
    }
}

/// What the thread will be made of.
pub(super) type Idle = (Writer, Receiver<Work>);

/// The thread, seen from whoever records.
#[derive(Debug)]
pub(super) struct Disk {
    work: Sender<Work>,
    shared: Arc<Mutex<Shared>>,
    /// Until the first order, and not from the beginning: a thread keeps the privileges it was
    /// started with, and those of the start are given up before anything is written.
    idle: Option<Idle>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Creates the file with its beginning.
    pub(super) fn begin(files: &Files, head: &Bytes) -> io::Result<Self> {
        clear_the_way(files)?;
        let mut file = create(&files.path, files.overwrites)?;
        file.write_all(head)?;
        file.sync_all()?;
        let shared = Arc::new(Mutex::new(Shared {
            done: Done {
                files: 1,
                bytes: head.len() as u64,
                ..Done::default()
            },
            ..Shared::default()
        }));
        let (work, orders) = channel();
        let writer = Writer {
            path: files.path.clone(),
            keep: files.rotation.map_or(1, |rotation| rotation.keep.max(1)),
            whole: head.len() as u64,
            file: Some(file),
            head: head.clone(),
            synced: Instant::now(),
            shared: Arc::clone(&shared),
        };
        Ok(Self {
            work,
            shared,
            idle: Some((writer, orders)),
            thread: None,
        })
    }

    /// Starts the thread if it does not run yet.
    fn start(&mut self) {
        let Some((writer, orders)) = self.idle.take() else {
            return;
        };
        let builder = std::thread::Builder::new().name("recorder".to_owned());
        match builder.spawn(move || writer.run(&orders)) {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => {
                let why = format!("cannot start the thread that writes: {error}");
                lock(&self.shared).lose(0, why);
            }
        }
    }

    /// Appends a block with so many events; false: it was lost.
    pub(super) fn append(&mut self, block: Bytes, events: u32) -> bool {
        if lock(&self.shared).queued >= MOST_QUEUED {
            self.lose(events);
            return false;
        }
        let is_sent = self.order(Work::Append(block, events));
        if !is_sent {
            self.lose(events);
        }
        is_sent
    }

    /// Appends what must not be missing, however many blocks wait: one for each file.
    pub(super) fn append_last(&mut self, block: Bytes) {
        self.order(Work::Append(block, 0));
    }

    /// The next file begins with `head`. Not to be ordered while [`Self::is_behind`].
    pub(super) fn next(&mut self, head: Bytes) {
        lock(&self.shared).files_due += 1;
        self.order(Work::Next(head));
    }

    /// Whether a file that was ordered has not begun yet.
    pub(super) fn is_behind(&self) -> bool {
        lock(&self.shared).files_due > 0
    }

    /// Events of a block for which there was no room.
    pub(super) fn lose(&self, events: u32) {
        let why = "the disk is too slow for what is recorded".to_owned();
        lock(&self.shared).lose(events.into(), why);
    }

    /// Hands an order over; false: the thread is gone, and has said why.
    fn order(&mut self, work: Work) -> bool {
        self.start();
        lock(&self.shared).queued += 1;
        let is_sent = self.work.send(work).is_ok();
        if !is_sent {
            lock(&self.shared).queued -= 1;
        }
        is_sent
    }

    /// What went wrong since the last call.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let mut shared = lock(&self.shared);
        if std::mem::replace(&mut shared.is_told, true) {
            return None;
        }
        Some(Trouble {
            why: shared.done.trouble.clone()?,
            lost_events: shared.done.lost_events,
        })
    }

    /// Nothing takes orders, as where the disk hangs. To be called before the first of them.
    #[cfg(test)]
    pub(super) fn stall(&mut self) -> Idle {
        self.idle.take().expect("it has no orders yet")
    }

    #[cfg(test)]
    pub(super) fn resume(&mut self, idle: Idle) {
        self.idle = Some(idle);
    }

    /// Waits until everything is written; what became of it.
    pub(super) fn finish(&mut self) -> Done {
        self.order(Work::Done);
        let ended = self.thread.take().map(JoinHandle::join);
        let mut shared = lock(&self.shared);
        if matches!(ended, Some(Err(_))) {
            shared.done.trouble = Some("the thread that writes it has failed".to_owned());
        }
        shared.done.clone()
    }
}

/// What is behind the lock is whole after every statement.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's part.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    keep: u32,
    /// `None` while the next file could not be created.
    file: Option<File>,
    /// Bytes of whole blocks in it.
    whole: u64,
    /// How the file begins, for when it could not be written yet.
    head: Bytes,
    synced: Instant,
    shared: Arc<Mutex<Shared>>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Work>) {
        if let Err(error) = drop_capabilities() {
            let why = format!("cannot drop the capabilities of the thread that writes: {error}");
            lock(&self.shared).lose(0, why);
        }
        while let Ok(work) = orders.recv() {
            match work {
                Work::Append(block, events) => self.append(&block, events),
                Work::Next(head) => self.next(head),
                Work::Done => break,
            }
            let mut shared = lock(&self.shared);
            shared.queued = shared.queued.saturating_sub(1);
        }
        self.sync();
    }

    fn append(&mut self, block: &[u8], events: u32) {
        if let Err(error) = self.write(block) {
            let why = format!("cannot write {}: {error}", self.path.display());
            lock(&self.shared).lose(u64::from(events), why);
        } else if self.synced.elapsed() >= SYNC {
            self.sync();
        }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(create(&self.path, false)?),
        };
        let head = if self.whole == 0 {
            self.head.clone()
        } else {
            Bytes::new()
        };
        let written = file.write_all(&head).and_then(|()| file.write_all(block));
        if written.is_err() {
            // Nothing half-written stays; what cannot be cut off is told apart by its checksum.
            drop(file.set_len(self.whole));
            drop(file.seek(SeekFrom::Start(self.whole)));
        } else {
            let length = (head.len() + block.len()) as u64;
            let mut shared = lock(&self.shared);
            shared.done.files += u32::from(self.whole == 0);
            shared.done.bytes += length;
            self.whole += length;
        }
        written
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        if let Some(Err(error)) = self.file.as_ref().map(File::sync_data) {
            let why = format!("cannot keep {}: {error}", self.path.display());
            lock(&self.shared).lose(0, why);
        }
    }

    fn next(&mut self, head: Bytes) {
        self.sync();
        // Its lock holds until the next one has its own.
        let before = self.file.take();
        self.whole = 0;
        self.head = head;
        if let Err(error) = rotate(&self.path, self.keep).and_then(|()| self.write(&[])) {
            let why = format!("cannot begin the next {}: {error}", self.path.display());
            lock(&self.shared).lose(0, why);
        }
        drop(before);
        sync_directory(&self.path);
        lock(&self.shared).files_due -= 1;
    }
}

/// The next files of a rotation are opened with the rights of the user who records, and not with those
/// of a binary that has file capabilities. Root keeps its own.
fn drop_capabilities() -> io::Result<()> {
    if rustix::process::getuid().is_root() {
        return Ok(());
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, sets)?)
}

/// A file that only its owner may read, locked. Nobody's file is written over, nor a link followed.
fn create(path: &Path, overwrites: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    if overwrites {
        options.create(true).truncate(false);
    } else {
        options.create_new(true);
    }
    let file = options.open(path)?;
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

/// Refuses a recording that another process is writing, also while that one changes files.
fn refuse_if_in_use(path: &Path) -> io::Result<()> {
    for path in [path, &numbered(path, 1)] {
        let mut options = OpenOptions::new();
        options.read(true);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
        // A file that cannot be opened is judged by whoever opens it next.
        if let Ok(file) = options.open(path) {
            lock_file(&file)?;
        }
    }
    Ok(())
}

/// An existing file is moved on, left to be written over, or refused.
fn clear_the_way(files: &Files) -> io::Result<()> {
    refuse_if_in_use(&files.path)?;
    let Ok(found) = fs::symlink_metadata(&files.path) else {
        return Ok(());
    };
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, why.to_owned()));
    if !found.is_file() {
        return refuse("it exists and is no plain file");
    }
    if !is_recording(&files.path)? {
        return refuse("it exists and is no recording; choose another name");
    }
    match files.rotation {
        Some(rotation) => rotate(&files.path, rotation.keep.max(1)),
        None if files.overwrites => Ok(()),
        None => refuse("it exists; choose another name, or write over it by --force"),
    }
}

/// Whether it begins like one. An empty file will do: it was one that could not begin.
fn is_recording(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    let length = MAGIC.len() as u64;
    File::open(path)?.take(length).read_to_end(&mut begin)?;
    Ok(begin.is_empty() || begin == MAGIC)
}

/// `FILE` with a number behind it; the larger the older.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Moves each file on by one; what is beyond `keep` goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let absent = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    // Also those of an earlier run that kept more.
    let mut beyond = keep.max(1);
    while fs::symlink_metadata(numbered(path, beyond)).is_ok() {
        beyond += 1;
    }
    for number in (keep.max(1) - 1..beyond).rev() {
        let older = if number == 0 {
            path.to_owned()
        } else {
            numbered(path, number)
        };
        absent(fs::remove_file(older))?;
    }
    for number in (0..keep.max(1) - 1).rev() {
        let from = if number == 0 {
            path.to_owned()
        } else {
            numbered(path, number)
        };
        absent(fs::rename(from, numbered(path, number + 1)))?;
    }
    Ok(())
}

/// So that a new name outlives a power cut. A file system that cannot is none the worse.
fn sync_directory(path: &Path) {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) {
        drop(directory.sync_all());
    }
}
