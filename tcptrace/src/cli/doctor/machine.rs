//! What this process may do, and what the running kernel tells of itself.

use tcptrace_common::config::{ARG_DROP_REASON, ARG_RESET_REASON};
use tcptrace_common::offsets::{KernelOffsets, NONE};

use super::page::Page;
use crate::kernel::Kernel;
use crate::kernel::caps::{Capability, Lockdown, Privileges};
use crate::kernel::offsets::kernel_name;

/// Capabilities, and what else the machine forbids.
pub(super) fn privileges(page: &mut Page, privileges: &Privileges) {
    page.heading("PRIVILEGES");
    let missing = privileges.missing();
    for cap in Capability::ALL {
        let lack = missing.iter().find(|missing| missing.cap == cap);
        let text = match (privileges.holds(cap), lack) {
            (None, _) => "not known".to_owned(),
            (Some(true), _) => "yes".to_owned(),
            (Some(false), Some(lack)) if lack.required => {
                format!("no, and required: {}", lack.needed_for)
            }
            (Some(false), Some(lack)) => format!("no: {}", lack.needed_for),
            (Some(false), None) => "no, and not needed".to_owned(),
        };
        page.row(cap.name(), &text);
    }
    page.row(
        "user namespace",
        match privileges.in_user_namespace {
            Some(false) => "the host's",
            Some(true) => "one of its own: its capabilities do not reach the kernel's hooks",
            None => "not known",
        },
    );
    page.row(
        "lockdown",
        match privileges.lockdown {
            Some(Lockdown::None) => "none",
            Some(Lockdown::Integrity) => "integrity: no obstacle to what is used here",
            Some(Lockdown::Confidentiality) => "confidentiality: programs may not read the kernel",
            None => "not known: this kernel has none, or securityfs is not mounted",
        },
    );
    for note in privileges.notes() {
        page.row("note", &note);
    }
}

/// Its release, its types, its names and addresses.
pub(super) fn kernel(page: &mut Page, kernel: &Result<Kernel, String>) {
    page.heading("KERNEL");
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(error) => {
            page.row("types (BTF)", error);
            return;
        }
    };
    let is_told = |argument| kernel.config.features & argument != 0;
    page.row("release", &kernel.release);
    page.row("types (BTF)", &fields(&kernel.offsets));
    page.row(
        "reset reasons",
        &reasons(kernel.reasons.resets().count(), is_told(ARG_RESET_REASON)),
    );
    page.row(
        "drop reasons",
        &reasons(kernel.reasons.drops().count(), is_told(ARG_DROP_REASON)),
    );
    page.row(
        "dropped packets",
        if kernel.has_drop_socket {
            "told with their socket"
        } else {
            "told without their socket"
        },
    );
    for (name, address) in [
        ("tw_timer_handler", &kernel.tw_timer_handler),
        ("process_timeout", &kernel.process_timeout),
    ] {
        page.row(
            name,
            match address {
                Ok(Some(_)) => "address known",
                Ok(None) => "in this kernel; its address is known when it runs",
                Err(error) => error,
            },
        );
    }
    page.row(
        "ticks per second",
        &match kernel.hz {
            Some(hz) => hz.to_string(),
            None => "not known: times in jiffies are null".to_owned(),
        },
    );
}

/// Fields that this kernel does not have, by its own names for them.
pub(super) fn absent_fields(offsets: &KernelOffsets) -> Vec<String> {
    KernelOffsets::NAMES
        .iter()
        .zip(offsets.values())
        .filter(|(_, value)| *value == NONE)
        .map(|(name, _)| kernel_name(name).unwrap_or_else(|| (*name).to_owned()))
        .collect()
}

/// How many fields are known, and which are not.
fn fields(offsets: &KernelOffsets) -> String {
    let absent = absent_fields(offsets);
    let all = KernelOffsets::NAMES.len();
    if absent.is_empty() {
        format!("all {all} fields that are read are known")
    } else {
        format!(
            "{} of {all} fields are known; this kernel has no {}",
            all - absent.len(),
            absent.join(", ")
        )
    }
}

fn reasons(names: usize, is_told: bool) -> String {
    match (names, is_told) {
        (0, _) => "this kernel has none".to_owned(),
        (names, true) => format!("{names} names, told by the hook"),
        (names, false) => format!("{names} names, but the hook does not tell them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_is_told_by_the_kernels_name_for_it() {
        let text = fields(&KernelOffsets::ABSENT);
        assert!(text.starts_with("0 of "), "{text}");
        assert!(text.contains("timer_list.function"), "{text}");
        // Looked up otherwise than as one field: by our own name.
        assert!(text.contains("bit_sock_linger"), "{text}");
    }

    #[test]
    fn a_kernel_without_types_is_told_with_the_reason() {
        let mut page = Page::default();
        kernel(&mut page, &Err("cannot read it".to_owned()));
        assert!(page.text().contains("cannot read it"));
        assert!(!page.text().contains("release"));
    }

    #[test]
    fn unknown_privileges_are_not_reported_as_missing() {
        let mut page = Page::default();
        privileges(&mut page, &Privileges::default());
        assert!(page.text().contains("CAP_BPF             not known"));
        assert!(!page.text().contains("required"));
    }
}
