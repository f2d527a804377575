//! Runs of the past, in whatever form they were kept.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::model::{Clock, KindSet, RunFacts};
use crate::pipeline::Ended;
use crate::pipeline::import::import;
use crate::pipeline::replay::{Settings, replay};
use crate::recording::Reader;
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
