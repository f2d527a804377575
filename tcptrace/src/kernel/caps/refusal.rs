//! Why a kernel refuses programs in spite of sufficient capabilities, and what to do about it.
//!
//! Nothing is decided ahead: the kernel has refused already, this only explains. An error that has
//! nothing to do with privileges has no explanation here.

use super::{Capability, Lockdown, Privileges};

impl Privileges {
    /// The error with its reason and the way out, where privileges of some kind are the reason.
    pub fn refusal(&self, error: &anyhow::Error) -> Option<String> {
        let error = format!("{error:#}");
        let reason = self.reason(&error)?;
        Some(format!("{error}\n{reason}"))
    }

    fn reason(&self, error: &str) -> Option<String> {
        // The kernel takes the helper away, and the verifier then does not know it.
        let lost_reads = error.contains("bpf_probe_read")
            && ["unknown func", "cannot use helper"]
                .iter()
                .any(|text| error.contains(text));
        if self.lockdown == Some(Lockdown::Confidentiality) {
            return Some(LOCKED.to_owned());
        }
        if lost_reads {
            return Some(format!("lockdown is the reason: {LOCKED}"));
        }
        // EPERM as errors of system calls are printed; the numbers are the same everywhere.
        if !error.contains("(os error 1)") {
            return None;
        }
        let mut reason = "not permitted although the capabilities are present: a container's seccomp filter \
                          or a security module forbids bpf(2) or perf_event_open(2); run tcptrace on the \
                          host, or allow these calls"
            .to_owned();
        if self.holds(Capability::SysResource) == Some(false) {
            reason.push_str(
                "\nbefore Linux 5.11 the limit of locked memory can also be the reason: set ulimit -l unlimited, or add CAP_SYS_RESOURCE",
            );
        }
        Some(reason)
    }
}

const LOCKED: &str = "lockdown=confidentiality forbids reading kernel memory (bpf_probe_read_kernel), even \
                      for root, and every hook reads it; to trace, boot with lockdown=integrity or without \
                      lockdown";

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn with(lockdown: Option<Lockdown>, effective: u64) -> Privileges {
        Privileges {
            lockdown,
            effective: Some(effective),
            ..Privileges::default()
        }
    }

    #[test]
    fn lockdown_is_named_and_the_error_kept() {
        let locked = with(Some(Lockdown::Confidentiality), u64::MAX);
        let message = locked.refusal(&anyhow!("cannot attach x")).unwrap();
        assert!(
            message.starts_with("cannot attach x\nlockdown=confidentiality"),
            "{message}"
        );
    }

    #[test]
    fn lockdown_is_known_by_what_it_takes_away_where_its_file_is_not() {
        let silent = with(None, u64::MAX);
        for verifier in [
            "unknown func bpf_probe_read_kernel#113",
            "program of this type cannot use helper bpf_probe_read_kernel#113",
        ] {
            let message = silent.refusal(&anyhow!("{verifier}")).unwrap();
            assert!(message.contains("lockdown=confidentiality"), "{message}");
        }
    }

    #[test]
    fn a_refused_call_has_its_likely_reasons() {
        let error = anyhow!("Operation not permitted (os error 1)").context("cannot load");
        let all = with(Some(Lockdown::None), u64::MAX)
            .refusal(&error)
            .unwrap();
        assert!(all.contains("seccomp") && !all.contains("ulimit"), "{all}");
        let limited = with(None, 0).refusal(&error).unwrap();
        assert!(
            limited.contains("ulimit -l") && limited.contains("CAP_SYS_RESOURCE"),
            "{limited}"
        );
    }

    #[test]
    fn other_errors_are_left_as_they_are() {
        let error = anyhow!("Invalid argument (os error 22)");
        assert_eq!(
            with(Some(Lockdown::Integrity), u64::MAX).refusal(&error),
            None
        );
    }
}
