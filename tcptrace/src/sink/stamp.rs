//! From the boot clock to the time on a line.
//!
//! The calendar is computed once a second and kept: incidents come in bursts.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::put;
use crate::model::Clock;
use crate::model::named;

const SECOND_NS: i64 = 1_000_000_000;

named! {
    /// How the text output prints the time.
    TimeStyle {
        /// `14:03:59.123` in the local time zone.
        Local = "local",
        /// `14:03:59.123` in UTC; the header says so.
        Utc = "utc",
        /// Seconds since watching began.
        Relative = "relative",
        /// Seconds since 1970.
        Epoch = "epoch",
        /// No time.
        None = "none",
    }
}

impl TimeStyle {
    /// Characters of the column; 0 without one.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Local | Self::Utc | Self::Relative => 12,
            Self::Epoch => 17,
            Self::None => 0,
        }
    }
}

/// Longest text of a second: `2026-01-02T03:04:05`.
const SECOND_BYTES: usize = 24;

/// The last second printed, in one zone and one form.
struct Second {
    zone: TimeZone,
    number: Option<i64>,
    text: [u8; SECOND_BYTES],
    len: usize,
}

impl Second {
    fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            number: None,
            text: [0; SECOND_BYTES],
            len: 0,
        }
    }

    #[inline(always)]
    fn append(&mut self, out: &mut Vec<u8>, number: i64, form: fn(&mut Vec<u8>, DateTime)) {
        if self.number != Some(number) {
            self.turn(number, form);
        }
        // A copy of known length instead of a call.
        let end = out.len() + self.len;
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }

    #[cold]
    fn turn(&mut self, number: i64, form: fn(&mut Vec<u8>, DateTime)) {
        // A clock outside the calendar (before -9999) can only be broken; it prints as 1970.
        let moment = Timestamp::from_second(number).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut text = Vec::with_capacity(SECOND_BYTES);
        form(&mut text, self.zone.to_datetime(moment));
        self.len = text.len().min(SECOND_BYTES);
        for (place, byte) in self.text.iter_mut().zip(text) {
            *place = byte;
        }
        self.number = Some(number);
    }
}

fn put_time(out: &mut Vec<u8>, at: DateTime) {
    put::zeros::<2>(out, u64::from(at.hour().unsigned_abs()));
    out.push(b':');
    put::zeros::<2>(out, u64::from(at.minute().unsigned_abs()));
    out.push(b':');
    put::zeros::<2>(out, u64::from(at.second().unsigned_abs()));
}

fn put_date_and_time(out: &mut Vec<u8>, at: DateTime) {
    put::zeros::<4>(out, u64::from(at.year().unsigned_abs()));
    out.push(b'-');
    put::zeros::<2>(out, u64::from(at.month().unsigned_abs()));
    out.push(b'-');
    put::zeros::<2>(out, u64::from(at.day().unsigned_abs()));
    out.push(b'T');
    put_time(out, at);
}

/// Seconds and nanoseconds on the wall clock.
fn wall(clock: Clock, boot_ns: u64) -> (i64, u64) {
    let wall_ns = clock.boot_to_wall_ns.saturating_add_unsigned(boot_ns);
    (
        wall_ns.div_euclid(SECOND_NS),
        wall_ns.rem_euclid(SECOND_NS).unsigned_abs(),
    )
}

/// Times of the text output.
pub(super) struct Stamp {
    clock: Clock,
    style: TimeStyle,
    second: Second,
}

impl Stamp {
    pub(super) fn new(clock: Clock, style: TimeStyle) -> Self {
        let zone = if style == TimeStyle::Local {
            TimeZone::system()
        } else {
            TimeZone::UTC
        };
        Self {
            clock,
            style,
            second: Second::new(zone),
        }
    }

    /// The wall clock was set.
    pub(super) const fn set(&mut self, boot_to_wall_ns: i64) {
        self.clock.boot_to_wall_ns = boot_to_wall_ns;
    }

    /// Appends the time, without a space after it. Returns its width.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, boot_ns: u64) -> usize {
        let start = out.len();
        let (seconds, ns) = wall(self.clock, boot_ns);
        match self.style {
            TimeStyle::Local | TimeStyle::Utc => {
                self.second.append(out, seconds, put_time);
                out.push(b'.');
                put::zeros::<3>(out, ns / 1_000_000);
            }
            TimeStyle::Relative => {
                let since = boot_ns.abs_diff(self.clock.start_boot_ns);
                let whole = since / 1_000_000_000;
                let is_before = boot_ns < self.clock.start_boot_ns;
                let width = put::digits(whole) + usize::from(is_before);
                put::spaces(out, 5usize.saturating_sub(width));
                if is_before {
                    out.push(b'-');
                }
                put::number(out, whole);
                out.push(b'.');
                put::zeros::<6>(out, since % 1_000_000_000 / 1000);
            }
            TimeStyle::Epoch => {
                put::number(out, seconds);
                out.push(b'.');
                put::zeros::<6>(out, ns / 1000);
            }
            TimeStyle::None => {}
        }
        out.len() - start
    }
}

/// Times of the JSON output.
pub(super) struct Rfc3339 {
    clock: Clock,
    second: Second,
}

impl Rfc3339 {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            second: Second::new(TimeZone::UTC),
        }
    }

    /// The wall clock was set.
    pub(super) const fn set(&mut self, boot_to_wall_ns: i64) {
        self.clock.boot_to_wall_ns = boot_to_wall_ns;
    }

    /// Appends `2026-01-02T03:04:05.000000006Z`.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, boot_ns: u64) {
        let (seconds, ns) = wall(self.clock, boot_ns);
        self.second.append(out, seconds, put_date_and_time);
        out.push(b'.');
        put::zeros::<9>(out, ns);
        out.push(b'Z');
    }

    /// Boot clock, `ms` after watching began.
    pub(super) fn boot_ns_after(&self, ms: u64) -> u64 {
        self.clock
            .start_boot_ns
            .saturating_add(ms.saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOCK: Clock = Clock {
        boot_to_wall_ns: 1_767_323_045_000_000_000,
        start_boot_ns: 5_000_000_000,
    };

    fn text(style: TimeStyle, boot_ns: u64) -> String {
        let mut out = Vec::new();
        let width = Stamp::new(CLOCK, style).append(&mut out, boot_ns);
        assert_eq!(width, out.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_style_shows_the_same_moment_its_way() {
        let at = 15_123_456_789;
        assert_eq!(text(TimeStyle::Utc, at), "03:04:20.123");
        assert_eq!(text(TimeStyle::Relative, at), "   10.123456");
        assert_eq!(text(TimeStyle::Epoch, at), "1767323060.123456");
        assert_eq!(text(TimeStyle::None, at), "");
    }

    #[test]
    fn what_happened_before_the_start_is_negative() {
        assert_eq!(text(TimeStyle::Relative, 4_500_000_000), "   -0.500000");
    }

    #[test]
    fn local_time_is_shifted_by_the_zone() {
        let mut stamp = Stamp::new(CLOCK, TimeStyle::Local);
        stamp.second = Second::new(jiff::tz::Offset::constant(2).to_time_zone());
        let mut out = Vec::new();
        stamp.append(&mut out, 15_123_456_789);
        assert_eq!(out, b"05:04:20.123");
    }

    proptest! {
        #[test]
        fn rfc3339_reads_back_to_the_nanosecond(offset in 0i64..4_000_000_000_000_000_000, boot: u32) {
            let clock = Clock { boot_to_wall_ns: offset, start_boot_ns: 0 };
            let mut stamp = Rfc3339::new(clock);
            let mut out = Vec::new();
            // Twice, so that the kept second is used too.
            for _ in 0..2 {
                out.clear();
                stamp.append(&mut out, u64::from(boot));
            }
            let read: Timestamp = String::from_utf8(out).unwrap().parse().unwrap();
            prop_assert_eq!(read.as_nanosecond(), i128::from(offset) + i128::from(boot));
        }
    }
}
