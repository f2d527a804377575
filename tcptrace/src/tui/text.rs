//! Numbers, times and foreign names as short text for cells of a screen.
//!
//! Whatever comes from outside goes through [`clean`]: a process may call itself anything.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{Clock, Endpoint, Process};
use crate::sink::sanitize::is_hostile;

/// Foreign text without anything that a terminal obeys.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_hostile(c) { '?' } else { c })
        .collect()
}

/// Name of a process; `?`: not known.
pub(super) fn comm(process: Option<&Process>) -> String {
    process.map_or_else(|| "?".to_owned(), |process| clean(process.display_name()))
}

/// Number of a process; `?`: not known.
pub(super) fn pid(process: Option<&Process>) -> String {
    process.map_or_else(|| "?".to_owned(), |process| process.pid.to_string())
}

/// `*:80` for every address of both families, else address and port.
pub(super) fn place(end: Option<Endpoint>) -> String {
    match end {
        None => "?".to_owned(),
        Some(end) if end.addr.is_unspecified() && end.addr.is_ipv6() => {
            format!("[::]:{}", end.port)
        }
        Some(end) if end.addr.is_unspecified() => format!("*:{}", end.port),
        Some(end) => end.to_string(),
    }
}

/// A count in at most five characters.
pub(super) fn short(count: u64) -> String {
    const UNITS: [(u64, char); 6] = [
        (1_000, 'k'),
        (1_000_000, 'M'),
        (1_000_000_000, 'G'),
        (1_000_000_000_000, 'T'),
        (1_000_000_000_000_000, 'P'),
        (1_000_000_000_000_000_000, 'E'),
    ];
    if count < 100_000 {
        return count.to_string();
    }
    let fits = |(unit, _): &&(u64, char)| count / unit < 1000;
    let (unit, letter) = UNITS.iter().find(fits).unwrap_or(&UNITS[5]);
    let whole = count / unit;
    if whole < 100 {
        format!("{whole}.{}{letter}", count % unit / (unit / 10))
    } else {
        format!("{whole}{letter}")
    }
}

/// A rate in at most five characters.
pub(super) fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second < 0.05 {
        "<0.1".to_owned()
    } else if per_second < 99.95 {
        format!("{per_second:.1}")
    } else {
        short(per_second.round() as u64)
    }
}

/// Hours, minutes and seconds.
pub(super) fn clock_time(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}

/// When it was, on the wall clock: `14:03:59`, with `has_millis` `14:03:59.123`.
pub(super) fn moment(clock: Clock, zone: &TimeZone, boot_ns: u64, has_millis: bool) -> String {
    let wall_ns = clock.boot_to_wall_ns.saturating_add_unsigned(boot_ns);
    // A clock outside the calendar can only be broken; it shows as 1970.
    let at = Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = zone.to_datetime(at);
    let seconds = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    if has_millis {
        format!("{seconds}.{:03}", at.millisecond())
    } else {
        seconds
    }
}

/// Lines of at most `width` characters, broken at spaces, a word that is longer anywhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += word.len();
        line.extend(word);
    }
    if used > 0 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_and_rates_stay_short() {
        let counts = [0, 99_999, 100_000, 999_999, 1_000_000, 99_900_000, u64::MAX];
        assert_eq!(
            counts.map(short),
            ["0", "99999", "100k", "999k", "1.0M", "99.9M", "18.4E"]
        );
        let rates = [0.0, 0.01, 0.4, 99.94, 99.96, 1234.5, 2e6];
        assert_eq!(
            rates.map(rate),
            ["0", "<0.1", "0.4", "99.9", "100", "1235", "2.0M"]
        );
    }

    #[test]
    fn a_moment_is_that_of_the_wall_clock() {
        let clock = Clock {
            boot_to_wall_ns: 1_767_323_045_000_000_000,
            start_boot_ns: 0,
        };
        let at = |has_millis| moment(clock, &TimeZone::UTC, 1_123_456_789, has_millis);
        assert_eq!(
            (at(false).as_str(), at(true).as_str()),
            ("03:04:06", "03:04:06.123")
        );
        assert_eq!(clock_time(3_723_000_000_000), "1:02:03");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefgh b", 3), ["a", "abc", "def", "gh", "b"]);
        assert_eq!(wrap("", 3), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_count_takes_five_characters(count: u64) {
            prop_assert!(short(count).len() <= 5);
        }

        #[test]
        fn no_line_is_longer_than_asked(text in crate::sink::sanitize::any_text(), width in 0_usize..40) {
            for line in wrap(&text, width) {
                prop_assert!(line.chars().count() <= width.max(1));
            }
        }

        #[test]
        fn nothing_hostile_passes(text in crate::sink::sanitize::any_text()) {
            prop_assert!(!clean(&text).chars().any(is_hostile));
        }

        #[test]
        fn any_moment_is_reported(boot_to_wall_ns: i64, boot_ns: u64) {
            let clock = Clock { boot_to_wall_ns, start_boot_ns: 0 };
            prop_assert_eq!(moment(clock, &TimeZone::UTC, boot_ns, true).len(), 12);
        }
    }
}
