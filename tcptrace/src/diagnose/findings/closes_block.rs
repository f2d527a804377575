//! close() that waits because of SO_LINGER.

use super::{Case, Family};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};

const DRAINED: (Kind, Option<&str>) = (Kind::LingerClose, Some("drained"));

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "closes_block",
    topics: &[
        DRAINED,
        (Kind::LingerClose, Some("timed_out")),
        (Kind::LingerClose, Some("interrupted")),
        (Kind::LingerClose, Some("reset")),
        (Kind::LingerClose, None),
    ],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let has_lost = family
        .topics
        .iter()
        .any(|topic| *topic != DRAINED && case.tallies.of(*topic).is_some());
    let severity = if has_lost {
        Severity::Broken
    } else {
        Severity::Degraded
    };
    family.of_incidents(case, severity).into_iter().collect()
}
