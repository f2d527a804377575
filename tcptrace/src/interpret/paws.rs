//! Timestamp rejects, by the kernel's own names.

use std::sync::Arc;

use crate::model::incident::PawsWhere;
use crate::model::{Host, What};

/// `None` for a reason that is none of the four, unless the hook knows which check failed.
pub(super) fn what(reason: u32, check: Option<PawsWhere>, host: &Host) -> Option<What> {
    if let Some(place) = check {
        let reason = host.drop_reason(reason).cloned();
        return Some(What::PawsDrop { place, reason });
    }
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
