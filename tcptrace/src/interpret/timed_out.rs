//! Connections given up: which limit they met.

#[cfg(test)]
mod tests;

use crate::model::event::TimedOut;
use crate::model::flow::TcpState;
use crate::model::incident::TimeoutCause;
use crate::model::{Errno, Evidence, Host, What};

/// What a limit of time may be short of by the kernel's clock ticks.
const TICKS_MS: u64 = 20;

/// How it is known: an error other than ETIMEDOUT is known from what had been tried.
pub(super) fn evidence(facts: &TimedOut) -> Evidence {
    if Errno::of_number(facts.sk_err) == Some(Errno::Etimedout) {
        Evidence::Seen
    } else {
        Evidence::Inferred
    }
}

/// The fields of the incident; `state` is the last before CLOSE.
pub(super) fn what(facts: &TimedOut, state: Option<TcpState>, host: &Host) -> What {
    let silent_ms = facts
        .silent_jiffies
        .and_then(|jiffies| host.jiffies_ms(jiffies.into()));
    let cause = cause(facts, state, silent_ms);
    let resends = if facts.retransmits > 0 {
        facts.retransmits
    } else {
        facts.probes
    };
    // A socket in SYN_RECV has not received anything but the SYN.
    let has_peer = state != Some(TcpState::SynRecv);
    What::TimedOut {
        cause,
        silent_ms: silent_ms.filter(|_| has_peer),
        resends: Some(resends.into()),
        unacked_bytes: facts.unacked_bytes,
        unsent_bytes: facts.unsent_bytes,
        error: Errno::of_number(facts.sk_err),
    }
}

/// The kernel has one timer for data that is not acknowledged, one for a window that is shut, and one
/// for a connection with nothing to send (`tcp_write_timeout`, `tcp_probe_timer`,
/// `tcp_keepalive_timer`; 5.10 to 7.3).
fn cause(facts: &TimedOut, state: Option<TcpState>, silent_ms: Option<u64>) -> TimeoutCause {
    let limit_ms = u64::from(facts.user_timeout_ms);
    let has_limit = limit_ms > 0;
    let is_empty = facts.unacked_bytes == Some(0) && facts.unsent_bytes == Some(0);
    if state == Some(TcpState::SynRecv) {
        return TimeoutCause::Syn;
    }
    if facts.is_dead {
        return TimeoutCause::Orphan;
    }
    if facts.retransmits > 0 {
        return if has_limit {
            // Kept instead of tcp_retries2.
            TimeoutCause::UserTimeout
        } else if facts.window == Some(0) {
            TimeoutCause::ZeroWindow
        } else {
            TimeoutCause::Retransmits
        };
    }
    if is_empty {
        return if has_limit {
            TimeoutCause::UserTimeout
        } else {
            TimeoutCause::Keepalive
        };
    }
    // Both limits hold for probes of a window. A peer that answers them is given up by time alone.
    let is_over = silent_ms.is_none_or(|silent_ms| silent_ms + TICKS_MS >= limit_ms);
    if has_limit && (is_over || facts.probes <= 1) {
        TimeoutCause::UserTimeout
    } else if facts.probes > 0 {
        TimeoutCause::ZeroWindow
    } else {
        // Sending again failed each time, or nothing is known of the attempts.
        TimeoutCause::Retransmits
    }
}
