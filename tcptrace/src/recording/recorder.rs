//! What is recorded becomes blocks: filled here, written to the disk by a thread of their own.
//!
//! Whoever records never waits for the disk, not even when one file ends and the next begins: blocks
//! queue for it in bounded memory, and a block that finds no room is lost and counted. A block ends
//! when it is large or old, so that little is lost when the process is killed.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::disk::{self, Confine, Disk, Files, Trouble};
use super::frame::{BlockKind, Extent, Framer};
use super::v1::{self, Encoder};
use super::{Item, MAGIC, Standing, Start, VERSION};
use crate::model::Event;

/// A block ends beyond this size, before compression.
const LARGE: usize = 64 << 10;
/// A block ends at this age: what is lost when we are killed.
const OLD: Duration = Duration::from_secs(1);

/// What the recorder asks of whoever records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    Nothing,
    /// The file is full or old: [`Recorder::rotate`].
    NextFile,
    /// The file is full, and it was to be the only one.
    End,
}

/// How a recording went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Files begun on the disk.
    pub files: u32,
    /// Bytes the disk took, those of files that were removed since too.
    pub bytes: u64,
    /// Events handed over.
    pub events: u64,
    /// Of those, events that are in no file.
    pub lost_events: u64,
    /// Further events that were written, and that the disk may not have kept.
    pub doubtful_events: u64,
    /// Why, the last time; `None`: nothing is missing.
    pub trouble: Option<String>,
}

/// Records.
#[derive(Debug)]
pub struct Recorder {
    files: Files,
    start: Start,
    encoder: Encoder,
    framer: Framer,
    extent: Extent,
    /// When the first item of the block came.
    begin: Option<Instant>,
    /// Bytes of the file, those on their way too.
    file_bytes: u64,
    file_begin: Instant,
    /// Kept free for the end of the file.
    reserve: u64,
    /// How far the wall clock is ahead of the boot clock, ns, if it was set since the run began.
    boot_to_wall_ns: Option<i64>,
    /// Blocks that do not fit into the file any more; at most [`disk::MOST_QUEUED`].
    waiting: Vec<Sealed>,
    disk: Disk,
}

/// A block with its events, and those of the run before it.
#[derive(Debug)]
struct Sealed {
    block: Bytes,
    events: u32,
    events_before: u64,
}

impl Recorder {
    /// Begins the file; an existing one is judged by `files`.
    ///
    /// # Errors
    /// When the file cannot be created or written; the text says what to do.
    pub fn create(files: Files, start: Start) -> std::io::Result<Self> {
        let mut framer = Framer::default();
        let head = file_head(&mut framer, &start, 0);
        let disk = Disk::begin(&files, &head)?;
        let written = head.len() as u64;
        Ok(Self {
            files,
            start,
            encoder: Encoder::default(),
            framer,
            extent: Extent::default(),
            begin: None,
            file_bytes: written,
            file_begin: Instant::now(),
            reserve: reserve(written),
            boot_to_wall_ns: None,
            waiting: Vec::new(),
            disk,
        })
    }

    /// Starts the thread that writes, which runs `confine` before anything else. To be called before the
    /// privileges go that `confine` takes. Returns what the thread could not give up.
    pub fn confine(&mut self, confine: Confine) -> Vec<String> {
        self.disk.confine(confine)
    }

    /// The wall clock was set at that moment of the boot clock: see [`Item::Clock`].
    pub fn clock(&mut self, boot_to_wall_ns: i64, step_ns: i64, boot_ns: u64) {
        self.boot_to_wall_ns = Some(boot_to_wall_ns);
        let item = Item::Clock {
            boot_to_wall_ns,
            step_ns,
        };
        self.item(&item, boot_ns);
    }

    /// Records an event.
    pub fn event(&mut self, event: &Event) {
        self.encoder.event(event);
        self.extent.events += 1;
        self.noted(event.boot_ns);
    }

    /// Records anything; `boot_ns` is its moment.
    pub fn item(&mut self, item: &Item, boot_ns: u64) {
        self.encoder.item(item);
        self.extent.events += u32::from(matches!(item, Item::Event(_)));
        self.noted(boot_ns);
    }

    fn noted(&mut self, boot_ns: u64) {
        if self.begin.is_none() {
            self.begin = Some(Instant::now());
            self.extent.first_ns = boot_ns;
        }
        self.extent.last_ns = boot_ns;
        if self.encoder.len() >= LARGE {
            self.seal();
        }
    }

    /// Ends a block that is old, and says what is wanted. To be called every now and then. The next
    /// file is not asked for before the disk has begun this one.
    pub fn tick(&mut self, now: Instant) -> Want {
        let is_old = |begin: Instant| now.saturating_duration_since(begin) >= OLD;
        if self.begin.is_some_and(is_old) {
            self.seal();
        }
        let rotation = self.files.rotation.as_ref();
        let is_full = !self.waiting.is_empty();
        let is_stale = rotation
            .and_then(|rotation| rotation.after)
            .is_some_and(|after| now.saturating_duration_since(self.file_begin) >= after);
        match (rotation, is_full || is_stale) {
            (_, false) => Want::Nothing,
            (Some(_), true) if self.disk.is_behind() => Want::Nothing,
            (Some(_), true) => Want::NextFile,
            (None, true) => Want::End,
        }
    }

    /// Ends the file with how things stand now, and begins the next.
    pub fn rotate(&mut self, standing: Standing) {
        self.end_file(&standing);
        let boot_ns = standing.boot_ns;
        self.start.sequence += 1;
        self.start.standing = standing;
        let events_before = self.events_in_files();
        let head = file_head(&mut self.framer, &self.start, events_before);
        self.reserve = reserve(head.len() as u64);
        self.file_bytes = head.len() as u64;
        self.file_begin = Instant::now();
        self.disk.next(head);
        for (place, sealed) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            // The first goes in however large it is: no file would be large enough otherwise.
            if place == 0 {
                self.send(sealed);
            } else {
                self.place(sealed);
            }
        }
        if let Some(boot_to_wall_ns) = self.boot_to_wall_ns {
            self.clock(boot_to_wall_ns, 0, boot_ns);
        }
    }

    /// What went wrong since the last call.
    pub fn trouble(&self) -> Option<Trouble> {
        self.disk.trouble()
    }

    /// The disk hangs from now on.
    #[cfg(test)]
    pub(super) fn stall(&mut self) -> disk::Idle {
        self.disk.stall()
    }

    /// What is written goes there from now on. To be called before the first event.
    #[cfg(test)]
    pub(super) fn write_to(&mut self, file: std::os::fd::OwnedFd) {
        self.disk.write_to(file);
    }

    /// The disk works again.
    #[cfg(test)]
    pub(super) fn resume(&mut self, idle: disk::Idle) {
        self.disk.resume(idle);
    }

    /// Ends the recording; waits until it is on the disk.
    pub fn finish(mut self, standing: &Standing) -> Outcome {
        self.seal();
        while self.files.rotation.is_some() && !self.waiting.is_empty() {
            self.rotate(standing.clone());
        }
        // What did not fit into the only file is not recorded.
        let unfit: u64 = self
            .waiting
            .drain(..)
            .map(|sealed| u64::from(sealed.events))
            .sum();
        self.end_file(standing);
        let done = self.disk.finish();
        let full = || "the file is full (--max-size)".to_owned();
        Outcome {
            files: done.files,
            bytes: done.bytes,
            events: self.extent.events_before,
            lost_events: done.lost_events + unfit,
            doubtful_events: done.doubtful_events,
            trouble: done.trouble.or_else(|| (unfit > 0).then(full)),
        }
    }

    /// Ends the block that is being filled.
    fn seal(&mut self) {
        if self.begin.take().is_none() {
            return;
        }
        let payload = self.encoder.payload();
        let block = self.framer.block(BlockKind::Items, self.extent, payload);
        self.encoder.clear();
        let (events, events_before) = (self.extent.events, self.extent.events_before);
        self.extent = Extent {
            events_before: events_before + u64::from(events),
            ..Extent::default()
        };
        self.place(Sealed {
            block,
            events,
            events_before,
        });
    }

    /// Into the file if it fits, and nothing waits before it.
    fn place(&mut self, sealed: Sealed) {
        let after = self.file_bytes + sealed.block.len() as u64 + self.reserve;
        let is_full = self.files.max_bytes.is_some_and(|most| after > most);
        if !is_full && self.waiting.is_empty() {
            self.send(sealed);
        } else if self.waiting.len() < disk::MOST_QUEUED {
            self.waiting.push(sealed);
        } else {
            self.disk.lose(sealed.events);
        }
    }

    fn send(&mut self, sealed: Sealed) {
        let length = sealed.block.len() as u64;
        if self.disk.append(sealed.block, sealed.events) {
            self.file_bytes += length;
        }
    }

    /// Events before the next block that goes into a file.
    fn events_in_files(&self) -> u64 {
        let next = self.waiting.first();
        next.map_or(self.extent.events_before, |sealed| sealed.events_before)
    }

    fn end_file(&mut self, standing: &Standing) {
        let extent = Extent {
            events_before: self.events_in_files(),
            first_ns: standing.boot_ns,
            last_ns: standing.boot_ns,
            events: 0,
        };
        let end = v1::end_bytes(standing);
        let block = self.framer.block(BlockKind::End, extent, &end);
        self.disk.append_last(block);
    }
}

/// What the end of a file takes at most: about what its beginning took, since both hold counters.
const fn reserve(head: u64) -> u64 {
    head * 2 + 1024
}

fn file_head(framer: &mut Framer, start: &Start, events_before: u64) -> Bytes {
    let boot_ns = start.standing.boot_ns;
    let extent = Extent {
        events_before,
        events: 0,
        first_ns: boot_ns,
        last_ns: boot_ns,
    };
    let block = framer.block(BlockKind::Start, extent, &v1::start_bytes(start));
    let mut bytes = BytesMut::from(&MAGIC[..]);
    bytes.put_u16_le(VERSION);
    bytes.put_bytes(0, 6);
    bytes.put(block);
    bytes.freeze()
}
