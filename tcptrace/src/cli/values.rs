//! Values of options: from one word to a typed value. An error says what is wrong and how to write
//! it; clap puts the option's name in front.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::session::plan::NetnsSpec;

/// Why a value was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ValueError(String);

fn refused<T>(why: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError(why.into()))
}

/// Parser of a name out of a model enum's list, with its possible values for help and completion.
macro_rules! named_values {
    ($of:ty) => {{
        let names = <$of>::ALL.iter().map(|value| value.name());
        clap::builder::TypedValueParser::try_map(
            clap::builder::PossibleValuesParser::new(names),
            |name: String| $crate::cli::values::by_name::<$of>(&name, <$of>::from_name),
        )
    }};
}
pub(super) use named_values;

pub(super) fn by_name<T>(name: &str, find: fn(&str) -> Option<T>) -> Result<T, ValueError> {
    find(name).map_or_else(
        || refused(format!("`{name}` is not one of the possible values")),
        Ok,
    )
}

/// `30s`, `500ms`, `2m`, `1.5h`; a plain number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return refused(format!(
                "`{unit}` is not a unit of time; use ms, s, m or h, such as 30s"
            ));
        }
    };
    let is_decimal = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let Some(seconds) = number.parse::<f64>().ok().filter(|_| is_decimal) else {
        return refused(format!(
            "`{text}` is not a duration; use a number and a unit, such as 30s"
        ));
    };
    match Duration::try_from_secs_f64(seconds * scale) {
        Ok(Duration::ZERO) => refused("the duration is zero; use at least 1ms"),
        Ok(duration) => Ok(duration),
        Err(_) => refused(format!("`{text}` is too long")),
    }
}

/// As a duration; 0 is none.
pub(super) fn interval(text: &str) -> Result<Duration, ValueError> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

/// Bytes of a file: `64M`, `512K`, `2G`, `1000000`; at least 64K.
pub(super) fn size(text: &str) -> Result<u64, ValueError> {
    const LEAST: u64 = 64 << 10;
    let (number, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = number.parse::<u64>().ok().filter(|_| is_number);
    match bytes.map(|bytes| bytes.checked_mul(unit)) {
        None => refused(format!(
            "`{text}` is not a size; use bytes, or K, M or G, such as 64M"
        )),
        Some(Some(bytes)) if bytes >= LEAST => Ok(bytes),
        Some(Some(_)) => refused(format!("`{text}` is too small; use at least 64K")),
        Some(None) => refused(format!("`{text}` is too much")),
    }
}

/// How many times as fast: `1`, `10`, `0.5`.
pub(super) fn speed(text: &str) -> Result<f64, ValueError> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.001 => Ok(speed),
        _ => refused(format!(
            "`{text}` is not a speed; 1 is the original speed, 10 is ten times as fast"
        )),
    }
}

/// Largest ring the option takes.
const RING_BYTES_MAX: u32 = 1 << 30;

/// Bytes of the ring: `4M`, `512K`, `1048576`. The kernel wants a power of two made of whole pages.
pub(super) fn ring_bytes(text: &str) -> Result<u32, ValueError> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return refused(format!(
            "`{text}` is not a size; use bytes, or K or M, such as 4M"
        ));
    }
    let bytes = number
        .parse::<u32>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    let Some(bytes) = bytes.filter(|bytes| *bytes <= RING_BYTES_MAX) else {
        return refused(format!("`{text}` is more than 1024M"));
    };
    let page = page_bytes();
    if u64::from(bytes) < page {
        return refused(format!("`{text}` is less than a page; use at least {page}"));
    }
    if !bytes.is_power_of_two() {
        let below: u32 = 1 << bytes.ilog2();
        return refused(format!(
            "the kernel accepts only powers of two; the nearest are {below} and {}",
            u64::from(below) * 2
        ));
    }
    Ok(bytes)
}

fn page_bytes() -> u64 {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It fails for no kernel that has pages; the smallest page there is then lets the kernel judge.
    u64::try_from(answer).unwrap_or(4096)
}

impl FromStr for NetnsSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let inode = text.strip_prefix("inode:").or_else(|| {
            text.strip_prefix("net:[")
                .and_then(|rest| rest.strip_suffix(']'))
        });
        if let Some(digits) = inode {
            return match digits.parse() {
                Ok(inode) if inode > 0 => Ok(Self::Inode(inode)),
                _ => refused(format!(
                    "`{digits}` is not an inode number; see `readlink /proc/PID/ns/net`, then use \
                     inode:4026531840"
                )),
            };
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(pid) if pid > 0 => Ok(Self::Pid(pid)),
                _ => refused(format!(
                    "`{text}` is not a PID; for an inode number use inode:{text}"
                )),
            };
        }
        if text.is_empty() || text.contains('/') || text == "." || text == ".." {
            return refused(format!(
                "`{text}` is not the name of a network namespace; see `ip netns`, or use a PID or \
                 inode:N"
            ));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// Bytes the kernel keeps of a process name.
const COMM_BYTES: usize = 15;

/// A process name as the kernel would keep it: cut after 15 bytes.
pub(super) fn comm(text: &str) -> Result<String, ValueError> {
    if text.is_empty() {
        return refused("the name is empty; use a process name, such as nginx");
    }
    Ok(text[..text.floor_char_boundary(COMM_BYTES)].to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::fmt;

    use super::*;

    fn why<T: fmt::Debug>(result: Result<T, ValueError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_duration_has_a_unit_or_is_seconds() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7", 7_000),
            ("0.5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_is_refused_with_an_example() {
        for text in ["", "s", "1x", "-3", "1e9", "inf", "nan", "1 s"] {
            assert!(why(duration(text)).contains("such as 30s"), "{text}");
        }
        assert!(why(duration("0")).contains("zero"));
        assert!(why(duration("999999999999999999999999h")).contains("too long"));
    }

    #[test]
    fn a_ring_is_a_power_of_two_of_whole_pages() {
        assert_eq!(ring_bytes("4M"), Ok(4 << 20));
        assert_eq!(ring_bytes("512k"), Ok(512 << 10));
        assert_eq!(ring_bytes("1048576"), Ok(1 << 20));
        assert!(why(ring_bytes("3M")).contains("2097152 and 4194304"));
        assert!(why(ring_bytes("1")).contains("page"));
        assert!(why(ring_bytes("4G")).contains("not a size"));
        assert!(why(ring_bytes("M")).contains("not a size"));
        assert!(why(ring_bytes("")).contains("not a size"));
        assert!(why(ring_bytes("4294967296M")).contains("more than"));
    }

    #[test]
    fn a_namespace_is_a_pid_a_name_or_an_inode() {
        assert_eq!("123".parse(), Ok(NetnsSpec::Pid(123)));
        assert_eq!("blue".parse(), Ok(NetnsSpec::Name("blue".into())));
        assert_eq!(
            "inode:4026531840".parse(),
            Ok(NetnsSpec::Inode(4_026_531_840))
        );
        assert_eq!(
            "net:[4026531840]".parse(),
            Ok(NetnsSpec::Inode(4_026_531_840))
        );
        assert!(why("inode:x".parse::<NetnsSpec>()).contains("readlink"));
        assert!(why("0".parse::<NetnsSpec>()).contains("inode:0"));
        assert!(why("../x".parse::<NetnsSpec>()).contains("ip netns"));
    }

    #[test]
    fn a_long_name_is_cut_as_the_kernel_cuts_it() {
        assert_eq!(comm("gunicorn-worker-7").as_deref(), Ok("gunicorn-worker"));
        assert!(comm("").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_for_a_value(text: String) {
            let _ = (duration(&text), ring_bytes(&text), comm(&text), text.parse::<NetnsSpec>());
        }
    }
}
