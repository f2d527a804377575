//! Memory that only the start needed goes back: a tracer must not weigh on the host it watches.
//!
//! Nothing here can fail in a way that matters: what cannot be given back stays.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Gives back what the allocator keeps from reading types and loading programs, and the code that
/// only the start ran: 2 of 10 MB. What is needed again comes back from the page cache.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions; it only releases memory that is free already.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(code) {
        // SAFETY: a private mapping of a file that cannot be written to: its pages are the file's
        // own, and are read from there again when they are touched.
        let _ = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
    }
}

/// Start and length of a mapping of code, from a line of `/proc/self/maps`.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, access) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    if access != "r-xp" || !path.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let line = "55d0c0a00000-55d0c0a02000 r-xp 0002f000 fd:00 1234 /usr/bin/tcptrace";
        assert_eq!(code(line), Some((0x55d0_c0a0_0000, 0x2000)));
        for line in [
            "55d0c0a00000-55d0c0a02000 r--p 0002f000 fd:00 1234 /usr/bin/tcptrace",
            "55d0c0a00000-55d0c0a02000 rw-p 0002f000 fd:00 1234 /usr/bin/tcptrace",
            "55d0c0a00000-55d0c0a02000 r-xs 0002f000 fd:00 1234 /usr/bin/tcptrace",
            "7ffd1b5d6000-7ffd1b5d8000 r-xp 00000000 00:00 0 [vdso]",
            "7ffd1b5d6000-7ffd1b5d8000 r-xp 00000000 00:00 0",
            "",
            "x-y r-xp 0 0 0 /a",
            "2-1 r-xp 0 0 0 /a",
        ] {
            assert_eq!(code(line), None, "{line}");
        }
    }

    #[test]
    fn what_was_given_back_still_works() {
        give_back();
        assert_eq!("after".to_owned(), "after");
    }
}
