//! Values of options: from one word to a typed value. An error says what is wrong and how to write
//! it; clap puts the option's name in front.

pub(super) mod moments;
pub(super) mod sizes;

use std::time::Duration;

use thiserror::Error;

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

/// How many times as fast: `1`, `10`, `0.5`.
pub(super) fn speed(text: &str) -> Result<f64, ValueError> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.001 => Ok(speed),
        _ => refused(format!(
            "`{text}` is not a speed; 1 is the original speed, 10 is ten times as fast"
        )),
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
    fn a_long_name_is_cut_as_the_kernel_cuts_it() {
        assert_eq!(comm("gunicorn-worker-7").as_deref(), Ok("gunicorn-worker"));
        assert!(comm("").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_for_a_value(text in crate::sink::sanitize::any_text()) {
            let _ = (duration(&text), sizes::ring_bytes(&text), sizes::file_bytes(&text), comm(&text));
        }
    }
}
