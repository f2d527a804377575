//! Data that had to be sent again.

use super::{Family, only_incidents};
use crate::model::Kind;
use crate::model::finding::Severity;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "stalled_connections",
        topics: &[(Kind::Retransmit, Some("rto"))],
        find: only_incidents!(Severity::Degraded),
    },
    Family {
        id: "packet_loss",
        topics: &[
            (Kind::Retransmit, Some("fast")),
            (Kind::Retransmit, Some("other")),
            (Kind::Retransmit, None),
        ],
        find: only_incidents!(Severity::Degraded),
    },
    Family {
        id: "loss_probes",
        topics: &[(Kind::Retransmit, Some("loss_probe"))],
        find: only_incidents!(Severity::Note),
    },
];
