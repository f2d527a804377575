//! Connections that ended otherwise than in order.

use super::{Family, only_incidents};
use crate::model::Kind;
use crate::model::finding::Severity;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "connections_timed_out",
        topics: &[(Kind::Close, Some("timeout"))],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "connections_reset",
        topics: &[
            (Kind::Close, Some("rst_sent")),
            (Kind::Close, Some("rst_received")),
        ],
        find: only_incidents!(Severity::Degraded),
    },
    Family {
        id: "connections_aborted",
        topics: &[(Kind::Close, Some("aborted"))],
        find: only_incidents!(Severity::Degraded),
    },
];
