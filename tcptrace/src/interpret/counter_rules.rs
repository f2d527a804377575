//! Which incidents feed which of the kernel's counters (sources of 5.10 to 7.3), and where the two
//! may differ though nothing went wrong, and by how much at most.

mod adds;
mod table;

use std::cmp::Ordering;

use crate::model::{Incident, Kind};

pub use table::RULES;

/// What one incident adds to a counter; 0 = another counter's business.
pub type Adds = fn(&Incident) -> u64;

/// A counter, the kinds that feed it, and by how much.
#[derive(Debug)]
pub struct Rule {
    /// The kernel's name, with its group. A name that no kernel has is a sum of ours, for the limit of a gap.
    pub counter: &'static str,
    /// All of them are needed. Of several rules for one counter the first holds that has them.
    pub kinds: &'static [Kind],
    /// By how much one incident raises it.
    pub adds: Adds,
    /// Why the two may differ though nothing went wrong.
    pub gaps: &'static [Gap],
    /// The counter that kernels without this one raise instead.
    pub joins: Option<&'static str>,
}

/// A difference that has a known reason: on which side the larger count lies, why, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// The kernel's count compared with ours.
    pub kernel_is: Ordering,
    /// One sentence.
    pub why: &'static str,
    /// How much of a difference it explains.
    pub limit: Limit,
}

/// How much of a difference a reason explains: as much as what counts the reason itself has risen.
pub type Limit = fn(&dyn Sums) -> u64;

/// What was counted over the interval, in the namespaces that are compared.
pub trait Sums {
    /// How much a counter of the kernel rose; `None`: this kernel does not have it.
    fn kernel(&self, counter: &str) -> Option<u64>;
    /// What the incidents add up to for a counter, by the rule that holds.
    fn ours(&self, counter: &str) -> u64;
}

impl dyn Sums + '_ {
    /// As [`Sums::kernel`]; 0 for a counter that this kernel does not have.
    fn rise(&self, counter: &str) -> u64 {
        self.kernel(counter).unwrap_or(0)
    }
}
