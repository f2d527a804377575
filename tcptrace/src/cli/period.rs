//! `--since` and `--until`: from what was written to moments of a recording.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::recorded::PeriodArgs;
use super::recorded_input::RecordedInput;
use super::values::moments::{Bounds, Moment};
use crate::pipeline::period::Period;
use crate::session::Refused;

/// The part of a recording that was asked for.
///
/// # Errors
/// When a moment means nothing for it, or it cannot be read.
pub(super) fn period(
    args: PeriodArgs,
    files: &[PathBuf],
    input: &RecordedInput,
    zone: TimeZone,
) -> anyhow::Result<Period> {
    let moments = [args.since, args.until];
    if moments.iter().all(Option::is_none) {
        return Ok(Period::default());
    }
    let end_ns = if moments.iter().flatten().any(|moment| moment.needs_end()) {
        let why = "\"TIME ago\" counts from the end of the recording, which stdin does not give; use a time, \
                   or a file";
        let end = RecordedInput::end_ns(files)?;
        end.ok_or_else(|| Refused::Usage(why.to_owned()))?
    } else {
        0
    };
    if !input.has_clock() && moments.iter().flatten().any(|moment| !moment.needs_end()) {
        let why = "the beginning of the recording is damaged, so its time of day is unknown; use \"TIME ago\"";
        return Err(Refused::Usage(why.to_owned()).into());
    }
    let clock = input.clock();
    let begin_ns = clock
        .boot_to_wall_ns
        .saturating_add_unsigned(clock.start_boot_ns);
    let bounds = Bounds {
        begin: timestamp(begin_ns)?,
        end: timestamp(end_ns)?,
        zone,
    };
    let at = |moment: Option<Moment>| {
        let Some(moment) = moment else {
            return Ok(None);
        };
        let at = moment.at(&bounds);
        let ns = at.and_then(|at| i64::try_from(at.as_nanosecond()).ok());
        ns.map(Some)
            .ok_or_else(|| Refused::Usage("--since, --until: no such time".to_owned()))
    };
    let period = Period {
        since_ns: at(args.since)?,
        until_ns: at(args.until)?,
    };
    if let (Some(since), Some(until)) = (period.since_ns, period.until_ns)
        && since > until
    {
        let why = format!(
            "--since {} is after --until {}",
            timestamp(since)?,
            timestamp(until)?
        );
        return Err(Refused::Usage(why).into());
    }
    Ok(period)
}

fn timestamp(ns: i64) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_nanosecond(ns.into())?)
}
