//! Blocks to files, by a thread of its own: writing, syncing, the next file, a full disk.
//!
//! A block is in the file as a whole or not at all: what was written of one that failed is cut off
//! again. While the disk is full each new block is tried, so that recording goes on once there is
//! room. Files are readable by their owner only: addresses and names of processes are nobody
//! else's.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::MAGIC;

/// Blocks that may wait for the disk: some 4 MB before compression.
const WAITING: usize = 64;
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

#[derive(Debug)]
enum Work {
    Append(Vec<u8>, u32),
    Next(Vec<u8>),
    Done,
}

#[derive(Debug, Default)]
struct Shared {
    lost_events: u64,
    trouble: Option<String>,
    is_told: bool,
}

impl Shared {
    fn lose(&mut self, events: u64, why: String) {
        self.lost_events += events;
        self.trouble = Some(why);
        self.is_told = false;
    }
}

/// The thread, seen from whoever records.
#[derive(Debug)]
pub(super) struct Disk {
    work: SyncSender<Work>,
    shared: Arc<Mutex<Shared>>,
    /// Until the first order, and not from the beginning: a thread keeps the privileges it was
    /// started with, and those of the start are given up before anything is written.
    idle: Option<(Writer, Receiver<Work>)>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Creates the file with its beginning.
    pub(super) fn begin(files: &Files, head: &[u8]) -> io::Result<Self> {
        clear_the_way(files)?;
        let mut file = create(&files.path, files.overwrites)?;
        file.write_all(head)?;
        file.sync_all()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (work, orders) = sync_channel(WAITING);
        let writer = Writer {
            path: files.path.clone(),
            keep: files.rotation.map_or(1, |rotation| rotation.keep.max(1)),
            whole: head.len() as u64,
            file: Some(file),
            head: head.to_vec(),
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
    pub(super) fn append(&mut self, block: Vec<u8>, events: u32) -> bool {
        self.start();
        match self.work.try_send(Work::Append(block, events)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                let why = "the disk is too slow for what is recorded".to_owned();
                lock(&self.shared).lose(u64::from(events), why);
                false
            }
        }
    }

    /// Appends what must not be missing, waiting for room in the queue.
    pub(super) fn append_last(&mut self, block: Vec<u8>) {
        self.start();
        // A thread that is gone has told so, as trouble.
        drop(self.work.send(Work::Append(block, 0)));
    }

    /// The next file begins with `head`.
    pub(super) fn next(&mut self, head: Vec<u8>) {
        self.start();
        drop(self.work.send(Work::Next(head)));
    }

    /// What went wrong since the last call.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let mut shared = lock(&self.shared);
        if std::mem::replace(&mut shared.is_told, true) {
            return None;
        }
        Some(Trouble {
            why: shared.trouble.clone()?,
            lost_events: shared.lost_events,
        })
    }

    /// Waits until everything is written; how many events were lost, and why.
    pub(super) fn finish(&mut self) -> (u64, Option<String>) {
        drop(self.work.send(Work::Done));
        let ended = self.thread.take().map(JoinHandle::join);
        let mut shared = lock(&self.shared);
        if matches!(ended, Some(Err(_))) {
            shared.trouble = Some("the thread that writes it has failed".to_owned());
        }
        (shared.lost_events, shared.trouble.clone())
    }
}

/// What is behind the lock is whole after every statement.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    keep: u32,
    /// `None` while the next file could not be created.
    file: Option<File>,
    /// Bytes of whole blocks in it.
    whole: u64,
    /// How the file begins, for when it could not be written yet.
    head: Vec<u8>,
    synced: Instant,
    shared: Arc<Mutex<Shared>>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Work>) {
        while let Ok(work) = orders.recv() {
            match work {
                Work::Append(block, events) => self.append(&block, events),
                Work::Next(head) => self.next(head),
                Work::Done => break,
            }
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
        let head: &[u8] = if self.whole == 0 { &self.head } else { &[] };
        let written = file.write_all(head).and_then(|()| file.write_all(block));
        if written.is_err() {
            // Nothing half-written stays; what cannot be cut off is told apart by its checksum.
            drop(file.set_len(self.whole));
            drop(file.seek(SeekFrom::Start(self.whole)));
        } else {
            self.whole += (head.len() + block.len()) as u64;
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

    fn next(&mut self, head: Vec<u8>) {
        self.sync();
        self.file = None;
        self.whole = 0;
        self.head = head;
        if let Err(error) = rotate(&self.path, self.keep).and_then(|()| self.write(&[])) {
            let why = format!("cannot begin the next {}: {error}", self.path.display());
            lock(&self.shared).lose(0, why);
        }
        sync_directory(&self.path);
    }
}

/// A file that only its owner may read. Nobody's file is written over, nor a link followed.
fn create(path: &Path, overwrites: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    if overwrites {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path)
}

/// An existing file is moved on, left to be written over, or refused.
fn clear_the_way(files: &Files) -> io::Result<()> {
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
