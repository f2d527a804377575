//! The report as the object of [`crate::model::doctor`].

use tcptrace_common::config::{ARG_DROP_REASON, ARG_RESET_REASON};
use tcptrace_common::offsets::{KernelOffsets, NONE};

use super::json_state;
use super::report::{Report, Signals};
use crate::kernel::Kernel;
use crate::kernel::attach::{AttachReport, Outcome};
use crate::kernel::caps::{self, Capability};
use crate::kernel::offsets::kernel_name;
use crate::kernel::tiers::FORKS;
use crate::model::doctor::{
    CapabilityRow, Children, Doctor, FactSource, FoundBy, Function, KIND, KernelTypes,
    OlderSockets, Privileges, Reasons, SignalRow,
};
use crate::model::line::VERSION;

/// The object.
pub(super) fn object(report: &Report) -> Doctor<'_> {
    let (attached, tried, untried) = match &report.signals {
        Signals::Tried(attached) => (Some(attached), true, None),
        Signals::Expected(expected) => (Some(expected), false, None),
        Signals::Unknown(why) => (None, false, Some(why.as_str())),
    };
    let runs_here = report.privileges.is_some();
    let outcomes = attached.into_iter().flat_map(|attached| &attached.outcomes);
    let served = |outcome: fn(&AttachReport) -> &Option<Outcome>| {
        attached.and_then(|attached| outcome(attached).as_ref().map(served))
    };
    let mut object = Doctor {
        v: VERSION,
        kind: KIND,
        privileges: report.privileges.as_ref().map(privileges),
        kernel: report
            .kernel
            .as_ref()
            .ok()
            .map(|known| kernel(known, runs_here)),
        kernel_error: report.kernel.as_ref().err().map(String::as_str),
        tried,
        untried,
        signals: outcomes.map(signal).collect(),
        accept: served(|attached| &attached.accept),
        backlogs: served(|attached| &attached.backlogs),
        accept_waits: served(|attached| &attached.waits),
        ..Doctor::default()
    };
    if let Some(attached) = attached.filter(|_| tried) {
        object.programs = Some(&attached.attached);
        object.older_sockets = Some(older_sockets(attached));
        object.children = Some(children(attached));
    }
    json_state::add(&mut object, report.survey.as_ref(), &report.findings);
    object
}

fn privileges(privileges: &caps::Privileges) -> Privileges {
    let missing = privileges.missing();
    let row = |cap: &Capability| {
        let lack = missing.iter().find(|missing| missing.cap == *cap);
        CapabilityRow {
            name: cap.name(),
            held: privileges.holds(*cap),
            lacking: lack.map(|lack| lack.needed_for),
            required: lack.is_some_and(|lack| lack.required),
        }
    };
    Privileges {
        capabilities: Capability::ALL.iter().map(row).collect(),
        user_namespace: privileges.in_user_namespace,
        lockdown: privileges.lockdown,
        notes: privileges.notes(),
    }
}

fn kernel(kernel: &Kernel, runs_here: bool) -> KernelTypes<'_> {
    let absent = absent_fields(&kernel.offsets);
    let reasons = |names: usize, argument: u32| Reasons {
        names,
        reported: kernel.config.features & argument != 0,
    };
    let functions = [
        ("tw_timer_handler", &kernel.tw_timer_handler),
        ("process_timeout", &kernel.process_timeout),
    ];
    let functions = functions.map(|(name, address)| Function {
        name,
        found: address.is_ok(),
        refused: address.as_ref().err().map(String::as_str),
    });
    KernelTypes {
        release: &kernel.release,
        runs_here,
        fields_known: KernelOffsets::NAMES.len() - absent.len(),
        fields_absent: absent,
        reset_reasons: reasons(kernel.reasons.resets().count(), ARG_RESET_REASON),
        drop_reasons: reasons(kernel.reasons.drops().count(), ARG_DROP_REASON),
        drop_socket: kernel.has_drop_socket,
        functions: functions.into(),
        ticks_per_second: kernel.hz,
    }
}

/// Fields that this kernel does not have, by its own names for them.
fn absent_fields(offsets: &KernelOffsets) -> Vec<String> {
    KernelOffsets::NAMES
        .iter()
        .zip(offsets.values())
        .filter(|(_, value)| *value == NONE)
        .map(|(name, _)| kernel_name(name).unwrap_or_else(|| (*name).to_owned()))
        .collect()
}

fn signal(outcome: &Outcome) -> SignalRow<'_> {
    SignalRow {
        served: served(outcome),
        kind: outcome.signal.kind,
        part: outcome.signal.part,
        fact: outcome.signal.fact,
    }
}

fn served(outcome: &Outcome) -> FactSource<'_> {
    let chosen = outcome.chosen;
    let blind_to = chosen.map(|candidate| candidate.blind_to);
    FactSource {
        evidence: chosen.map(|candidate| candidate.evidence),
        hook: chosen.map(|_| outcome.hook.as_str()),
        tier: chosen.map(|candidate| candidate.tier),
        blind_to: blind_to.filter(|text| !text.is_empty()),
        refusals: &outcome.refusals,
    }
}

fn older_sockets(attached: &AttachReport) -> OlderSockets<'_> {
    let refused = attached.snapshot_refused.as_deref();
    let by = match refused {
        None => FoundBy::Iterator,
        Some(_) => FoundBy::Proc,
    };
    OlderSockets { by, refused }
}

fn children(attached: &AttachReport) -> Children<'_> {
    let refused = attached.forks_refused.as_deref();
    let hook = refused.is_none().then(|| format!("tp_btf/{FORKS}"));
    Children { hook, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_has_the_kernels_name_for_it() {
        let absent = absent_fields(&KernelOffsets::ABSENT);
        assert_eq!(absent.len(), KernelOffsets::NAMES.len());
        assert!(absent.iter().any(|name| name == "timer_list.function"));
        // Looked up otherwise than as one field: by our own name.
        assert!(absent.iter().any(|name| name == "bit_sock_linger"));
    }
}
