//! From our own NDJSON back to what it says: logs that were shipped elsewhere can be replayed.
//!
//! One line at a time, by [`parse`]. Fields that are not known are passed over, and so are kinds:
//! a newer tcptrace may write both. Lines come from anybody: a line, and each text in it, has a
//! longest length, nothing here panics, and what a line says is checked, never guessed. An error
//! names the field and what was expected.
//!
//! NDJSON does not have everything: the thread of an owner is not in it, and who reused a TIME_WAIT
//! only with phase `reuse`.

mod fields;
mod intern;
mod value;

use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::model::incident::{DropOutcome, LingerOutcome, PawsWhere, TimeWaitPhase, What};
use crate::model::loss::{Loss, LossPlace, Tally};
use crate::model::summary::{OwnerCount, Reconciled, Summary};
use crate::model::{Flow, Incident, Kind};
use fields::{Head, Raw, RawOwnerCount, RawReconciled, RawTally};
use value::{Text, named};

/// Bytes of a line at most.
pub const LONGEST_LINE: usize = 1 << 20;

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// An incident.
    Incident(Incident),
    /// A loss, and when it was told on the boot clock.
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
    #[error("the line has {0} bytes, which no line of tcptrace has; is this its output?")]
    TooLong(usize),
    /// No JSON, or cut.
    #[error("the line is no whole JSON object: {0}")]
    Syntax(String),
    /// JSON, but somebody else's.
    #[error("the line is not tcptrace's: it is no object with `v` and `kind`")]
    NotOurs,
    /// Of a format that is not known here.
    #[error("the line is of version {0}, only version 1 is known here; use a newer tcptrace")]
    Newer(u64),
    /// A field that says nothing.
    #[error("field {0}")]
    Field(String),
    /// A field that must be there.
    #[error("field {field} is missing, which every {kind} has")]
    Missing {
        /// The kind of the line.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// What one line says, with or without its line end.
pub fn parse(line: &[u8]) -> Result<Parsed, NdjsonError> {
    let line = line.trim_ascii();
    if line.len() > LONGEST_LINE {
        return Err(NdjsonError::TooLong(line.len()));
    }
    let head: Head<'_> = serde_json::from_slice(line).map_err(|error| {
        if error.is_data() {
            NdjsonError::NotOurs
        } else {
            NdjsonError::Syntax(value::without_place(&error))
        }
    })?;
    let (Some(version), Some(kind)) = (head.v, head.kind) else {
        return Err(NdjsonError::NotOurs);
    };
    match version {
        0 => return Err(NdjsonError::NotOurs),
        1 => {}
        newer => return Err(NdjsonError::Newer(newer)),
    }
    let read = || -> Result<Raw<'_>, NdjsonError> {
        serde_json::from_slice(line)
            .map_err(|error| NdjsonError::Field(value::without_place(&error)))
    };
    if let Some(kind) = Kind::from_name(kind.as_str()) {
        return incident(kind, read()?);
    }
    match kind.as_str() {
        "lost" => lost(read()?),
        "summary" => summary(read()?),
        other => Ok(Parsed {
            line: Line::Other(other.chars().take(64).collect()),
            boot_ns: None,
            boot_to_wall_ns: None,
        }),
    }
}

/// Takes fields that must be there.
struct Needed(&'static str);

impl Needed {
    fn take<T>(&self, field: &'static str, value: Option<T>) -> Result<T, NdjsonError> {
        value.ok_or(NdjsonError::Missing {
            kind: self.0,
            field,
        })
    }

    fn parsed(&self, raw: &Raw<'_>, line: Line) -> Result<Parsed, NdjsonError> {
        let boot_ns = self.take("mono_ns", raw.mono_ns)?;
        let ts = self.take("ts", raw.ts.as_ref())?;
        let moment: Timestamp = ts
            .as_str()
            .parse()
            .map_err(|_| NdjsonError::Field("ts: expected a time as in RFC 3339".to_owned()))?;
        let difference = moment.as_nanosecond() - i128::from(boot_ns);
        let difference = i64::try_from(difference).map_err(|_| {
            NdjsonError::Field("ts: further from mono_ns than any clock".to_owned())
        })?;
        Ok(Parsed {
            line,
            boot_ns: Some(boot_ns),
            boot_to_wall_ns: Some(difference),
        })
    }
}

fn incident(kind: Kind, mut raw: Raw<'_>) -> Result<Parsed, NdjsonError> {
    let needed = Needed(kind.name());
    let (local, unbound) = match raw.local.take() {
        Some(end) => end.bound_or_not(),
        None => (None, None),
    };
    let hook = needed.take("hook", raw.hook.take())?;
    let incident = Incident {
        boot_ns: needed.take("mono_ns", raw.mono_ns)?,
        flow: Flow {
            family: needed.take("family", raw.family)?.0,
            local,
            unbound,
            remote: raw.remote.take().map(fields::RawEnd::bound).transpose()?,
            netns: raw.netns,
            cookie: raw.cookie,
        },
        state: raw.state.map(|state| state.0),
        owner: fields::owner("owner", raw.owner.take())?,
        hook: intern::name(hook.as_str())
            .ok_or_else(|| NdjsonError::Field("hook: too many hooks that are not known".into()))?,
        evidence: needed.take("evidence", raw.evidence)?.0,
        what: what(kind, &needed, &mut raw)?,
    };
    needed.parsed(&raw, Line::Incident(incident))
}

fn shared(text: Option<Text<'_>>) -> Option<Arc<str>> {
    text.map(|text| Arc::from(text.as_str()))
}

/// The fields of a kind.
fn what(kind: Kind, needed: &Needed, raw: &mut Raw<'_>) -> Result<What, NdjsonError> {
    let outcome = raw.outcome.take();
    Ok(match kind {
        Kind::RstSent => What::RstSent {
            cause: needed.take("cause", raw.cause)?.0,
            reason: shared(raw.reason.take()),
            unsent_bytes: raw.unsent_bytes,
            unacked_bytes: raw.unacked_bytes,
            unread_bytes: raw.unread_bytes,
            linger: raw
                .linger
                .take()
                .map(fields::RawLinger::linger)
                .transpose()?,
        },
        Kind::RstReceived => What::RstReceived {
            meaning: needed.take("meaning", raw.meaning)?.0,
        },
        Kind::LingerClose => What::LingerClose {
            linger_seconds: raw.linger_seconds,
            blocked_ms: needed.take("blocked_ms", raw.blocked_ms)?,
            outcome: named::<LingerOutcome>("outcome", &needed.take("outcome", outcome)?)?,
            unsent_bytes: raw.unsent_bytes,
            unacked_bytes: raw.unacked_bytes,
            remaining_bytes: raw.remaining_bytes,
        },
        Kind::AcceptDrop => What::AcceptDrop {
            step: raw.step.map(|step| step.0),
            outcome: outcome
                .map(|name| named::<DropOutcome>("outcome", &name))
                .transpose()?,
            queue: raw.queue.take().map(fields::RawQueue::queue).transpose()?,
            limited_by: raw.limited_by.map(|limit| limit.0),
            count: needed.take("count", raw.count)?,
        },
        Kind::SynDrop => What::SynDrop {
            outcome: outcome
                .map(|name| named::<DropOutcome>("outcome", &name))
                .transpose()?,
            queue: raw.queue.take().map(fields::RawQueue::queue).transpose()?,
            count: needed.take("count", raw.count)?,
        },
        Kind::Retransmit => What::Retransmit {
            kind: needed.take("type", raw.kind_of_resend)?.0,
            attempt: raw.attempt,
            bytes: needed.take("bytes", raw.bytes)?,
            sequence: raw.sequence,
            segments: raw.segments,
            error: raw.error,
            gave_up: raw.gave_up.unwrap_or(false),
        },
        Kind::TimeWait => {
            let phase = needed.take("phase", raw.phase)?.0;
            let new_owner = fields::owner("new_owner", raw.new_owner.take())?;
            What::TimeWait {
                phase,
                substate: raw.substate.map(|state| state.0),
                timeout_ms: raw.timeout_ms,
                ended_by: raw.ended_by.map(|end| end.0),
                new_owner: new_owner.filter(|_| phase == TimeWaitPhase::Reuse),
            }
        }
        Kind::PawsDrop => What::PawsDrop {
            place: named::<PawsWhere>("where", &needed.take("where", raw.place.take())?)?,
            reason: shared(raw.reason.take()),
        },
        Kind::State => What::State {
            old: needed.take("old", raw.old)?.0,
            new: needed.take("new", raw.new)?.0,
            in_old_us: raw.in_old_us,
        },
        Kind::Close => What::Close {
            duration_us: raw.duration_us,
            bytes_sent: raw.bytes_sent,
            bytes_received: raw.bytes_received,
            srtt_us: raw.srtt_us,
            retransmits: raw.retransmits,
            closed_by: raw.closed_by.map(|side| side.0),
            how: raw.how.map(|how| how.0),
        },
    })
}

fn lost(mut raw: Raw<'_>) -> Result<Parsed, NdjsonError> {
    let needed = Needed("lost");
    // A kind that is not known here was lost all the same.
    let of_kind = raw.of_kind.as_ref();
    let loss = Loss {
        place: named::<LossPlace>("where", &needed.take("where", raw.place.take())?)?,
        of_kind: of_kind.and_then(|name| Kind::from_name(name.as_str())),
        count: needed.take("count", raw.count)?,
    };
    let boot_ns = needed.take("mono_ns", raw.mono_ns)?;
    needed.parsed(&raw, Line::Lost(loss, boot_ns))
}

fn summary(mut raw: Raw<'_>) -> Result<Parsed, NdjsonError> {
    let needed = Needed("summary");
    let owners = raw.by_owner.take().unwrap_or_default();
    let rows = raw.reconciliation.take().unwrap_or_default();
    let summary = Summary {
        duration_ms: needed.take("duration_ms", raw.duration_ms)?,
        by_kind: needed.take("by_kind", raw.by_kind.take())?.0,
        by_owner: owners
            .into_iter()
            .map(owner_count)
            .collect::<Result<_, _>>()?,
        owners_left_out: raw.owners_left_out.unwrap_or(0),
        loss: tally(&needed.take("loss", raw.loss.take())?)?,
        reconciliation: rows.into_iter().map(reconciled).collect::<Result<_, _>>()?,
    };
    needed.parsed(&raw, Line::Summary(summary))
}

fn owner_count(raw: RawOwnerCount<'_>) -> Result<OwnerCount, NdjsonError> {
    let needed = Needed("row of by_owner");
    Ok(OwnerCount {
        pid: raw.pid,
        comm: raw.comm.map(Text::into_string),
        by_kind: needed.take("by_kind", raw.by_kind)?.0,
        total: needed.take("total", raw.total)?,
    })
}

fn tally(raw: &RawTally<'_>) -> Result<Tally, NdjsonError> {
    let needed = Needed("loss");
    Ok(Tally {
        seen: needed.take("seen", raw.seen)?,
        shown: needed.take("shown", raw.shown)?,
        filtered: needed.take("filtered", raw.filtered)?,
        rate_limited: needed.take("rate_limited", raw.rate_limited)?,
        lost: needed.take("lost", raw.lost)?,
    })
}

fn reconciled(raw: RawReconciled<'_>) -> Result<Reconciled, NdjsonError> {
    let needed = Needed("row of reconciliation");
    let counter = needed.take("counter", raw.counter)?;
    Ok(Reconciled {
        counter: intern::name(counter.as_str()).ok_or_else(|| {
            NdjsonError::Field("counter: too many counters that are not known".into())
        })?,
        kernel: needed.take("kernel", raw.kernel)?,
        ours: needed.take("ours", raw.ours)?,
        verdict: needed.take("verdict", raw.verdict)?.0,
        note: raw.note.map(Text::into_string),
    })
}
