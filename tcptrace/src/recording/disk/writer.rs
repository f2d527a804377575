//! The thread's part of the disk: orders become bytes in files.
//!
//! A block is in the file as a whole or not at all: what was written of one that failed is cut off again.
//! While the disk is full each new block is tried, so that recording continues once there is room.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::directory::Directory;
use super::{Shared, Work, lock};

/// How often the disk is asked to keep what it has.
const SYNC: Duration = Duration::from_secs(1);

/// The thread's part.
#[derive(Debug)]
pub(in crate::recording) struct Writer {
    /// As the user named it, for messages; it is opened by `name` in `directory`.
    pub(super) path: PathBuf,
    pub(super) directory: Directory,
    pub(super) name: OsString,
    pub(super) keep: u32,
    /// `None` while the next file could not be created.
    pub(super) file: Option<File>,
    /// Bytes of whole blocks in it.
    pub(super) whole: u64,
    /// How the file begins, for when it could not be written yet.
    pub(super) head: Bytes,
    pub(super) synced: Instant,
    /// Events written since the disk last said that it keeps what it has.
    pub(super) unsynced_events: u64,
    pub(super) shared: Arc<Mutex<Shared>>,
}

impl Writer {
    pub(super) fn run(mut self, orders: &Receiver<Work>) {
        while let Ok(work) = orders.recv() {
            let events = match work {
                Work::Append(block, events) => {
                    self.append(&block, events);
                    events
                }
                Work::Next(head) => {
                    self.next(head);
                    0
                }
                Work::Done => break,
            };
            let mut shared = lock(&self.shared);
            shared.queued = shared.queued.saturating_sub(1);
            shared.queued_events = shared.queued_events.saturating_sub(events.into());
        }
        self.sync();
    }

    fn append(&mut self, block: &[u8], events: u32) {
        if let Err(error) = self.write(block) {
            let why = format!("cannot write {}: {error}", self.path.display());
            lock(&self.shared).lose(u64::from(events), why);
            return;
        }
        self.unsynced_events += u64::from(events);
        if self.synced.elapsed() >= SYNC {
            self.sync();
        }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.directory.create(&self.name, false)?),
        };
        let head = if self.whole == 0 {
            self.head.clone()
        } else {
            Bytes::new()
        };
        let written = file.write_all(&head).and_then(|()| file.write_all(block));
        if written.is_err() {
            // Nothing half-written stays; what cannot be cut off is detected by its checksum.
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
        let Some(file) = &self.file else { return };
        let events = std::mem::take(&mut self.unsynced_events);
        if let Err(error) = file.sync_data() {
            // The kernel does not say what of it is on the disk, and tries it once only.
            let why = format!("cannot sync {}: {error}", self.path.display());
            lock(&self.shared).doubt(events, why);
        }
    }

    fn next(&mut self, head: Bytes) {
        self.sync();
        // Its lock holds until the next one has its own.
        let before = self.file.take();
        self.whole = 0;
        self.head = head;
        if let Err(error) = self
            .directory
            .rotate(&self.name, self.keep)
            .and_then(|()| self.write(&[]))
        {
            let why = format!(
                "cannot start the next file {}: {error}",
                self.path.display()
            );
            lock(&self.shared).lose(0, why);
        }
        drop(before);
        self.directory.sync();
        lock(&self.shared).files_due -= 1;
    }
}
