//! What /proc says of a process and of the host's sockets.
//!
//! A process that has gone, or a file that does not read as expected, gives None: never 0.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a host may take to forget the sockets of a load.
const QUIET_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at it.
const QUIET_STEP: Duration = Duration::from_millis(40);

/// A field of `/proc/PID/status` in KiB, such as `VmRSS`.
pub(super) fn status_kib(pid: u32, field: &str) -> Option<u64> {
    number_after(
        &fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
        field,
    )
}

/// The number after `field:`.
fn number_after(text: &str, field: &str) -> Option<u64> {
    let rest = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Processor time that the process has used, ns; threads that have ended are counted in.
pub(super) fn cpu_ns(pid: u32) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: the number goes to our own memory; a process that has gone is an error.
    let answer = unsafe { libc::clock_getcpuclockid(pid.try_into().ok()?, &raw mut clock) };
    (answer == 0).then_some(())?;
    clock_ns(clock)
}

/// The ids of all eBPF programs that the process holds, by themselves or by a link.
pub(super) fn program_ids(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .into_iter()
        .flatten();
    let mut ids: Vec<u32> = entries
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter_map(|text| number_after(&text, "prog_id")?.try_into().ok())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What of all namespaces shows that a load has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sockets {
    /// TCP sockets of the host, in whatever namespace.
    allocated: u64,
    /// Those that no process holds any more.
    orphans: u64,
    /// Slab objects of TIME_WAIT sockets and of namespaces: stays constant once nothing is freed any more. 0 if the
    /// kernel does not report it.
    slabs: u64,
}

impl Sockets {
    /// As they are now. None if the kernel's format is not the expected one.
    pub(super) fn now() -> Option<Self> {
        let (allocated, orphans) = counts(&fs::read_to_string("/proc/net/sockstat").ok()?)?;
        let slabs = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
        Some(Self {
            allocated,
            orphans,
            slabs: slab_objects(&slabs, &["tw_sock_TCP", "net_namespace"]),
        })
    }

    /// Waits until the host is as quiet as it was; whether it came to that. TIME_WAIT sockets go
    /// with the namespace of the load.
    pub(super) fn wait(self) -> bool {
        let begin = Instant::now();
        let mut last = None;
        while begin.elapsed() < QUIET_LIMIT {
            thread::sleep(QUIET_STEP);
            let now = Self::now();
            let is_still = now == last;
            last = now;
            if is_still && now.is_some_and(|now| now.is_at_most(self)) {
                return true;
            }
        }
        false
    }

    /// A few sockets of others may have come meanwhile.
    fn is_at_most(self, before: Self) -> bool {
        self.allocated <= before.allocated + 8 && self.orphans <= before.orphans
    }
}

/// Allocated sockets and orphans from `/proc/net/sockstat`, which both count for all namespaces.
fn counts(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    Some((value("alloc")?, value("orphan")?))
}

/// Objects in use of these slabs.
fn slab_objects(text: &str, names: &[&str]) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            names.contains(&words.next()?).then_some(())?;
            words.next()?.parse::<u64>().ok()
        })
        .sum()
}

/// The size of a file. None when there is none.
pub(super) fn file_bytes(file: &Path) -> Option<u64> {
    Some(file.metadata().ok()?.len())
}

/// The boot clock, ns: the clock of events.
pub(super) fn boot_ns() -> u64 {
    // It is there on every supported kernel.
    clock_ns(libc::CLOCK_BOOTTIME).unwrap_or(0)
}

fn clock_ns(clock: libc::clockid_t) -> Option<u64> {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time goes to our own memory; a clock that has gone is an error.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut now) };
    (answer == 0).then(|| now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_status_and_fdinfo_are_numbers() {
        let text = "Name:\tx\nVmRSS:\t    1234 kB\nprog_id:\t77\n";
        assert_eq!(number_after(text, "VmRSS"), Some(1234));
        assert_eq!(number_after(text, "prog_id"), Some(77));
        assert_eq!(number_after(text, "VmHWM"), None);
    }

    #[test]
    fn sockstat_gives_what_counts_for_all_namespaces() {
        let text =
            "sockets: used 22\nTCP: inuse 1 orphan 3 tw 9 alloc 7 mem 0\nUDP: inuse 0 mem 0\n";
        assert_eq!(counts(text), Some((7, 3)));
        assert_eq!(counts("TCP: inuse 1\n"), None);
    }

    #[test]
    fn only_whole_names_of_slabs_count() {
        let text = "tw_sock_TCPv6  32 32 256\ntw_sock_TCP 128 192 256\nnet_namespace 28 63\n";
        assert_eq!(slab_objects(text, &["tw_sock_TCP", "net_namespace"]), 156);
    }

    #[test]
    fn this_process_has_a_size_and_has_used_time() {
        let pid = std::process::id();
        assert!(status_kib(pid, "VmRSS").unwrap() > 0);
        assert!(cpu_ns(pid).unwrap() > 0);
        assert_eq!(program_ids(pid), [0; 0]);
        assert!(Sockets::now().is_some());
    }
}
