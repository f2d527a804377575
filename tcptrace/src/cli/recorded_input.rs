//! Runs of the past, in whatever form they were kept.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::model::{Clock, KindSet, RunFacts};
use crate::pipeline::Ended;
use crate::pipeline::import::import;
use crate::pipeline::replay::{Settings, replay};
use crate::recording::{Item, Piece, Reader};
use crate::sink::Sink;
use crate::source::lines::{Lines, STDIN};

/// A run, or several.
#[derive(Debug)]
pub(super) enum RecordedInput {
    /// A recording.
    Recording(Box<Reader>),
    /// NDJSON.
    Lines(Box<Lines>),
}

impl RecordedInput {
    /// Opens them. What begins like a line of NDJSON is taken for that.
    ///
    /// # Errors
    /// When one cannot be opened, or is something else.
    pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Self> {
        if paths.iter().any(|path| has_lines(path)) {
            Ok(Self::Lines(Box::new(Lines::open(paths)?)))
        } else {
            Ok(Self::Recording(Box::new(Reader::open(paths)?)))
        }
    }

    /// What holds for the run; NDJSON does not say.
    pub(super) fn facts(&self) -> Option<&RunFacts> {
        match self {
            Self::Recording(reader) => reader.facts(),
            Self::Lines(_) => None,
        }
    }

    /// How its clocks stood.
    pub(super) fn clock(&self) -> Clock {
        match self {
            Self::Recording(_) => self
                .facts()
                .map_or_else(Clock::default, |facts| facts.clock),
            Self::Lines(lines) => lines.clock(),
        }
    }

    /// Whether the time of day is known.
    pub(super) fn has_clock(&self) -> bool {
        matches!(self, Self::Lines(_)) || self.facts().is_some()
    }

    /// When the recording in these files ends, ns of the wall clock; `None`: one of them is stdin, which can be read
    /// only once.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn end_ns(paths: &[PathBuf]) -> anyhow::Result<Option<i64>> {
        if paths.iter().any(|path| path == Path::new(STDIN)) {
            return Ok(None);
        }
        let mut last = i64::MIN;
        match Self::open(paths)? {
            Self::Recording(mut reader) => {
                let facts = reader.facts();
                let mut to_wall = facts.map_or(0, |facts| facts.clock.boot_to_wall_ns);
                let mut see = |piece| {
                    let boot_ns = match piece {
                        Piece::Item(Item::Event(event)) => event.boot_ns,
                        Piece::Item(Item::Sample(sample)) => sample.boot_ns,
                        Piece::Item(Item::Tick(boot_ns) | Item::Ending(boot_ns)) => boot_ns,
                        Piece::Item(Item::Clock {
                            boot_to_wall_ns, ..
                        }) => {
                            to_wall = boot_to_wall_ns;
                            return ControlFlow::Continue(());
                        }
                        Piece::End(standing) => standing.boot_ns,
                        Piece::Start(_) | Piece::Item(_) | Piece::Gap(_) => {
                            return ControlFlow::Continue(());
                        }
                    };
                    last = last.max(to_wall.saturating_add_unsigned(boot_ns));
                    ControlFlow::Continue(())
                };
                while reader.step(&mut see)? {}
            }
            Self::Lines(mut lines) => {
                let to_wall = lines.clock().boot_to_wall_ns;
                while let Some(line) = lines.next_line()? {
                    if let Some(boot_ns) = line.ok().and_then(|parsed| parsed.boot_ns) {
                        last = last.max(to_wall.saturating_add_unsigned(boot_ns));
                    }
                }
            }
        }
        Ok(Some(last.max(0)))
    }

    /// The kinds it may hold.
    pub(super) fn kinds(&self) -> KindSet {
        self.facts().map_or(KindSet::ALL, |facts| facts.kinds)
    }

    /// Shows it.
    ///
    /// # Errors
    /// As the replay and the import have them.
    pub(super) fn show<S: Sink>(
        self,
        settings: Settings,
        sink: S,
        stop: &AtomicBool,
    ) -> anyhow::Result<Ended> {
        match self {
            Self::Recording(reader) => replay(*reader, settings, sink, stop),
            Self::Lines(lines) => import(*lines, settings, sink, stop),
        }
    }
}

fn has_lines(path: &Path) -> bool {
    if path == Path::new(STDIN) {
        return true;
    }
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut begin));
    read.is_ok() && begin.trim_ascii_start().starts_with(b"{")
}
