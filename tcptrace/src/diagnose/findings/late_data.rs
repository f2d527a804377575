//! Data for connections that the process had closed.

use super::{Case, Family};
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "late_data_resets",
    topics: &[(Kind::RstSent, Some("late_data"))],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    family.of_incidents(case, Severity::Broken).into_iter().collect()
}
