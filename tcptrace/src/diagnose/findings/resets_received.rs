//! RSTs from peers.

use super::{Case, Family, idle, only_incidents};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "connections_refused",
        topics: &[(Kind::RstReceived, Some("refused"))],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "reset_by_peer",
        topics: &[(Kind::RstReceived, Some("reset")), (Kind::RstReceived, None)],
        find: by_peer,
    },
    Family {
        id: "rst_after_close",
        topics: &[(Kind::RstReceived, Some("after_close"))],
        find: only_incidents!(Severity::Note),
    },
];

/// RSTs of peers, unless a steady time without traffic before them explains them.
fn by_peer(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    if idle::explains(case) {
        return Vec::new();
    }
    let found = family.of_incidents(case, Severity::Broken);
    found.into_iter().collect()
}
