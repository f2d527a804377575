//! The last word of a run.

use super::loss::Tally;
use super::{Kind, named};

named! {
    /// How our count compares with the kernel's counter.
    Verdict {
        /// Equal.
        Exact = "exact",
        /// Different for a reason that is named.
        Explained = "explained",
        /// Different.
        Differs = "differs",
    }
}

/// One kernel counter against ours, over the same interval and namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// e.g. `TcpExt.ListenOverflows`
    pub counter: &'static str,
    /// How much the kernel's counter rose.
    pub kernel: u64,
    /// What we counted.
    pub ours: u64,
    /// The comparison.
    pub verdict: Verdict,
    /// The named reason, with `explained`.
    pub note: Option<String>,
}

/// Incidents of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerCount {
    /// `None`: owner not known.
    pub pid: Option<u32>,
    /// Name; `?` is the text sink's business.
    pub comm: Option<String>,
    /// Shown incidents by kind, only kinds above 0, most frequent first.
    pub by_kind: Vec<(Kind, u64)>,
    /// Their sum.
    pub total: u64,
}

/// Summary of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How long we watched.
    pub duration_ms: u64,
    /// Shown incidents by kind, only kinds above 0.
    pub by_kind: Vec<(Kind, u64)>,
    /// Most incidents first, at most 20; the rest is in `owners_left_out`.
    pub by_owner: Vec<OwnerCount>,
    /// Owners not listed.
    pub owners_left_out: u64,
    /// The identity of loss.
    pub loss: Tally,
    /// Ours against the kernel's counters.
    pub reconciliation: Vec<Reconciled>,
}
