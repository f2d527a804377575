//! What this process is allowed to do, and what to type when that is not enough.
//!
//! Turns /proc/self/status, /proc/self/uid_map and a few sysctls into [`Privileges`]. It grants
//! and changes nothing. Whether CAP_BPF exists is decided by the kernel's own highest capability,
//! not by its version. What cannot be read is None, and what is not known to be missing is not
//! reported as missing.

mod refusal;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::sysctl::number;

pub use crate::model::doctor::Lockdown;

/// A capability this tool has a use for, with its number in the kernel's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the kernel's own names")]
pub enum Capability {
    DacReadSearch = 2,
    NetAdmin = 12,
    SysPtrace = 19,
    SysAdmin = 21,
    SysResource = 24,
    Syslog = 34,
    Perfmon = 38,
    Bpf = 39,
}

impl Capability {
    /// All of them, by number.
    pub const ALL: [Capability; 8] = [
        Capability::DacReadSearch,
        Capability::NetAdmin,
        Capability::SysPtrace,
        Capability::SysAdmin,
        Capability::SysResource,
        Capability::Syslog,
        Capability::Perfmon,
        Capability::Bpf,
    ];

    /// The name as documentation writes it, `CAP_BPF`.
    pub fn name(self) -> &'static str {
        match self {
            Capability::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::SysPtrace => "CAP_SYS_PTRACE",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
            Capability::SysResource => "CAP_SYS_RESOURCE",
            Capability::Syslog => "CAP_SYSLOG",
            Capability::Perfmon => "CAP_PERFMON",
            Capability::Bpf => "CAP_BPF",
        }
    }

    /// Its number in the kernel's capability sets.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A capability this process lacks, and what it is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The capability.
    pub cap: Capability,
    /// What does not work without it.
    pub needed_for: &'static str,
    /// Nothing can be traced without it; otherwise only `needed_for` is lost.
    pub required: bool,
}

/// What this process may do, and what the machine forbids everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    /// The effective set, one bit per capability number. None if /proc does not show it.
    pub effective: Option<u64>,
    /// The highest capability this kernel knows. None if /proc does not show it.
    pub last_cap: Option<u8>,
    /// True in a user namespace other than the first: capabilities there open no kernel hooks.
    pub in_user_namespace: Option<bool>,
    /// None when the kernel has no lockdown or securityfs is not mounted.
    pub lockdown: Option<Lockdown>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i32>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<u8>,
    /// `kernel.kptr_restrict`.
    pub kptr_restrict: Option<u8>,
}

impl Privileges {
    /// The privileges of this process now.
    pub fn probe() -> Privileges {
        Privileges::from_texts(|path| fs::read_to_string(path).ok())
    }

    fn from_texts(text: impl Fn(&str) -> Option<String>) -> Privileges {
        let text = &text;
        Privileges {
            effective: text("/proc/self/status").and_then(|status| effective_set(&status)),
            last_cap: text("/proc/sys/kernel/cap_last_cap").and_then(|text| number(&text)),
            in_user_namespace: text("/proc/self/uid_map").and_then(|map| is_partial(&map)),
            lockdown: text("/sys/kernel/security/lockdown").and_then(|text| lockdown(&text)),
            perf_event_paranoid: text("/proc/sys/kernel/perf_event_paranoid")
                .and_then(|text| number(&text)),
            unprivileged_bpf_disabled: text("/proc/sys/kernel/unprivileged_bpf_disabled")
                .and_then(|text| number(&text)),
            kptr_restrict: text("/proc/sys/kernel/kptr_restrict").and_then(|text| number(&text)),
        }
    }

    /// Whether a capability is in the effective set. None when the set is not known.
    pub fn holds(&self, cap: Capability) -> Option<bool> {
        Some(self.effective? >> cap.number() & 1 == 1)
    }

    /// The capabilities without which nothing can be traced on this kernel.
    fn required(&self) -> &'static [(Capability, &'static str)] {
        let splits_admin = self
            .last_cap
            .is_none_or(|last| last >= Capability::Bpf.number());
        if splits_admin {
            &[
                (Capability::Bpf, "loading programs into the kernel"),
                (
                    Capability::Perfmon,
                    "attaching them and reading kernel structures",
                ),
            ]
        } else {
            &[(
                Capability::SysAdmin,
                "loading and attaching programs (no CAP_BPF in this kernel)",
            )]
        }
    }

    /// What this process lacks, the required first. CAP_SYS_ADMIN stands in for CAP_BPF
    /// and CAP_PERFMON, as it does in the kernel, but not for CAP_SYSLOG (`kallsyms_show_value`,
    /// seen on 6.18). Empty when the set is not known.
    pub fn missing(&self) -> Vec<Missing> {
        const OPTIONAL: [(Capability, &str); 5] = [
            (
                Capability::SysPtrace,
                "naming the owners of other users' sockets (/proc/PID/fd)",
            ),
            (
                Capability::DacReadSearch,
                "listing the files of other users' processes (/proc/PID/fd)",
            ),
            (
                Capability::Syslog,
                "addresses of kernel functions (TIME_WAIT without function hooks)",
            ),
            (
                Capability::SysResource,
                "locking enough memory on kernels before 5.11",
            ),
            (
                Capability::NetAdmin,
                "socket marks and cgroups in socket snapshots",
            ),
        ];
        let required = self.required().iter().map(|&(cap, what)| (cap, what, true));
        required
            .chain(OPTIONAL.map(|(cap, what)| (cap, what, false)))
            .filter(|&(cap, ..)| self.holds(cap) == Some(false) && !self.is_implied(cap))
            .map(|(cap, needed_for, required)| Missing {
                cap,
                needed_for,
                required,
            })
            .collect()
    }

    fn is_implied(&self, cap: Capability) -> bool {
        matches!(cap, Capability::Bpf | Capability::Perfmon)
            && self.holds(Capability::SysAdmin) == Some(true)
    }

    /// What to say when nothing can be traced: the lack, the two ways out, and lines on what else
    /// stands in the way. None when the privileges suffice, or are not known to be too few.
    ///
    /// `invocation` is the command line as typed; `binary` the real path of this program.
    pub fn permission_message(&self, binary: &Path, invocation: &str) -> Option<String> {
        let caged = self.in_user_namespace == Some(true);
        let missing = self.missing();
        if !missing.iter().any(|lack| lack.required) && !caged {
            return None;
        }
        let names = |caps: &mut dyn Iterator<Item = Capability>, between: &str| {
            caps.map(Capability::name).collect::<Vec<_>>().join(between)
        };
        let required = names(&mut self.required().iter().map(|&(cap, _)| cap), " and ");
        let held = &mut Capability::ALL
            .into_iter()
            .filter(|&cap| self.holds(cap) == Some(true));
        let held = names(held, ", ");
        let held = if held.is_empty() {
            "none".to_owned()
        } else {
            held
        };
        let lacking = &mut missing.iter().filter(|lack| lack.required).map(|l| l.cap);
        let lacking = names(lacking, ", ");
        // With none of them it is plain what is missing.
        let has_some = missing.iter().filter(|lack| lack.required).count() < self.required().len();
        let lacking = if has_some && !lacking.is_empty() {
            format!("; missing: {lacking}")
        } else {
            String::new()
        };
        let mut message = format!("need {required} (have: {held}{lacking})\n");
        if caged {
            message.push_str(
                "this is a user namespace: its capabilities do not apply to the kernel's hooks, not even those of its root\nrun on the host, outside of the container\n",
            );
        } else {
            let wanted = self.required().iter().map(|&(cap, _)| cap);
            let wanted = &mut wanted.chain([
                Capability::SysPtrace,
                Capability::DacReadSearch,
                Capability::Syslog,
            ]);
            let wanted = names(wanted, ",").to_lowercase();
            // Writing to a String does not fail.
            let _ = writeln!(message, "sudo {invocation}");
            let binary = shell_word(binary);
            let _ = writeln!(message, "sudo setcap {wanted}=ep {binary}");
            let _ = writeln!(
                message,
                "note: setcap lets every user who may run the binary trace all processes; to allow only a \
                 group, run this first: sudo groupadd -f tcptrace && sudo chown root:tcptrace {binary} && \
                 sudo chmod 0750 {binary}"
            );
        }
        for note in self.notes() {
            let _ = writeln!(message, "note: {note}");
        }
        Some(message.trim_end().to_owned())
    }

    /// What the machine forbids beyond capabilities, one sentence each; empty when nothing.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.lockdown == Some(Lockdown::Confidentiality) {
            notes.push(
                "lockdown=confidentiality forbids reading kernel memory, even for root; to trace, boot \
                 without lockdown=confidentiality"
                    .to_owned(),
            );
        }
        let is_admin = self.holds(Capability::SysAdmin) != Some(false);
        // Debian and Ubuntu know levels above 2, which ask for CAP_SYS_ADMIN.
        if let Some(level) = self
            .perf_event_paranoid
            .filter(|&level| level > 2 && !is_admin)
        {
            notes.push(format!(
                "kernel.perf_event_paranoid={level} may require CAP_SYS_ADMIN instead of CAP_PERFMON; \
                 sysctl kernel.perf_event_paranoid=2 removes that requirement"
            ));
        }
        let missing = self.missing();
        let lacks_bpf = missing.iter().any(|lack| lack.cap == Capability::Bpf);
        if let Some(level) = self
            .unprivileged_bpf_disabled
            .filter(|&level| level > 0 && lacks_bpf)
        {
            notes.push(format!(
                "kernel.unprivileged_bpf_disabled={level} refuses every program from a process without \
                 CAP_BPF"
            ));
        }
        if self.kptr_restrict.is_some_and(|level| level >= 2) {
            notes.push(
                "kernel.kptr_restrict=2 hides the addresses of kernel functions, even from root"
                    .to_owned(),
            );
        }
        notes
    }
}

/// The CapEff line of /proc/PID/status.
fn effective_set(status: &str) -> Option<u64> {
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// Whether a uid_map leaves out part of the user ids. The first namespace maps all of them to
/// themselves; a later one can do so only if it was given everything. None when unreadable.
fn is_partial(map: &str) -> Option<bool> {
    let mut words = map.split_ascii_whitespace().map(number::<u32>);
    match (words.next(), words.next(), words.next(), words.next()) {
        // An empty map is a user namespace nobody has mapped yet.
        (None, ..) => Some(true),
        (Some(Some(inside)), Some(Some(outside)), Some(Some(count)), next) => {
            Some((inside, outside, count, next) != (0, 0, u32::MAX, None))
        }
        _ => None,
    }
}

/// The bracketed word of the lockdown file.
fn lockdown(text: &str) -> Option<Lockdown> {
    let (_, rest) = text.split_once('[')?;
    match rest.split_once(']')?.0 {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

/// A path as one word of a shell command.
fn shell_word(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(is_plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
