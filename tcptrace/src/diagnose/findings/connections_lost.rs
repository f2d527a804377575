//! Connections that ended otherwise than in order.

use super::{Family, only_incidents};
use crate::model::Kind;
use crate::model::finding::Severity;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "connections_timed_out",
        topics: &[
            (Kind::TimedOut, Some("retransmits")),
            (Kind::TimedOut, Some("zero_window")),
            (Kind::TimedOut, Some("syn")),
            (Kind::TimedOut, None),
            (Kind::Close, Some("timeout")),
        ],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "closed_data_lost",
        topics: &[(Kind::TimedOut, Some("orphan"))],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "connects_failed",
        topics: &[
            (Kind::ConnectFailed, Some("ETIMEDOUT")),
            (Kind::ConnectFailed, Some("EHOSTUNREACH")),
            (Kind::ConnectFailed, Some("ENETUNREACH")),
            (Kind::ConnectFailed, Some("ECONNREFUSED")),
        ],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "connects_without_port",
        topics: &[(Kind::ConnectFailed, Some("EADDRNOTAVAIL"))],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "binds_failed",
        topics: &[
            (Kind::ConnectFailed, Some("EADDRINUSE")),
            (Kind::ConnectFailed, Some("EACCES")),
        ],
        find: only_incidents!(Severity::Broken),
    },
    Family {
        id: "connects_abandoned",
        topics: &[(Kind::ConnectFailed, None)],
        find: only_incidents!(Severity::Degraded),
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
