//! A moment of a recording: a time with a zone, a local time, or a time before its end.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{ValueError, duration, refused};

const AGO: &str = "ago";
/// A time of day that is so much before the beginning is that of the next day.
const HALF_A_DAY: i64 = 12 * 3600;

/// A moment as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2026-11-22T18:29:58Z`
    At(Timestamp),
    /// `2026-11-22 18:29`, in the time zone of the lines.
    Local(DateTime),
    /// `18:29`, on the day of the recording.
    OfDay(Time),
    /// `10m ago`: before the end of the recording.
    BeforeEnd(Duration),
}

/// What a moment stands in relation to.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// When the recording began.
    pub begin: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// The zone of local times.
    pub zone: TimeZone,
}

impl Moment {
    /// Whether the end of the recording must be known.
    pub const fn needs_end(self) -> bool {
        matches!(self, Self::BeforeEnd(_))
    }

    /// Which moment it is. `None`: it lies outside of the calendar.
    pub fn at(self, bounds: &Bounds) -> Option<Timestamp> {
        let zone = &bounds.zone;
        match self {
            Self::At(at) => Some(at),
            Self::Local(at) => zone.to_timestamp(at).ok(),
            Self::OfDay(time) => {
                let day = zone.to_datetime(bounds.begin).date();
                let at = |day: Date| zone.to_timestamp(day.to_datetime(time)).ok();
                let today = at(day)?;
                if bounds.begin.as_second() - today.as_second() >= HALF_A_DAY {
                    at(day.checked_add(1.day()).ok()?)
                } else {
                    Some(today)
                }
            }
            Self::BeforeEnd(before) => bounds.end.checked_sub(before).ok(),
        }
    }
}

/// `2026-11-22T18:29:58Z`, `2026-11-22 18:29`, `18:29:58`, `10m ago`.
pub(in crate::cli) fn moment(text: &str) -> Result<Moment, ValueError> {
    if let Some(before) = text.strip_suffix(AGO) {
        return duration(before.trim_end()).map(Moment::BeforeEnd);
    }
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    if let Ok(at) = text.parse() {
        return Ok(Moment::Local(at));
    }
    // `18:29` would be taken for a time with a zone of its own otherwise.
    match text.parse() {
        Ok(time) if text.contains(':') => Ok(Moment::OfDay(time)),
        _ => refused(format!(
            "`{text}` is not a time; use 2026-11-22T18:29:58Z, \"2026-11-22 18:29\", 18:29:58, or \"10m ago\" \
             (before the end of the recording)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> String {
        let bounds = Bounds {
            begin: "2026-11-22T21:30:00Z".parse().unwrap(),
            end: "2026-11-23T02:00:00Z".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        };
        moment(text).unwrap().at(&bounds).unwrap().to_string()
    }

    #[test]
    fn a_moment_is_written_with_a_zone_without_or_from_the_end() {
        for (text, moment) in [
            ("2026-11-22T23:00:00Z", "2026-11-22T23:00:00Z"),
            ("2026-11-22T23:00:00+02:00", "2026-11-22T21:00:00Z"),
            ("2026-11-22 23:00:00.5", "2026-11-22T22:00:00.5Z"),
            ("2026-11-22T23:00", "2026-11-22T22:00:00Z"),
            ("2026-11-23", "2026-11-22T23:00:00Z"),
            // The recording began at 22:30 of that zone.
            ("22:00", "2026-11-22T21:00:00Z"),
            ("23:59:30", "2026-11-22T22:59:30Z"),
            ("01:30", "2026-11-23T00:30:00Z"),
            ("10m ago", "2026-11-23T01:50:00Z"),
            ("90ago", "2026-11-23T01:58:30Z"),
        ] {
            assert_eq!(at(text), moment, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_with_examples() {
        for text in ["", "yesterday", "18", "25:00", "2026-13-01 10:00"] {
            let why = moment(text).unwrap_err().to_string();
            assert!(why.contains("10m ago"), "{text}: {why}");
        }
        assert!(moment("soon ago").unwrap_err().to_string().contains("30s"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_for_a_moment(text: String) {
            let _ = moment(&text);
        }
    }
}
