//! The last word of a run.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Reconciled {
    /// The kernel's counter, such as `TcpExt.ListenOverflows`.
    pub counter: Cow<'static, str>,
    /// How much the kernel's counter rose.
    pub kernel: u64,
    /// What we counted.
    pub ours: u64,
    /// The comparison.
    pub verdict: Verdict,
    /// The reason of a difference, with verdict `explained`.
    pub note: Option<String>,
}

/// Incidents of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct OwnerCount {
    /// tgid; null: the owner is not known.
    pub pid: Option<u32>,
    /// Name of the thread-group leader.
    pub comm: Option<String>,
    /// Sum over all kinds; at least so many in a run of more than 4,096 owners, where an owner of few incidents is
    /// forgotten and counts from zero when it comes back.
    pub total: u64,
    /// Shown incidents by kind, only kinds above 0, most frequent first.
    #[serde(with = "counts")]
    #[schemars(schema_with = "counts::schema")]
    pub by_kind: Vec<(Kind, u64)>,
}

/// What a map of the kernel side had no room for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct NotRemembered {
    /// What it was, such as `sockets whose owner was not remembered`.
    pub what: Cow<'static, str>,
    /// How many.
    pub count: u64,
}

/// Summary of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How long tcptrace watched, milliseconds.
    pub duration_ms: u64,
    /// Shown incidents by kind, only kinds above 0.
    #[serde(with = "counts")]
    #[schemars(schema_with = "counts::schema")]
    pub by_kind: Vec<(Kind, u64)>,
    /// Most incidents first, at most 20; the rest is in `owners_left_out`.
    pub by_owner: Vec<OwnerCount>,
    /// Owners not listed in `by_owner`; one that was forgotten and came back counts twice.
    pub owners_left_out: u64,
    /// Always seen = shown + filtered + rate_limited + lost.
    pub loss: Tally,
    /// Our counts against the kernel's counters.
    pub reconciliation: Vec<Reconciled>,
    /// What maps of the kernel side had no room for, only such as were full; absent: none was, or it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_remembered: Vec<NotRemembered>,
}
