//! Timestamp rejects, by the kernel's own names.

use std::sync::Arc;

use crate::model::incident::PawsWhere;
use crate::model::{Host, What};

/// `None` for a reason that is none of the four.
pub(super) fn what(reason: u32, host: &Host) -> Option<What> {
    let name = host.drop_reason(reason)?;
    let place = match &**name {
        "TCP_RFC7323_PAWS" => PawsWhere::Established,
        "TCP_RFC7323_TW_PAWS" => PawsWhere::TimeWait,
        "TCP_RFC7323_PAWS_ACK" => PawsWhere::Ack,
        "TCP_RFC7323_TSECR" => PawsWhere::Echo,
        _ => return None,
    };
    Some(What::PawsDrop {
        place,
        reason: Some(Arc::clone(name)),
    })
}
