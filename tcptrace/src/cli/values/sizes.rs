//! Sizes in bytes: a number, or one with K, M or G.

use super::{ValueError, refused};
use crate::kernel::sysctl;

/// The least that a file of a recording may be limited to.
const FILE_BYTES_MIN: u64 = 64 << 10;
/// Largest ring the option takes.
const RING_BYTES_MAX: u64 = 1 << 30;

/// A number of bytes; `None`: more than anybody has.
fn bytes(text: &str) -> Result<Option<u64>, ValueError> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return refused(format!(
            "`{text}` is not a size; use bytes, or K, M or G, such as 64M"
        ));
    }
    let number = number.parse::<u64>().ok();
    Ok(number.and_then(|number| number.checked_mul(unit)))
}

/// Bytes of a file: `64M`, `512K`, `2G`, `1000000`; at least 64K.
pub(in crate::cli) fn file_bytes(text: &str) -> Result<u64, ValueError> {
    match bytes(text)? {
        Some(bytes) if bytes >= FILE_BYTES_MIN => Ok(bytes),
        Some(_) => refused(format!("`{text}` is too small; use at least 64K")),
        None => refused(format!("`{text}` is too large")),
    }
}

/// Bytes of the ring: `4M`, `512K`, `1048576`. The kernel wants a power of two made of whole pages.
pub(in crate::cli) fn ring_bytes(text: &str) -> Result<u32, ValueError> {
    let allowed = bytes(text)?.filter(|bytes| *bytes <= RING_BYTES_MAX);
    let Some(bytes) = allowed.and_then(|bytes| u32::try_from(bytes).ok()) else {
        return refused(format!("`{text}` is more than 1024M"));
    };
    // The smallest page there is where its size is not known: the kernel then has the last word.
    let page = sysctl::page_bytes().unwrap_or(4096);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn why<T: std::fmt::Debug>(result: Result<T, ValueError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_ring_is_a_power_of_two_of_whole_pages() {
        assert_eq!(ring_bytes("4M"), Ok(4 << 20));
        assert_eq!(ring_bytes("512k"), Ok(512 << 10));
        assert_eq!(ring_bytes("1048576"), Ok(1 << 20));
        assert_eq!(ring_bytes("1G"), Ok(1 << 30));
        assert!(why(ring_bytes("3M")).contains("2097152 and 4194304"));
        assert!(why(ring_bytes("1")).contains("page"));
        assert!(why(ring_bytes("4G")).contains("more than"));
        assert!(why(ring_bytes("M")).contains("not a size"));
        assert!(why(ring_bytes("")).contains("not a size"));
        assert!(why(ring_bytes("4294967296M")).contains("more than"));
    }

    #[test]
    fn a_file_has_room_for_a_block() {
        assert_eq!(file_bytes("64K"), Ok(64 << 10));
        assert_eq!(file_bytes("2g"), Ok(2 << 30));
        assert!(why(file_bytes("65535")).contains("at least 64K"));
        assert!(why(file_bytes("99999999999999999999")).contains("too large"));
        assert!(why(file_bytes("-1")).contains("not a size"));
    }
}
