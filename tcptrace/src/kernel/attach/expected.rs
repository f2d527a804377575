//! What would serve which signal on a kernel that does not run here: its types tell what is
//! missing, nothing is tried. A kernel may still refuse what is expected to work (an inlined
//! function, a feature that was not built), which only attaching there tells.

use super::{AttachReport, Outcome};
use crate::kernel::Kernel;
use crate::kernel::tiers::{ACCEPT, SIGNALS, Signal};

impl AttachReport {
    /// The first candidate of every signal that nothing in the kernel's types speaks against.
    pub fn expected(kernel: &Kernel) -> Self {
        Self {
            outcomes: SIGNALS.iter().map(|s| outcome(s, kernel)).collect(),
            accept: Some(outcome(&ACCEPT, kernel)),
            ..Self::default()
        }
    }
}

fn outcome(signal: &'static Signal, kernel: &Kernel) -> Outcome {
    let mut refusals = Vec::new();
    for candidate in signal.candidates {
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
