//! Families of function hooks, in both tiers.

use tcptrace_common::hook::{Family, HOOKS, Hook, Site};

use super::{Candidate, Hooks};
use crate::kernel::Kernel;
use crate::model::{Evidence, Tier};

/// The two candidates of a family, better first. `reporter` is the number of the hook that reports.
pub(super) const fn candidates(family: Family, reporter: u8) -> [Candidate; 2] {
    [
        candidate(Tier::Fentry, family, reporter),
        candidate(Tier::Kprobe, family, reporter),
    ]
}

const fn candidate(tier: Tier, family: Family, reporter: u8) -> Candidate {
    Candidate {
        tier,
        hooks: Hooks::Functions { family, reporter },
        evidence: Evidence::Seen,
        blind_to: "",
        by_function: family.by_function(),
        obstacle: super::nothing,
    }
}

/// The function that stands for the walk of all open files in the kernel's types.
pub const WALK: &str = "bpf_iter_task_file";

/// Every function that may be hooked: looked for in the kernel's types once.
pub fn functions() -> impl Iterator<Item = &'static str> {
    let is_function = |hook: &&Hook| hook.site == Site::Function;
    HOOKS.iter().filter(is_function).map(|hook| hook.name)
}

/// The hooks of a family that this kernel has.
///
/// # Errors
/// Which function is missing.
pub(super) fn present(family: Family, kernel: &Kernel) -> Result<Vec<&'static Hook>, String> {
    let of_family = |hook: &&Hook| hook.families.contains(&family);
    let mut hooks = Vec::new();
    for hook in HOOKS.iter().filter(of_family) {
        // A stand-in is looked at with the function that it stands in for.
        if hook.unless.is_none() {
            hooks.push(or_stand_in(hook, kernel)?);
        }
    }
    Ok(hooks)
}

/// The hook, or what stands in for it where the kernel does not have its function.
///
/// # Errors
/// What is missing, when the kernel has neither.
pub(super) fn or_stand_in(hook: &'static Hook, kernel: &Kernel) -> Result<&'static Hook, String> {
    if kernel.has_function(hook.name) {
        return Ok(hook);
    }
    let stand_in = HOOKS.iter().find(|other| other.unless == Some(hook.name));
    match stand_in {
        Some(other) if kernel.has_function(other.name) => Ok(other),
        Some(other) => Err(format!(
            "this kernel has no function {} or {}",
            hook.name, other.name
        )),
        None => Err(format!("this kernel has no function {}", hook.name)),
    }
}
