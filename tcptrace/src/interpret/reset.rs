//! Resets: which cause a RST has, what a received one means.
//!
//! The rules follow what was measured from 5.10 to 7.3. The kernel's reason alone is not enough:
//! `TCP_STATE` stands for SO_LINGER{1,0}, for connect() to AF_UNSPEC, for the children of a closing
//! listener and for SOCK_DESTROY alike. Without reasons (5.10, 6.1) the same facts of the socket
//! decide, and the verdict is `inferred`.

#[cfg(test)]
mod tests;

use crate::model::event::Reset;
use crate::model::flow::TcpState;
use crate::model::incident::{Linger, ResetCause, ResetMeaning};
use crate::model::{Evidence, Host, What};

/// `SHUTDOWN_MASK`: `tcp_close` sets it before anything else.
const SHUTDOWN_BOTH: u8 = 3;
/// `TCP_CLOSE` and `TCP_LISTEN` as the kernel numbers them.
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// A cause and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) cause: ResetCause,
    pub(super) evidence: Evidence,
}

/// Why this RST was sent. `state` is the one before the reset.
pub(super) fn classify(facts: &Reset, state: Option<TcpState>, host: &Host) -> Verdict {
    let reason = facts
        .reason
        .and_then(|number| host.reset_reason(number))
        .map(|name| &**name);
    let (cause, is_certain) = if facts.is_reply {
        reply(facts, state, reason)
    } else {
        active(facts, state, reason)
    };
    let is_seen = is_certain && (reason.is_some() || !facts.has_sock);
    Verdict {
        cause,
        evidence: if is_seen {
            Evidence::Seen
        } else {
            Evidence::Inferred
        },
    }
}

/// A RST that answers a packet; whether the cause is certain when there is a reason.
fn reply(facts: &Reset, state: Option<TcpState>, reason: Option<&str>) -> (ResetCause, bool) {
    if !facts.has_sock {
        return match reason {
            Some("NO_SOCKET") | None => (ResetCause::NoSocket, true),
            Some(_) => (ResetCause::Protocol, true),
        };
    }
    if facts.is_minisock {
        // kernel: `tcp_timewait_state_process` answers data in FIN_WAIT2 by a RST (5.10 to 7.3).
        let is_late = state == Some(TcpState::FinWait2);
        let cause = if is_late {
            ResetCause::LateData
        } else {
            ResetCause::TimeWait
        };
        return (cause, true);
    }
    if facts.state_now == LISTEN {
        let is_full = facts.queue.is_some_and(|queue| queue.length > queue.limit);
        return match reason {
            // tcp_abort_on_overflow answers the third ACK so; a bad SYN never meets a full queue.
            Some("INVALID_SYN") | None if is_full => (ResetCause::AcceptOverflow, true),
            _ => (ResetCause::Protocol, true),
        };
    }
    match reason {
        Some("TCP_ABORT_ON_DATA") if facts.linger2 < 0 => (ResetCause::Linger2, true),
        // Data arrived for an orphan: its process closed it, and nobody will read the data.
        Some("TCP_ABORT_ON_DATA") => (ResetCause::LateData, true),
        Some(_) => (ResetCause::Protocol, true),
        None if facts.is_dead && facts.linger2 < 0 => (ResetCause::Linger2, false),
        None if facts.is_dead => (ResetCause::LateData, false),
        None => (ResetCause::Protocol, false),
    }
}

/// A RST of the kernel's own accord.
fn active(facts: &Reset, state: Option<TcpState>, reason: Option<&str>) -> (ResetCause, bool) {
    match reason {
        Some("TCP_ABORT_ON_CLOSE") if is_mptcp_abort(facts, reason) => {
            // Only the MPTCP socket knows of its unread data, and which of both it was.
            return (
                if has_linger_zero(facts) {
                    ResetCause::LingerZero
                } else {
                    ResetCause::UnreadData
                },
                false,
            );
        }
        Some("TCP_ABORT_ON_CLOSE") => return (ResetCause::UnreadData, true),
        Some("TCP_ABORT_ON_LINGER") => return (ResetCause::Linger2, true),
        Some("TCP_ABORT_ON_MEMORY") => return (ResetCause::OutOfMemory, true),
        Some("TCP_KEEPALIVE_TIMEOUT") => return (timeout(facts), true),
        Some("TCP_STATE" | "TCP_DISCONNECT_WITH_DATA" | "NOT_SPECIFIED") | None => {}
        Some(_) => return (ResetCause::Protocol, true),
    }
    if facts.state_now != CLOSE {
        return still_open(facts, state, reason);
    }
    if facts.listener_is_closing {
        return (ResetCause::ListenerClosed, true);
    }
    if facts.shutdown != SHUTDOWN_BOTH {
        let cause = if facts.has_socket {
            ResetCause::Disconnect
        } else {
            ResetCause::ListenerClosed
        };
        return (cause, true);
    }
    match (reason, has_linger_zero(facts)) {
        (Some(_), true) => (ResetCause::LingerZero, true),
        // Unread data takes another path through tcp_close, which a reason would show.
        (None, true) if facts.unread_bytes == Some(0) => (ResetCause::LingerZero, false),
        (None, _) if facts.unread_bytes.is_some_and(|bytes| bytes > 0) => {
            (ResetCause::UnreadData, false)
        }
        (_, false) if facts.linger2 < 0 => (ResetCause::Linger2, false),
        (Some("NOT_SPECIFIED"), _) => (ResetCause::OutOfMemory, false),
        _ => (ResetCause::Unknown, false),
    }
}

fn has_linger_zero(facts: &Reset) -> bool {
    facts.linger_on && facts.linger_jiffies == 0
}

/// Whether the abort is that of an MPTCP socket, which resets its subflows while their state still stands
/// (`mptcp_do_fastclose`, seen 6.12 to 7.3); `tcp_close` comes after the change to CLOSE. What was not read has left the
/// subflow by then, so the subflow does not know how much it is.
fn is_mptcp_abort(facts: &Reset, reason: Option<&str>) -> bool {
    reason == Some("TCP_ABORT_ON_CLOSE") && !facts.is_reply && facts.state_now != CLOSE
}

/// The reset came before the change of state: from a timer, or from SOCK_DESTROY, which holds the
/// socket's lock.
fn still_open(facts: &Reset, state: Option<TcpState>, reason: Option<&str>) -> (ResetCause, bool) {
    if facts.is_owned {
        return (ResetCause::Aborted, true);
    }
    if facts.is_dead && state == Some(TcpState::FinWait2) && facts.linger2 < 0 {
        return (ResetCause::Linger2, true);
    }
    // kernel: `tcp_keepalive_timer` ends an orphan that waited for its peer's FIN (5.10 to 7.3).
    if facts.is_dead && state == Some(TcpState::FinWait2) && reason != Some("NOT_SPECIFIED") {
        return (ResetCause::FinTimeout, true);
    }
    match reason {
        Some("NOT_SPECIFIED") if facts.is_dead => (ResetCause::OutOfMemory, false),
        None if facts.is_dead => (ResetCause::OutOfMemory, false),
        None => (timeout(facts), false),
        Some(_) => (ResetCause::Unknown, false),
    }
}

/// `tcp_keepalive_timer` sends the same reset for both; the option decides which limit it kept.
fn timeout(facts: &Reset) -> ResetCause {
    if facts.user_timeout_ms > 0 {
        ResetCause::UserTimeout
    } else {
        ResetCause::KeepaliveTimeout
    }
}

/// Whether this RST answers data that came for an orphan: then the kernel has also reported a RST
/// as received, though none came.
pub(super) fn answers_late_data(facts: &Reset) -> bool {
    facts.is_reply && facts.has_sock && facts.is_dead && facts.state_now == CLOSE
}

/// The fields of the incident.
pub(super) fn what(facts: &Reset, cause: ResetCause, state: Option<TcpState>, host: &Host) -> What {
    let is_connection = facts.has_sock && !facts.is_minisock && state != Some(TcpState::Listen);
    let reason = facts
        .reason
        .and_then(|number| host.reset_reason(number))
        .cloned();
    let is_of_mptcp = is_mptcp_abort(facts, reason.as_deref());
    What::RstSent {
        cause,
        reason,
        unsent_bytes: facts.unsent_bytes,
        unacked_bytes: facts.unacked_bytes,
        unread_bytes: facts.unread_bytes.filter(|_| !is_of_mptcp),
        linger: is_connection.then(|| Linger {
            on: facts.linger_on,
            seconds: if facts.linger_on {
                host.jiffies_ms(facts.linger_jiffies)
                    .map(|millis| millis / 1000)
            } else {
                None
            },
        }),
    }
}

/// What a received RST means.
pub(super) fn received(is_dead: bool, state: Option<TcpState>, silent_ms: Option<u64>) -> What {
    let meaning = if state == Some(TcpState::SynSent) {
        ResetMeaning::Refused
    } else if is_dead {
        ResetMeaning::AfterClose
    } else {
        ResetMeaning::Reset
    };
    // Before the connection was established nothing had come that a silence could be counted from.
    let had_peer = meaning == ResetMeaning::Reset && state != Some(TcpState::SynRecv);
    What::RstReceived {
        meaning,
        silent_ms: silent_ms.filter(|_| had_peer),
    }
}
