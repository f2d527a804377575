//! What this process may do, and what the kernel's types show.

use crate::model::doctor::{Doctor, Function, KernelTypes, Lockdown, Privileges, Reasons};
use crate::sink::page::Page;

/// Capabilities, and what else the machine forbids.
pub(super) fn privileges(page: &mut Page, privileges: &Privileges) {
    page.heading("PRIVILEGES");
    for row in &privileges.capabilities {
        let text = match (row.held, row.lacking) {
            (None, _) => "not known".to_owned(),
            (Some(true), _) => "yes".to_owned(),
            (Some(false), Some(needed_for)) if row.required => {
                format!("no, and required: {needed_for}")
            }
            (Some(false), Some(needed_for)) => format!("no: {needed_for}"),
            (Some(false), None) => "no, and not needed".to_owned(),
        };
        page.row(row.name, &text);
    }
    page.row(
        "user namespace",
        match privileges.user_namespace {
            Some(false) => "the host's",
            Some(true) => "a separate one: its capabilities do not apply to the kernel's hooks",
            None => "not known",
        },
    );
    page.row(
        "lockdown",
        match privileges.lockdown {
            Some(Lockdown::None) => "none",
            Some(Lockdown::Integrity) => "integrity: does not restrict tcptrace",
            Some(Lockdown::Confidentiality) => {
                "confidentiality: programs may not read kernel memory"
            }
            None => "unknown: this kernel has no lockdown, or securityfs is not mounted",
        },
    );
    for note in &privileges.notes {
        page.row("note", note);
    }
}

/// Its release, its types, its names and addresses.
pub(super) fn kernel(page: &mut Page, report: &Doctor<'_>) {
    page.heading("KERNEL");
    let Some(kernel) = &report.kernel else {
        page.row("types (BTF)", report.kernel_error.unwrap_or("not known"));
        return;
    };
    page.row("release", kernel.release);
    page.row("types (BTF)", &fields(kernel));
    page.row("reset reasons", &reasons(&kernel.reset_reasons));
    page.row("drop reasons", &reasons(&kernel.drop_reasons));
    page.row(
        "dropped packets",
        if kernel.drop_socket {
            "reported with the socket"
        } else {
            "reported without the socket"
        },
    );
    for function in &kernel.functions {
        page.row(function.name, address(function, kernel.runs_here));
    }
    page.row(
        "ticks per second",
        &match kernel.ticks_per_second {
            Some(hz) => hz.to_string(),
            None => "unknown: times in jiffies are null".to_owned(),
        },
    );
}

fn address<'a>(function: &Function<'a>, runs_here: bool) -> &'a str {
    match function.refused {
        Some(why) => why,
        None if runs_here => "address found",
        None => "in this kernel; its address is looked up when the kernel runs",
    }
}

/// How many fields are found, and which are not.
fn fields(kernel: &KernelTypes<'_>) -> String {
    let (found, absent) = (kernel.fields_known, &kernel.fields_absent);
    let all = found + absent.len();
    if absent.is_empty() {
        format!("all {all} fields that tcptrace reads are present")
    } else {
        let absent = absent.join(", ");
        format!("{found} of {all} fields are present; this kernel has no {absent}")
    }
}

fn reasons(reasons: &Reasons) -> String {
    match (reasons.names, reasons.reported) {
        (0, _) => "this kernel has none".to_owned(),
        (names, true) => format!("{names} names, reported by the hook"),
        (names, false) => format!("{names} names, but the hook does not report them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::doctor::CapabilityRow;

    #[test]
    fn a_kernel_without_types_is_shown_with_the_reason() {
        let report = Doctor {
            kernel_error: Some("cannot read it"),
            ..Doctor::default()
        };
        let mut page = Page::default();
        kernel(&mut page, &report);
        assert_eq!(
            page.text(),
            "KERNEL\n  types (BTF)         cannot read it\n"
        );
    }

    #[test]
    fn absent_fields_are_named() {
        let kernel = KernelTypes {
            release: "6.1",
            runs_here: false,
            fields_known: 3,
            fields_absent: vec!["a.b".to_owned(), "c.d".to_owned()],
            reset_reasons: Reasons {
                names: 0,
                reported: false,
            },
            drop_reasons: Reasons {
                names: 7,
                reported: false,
            },
            drop_socket: false,
            functions: Vec::new(),
            ticks_per_second: None,
        };
        let text = fields(&kernel);
        assert_eq!(
            text,
            "3 of 5 fields are present; this kernel has no a.b, c.d"
        );
        let text = reasons(&kernel.drop_reasons);
        assert_eq!(text, "7 names, but the hook does not report them");
    }

    #[test]
    fn privileges_that_are_not_known_are_not_called_missing() {
        let row = CapabilityRow {
            name: "CAP_BPF",
            held: None,
            lacking: None,
            required: true,
        };
        let held = Privileges {
            capabilities: vec![row],
            user_namespace: None,
            lockdown: None,
            notes: Vec::new(),
        };
        let mut page = Page::default();
        privileges(&mut page, &held);
        assert!(page.text().contains("CAP_BPF             not known"));
        assert!(!page.text().contains("required"));
    }
}
