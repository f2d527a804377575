//! TIME_WAIT sockets.

use crate::model::event::TimeWait;
use crate::model::incident::{TimeWaitEnd, TimeWaitPhase};
use crate::model::{Host, What};

/// Slack of the timer wheel: a minisock's timer is pinned and exact to a jiffy or two, so a timeout
/// is reported rounded to this.
const ROUND_MS: u64 = 100;

/// The fields of the incident.
pub(super) fn what(facts: TimeWait, host: &Host) -> What {
    let timeout_ms = facts
        .timeout_jiffies
        .and_then(|jiffies| host.jiffies_ms(jiffies));
    What::TimeWait {
        phase: facts.phase,
        substate: facts.substate,
        timeout_ms: timeout_ms.map(|millis| (millis + ROUND_MS / 2) / ROUND_MS * ROUND_MS),
        ended_by: (facts.phase == TimeWaitPhase::Expire).then_some(if facts.is_cancelled {
            TimeWaitEnd::Cancelled
        } else {
            TimeWaitEnd::Timeout
        }),
        new_owner: facts.new_owner,
    }
}
