//! RSTs from peers.

use super::{Family, only_incidents};
use crate::model::Kind;
use crate::model::finding::Severity;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "connections_refused",
        topics: &[(Kind::RstReceived, Some("refused"))],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "reset_by_peer",
        topics: &[(Kind::RstReceived, Some("reset")), (Kind::RstReceived, None)],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "rst_after_close",
        topics: &[(Kind::RstReceived, Some("after_close"))],
        find: only_incidents!(Severity::Note),
    },
];
