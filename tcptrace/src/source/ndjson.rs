//! From our own NDJSON back to what it says: logs that were shipped elsewhere can be replayed.
//!
//! One line at a time, by [`parse`]. Fields that are not known are passed over, and so are kinds:
//! a newer tcptrace may write both. Lines come from anybody: a line, and each text in it, has a
//! longest length, nothing here panics, and what a line says is checked, never guessed. An error
//! names the field and what was expected.
//!
//! NDJSON does not have everything: the thread of an owner is not in it, and who reused a TIME_WAIT
//! only with phase `reuse`.

mod intern;

use std::borrow::Cow;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Deserialize, DeserializeSeed};
use serde_json::Deserializer;
use serde_path_to_error::Track;
use thiserror::Error;

use crate::model::line::{End, IncidentHead, LineHead, VERSION};
use crate::model::loss::Loss;
use crate::model::summary::Summary;
use crate::model::{Endpoint, Flow, Incident, Kind};

/// Bytes of a line at most.
pub const LONGEST_LINE: usize = 1 << 20;
/// Bytes of a text in it at most: a path has 4096, escaped by the kernel up to twice that.
const LONGEST_TEXT: usize = 16_384;
/// Characters of what serde says that are passed on.
const LONGEST_WHY: usize = 300;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// An incident.
    Incident(Incident),
    /// A loss, and when it was reported on the boot clock.
    Lost(Loss, u64),
    /// The last word of a run.
    Summary(Summary),
    /// Something else of tcptrace's, by its kind: of a newer one, or no event.
    Other(String),
}

/// A line with its moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub line: Line,
    /// `mono_ns`; with a summary the end of the run. `None` with [`Line::Other`] only.
    pub boot_ns: Option<u64>,
    /// `ts` minus `mono_ns`: from the boot clock to the wall clock as the writer had it. `None` with
    /// [`Line::Other`] only.
    pub boot_to_wall_ns: Option<i64>,
}

/// Why a line says nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NdjsonError {
    /// Too long.
    #[error(
        "the line has {0} bytes, which is longer than any line that tcptrace writes; is this its \
             output?"
    )]
    TooLong(usize),
    /// No JSON, or cut.
    #[error("the line is not a complete JSON object: {0}")]
    Syntax(String),
    /// JSON, but from another program.
    #[error("the line is not from tcptrace: it is not an object with `v` and `kind`")]
    NotOurs,
    /// Of a format that is not known here.
    #[error(
        "the line has version {0}, and this tcptrace reads only version 1; use a newer tcptrace"
    )]
    Newer(u64),
    /// A field that is missing, or says nothing.
    #[error("{0}")]
    Field(String),
}

/// What one line says, with or without its line end.
pub fn parse(line: &[u8]) -> Result<Parsed, NdjsonError> {
    let line = line.trim_ascii();
    if line.len() > LONGEST_LINE {
        return Err(NdjsonError::TooLong(line.len()));
    }
    if has_long_text(line) {
        return Err(NdjsonError::Field(format!(
            "a text of the line has more than {LONGEST_TEXT} bytes"
        )));
    }
    let first: First<'_> = serde_json::from_slice(line).map_err(|error| {
        if error.is_data() {
            NdjsonError::NotOurs
        } else {
            NdjsonError::Syntax(without_place(&error))
        }
    })?;
    let (Some(version), Some(kind)) = (first.v, first.kind) else {
        return Err(NdjsonError::NotOurs);
    };
    match version {
        0 => return Err(NdjsonError::NotOurs),
        ours if ours == u64::from(VERSION) => {}
        newer => return Err(NdjsonError::Newer(newer)),
    }
    let line = Fields { kind: &kind, line };
    if let Some(kind) = Kind::from_name(line.kind) {
        return line.incident(kind);
    }
    match line.kind {
        "lost" => {
            let (loss, boot_ns) = (line.read::<Loss>()?, line.head()?.mono_ns);
            line.parsed(Line::Lost(loss, boot_ns))
        }
        "summary" => line.parsed(Line::Summary(line.read::<Summary>()?)),
        other => Ok(Parsed {
            line: Line::Other(other.chars().take(64).collect()),
            boot_ns: None,
            boot_to_wall_ns: None,
        }),
    }
}

/// What shows whether a line is ours, and what it is.
#[derive(serde::Deserialize)]
struct First<'a> {
    v: Option<u64>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// A line that is ours. It is read once for each part of it: others' fields are passed over.
struct Fields<'a> {
    kind: &'a str,
    line: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read<T: Deserialize<'a>>(&self) -> Result<T, NdjsonError> {
        self.read_by(PhantomData)
    }

    fn read_by<S: DeserializeSeed<'a> + Copy>(&self, seed: S) -> Result<S::Value, NdjsonError> {
        seed.deserialize(&mut Deserializer::from_slice(self.line))
            .map_err(|error| {
                self.because(seed)
                    .unwrap_or_else(|| self.wrong(".", &without_place(&error)))
            })
    }

    /// Reads once more to learn where it failed: keeping the path takes time that good lines need not.
    fn because<S: DeserializeSeed<'a>>(&self, seed: S) -> Option<NdjsonError> {
        let (mut track, mut from) = (Track::new(), Deserializer::from_slice(self.line));
        let read = seed.deserialize(serde_path_to_error::Deserializer::new(
            &mut from, &mut track,
        ));
        let error = read.err()?;
        Some(self.wrong(&track.path().to_string(), &without_place(&error)))
    }

    fn wrong(&self, path: &str, why: &str) -> NdjsonError {
        NdjsonError::Field(match path {
            "." => format!("{}: {why}", self.kind),
            path => format!("{} {path}: {why}", self.kind),
        })
    }

    fn head(&self) -> Result<LineHead<'a>, NdjsonError> {
        self.read()
    }

    fn parsed(&self, line: Line) -> Result<Parsed, NdjsonError> {
        let head = self.head()?;
        let moment: Timestamp = head
            .ts
            .parse()
            .map_err(|_| self.wrong("ts", "expected a time as in RFC 3339"))?;
        let difference = moment.as_nanosecond() - i128::from(head.mono_ns);
        let difference = i64::try_from(difference)
            .map_err(|_| self.wrong("ts", "further from mono_ns than any clock"))?;
        Ok(Parsed {
            line,
            boot_ns: Some(head.mono_ns),
            boot_to_wall_ns: Some(difference),
        })
    }

    fn incident(&self, kind: Kind) -> Result<Parsed, NdjsonError> {
        let head: IncidentHead<'_> = self.read()?;
        let (local, unbound) = head.local.map_or((None, None), End::bound_or_not);
        let remote = head.remote.map(|end| Endpoint {
            addr: end.addr.to_canonical(),
            ..end
        });
        let incident = Incident {
            boot_ns: self.head()?.mono_ns,
            flow: Flow {
                family: head.family,
                local,
                unbound,
                remote,
                netns: head.netns,
                cookie: head.cookie,
            },
            state: head.state,
            owner: head.owner,
            hook: intern::name(&head.hook)
                .ok_or_else(|| self.wrong("hook", "too many hooks that are not known"))?,
            evidence: head.evidence,
            what: self.read_by(kind)?,
        };
        self.parsed(Line::Incident(incident))
    }
}

/// Whether a text in it is too long to be kept.
fn has_long_text(line: &[u8]) -> bool {
    if line.len() <= LONGEST_TEXT {
        return false;
    }
    let (mut length, mut is_text, mut is_escaped) = (0, false, false);
    line.iter().any(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                is_text = !is_text;
                length = 0;
            }
            _ => {}
        }
        length += usize::from(is_text);
        length > LONGEST_TEXT
    })
}

/// What went wrong, without the place in the line that serde adds.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    text[..end].chars().take(LONGEST_WHY).collect()
}
