//! Numbers, addresses and times appended to a byte buffer, without allocating.
//!
//! By hand because formatting through `fmt` costs several times as much, and this is what bounds
//! how many incidents a second can be shown.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::Endpoint;

pub(super) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Aligned to the right.
pub(super) fn number_right(out: &mut Vec<u8>, value: u32, width: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value);
    spaces(out, width.saturating_sub(digits.len()));
    out.extend_from_slice(digits.as_bytes());
}

/// Exactly `width` digits, leading zeros; digits beyond are cut off in front.
pub(super) fn zeros(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Wider than any column.
const SPACES: &[u8; 64] = &[b' '; 64];

pub(super) fn spaces(out: &mut Vec<u8>, count: usize) {
    match SPACES.get(..count) {
        Some(spaces) => out.extend_from_slice(spaces),
        None => out.resize(out.len() + count, b' '),
    }
}

/// Text put together on the stack, to be appended at once. Holds an IPv4 address with its port.
struct Short {
    bytes: [u8; 24],
    len: usize,
}

impl Short {
    const fn new() -> Self {
        Self {
            bytes: [0; 24],
            len: 0,
        }
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    #[inline(always)]
    fn number(&mut self, value: u16) {
        if value >= 10_000 {
            self.push(b'0' + (value / 10_000) as u8);
        }
        if value >= 1000 {
            self.push(b'0' + (value / 1000 % 10) as u8);
        }
        if value >= 100 {
            self.push(b'0' + (value / 100 % 10) as u8);
        }
        if value >= 10 {
            self.push(b'0' + (value / 10 % 10) as u8);
        }
        self.push(b'0' + (value % 10) as u8);
    }

    #[inline(always)]
    fn ipv4(&mut self, addr: Ipv4Addr) {
        let [a, b, c, d] = addr.octets();
        self.number(a.into());
        self.push(b'.');
        self.number(b.into());
        self.push(b'.');
        self.number(c.into());
        self.push(b'.');
        self.number(d.into());
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.len).unwrap_or_default());
    }
}

pub(super) fn address(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => {
            let mut text = Short::new();
            text.ipv4(addr);
            text.append_to(out);
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(addr) => drop(write!(out, "{addr}")),
    }
}

/// `1.2.3.4:80` or `[::1]:80`.
pub(super) fn endpoint(out: &mut Vec<u8>, end: Endpoint) {
    let mut text = Short::new();
    match end.addr {
        IpAddr::V4(addr) => text.ipv4(addr),
        IpAddr::V6(addr) => {
            // Writing to a Vec cannot fail.
            drop(write!(out, "[{addr}]"));
        }
    }
    text.push(b':');
    text.number(end.port);
    text.append_to(out);
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
        assert_eq!(put(|out| zeros(out, 42, 9)), "000000042");
        assert_eq!(put(|out| zeros(out, 1_234, 3)), "234");
    }

    proptest! {
        #[test]
        fn an_endpoint_reads_as_its_display(addr: IpAddr, port: u16) {
            let end = Endpoint { addr, port };
            prop_assert_eq!(put(|out| endpoint(out, end)), end.to_string());
        }
    }
}
