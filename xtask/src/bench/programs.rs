//! What the kernel's programs cost by the kernel's own account: runs and ns of each.
//!
//! The account is off by default, for it costs each run of each program of the host two looks at
//! the clock; it is kept as long as there is an [`Account`].

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};

/// `BPF_PROG_GET_FD_BY_ID`, `BPF_OBJ_GET_INFO_BY_FD`, `BPF_ENABLE_STATS`.
const FD_BY_ID: libc::c_long = 13;
const INFO_BY_FD: libc::c_long = 15;
const ENABLE_STATS: libc::c_long = 32;

/// Where `struct bpf_prog_info` has them, in words of 8 bytes.
const NAME_AT: usize = 8;
const RUN_TIME_AT: usize = 24;
const RUN_COUNT_AT: usize = 25;
const INFO_WORDS: usize = 32;

/// The kernel's account of its programs, kept as long as this lives: however this process ends, the
/// kernel closes it then.
pub(super) struct Account {
    _held: OwnedFd,
}

impl Account {
    /// Err without the right to, and before Linux 5.8.
    pub(super) fn open() -> Result<Self> {
        // BPF_STATS_RUN_TIME
        let mut kind = 0_u32;
        let size = u32::try_from(size_of_val(&kind))?;
        let fd = bpf(ENABLE_STATS, (&raw mut kind).cast(), size)
            .context("the kernel keeps no account of its programs for us")?;
        // SAFETY: the kernel has just made it for us.
        let held = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { _held: held })
    }
}

/// What a program has cost so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) id: u32,
    /// At most 15 bytes: the kernel keeps no more.
    pub(super) name: String,
    pub(super) run_time_ns: u64,
    pub(super) runs: u64,
}

impl Cost {
    /// What was added since `before`; None when it did not run.
    pub(super) fn since(&self, before: &[Self]) -> Option<Self> {
        let earlier = before.iter().find(|cost| cost.id == self.id);
        let (run_time_ns, runs) = earlier.map_or((0, 0), |cost| (cost.run_time_ns, cost.runs));
        let runs = self.runs.checked_sub(runs)?;
        (runs > 0).then_some(())?;
        Some(Self {
            run_time_ns: self.run_time_ns.checked_sub(run_time_ns)?,
            runs,
            ..self.clone()
        })
    }

    pub(super) fn ns_a_run(&self) -> f64 {
        self.run_time_ns as f64 / self.runs as f64
    }
}

/// What these programs have cost; those that have gone meanwhile are left out.
pub(super) fn costs(ids: &[u32]) -> Vec<Cost> {
    ids.iter().filter_map(|id| cost(*id).ok()).collect()
}

fn cost(id: u32) -> io::Result<Cost> {
    let mut by_id = [id, 0, 0];
    let size = u32::try_from(size_of_val(&by_id)).unwrap_or(0);
    let fd = bpf(FD_BY_ID, by_id.as_mut_ptr().cast(), size)?;
    // SAFETY: the kernel has just made it for us.
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = [0_u64; INFO_WORDS];
    let info_size = u64::try_from(size_of_val(&info)).unwrap_or(0);
    // `{ __u32 bpf_fd; __u32 info_len; __aligned_u64 info; }`
    let mut ask = [
        u64::from(program.as_raw_fd().unsigned_abs()) | info_size << 32,
        info.as_mut_ptr() as u64,
    ];
    let size = u32::try_from(size_of_val(&ask)).unwrap_or(0);
    bpf(INFO_BY_FD, ask.as_mut_ptr().cast(), size)?;
    let name: Vec<u8> = info[NAME_AT..NAME_AT + 2]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    Ok(Cost {
        id,
        name: String::from_utf8_lossy(&name).into_owned(),
        run_time_ns: info[RUN_TIME_AT],
        runs: info[RUN_COUNT_AT],
    })
}

fn bpf(command: libc::c_long, attributes: *mut libc::c_void, size: u32) -> io::Result<i32> {
    // SAFETY: both commands read, and the second one fills, memory of the caller that is as large
    // as the attributes say.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(answer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(id: u32, run_time_ns: u64, runs: u64) -> Cost {
        Cost {
            id,
            name: "x".to_owned(),
            run_time_ns,
            runs,
        }
    }

    #[test]
    fn only_what_was_added_counts() {
        let added = cost(1, 900, 9)
            .since(&[cost(2, 1, 1), cost(1, 400, 4)])
            .unwrap();
        assert_eq!((added.run_time_ns, added.runs), (500, 5));
        assert!((added.ns_a_run() - 100.0).abs() < 1e-9);
        assert_eq!(cost(3, 70, 7).since(&[]).unwrap().runs, 7);
    }

    #[test]
    fn a_program_that_did_not_run_costs_nothing_known() {
        assert_eq!(cost(1, 400, 4).since(&[cost(1, 400, 4)]), None);
        assert_eq!(cost(1, 0, 0).since(&[]), None);
    }
}
