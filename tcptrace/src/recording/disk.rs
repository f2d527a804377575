//! Blocks to files, by a thread of its own: writing, syncing, the next file, a full disk.
//!
//! Whoever hands blocks over never waits: the queue takes no more than [`MOST_QUEUED`] blocks, and the
//! few orders that must not be missing (the end of a file, the next one) are always taken.
//!
//! Files are readable by their owner only: addresses and names of processes are nobody
//! else's.

mod directory;
mod writer;

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use directory::Directory;
use writer::Writer;

/// Blocks that may wait for the disk: some 4 MB before compression.
pub(super) const MOST_QUEUED: usize = 64;

/// How long the end of a recording waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_millis(2);

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
    /// Further events that were written, and that the disk may not have kept.
    pub doubtful_events: u64,
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
    /// Written, and perhaps not kept.
    pub(super) doubtful_events: u64,
    /// Why, the last time.
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    pub(super) done: Done,
    is_reported: bool,
    /// Events in blocks on their way.
    queued_events: u64,
    /// Blocks on their way.
    pub(super) queued: usize,
    /// Files ordered and not begun yet.
    pub(super) files_due: u32,
}

impl Shared {
    pub(super) fn lose(&mut self, events: u64, why: String) {
        self.done.lost_events += events;
        self.trouble(why);
    }

    /// The disk may not have kept events that it took.
    pub(super) fn doubt(&mut self, events: u64, why: String) {
        self.done.doubtful_events += events;
        self.trouble(why);
    }

    fn trouble(&mut self, why: String) {
        self.done.trouble = Some(why);
        self.is_reported = false;
    }
}

/// What the thread gave up before its first order.
#[derive(Debug)]
pub struct Confined {
    /// The working directory of the thread is that of the recording, and of no other thread.
    pub is_inside: bool,
    /// What it could not give up, one sentence each.
    pub kept: Vec<String>,
}

/// Gives up what writing in this directory does not need, on the thread that writes.
pub type Confine = Box<dyn FnOnce(BorrowedFd<'_>) -> Confined + Send>;

/// What the thread will be made of.
pub(super) type Idle = (Writer, Receiver<Work>);

/// The thread, seen from whoever records.
#[derive(Debug)]
pub(super) struct Disk {
    work: Sender<Work>,
    shared: Arc<Mutex<Shared>>,
    /// Until it is started, by [`Disk::confine`] or by the first order.
    idle: Option<Idle>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Creates the file with its beginning.
    pub(super) fn begin(files: &Files, head: &Bytes) -> io::Result<Self> {
        let (directory, name) = Directory::of(&files.path)?;
        directory.clear_the_way(&name, files)?;
        let mut file = directory.create(&name, files.overwrites)?;
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
            directory,
            name,
            keep: files.rotation.map_or(1, |rotation| rotation.keep.max(1)),
            whole: head.len() as u64,
            file: Some(file),
            head: head.clone(),
            synced: Instant::now(),
            unsynced_events: 0,
            shared: Arc::clone(&shared),
        };
        Ok(Self {
            work,
            shared,
            idle: Some((writer, orders)),
            thread: None,
        })
    }

    /// Starts the thread, which runs `confine` first; waits for that.
    pub(super) fn confine(&mut self, confine: Confine) -> Vec<String> {
        let (reported, kept) = sync_channel(1);
        self.start_with(move |writer| {
            let confined = confine(writer.directory.as_fd());
            if confined.is_inside {
                writer.directory.is_entered();
            }
            // Nobody waits for it any more where the process is ending.
            drop(reported.send(confined.kept));
        });
        kept.recv().unwrap_or_default()
    }

    /// Starts the thread if it does not run yet.
    fn start(&mut self) {
        self.start_with(|_| ());
    }

    fn start_with(&mut self, prepare: impl FnOnce(&mut Writer) + Send + 'static) {
        let Some((mut writer, orders)) = self.idle.take() else {
            return;
        };
        let builder = std::thread::Builder::new().name("recorder".to_owned());
        let started = builder.spawn(move || {
            prepare(&mut writer);
            writer.run(&orders);
        });
        match started {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => {
                let why = format!("cannot start the thread that writes: {error}");
                lock(&self.shared).lose(0, why);
            }
        }
    }

    /// Appends a block with so many events; false: it was lost.
    pub(super) fn append(&mut self, block: Bytes, events: u32) -> bool {
        {
            let mut shared = lock(&self.shared);
            if shared.queued >= MOST_QUEUED {
                drop(shared);
                self.lose(events);
                return false;
            }
            shared.queued_events += u64::from(events);
        }
        let is_sent = self.order(Work::Append(block, events));
        if !is_sent {
            lock(&self.shared).queued_events -= u64::from(events);
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
        let why = "the disk is too slow for this amount of data".to_owned();
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
        if std::mem::replace(&mut shared.is_reported, true) {
            return None;
        }
        Some(Trouble {
            why: shared.done.trouble.clone()?,
            lost_events: shared.done.lost_events,
            doubtful_events: shared.done.doubtful_events,
        })
    }

    /// Nothing takes orders, as where the disk hangs. To be called before the first of them.
    #[cfg(test)]
    pub(super) fn stall(&mut self) -> Idle {
        self.idle.take().expect("it has nothing to write yet")
    }

    #[cfg(test)]
    pub(super) fn write_to(&mut self, file: std::os::fd::OwnedFd) {
        let (writer, _) = self.idle.as_mut().expect("it has nothing to write yet");
        writer.file = Some(file.into());
    }

    #[cfg(test)]
    pub(super) fn resume(&mut self, idle: Idle) {
        self.idle = Some(idle);
    }

    /// Waits until everything is written, or for [`PATIENCE`] where the disk hangs; what became of it.
    pub(super) fn finish(&mut self) -> Done {
        self.order(Work::Done);
        let begin = Instant::now();
        let is_busy = |thread: &JoinHandle<()>| !thread.is_finished();
        while self.thread.as_ref().is_some_and(is_busy) && begin.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
        }
        let ended = self.thread.take_if(|thread| thread.is_finished());
        let ended = ended.map(JoinHandle::join);
        let mut shared = lock(&self.shared);
        if matches!(ended, Some(Err(_))) {
            shared.done.trouble = Some("the thread that writes it has failed".to_owned());
        }
        if self.thread.is_some() {
            // What it holds may be written yet, or not.
            let events = std::mem::take(&mut shared.queued_events);
            let why = format!("the disk has not answered for {} s", PATIENCE.as_secs());
            shared.lose(events, why);
        }
        shared.done.clone()
    }
}

/// What is behind the lock is whole after every statement.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
