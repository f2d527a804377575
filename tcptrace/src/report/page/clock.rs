//! Moments as text, and the marks of a time axis.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::report::bins::Grid;

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const DAY_NS: i64 = 24 * HOUR_NS;

/// Steps of an axis that people count in.
const STEPS_NS: [i64; 32] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    SECOND_NS,
    2 * SECOND_NS,
    5 * SECOND_NS,
    10 * SECOND_NS,
    15 * SECOND_NS,
    30 * SECOND_NS,
    MINUTE_NS,
    2 * MINUTE_NS,
    5 * MINUTE_NS,
    10 * MINUTE_NS,
    15 * MINUTE_NS,
    30 * MINUTE_NS,
    HOUR_NS,
    2 * HOUR_NS,
    3 * HOUR_NS,
    6 * HOUR_NS,
    12 * HOUR_NS,
    DAY_NS,
    2 * DAY_NS,
    7 * DAY_NS,
    30 * DAY_NS,
    365 * DAY_NS,
    3650 * DAY_NS,
];
/// Marks of an axis, unless it is longer than a century: fewer where their texts are long.
const fn most_marks(step_ns: i64) -> i64 {
    match step_ns {
        ..SECOND_NS => 4,
        SECOND_NS..MINUTE_NS => 6,
        _ => 8,
    }
}

/// How times are printed.
#[derive(Clone, Debug)]
pub(super) struct Clock<'a> {
    zone: &'a TimeZone,
    /// Without one, moments are since boot.
    has_wall: bool,
}

/// A mark of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// From 0 at the beginning to 1 at the end.
    pub(super) at: f64,
    pub(super) text: String,
}

impl<'a> Clock<'a> {
    pub(super) fn new(zone: &'a TimeZone, has_wall: bool) -> Self {
        Self { zone, has_wall }
    }

    fn civil(&self, ns: i64) -> DateTime {
        // 64 bits of nanoseconds are within the calendar.
        let moment = Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(moment)
    }

    /// Name of the zone at that moment: `UTC`, `CEST`, `+02`.
    pub(super) fn zone_name(&self, ns: i64) -> String {
        if !self.has_wall {
            return "since boot".to_owned();
        }
        let moment = Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        let info = self.zone.to_offset_info(moment);
        info.abbreviation().to_owned()
    }

    /// `2026-01-02 03:04:05`.
    pub(super) fn date_and_time(&self, ns: i64) -> String {
        if !self.has_wall {
            return since_boot(ns, SECOND_NS);
        }
        let at = self.civil(ns);
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }

    /// `03:04:05.123`, as fine as the step needs.
    pub(super) fn time(&self, ns: i64, step_ns: i64) -> String {
        if !self.has_wall {
            return since_boot(ns, step_ns);
        }
        let at = self.civil(ns);
        let minutes = format!("{:02}:{:02}", at.hour(), at.minute());
        if step_ns % MINUTE_NS == 0 {
            minutes
        } else if step_ns % SECOND_NS == 0 {
            format!("{minutes}:{:02}", at.second())
        } else {
            format!("{minutes}:{:02}.{:03}", at.second(), at.millisecond())
        }
    }

    /// What a mark says: the date where the step is a day or more, and at midnight.
    fn mark(&self, ns: i64, step_ns: i64) -> String {
        if !self.has_wall {
            return since_boot(ns, step_ns);
        }
        let at = self.civil(ns);
        let is_midnight = (at.hour(), at.minute(), at.second()) == (0, 0, 0);
        if step_ns >= 365 * DAY_NS {
            format!("{:04}", at.year())
        } else if step_ns >= DAY_NS || (is_midnight && at.millisecond() == 0) {
            format!("{:02}-{:02}", at.month(), at.day())
        } else {
            self.time(ns, step_ns)
        }
    }

    /// When a bin was: `03:04:00 to 03:04:10`.
    pub(super) fn bin(&self, grid: &Grid, at: usize) -> String {
        let width = grid.width_ns();
        let (begin, end) = (grid.begin_ns(at), grid.begin_ns(at + 1));
        let day = if self.has_wall && (grid.end_ns().saturating_sub(grid.begin_ns(0)) > DAY_NS) {
            let at = self.civil(begin);
            format!("{:02}-{:02} ", at.month(), at.day())
        } else {
            String::new()
        };
        if width >= DAY_NS {
            return format!("{day}and {}", duration(width));
        }
        format!(
            "{day}{} to {}",
            self.time(begin, width),
            self.time(end, width)
        )
    }

    /// The marks of an axis over the grid.
    pub(super) fn marks(&self, grid: &Grid) -> Vec<Mark> {
        let (begin, end) = (grid.begin_ns(0), grid.end_ns());
        let span = end.saturating_sub(begin);
        if span <= 0 {
            return Vec::new();
        }
        let fits = |step: &&i64| span / **step < most_marks(**step);
        let step = STEPS_NS.iter().find(fits).copied();
        let step = step.unwrap_or((span / 4).max(1));
        // Counted from the zone's own midnight.
        let shift = if self.has_wall {
            let moment = Timestamp::from_nanosecond(begin.into()).unwrap_or(Timestamp::UNIX_EPOCH);
            i64::from(self.zone.to_offset(moment).seconds()) * SECOND_NS
        } else {
            0
        };
        let local = begin.saturating_add(shift);
        let first =
            local.div_euclid(step) * step + if local.rem_euclid(step) > 0 { step } else { 0 };
        let mut marks = Vec::new();
        let mut at = first.saturating_sub(shift);
        while at <= end && marks.len() < 16 {
            marks.push(Mark {
                at: (at - begin) as f64 / span as f64,
                text: self.mark(at, step),
            });
            let Some(next) = at.checked_add(step) else {
                break;
            };
            at = next;
        }
        marks
    }
}

/// `12.345 s`, `2 h 5 min`.
fn since_boot(ns: i64, step_ns: i64) -> String {
    let seconds = ns.div_euclid(SECOND_NS);
    let (hours, minutes) = (seconds.div_euclid(3600), seconds.rem_euclid(3600) / 60);
    let rest = seconds.rem_euclid(60);
    if step_ns % SECOND_NS == 0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else {
        let ms = ns.rem_euclid(SECOND_NS) / 1_000_000;
        format!("{hours}:{minutes:02}:{rest:02}.{ms:03}")
    }
}

/// `12 ms`, `4.2 s`, `10 min 5 s`, `3 h 20 min`, `12 d 3 h`.
pub(super) fn duration(ns: i64) -> String {
    let pair = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 {
            format!("{whole} {unit}")
        } else {
            format!("{whole} {unit} {rest} {small}")
        }
    };
    match ns {
        ..SECOND_NS => format!("{} ms", ns / 1_000_000),
        SECOND_NS..MINUTE_NS if ns % SECOND_NS < 100_000_000 => format!("{} s", ns / SECOND_NS),
        SECOND_NS..MINUTE_NS => {
            format!("{}.{} s", ns / SECOND_NS, ns % SECOND_NS / 100_000_000)
        }
        MINUTE_NS..HOUR_NS => pair(ns / MINUTE_NS, "min", ns % MINUTE_NS / SECOND_NS, "s"),
        HOUR_NS..DAY_NS => pair(ns / HOUR_NS, "h", ns % HOUR_NS / MINUTE_NS, "min"),
        _ => pair(ns / DAY_NS, "d", ns % DAY_NS / HOUR_NS, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_767_323_045_000_000_000;

    fn grid(ends: &[i64]) -> Grid {
        let mut grid = Grid::default();
        ends.iter().for_each(|ns| grid.cover(*ns));
        grid
    }

    fn texts(clock: &Clock<'_>, grid: &Grid) -> Vec<String> {
        clock
            .marks(grid)
            .into_iter()
            .map(|mark| mark.text)
            .collect()
    }

    #[test]
    fn marks_are_round_in_the_zone_and_name_a_new_day() {
        let zone = jiff::tz::Offset::constant(2).to_time_zone();
        let clock = Clock::new(&zone, true);
        let grid = grid(&[BEGIN, BEGIN + 30 * HOUR_NS]);
        assert_eq!(
            texts(&clock, &grid),
            ["06:00", "12:00", "18:00", "01-03", "06:00"]
        );
        assert_eq!(clock.date_and_time(BEGIN), "2026-01-02 05:04:05");
    }

    #[test]
    fn every_span_has_marks_within_it_and_not_too_many() {
        let zone = TimeZone::UTC;
        let clock = Clock::new(&zone, true);
        for span in [
            0,
            1_000_000,
            40_000_000,
            SECOND_NS,
            7 * MINUTE_NS,
            400 * DAY_NS,
            i64::MAX / 2,
        ] {
            let grid = grid(&[BEGIN, BEGIN + span]).widened(40);
            let marks = clock.marks(&grid);
            assert!((1..=10).contains(&marks.len()), "{span}: {marks:?}");
            assert!(
                marks.iter().all(|mark| (0.0..=1.0).contains(&mark.at)),
                "{marks:?}"
            );
        }
    }

    #[test]
    fn without_a_wall_clock_moments_are_since_boot() {
        let zone = TimeZone::UTC;
        let clock = Clock::new(&zone, false);
        assert_eq!(clock.date_and_time(3_725 * SECOND_NS), "1:02:05");
        assert_eq!(clock.zone_name(0), "since boot");
    }

    #[test]
    fn durations_carry_their_units() {
        let texts = [
            12_000_000,
            4_200_000_000,
            605 * SECOND_NS,
            12_000 * SECOND_NS,
            49 * HOUR_NS,
        ]
        .map(duration);
        assert_eq!(
            texts,
            ["12 ms", "4.2 s", "10 min 5 s", "3 h 20 min", "2 d 1 h"]
        );
    }
}
