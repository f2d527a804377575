//! What would serve which signal on a kernel that does not run here: its types show what is
//! missing, nothing is tried. A kernel may still refuse what is expected to work (an inlined
//! function, a feature that was not built), which only attaching there shows.

use super::{AttachReport, Outcome};
use crate::kernel::Kernel;
use crate::kernel::tiers::{ACCEPT, LISTENED, OWNERS, SIGNALS, Signal, WAITS};

impl AttachReport {
    /// The first candidate of every signal that nothing in the kernel's types speaks against.
    pub fn expected(kernel: &Kernel) -> Self {
        Self {
            outcomes: SIGNALS.iter().map(|s| outcome(s, kernel)).collect(),
            accept: Some(outcome(&ACCEPT, kernel)),
            backlogs: Some(outcome(&LISTENED, kernel)),
            waits: Some(outcome(&WAITS, kernel)),
            ..Self::default()
        }
    }
}

fn outcome(signal: &'static Signal, kernel: &Kernel) -> Outcome {
    let mut refusals = Vec::new();
    let absent = OWNERS.iter().find(|name| !kernel.has_tracepoint(name));
    if let Some(absent) = absent {
        refusals.push(format!(
            "this kernel has no tracepoint {absent}, which every kind requires"
        ));
    }
    let candidates = signal.candidates.iter().filter(|_| absent.is_none());
    for candidate in candidates {
        match candidate.obstacle(kernel) {
            Some(why) => refusals.push(format!("{}: {why}", candidate.label(kernel))),
            None => {
                return Outcome {
                    signal,
                    chosen: Some(candidate),
                    hook: candidate.label(kernel),
                    refusals,
                };
            }
        }
    }
    Outcome {
        signal,
        chosen: None,
        hook: String::new(),
        refusals,
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::btf::Btf;
    use crate::kernel::btf::fixture::{Blob, PTR, TYPEDEF};
    use crate::model::{Kind, KindSet};

    use super::*;

    fn kernel(tracepoints: &[&str]) -> Kernel {
        let mut blob = Blob::new();
        let proto = blob.proto(0, &[]);
        let pointer = blob.refer(PTR, "", proto);
        for name in tracepoints {
            blob.refer(TYPEDEF, &format!("btf_trace_{name}"), pointer);
        }
        Kernel::from_types(&Btf::parse(blob.bytes()).unwrap(), "x".to_owned())
    }

    #[test]
    fn a_kernel_without_a_tracepoint_loses_what_only_that_shows() {
        let owners = kernel(OWNERS);
        let report = AttachReport::expected(&owners);
        let impossible = report.impossible(KindSet::ALL);
        assert!(impossible.contains(&Kind::RstSent) && !impossible.contains(&Kind::State));
        let mut resets = report.of(Kind::RstSent);
        let refusals = resets.next().map(|outcome| outcome.refusals.join(" "));
        assert!(refusals.unwrap().contains("no tracepoint tcp_send_reset"));
        // Counting needs no hook.
        assert!(!impossible.contains(&Kind::AcceptDrop));
    }

    #[test]
    fn without_the_owners_tracepoints_nothing_is_expected() {
        let report = AttachReport::expected(&kernel(&OWNERS[1..]));
        let kinds = KindSet::ALL;
        assert_eq!(report.impossible(kinds).len(), kinds.iter().count());
        let refused = |o: &Outcome| o.refusals.iter().any(|why| why.contains(OWNERS[0]));
        assert!(report.outcomes.iter().all(refused));
    }
}
