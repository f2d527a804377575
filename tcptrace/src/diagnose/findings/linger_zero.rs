//! Closes with SO_LINGER{1,0}.

use super::{Case, Family};
use crate::diagnose::findings::resets_sent::many;
use crate::model::Kind;
use crate::model::finding::{Finding, Severity};

pub(super) const FAMILIES: &[Family] = &[Family {
    id: "linger_zero_resets",
    topics: &[(Kind::RstSent, Some("linger_zero"))],
    find,
}];

fn find(family: &Family, case: &Case<'_>) -> Vec<Finding> {
    let mut found = many(family, case, "TcpExt.TCPAbortOnData");
    found.extend(family.of_incidents(case, Severity::Broken));
    found
}
