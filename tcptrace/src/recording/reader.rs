//! Files to items again, whatever state the files are in.
//!
//! Files of one run are read as one recording, in the order in which they were written. A block whose
//! checksum is wrong is passed over; after a damaged head the next sound one is looked for. How many
//! events that cost is known as soon as a sound block follows, since each says how many came before.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use super::frame::{self, BlockKind, HEAD, Head};
use super::v1::{self, Decoder};
use super::{Item, MAGIC, Standing, Start, VERSION};
use crate::model::RunFacts;

/// Bytes before the first block.
const PREFACE: usize = 16;
/// Looked through at once for the next sound block.
const STRIDE: usize = 1 << 16;

/// A part of a recording.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made one at a time, and nearly all are items"
)]
pub enum Piece {
    /// A file begins.
    Start(Start),
    /// What was recorded.
    Item(Item),
    /// A file ends as it should.
    End(Standing),
    /// Something is missing.
    Gap(Gap),
}

/// A part that could not be read, or was never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// In this file.
    pub path: PathBuf,
    /// From this byte on.
    pub offset: u64,
    /// So many bytes; 0 when they are not there.
    pub bytes: u64,
    /// Why.
    pub why: &'static str,
    /// Events that are missing; `None`: not known.
    pub events: Option<u64>,
    /// The moment of the last item before it; boot clock, ns.
    pub after_ns: Option<u64>,
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's answer.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It begins otherwise.
    #[error("{} is not a recording: its first {PREFACE} bytes are wrong", path.display())]
    NotRecording {
        /// The file.
        path: PathBuf,
    },
    /// Of a later version.
    #[error(
        "{} has version {version} of the recording format, this tcptrace reads up to {VERSION}; \
         use a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// Of another run than the first.
    #[error(
        "{} belongs to another run than {}; replay one run at a time", path.display(), first.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// The first of the others.
        first: PathBuf,
    },
}

/// Reads files of one run.
#[derive(Debug)]
pub struct Reader {
    files: VecDeque<Opened>,
    /// Files of the run that must have come before the next.
    sequence: Option<u32>,
    /// Events there must have been so far; `None`: not known.
    events: Option<u64>,
    last_ns: Option<u64>,
    /// Damage whose cost is not known yet.
    open_gap: Option<Gap>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    input: BufReader<File>,
    offset: u64,
    /// Its beginning, already read; `None` once it is returned, or if it is damaged.
    start: Option<Start>,
    /// Events of the run before it.
    events_before: u64,
    is_begun: bool,
    is_ended: bool,
}

/// What comes next in a file.
enum Block {
    Whole(Head, Bytes, u64),
    Damaged(Gap),
    Nothing,
}

impl Reader {
    /// Opens files of one run, in any order.
    ///
    /// # Errors
    /// When one is no recording, is of a later version or of another run.
    pub fn open(paths: &[PathBuf]) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for path in paths {
            files.push(Opened::open(path)?);
        }
        let run = |file: &Opened| file.start.as_ref().map(|start| start.run);
        if let Some(known) = files.iter().find_map(run) {
            let other = |file: &&Opened| run(file).is_some_and(|run| run != known);
            if let Some(other) = files.iter().find(other) {
                let first = files.iter().find(|file| run(file) == Some(known));
                return Err(ReadError::OtherRun {
                    path: other.path.clone(),
                    first: first.map_or_else(PathBuf::new, |file| file.path.clone()),
                });
            }
        }
        files.sort_by_key(|file| file.start.as_ref().map(|start| start.sequence));
        Ok(Self {
            files: files.into(),
            sequence: None,
            events: None,
            last_ns: None,
            open_gap: None,
        })
    }

    /// What holds for the run, by the first file that knows it, before anything is read; `None` in a
    /// recording that is damaged there.
    pub fn facts(&self) -> Option<&RunFacts> {
        let mut starts = self.files.iter().filter_map(|file| file.start.as_ref());
        starts.find_map(|start| start.facts.as_ref())
    }

    /// Hands over the pieces of the next block; false at the end of the recording. `take` may break
    /// off: then the rest of the block is not read.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn step(
        &mut self,
        take: &mut impl FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<bool, ReadError> {
        let Some(file) = self.files.front_mut() else {
            return Ok(false);
        };
        if !file.is_begun {
            file.is_begun = true;
            let start = file.start.take();
            self.begin(start, take);
            return Ok(true);
        }
        let block = file.next().map_err(|source| ReadError::Io {
            path: file.path.clone(),
            source,
        })?;
        match block {
            Block::Whole(head, payload, offset) => self.whole(&head, &payload, offset, take),
            Block::Damaged(mut gap) => {
                gap.after_ns = self.last_ns;
                // Two in a row are one.
                match &mut self.open_gap {
                    Some(open) => open.bytes += gap.bytes,
                    None => self.open_gap = Some(gap),
                }
            }
            Block::Nothing => {
                self.end_of_file(take);
                self.files.pop_front();
            }
        }
        Ok(true)
    }

    fn begin(&mut self, start: Option<Start>, take: &mut impl FnMut(Piece) -> ControlFlow<()>) {
        let Some(file) = self.files.front() else {
            return;
        };
        let gap = |why| Gap {
            path: file.path.clone(),
            offset: 0,
            bytes: 0,
            why,
            events: None,
            after_ns: self.last_ns,
        };
        let Some(start) = start else {
            self.open_gap = Some(gap("its beginning is damaged"));
            let _ = take(Piece::Start(Start::default()));
            return;
        };
        if self.sequence.is_some_and(|next| start.sequence > next) {
            self.open_gap = Some(gap("a file of the run before it is missing"));
        }
        self.sequence = Some(start.sequence + 1);
        self.events.get_or_insert(file.events_before);
        let _ = take(Piece::Start(start));
    }

    fn whole(
        &mut self,
        head: &Head,
        payload: &[u8],
        offset: u64,
        take: &mut impl FnMut(Piece) -> ControlFlow<()>,
    ) {
        let Some(file) = self.files.front_mut() else {
            return;
        };
        let gap_here = |why, events, after_ns| Gap {
            path: file.path.clone(),
            offset,
            bytes: (HEAD + head.stored as usize) as u64,
            why,
            events,
            after_ns,
        };
        let before = head.extent.events_before;
        let missing = self.events.map(|events| before.saturating_sub(events));
        if let Some(mut gap) = self.open_gap.take() {
            gap.events = missing;
            let _ = take(Piece::Gap(gap));
        } else if let Some(missing) = missing.filter(|missing| *missing > 0) {
            let mut gap = gap_here("the disk did not accept it", Some(missing), self.last_ns);
            gap.bytes = 0;
            let _ = take(Piece::Gap(gap));
        }
        self.events = Some(before + u64::from(head.extent.events));
        match head.kind {
            BlockKind::Items => {
                let mut items = Decoder::new(payload);
                let mut left = u64::from(head.extent.events);
                while let Some(item) = items.next() {
                    let Ok(item) = item else {
                        let why = "it contains data that this tcptrace does not know";
                        let _ = take(Piece::Gap(gap_here(why, Some(left), self.last_ns)));
                        break;
                    };
                    if let Item::Event(event) = &item {
                        left = left.saturating_sub(1);
                        self.last_ns = Some(event.boot_ns);
                    }
                    if take(Piece::Item(item)).is_break() {
                        return;
                    }
                }
                self.last_ns = Some(head.extent.last_ns).max(self.last_ns);
            }
            BlockKind::End => {
                let piece = match v1::read_end(payload) {
                    Ok(standing) => {
                        file.is_ended = true;
                        Piece::End(standing)
                    }
                    Err(_) => Piece::Gap(gap_here("its end cannot be read", None, self.last_ns)),
                };
                let _ = take(piece);
            }
            BlockKind::Start | BlockKind::Other => {}
        }
    }

    fn end_of_file(&mut self, take: &mut impl FnMut(Piece) -> ControlFlow<()>) {
        let Some(file) = self.files.front() else {
            return;
        };
        if let Some(gap) = self.open_gap.take() {
            let _ = take(Piece::Gap(gap));
        } else if !file.is_ended {
            let _ = take(Piece::Gap(Gap {
                path: file.path.clone(),
                offset: file.offset,
                bytes: 0,
                why: "it has no end: about the last second of events is missing",
                events: None,
                after_ns: self.last_ns,
            }));
        }
    }
}

impl Opened {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mut input = BufReader::with_capacity(STRIDE, file);
        let mut preface = [0; PREFACE];
        let read = read_up_to(&mut input, &mut preface).map_err(failed)?;
        if read < PREFACE || preface[..MAGIC.len()] != MAGIC {
            return Err(ReadError::NotRecording {
                path: path.to_owned(),
            });
        }
        let version = u16::from_le_bytes([preface[8], preface[9]]);
        if version > VERSION {
            return Err(ReadError::Newer {
                path: path.to_owned(),
                version,
            });
        }
        let mut file = Self {
            path: path.to_owned(),
            input,
            offset: PREFACE as u64,
            start: None,
            events_before: 0,
            is_begun: false,
            is_ended: false,
        };
        let first = file.next().map_err(failed)?;
        file.start = match first {
            Block::Whole(head, payload, _) if head.kind == BlockKind::Start => {
                file.events_before = head.extent.events_before;
                v1::read_start(&payload).ok()
            }
            _ => {
                // Whatever it was is read again, as a part of the recording.
                file.seek(PREFACE as u64).map_err(failed)?;
                None
            }
        };
        Ok(file)
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(offset))?;
        self.offset = offset;
        Ok(())
    }

    fn next(&mut self) -> io::Result<Block> {
        let begin = self.offset;
        let mut head = [0; HEAD];
        let read = read_up_to(&mut self.input, &mut head)?;
        self.offset += read as u64;
        if read == 0 {
            return Ok(Block::Nothing);
        }
        let Some(head) = frame::head(&head[..read]) else {
            let why = if read < HEAD {
                "its last block was cut off"
            } else {
                "the head of a block is damaged"
            };
            return self
                .next_mark(begin)
                .map(|end| self.damaged(begin, end, why));
        };
        let mut payload = BytesMut::zeroed(head.stored as usize);
        let read = read_up_to(&mut self.input, &mut payload)?;
        self.offset += read as u64;
        if read < payload.len() {
            let why = "its last block was cut off";
            return self
                .next_mark(begin)
                .map(|end| self.damaged(begin, end, why));
        }
        Ok(match head.unpack(payload.freeze()) {
            Some(raw) => Block::Whole(head, raw, begin),
            None => self.damaged(begin, self.offset, "a block is damaged"),
        })
    }

    fn damaged(&self, begin: u64, end: u64, why: &'static str) -> Block {
        Block::Damaged(Gap {
            path: self.path.clone(),
            offset: begin,
            bytes: end - begin,
            why,
            events: None,
            after_ns: None,
        })
    }

    /// Goes to where the next sound head behind `begin` is, or to the end; where that is.
    fn next_mark(&mut self, begin: u64) -> io::Result<u64> {
        let mut at = begin + 1;
        loop {
            self.seek(at)?;
            let mut bytes = vec![0; STRIDE];
            let read = read_up_to(&mut self.input, &mut bytes)?;
            bytes.truncate(read);
            let mut from = 0;
            while let Some(found) = bytes.get(from..).and_then(frame::find_mark) {
                let place = from + found;
                if frame::head(&bytes[place..]).is_some() {
                    let end = at + place as u64;
                    self.seek(end)?;
                    return Ok(end);
                }
                from = place + 1;
            }
            if read < STRIDE {
                let end = at + read as u64;
                self.seek(end)?;
                return Ok(end);
            }
            // A head may lie across the edge.
            at += (STRIDE - HEAD) as u64;
        }
    }
}

/// As many bytes as there are.
fn read_up_to(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match input.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
