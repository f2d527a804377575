//! The report as one JSON object. Its names are part of the contract and described in the schema:
//! `null` is not known, or not there.

use serde_json::{Value, json};
use tcptrace_common::config::{ARG_DROP_REASON, ARG_RESET_REASON};
use tcptrace_common::offsets::KernelOffsets;

use super::json_state;
use super::machine::absent_fields;
use super::report::{Report, Signals};
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Outcome};
use crate::kernel::caps::{Capability, Lockdown, Privileges};
use crate::kernel::tiers::FORKS;
use crate::model::line::VERSION;

/// The object.
pub(super) fn object(report: &Report) -> Value {
    let runs_here = report.privileges.is_some();
    let (attached, is_tried, untried) = match &report.signals {
        Signals::Tried(attached) => (Some(attached), true, None),
        Signals::Expected(expected) => (Some(expected), false, None),
        Signals::Unknown(why) => (None, false, Some(why)),
    };
    let outcomes = attached.map(|attached| &attached.outcomes);
    let mut object = json!({
        "v": VERSION,
        "kind": "doctor",
        "privileges": report.privileges.as_ref().map(privileges),
        "kernel": report.kernel.as_ref().ok().map(|known| kernel(known, runs_here)),
        "kernel_error": report.kernel.as_ref().err(),
        "tried": is_tried,
        "untried": untried,
        "signals": outcomes.into_iter().flatten().map(signal).collect::<Vec<_>>(),
        "accept": attached.and_then(|attached| attached.accept.as_ref()).map(hook),
        "backlogs": attached.and_then(|attached| attached.backlogs.as_ref()).map(hook),
        "accept_waits": attached.and_then(|attached| attached.waits.as_ref()).map(hook),
        "programs": attached.filter(|_| is_tried).map(|attached| &attached.attached),
        "older_sockets": attached.filter(|_| is_tried).map(older_sockets),
        "children": attached.filter(|_| is_tried).map(children),
    });
    if let Value::Object(fields) = &mut object {
        json_state::add(fields, report.survey.as_ref(), &report.findings);
    }
    object
}

fn privileges(privileges: &Privileges) -> Value {
    let missing = privileges.missing();
    let capabilities: Vec<Value> = Capability::ALL
        .iter()
        .map(|cap| {
            let lack = missing.iter().find(|missing| missing.cap == *cap);
            json!({
                "name": cap.name(),
                "held": privileges.holds(*cap),
                "lacking": lack.map(|lack| lack.needed_for),
                "required": lack.is_some_and(|lack| lack.required),
            })
        })
        .collect();
    json!({
        "capabilities": capabilities,
        "user_namespace": privileges.in_user_namespace,
        "lockdown": privileges.lockdown.map(Lockdown::name),
        "notes": privileges.notes(),
    })
}

fn kernel(kernel: &Kernel, runs_here: bool) -> Value {
    let absent = absent_fields(&kernel.offsets);
    let reasons = |names: usize, argument: u32| {
        let is_told = kernel.config.features & argument != 0;
        json!({ "names": names, "told": is_told })
    };
    let functions = [
        ("tw_timer_handler", &kernel.tw_timer_handler),
        ("process_timeout", &kernel.process_timeout),
    ];
    let functions = functions.map(|(name, address)| {
        json!({
            "name": name,
            "found": address.is_ok(),
            "refused": address.as_ref().err(),
        })
    });
    json!({
        "release": kernel.release,
        "runs_here": runs_here,
        "fields_known": KernelOffsets::NAMES.len() - absent.len(),
        "fields_absent": absent,
        "reset_reasons": reasons(kernel.reasons.resets().count(), ARG_RESET_REASON),
        "drop_reasons": reasons(kernel.reasons.drops().count(), ARG_DROP_REASON),
        "drop_socket": kernel.has_drop_socket,
        "functions": functions,
        "ticks_per_second": kernel.hz,
    })
}

fn signal(outcome: &Outcome) -> Value {
    let mut object = hook(outcome);
    object["kind"] = outcome.signal.kind.name().into();
    object["part"] = outcome.signal.part.into();
    object
}

/// What serves a signal; all null when nothing does.
fn hook(outcome: &Outcome) -> Value {
    let chosen = outcome.chosen;
    let blind_to = chosen.map(|candidate| candidate.blind_to);
    json!({
        "evidence": chosen.map(|candidate| candidate.evidence.name()),
        "hook": chosen.map(|_| &outcome.hook),
        "tier": chosen.map(|candidate| candidate.tier.to_string()),
        "blind_to": blind_to.filter(|text| !text.is_empty()),
        "refusals": outcome.refusals,
    })
}

fn older_sockets(attached: &AttachReport) -> Value {
    let refused = attached.snapshot_refused.as_ref();
    let by = if refused.is_none() {
        "iterator"
    } else {
        "proc"
    };
    json!({ "by": by, "refused": refused })
}

fn children(attached: &AttachReport) -> Value {
    let refused = attached.forks_refused.as_ref();
    let hook = refused.is_none().then(|| format!("tp_btf/{FORKS}"));
    json!({ "hook": hook, "refused": refused })
}
