//! Closes over data that the process had not read.

use super::{Case, Family};
use crate::diagnose::findings::resets_sent::many;
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "unread_data_resets",
    topics: &[(Kind::RstSent, Some("unread_data"))],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = many(family, case, "TcpExt.TCPAbortOnClose");
    found.extend(family.of_incidents(case, Severity::Broken));
    found
}
