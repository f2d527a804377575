//! Turns the texts of /proc/PID and of control groups into numbers. Pure; `None` for text that does
//! not hold what is asked for.

use std::collections::HashSet;

/// What /proc/PID/task/TID/schedstat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    /// On a CPU, ns.
    pub(super) cpu_ns: u64,
    /// Ready to run and without a CPU, ns.
    pub(super) runnable_ns: u64,
    /// How often it was given a CPU.
    pub(super) times: u64,
}

/// Three numbers; all 0 where the kernel does not keep them.
pub(super) fn scheduled(text: &str) -> Option<Scheduled> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    let scheduled = Scheduled {
        cpu_ns: next()?,
        runnable_ns: next()?,
        times: next()?,
    };
    // A thread that exists has been given a CPU at least once.
    (scheduled.times > 0).then_some(scheduled)
}

/// A system call that a thread is blocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockedIn {
    pub(super) number: u64,
    pub(super) first_argument: u64,
    /// The numbers of a 32-bit program on a 64-bit kernel are others.
    pub(super) is_compat: bool,
}

/// The text of /proc/PID/task/TID/syscall: number, six arguments, stack pointer, program counter;
/// `None` for `running` and for a thread that sleeps outside of a call (-1).
pub(super) fn blocked_in(text: &str) -> Option<BlockedIn> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let hex = |word: &&str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let stack_pointer = words.get(7).and_then(hex)?;
    Some(BlockedIn {
        number: words.first()?.parse().ok()?,
        first_argument: words.get(1).and_then(hex)?,
        is_compat: stack_pointer <= u64::from(u32::MAX),
    })
}

/// The soft limit of `Max open files` in the text of /proc/PID/limits.
pub(super) fn open_files_limit(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_ascii_whitespace().next()?;
    if soft == "unlimited" {
        return Some(u64::MAX);
    }
    soft.parse().ok()
}

/// `TracerPid` of /proc/PID/status; `None` where nobody traces it.
pub(super) fn tracer(text: &str) -> Option<u32> {
    let pid: u32 = after(text, "TracerPid:")?.trim().parse().ok()?;
    (pid != 0).then_some(pid)
}

/// Which of the inodes the text of an epoll instance's fdinfo names (since 4.15), in hexadecimal.
pub(super) fn watched(text: &str, inodes: &HashSet<u64>, found: &mut Vec<u64>) {
    for line in text.lines().filter(|line| line.starts_with("tfd:")) {
        let inode = line
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix("ino:"))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some(inode) = inode
            && inodes.contains(&inode)
            && !found.contains(&inode)
        {
            found.push(inode);
        }
    }
}

/// A number that stands behind its name on a line of its own, as in cpu.stat.
pub(super) fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (label, value) = line.split_once(' ')?;
        (label == name).then(|| value.trim().parse().ok())?
    })
}

/// The total of the line `some` of a pressure file, us.
pub(super) fn stalled_us(text: &str) -> Option<u64> {
    let line = after(text, "some ")?;
    let mut words = line.split_ascii_whitespace();
    words
        .find_map(|word| word.strip_prefix("total="))?
        .parse()
        .ok()
}

/// What stands behind `label` at the beginning of a line.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(label))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_thread_is_blocked_in() {
        let text =
            "230 0x7 0x0 0x7ffc4a1e4d00 0x7ffc4a1e4d40 0x0 0x0 0x7ffc4a1e4ce8 0x7faa89d0b503\n";
        let call = BlockedIn {
            number: 230,
            first_argument: 7,
            is_compat: false,
        };
        assert_eq!(blocked_in(text), Some(call));
        let narrow = "3 0x7 0x0 0x1 0x1 0x0 0x0 0xff9e4ce8 0xf7d0b503\n";
        assert_eq!(blocked_in(narrow).map(|call| call.is_compat), Some(true));
        for none in ["running\n", "-1 0x7ffc4a1e4ce8 0x7faa89d0b503\n", "", "1 2"] {
            assert_eq!(blocked_in(none), None, "{none:?}");
        }
    }

    #[test]
    fn limits_tracers_and_times() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            24                   4096                 files     \n";
        assert_eq!(open_files_limit(limits), Some(24));
        let unlimited = limits.replace("24  ", "unlimited  ");
        assert_eq!(open_files_limit(&unlimited), Some(u64::MAX));
        assert_eq!(open_files_limit("Max processes 1 2"), None);
        assert_eq!(tracer("Name:\tx\nTracerPid:\t77\nUid:\t0\n"), Some(77));
        assert_eq!(tracer("TracerPid:\t0\n"), None);
        let times = Scheduled {
            cpu_ns: 11,
            runnable_ns: 22,
            times: 33,
        };
        assert_eq!(scheduled("11 22 33\n"), Some(times));
        assert_eq!(scheduled("0 0 0\n"), None);
        let stat = "usage_usec 5\nnr_periods 20\nnr_throttled 18\n";
        assert_eq!(named(stat, "nr_throttled"), Some(18));
        assert_eq!(named(stat, "nr"), None);
        let pressure =
            "some avg10=71.44 avg60=80.44 avg300=47.15 total=814\nfull avg10=0.00 total=9\n";
        assert_eq!(stalled_us(pressure), Some(814));
    }

    #[test]
    fn listeners_that_an_epoll_instance_watches() {
        let text = "pos:\t0\nflags:\t02\nmnt_id:\t15\n\
                    tfd:        6 events:       19 data:                6  pos:0 ino:1f sdev:8\n\
                    tfd:        7 events:       19 data:                7  pos:0 ino:20 sdev:8\n";
        let mut found = Vec::new();
        watched(text, &HashSet::from([0x1f, 0x99]), &mut found);
        assert_eq!(found, [0x1f]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = (scheduled(&text), blocked_in(&text), open_files_limit(&text), tracer(&text));
            let _ = (named(&text, "x"), stalled_us(&text));
            watched(&text, &HashSet::from([1]), &mut Vec::new());
        }
    }
}
