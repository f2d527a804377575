//! Numbers, addresses and times appended to a byte buffer, without allocating.
//!
//! By hand because formatting through `fmt` costs several times as much, and this is what bounds
//! how many incidents a second can be shown.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::Endpoint;

/// A number that can be written.
pub(super) trait Number: Copy {
    /// Whether it is below zero, and how far from it.
    fn parts(self) -> (bool, u64);
}

macro_rules! unsigned {
    ($($number:ty)*) => {
        $(impl Number for $number {
            #[inline(always)]
            fn parts(self) -> (bool, u64) {
                (false, u64::from(self))
            }
        })*
    };
}
unsigned!(u8 u16 u32 u64);

macro_rules! signed {
    ($($number:ty)*) => {
        $(impl Number for $number {
            #[inline(always)]
            fn parts(self) -> (bool, u64) {
                (self < 0, u64::from(self.unsigned_abs()))
            }
        })*
    };
}
signed!(i32 i64);

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut at = 0;
    while at < 100 {
        pairs[at] = [b'0' + (at / 10) as u8, b'0' + (at % 10) as u8];
        at += 1;
    }
    pairs
};

/// Digits of the largest number.
const DIGITS: usize = 20;

/// Fills the place from its end; what does not fit is cut off in front.
#[inline(always)]
fn fill(place: &mut [u8], mut value: u64) {
    let mut pairs = place.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + (value % 10) as u8;
    }
}

/// Appends the first and the last `N` bytes, which overlap in the middle.
#[inline(always)]
fn halves<const N: usize, const TWICE: usize>(out: &mut Vec<u8>, bytes: &[u8]) {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
        return;
    };
    let start = out.len();
    out.extend_from_slice(&[0; TWICE]);
    let end = start + bytes.len();
    out[start..start + N].copy_from_slice(first);
    out[end - N..end].copy_from_slice(last);
    out.truncate(end);
}

/// Appends text of our own. By size classes, since a call of `memmove` costs more than most of it.
#[inline(always)]
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    match bytes.len() {
        0..4 => bytes.iter().for_each(|byte| out.push(*byte)),
        4..8 => halves::<4, 8>(out, bytes),
        8..16 => halves::<8, 16>(out, bytes),
        16..=32 => halves::<16, 32>(out, bytes),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends text of about the length of a column or two.
#[inline(always)]
pub(super) fn line(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        16..=32 => halves::<16, 32>(out, text),
        33..=64 => halves::<32, 64>(out, text),
        _ => out.extend_from_slice(text),
    }
}

#[inline]
pub(super) fn number(out: &mut Vec<u8>, value: impl Number) {
    let (is_negative, value) = value.parts();
    if is_negative {
        out.push(b'-');
    }
    let (start, width) = (out.len(), digits(value));
    out.extend_from_slice(&[b'0'; DIGITS]);
    out.truncate(start + width);
    fill(&mut out[start..], value);
}

/// How many it has.
#[inline(always)]
pub(super) fn digits(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Aligned to the right.
pub(super) fn number_right(out: &mut Vec<u8>, value: u32, width: usize) {
    spaces(out, width.saturating_sub(digits(value.into())));
    number(out, value);
}

/// Exactly `width` digits, leading zeros; digits beyond are cut off in front.
#[inline(always)]
pub(super) fn zeros<const WIDTH: usize>(out: &mut Vec<u8>, value: u64) {
    let mut text = [b'0'; WIDTH];
    fill(&mut text, value);
    out.extend_from_slice(&text);
}

/// As wide as most gaps: a copy of known length instead of a call.
const SPACES: &[u8; 32] = &[b' '; 32];

pub(super) fn spaces(out: &mut Vec<u8>, count: usize) {
    let end = out.len() + count;
    if count <= SPACES.len() {
        out.extend_from_slice(SPACES);
        out.truncate(end);
    } else {
        out.resize(end, b' ');
    }
}

/// `0.` to `255.`, each with its length.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut value = 0;
    while value < 256 {
        let (hundreds, tens, ones) = (value / 100, value / 10 % 10, value % 10);
        let (text, len) = &mut octets[value];
        if hundreds > 0 {
            text[*len as usize] = b'0' + hundreds as u8;
            *len += 1;
        }
        if hundreds > 0 || tens > 0 {
            text[*len as usize] = b'0' + tens as u8;
            *len += 1;
        }
        text[*len as usize] = b'0' + ones as u8;
        *len += 2;
        value += 1;
    }
    octets
};

#[inline(always)]
fn ipv4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    for octet in addr.octets() {
        let (text, len) = OCTETS[usize::from(octet)];
        let start = out.len();
        out.extend_from_slice(&text);
        out.truncate(start + usize::from(len));
    }
    // The last dot.
    out.pop();
}

pub(super) fn address(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => ipv4(out, addr),
        // Writing to a Vec cannot fail.
        IpAddr::V6(addr) => drop(write!(out, "{addr}")),
    }
}

/// `1.2.3.4:80` or `[::1]:80`.
pub(super) fn endpoint(out: &mut Vec<u8>, end: Endpoint) {
    match end.addr {
        IpAddr::V4(addr) => ipv4(out, addr),
        IpAddr::V6(addr) => {
            // Writing to a Vec cannot fail.
            drop(write!(out, "[{addr}]"));
        }
    }
    out.push(b':');
    number(out, end.port);
}

/// `900ms`, `2003ms`, `60s`, `12.5s`: milliseconds up to ten seconds unless they are whole seconds.
pub(super) fn millis(out: &mut Vec<u8>, ms: u64) {
    if ms >= 1000 && ms.is_multiple_of(1000) {
        number(out, ms / 1000);
        out.push(b's');
    } else if ms < 10_000 {
        number(out, ms);
        out.extend_from_slice(b"ms");
    } else {
        number(out, ms / 1000);
        out.push(b'.');
        number(out, ms % 1000 / 100);
        out.push(b's');
    }
}

/// Like [`millis`], with microseconds below ten milliseconds.
pub(super) fn micros(out: &mut Vec<u8>, us: u64) {
    if us < 10_000 {
        number(out, us);
        out.extend_from_slice(b"us");
    } else {
        millis(out, us / 1000);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(act: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        act(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn durations_are_short_and_carry_their_unit() {
        let texts = [0, 999, 1000, 2003, 60_000, 12_540].map(|ms| put(|out| millis(out, ms)));
        assert_eq!(texts, ["0ms", "999ms", "1s", "2003ms", "60s", "12.5s"]);
        assert_eq!(put(|out| micros(out, 9_999)), "9999us");
        assert_eq!(put(|out| micros(out, 10_400)), "10ms");
    }

    #[test]
    fn zeros_keeps_its_width() {
        assert_eq!(put(|out| zeros::<9>(out, 42)), "000000042");
        assert_eq!(put(|out| zeros::<3>(out, 1_234)), "234");
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_are_written() {
        assert_eq!(put(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(put(|out| number(out, i32::MIN)), i32::MIN.to_string());
        assert_eq!(put(|out| number(out, 0_u8)), "0");
        assert_eq!(put(|out| number_right(out, 77, 5)), "   77");
        assert_eq!(
            put(|out| number_right(out, u32::MAX, 5)),
            u32::MAX.to_string()
        );
    }

    proptest! {
        #[test]
        fn numbers_and_text_are_appended_whole(before in ".{0,40}", bits in 0_u32..64, value: u64) {
            let value = value >> bits;
            let written = put(|out| {
                text(out, &before);
                number(out, value);
            });
            prop_assert_eq!(written, format!("{before}{value}"));
        }

        #[test]
        fn an_endpoint_reads_as_its_display(addr: IpAddr, port: u16) {
            let end = Endpoint { addr, port };
            prop_assert_eq!(put(|out| endpoint(out, end)), end.to_string());
        }
    }
}
