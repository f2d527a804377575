//! What is recorded becomes blocks: filled here, written to the disk by a thread of their own.
//!
//! Whoever records is never held up: blocks wait in a bounded queue, and one that finds no room in it
//! is lost and counted. A block ends when it is large or old, so that little is lost with us.

use std::time::{Duration, Instant};

use super::disk::{Disk, Files, Trouble};
use super::frame::{self, BlockKind, Extent};
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
    /// Files begun.
    pub files: u32,
    /// Bytes written, those of files that were removed since too.
    pub bytes: u64,
    /// Events handed over.
    pub events: u64,
    /// Of those, events that are in no file.
    pub lost_events: u64,
    /// Why, the last time; `None`: nothing is missing.
    pub trouble: Option<String>,
}

/// Records.
#[derive(Debug)]
pub struct Recorder {
    files: Files,
    start: Start,
    encoder: Encoder,
    extent: Extent,
    /// When the first item of the block came.
    begin: Option<Instant>,
    /// Bytes of the file, those on their way too.
    file_bytes: u64,
    file_begin: Instant,
    /// Kept free for the end of the file.
    reserve: u64,
    /// Blocks that do not fit into the file any more.
    waiting: Vec<(Vec<u8>, u32)>,
    disk: Disk,
    file_count: u32,
    bytes: u64,
}

impl Recorder {
    /// Begins the file; an existing one is judged by `files`.
    ///
    /// # Errors
    /// When the file cannot be created or written; the text says what to do.
    pub fn create(files: Files, start: Start) -> std::io::Result<Self> {
        let head = file_head(&start);
        let disk = Disk::begin(&files, &head)?;
        let written = head.len() as u64;
        Ok(Self {
            files,
            start,
            encoder: Encoder::default(),
            extent: Extent::default(),
            begin: None,
            file_bytes: written,
            file_begin: Instant::now(),
            reserve: reserve(written),
            waiting: Vec::new(),
            disk,
            file_count: 1,
            bytes: written,
        })
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

    /// Ends a block that is old, and says what is wanted. To be called every now and then.
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
            (Some(_), true) => Want::NextFile,
            (None, true) => Want::End,
        }
    }

    /// Ends the file with how things stand now, and begins the next.
    pub fn rotate(&mut self, standing: Standing) {
        self.end_file(&standing);
        self.start.sequence += 1;
        self.start.standing = standing;
        let head = file_head(&self.start);
        self.reserve = reserve(head.len() as u64);
        self.file_bytes = head.len() as u64;
        self.bytes += self.file_bytes;
        self.file_begin = Instant::now();
        self.file_count += 1;
        self.disk.next(head);
        for (block, events) in std::mem::take(&mut self.waiting) {
            self.send(block, events);
        }
    }

    /// What went wrong since the last call.
    pub fn trouble(&self) -> Option<Trouble> {
        self.disk.trouble()
    }

    /// Ends the recording; waits until it is on the disk.
    pub fn finish(mut self, standing: &Standing) -> Outcome {
        self.seal();
        // What did not fit into the only file is not recorded.
        let unfit: u64 = self
            .waiting
            .drain(..)
            .map(|(_, events)| u64::from(events))
            .sum();
        self.end_file(standing);
        let (lost, trouble) = self.disk.finish();
        let full = || "the file is full (--max-size)".to_owned();
        Outcome {
            files: self.file_count,
            bytes: self.bytes,
            events: self.extent.events_before,
            lost_events: lost + unfit,
            trouble: trouble.or_else(|| (unfit > 0).then(full)),
        }
    }

    /// Ends the block that is being filled.
    fn seal(&mut self) {
        if self.begin.take().is_none() {
            return;
        }
        let block = frame::block(BlockKind::Items, self.extent, &self.encoder.take());
        let events = self.extent.events;
        self.extent = Extent {
            events_before: self.extent.events_before + u64::from(events),
            ..Extent::default()
        };
        let after = self.file_bytes + block.len() as u64 + self.reserve;
        let is_full = self.files.max_bytes.is_some_and(|most| after > most);
        if is_full || !self.waiting.is_empty() {
            self.waiting.push((block, events));
        } else {
            self.send(block, events);
        }
    }

    fn send(&mut self, block: Vec<u8>, events: u32) {
        let length = block.len() as u64;
        if self.disk.append(block, events) {
            self.file_bytes += length;
            self.bytes += length;
        }
    }

    fn end_file(&mut self, standing: &Standing) {
        // Those that wait are the next file's.
        let waiting = self.waiting.iter().map(|(_, events)| u64::from(*events));
        let extent = Extent {
            events_before: self.extent.events_before - waiting.sum::<u64>(),
            first_ns: standing.boot_ns,
            last_ns: standing.boot_ns,
            events: 0,
        };
        let block = frame::block(BlockKind::End, extent, &v1::end_bytes(standing));
        self.bytes += block.len() as u64;
        self.disk.append_last(block);
    }
}

/// What the end of a file takes at most: about what its beginning took, since both hold counters.
const fn reserve(head: u64) -> u64 {
    head * 2 + 1024
}

fn file_head(start: &Start) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    let boot_ns = start.standing.boot_ns;
    let extent = Extent {
        first_ns: boot_ns,
        last_ns: boot_ns,
        ..Extent::default()
    };
    bytes.extend(frame::block(
        BlockKind::Start,
        extent,
        &v1::start_bytes(start),
    ));
    bytes
}
