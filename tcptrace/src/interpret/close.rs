//! The end of a connection: who closed first, and how.

use crate::model::What;
use crate::model::event::CloseFacts;
use crate::model::flow::TcpState;
use crate::model::incident::{CloseHow, ClosedBy};

/// `ETIMEDOUT` and `ECONNABORTED`.
const TIMED_OUT: i32 = 110;
const ABORTED: i32 = 103;

/// The fields of the incident; `state` is the last before CLOSE.
pub(super) fn what(facts: &CloseFacts, state: Option<TcpState>) -> What {
    let how = how(facts, state);
    What::Close {
        duration_us: facts.duration_ns.map(|nanos| nanos / 1000),
        bytes_sent: Some(facts.bytes_sent),
        bytes_received: Some(facts.bytes_received),
        srtt_us: facts.srtt_us,
        retransmits: Some(facts.retransmits),
        closed_by: closed_by(how, state),
        how,
    }
}

fn how(facts: &CloseFacts, state: Option<TcpState>) -> Option<CloseHow> {
    let is_orderly = facts.has_time_wait || state == Some(TcpState::LastAck);
    Some(if facts.rst_received {
        CloseHow::RstReceived
    } else if facts.sk_err == TIMED_OUT {
        CloseHow::Timeout
    } else if facts.sk_err == ABORTED || state == Some(TcpState::SynSent) {
        CloseHow::Aborted
    } else if is_orderly {
        CloseHow::Fin
    } else if facts.is_owned {
        // A system call closes what a FIN would have ended: only a reset does that.
        CloseHow::RstSent
    } else {
        match state? {
            // Both FINs came, the minisock did not: bucket overflow.
            TcpState::FinWait2 | TcpState::Closing if facts.sk_err == 0 => CloseHow::Fin,
            TcpState::SynRecv => CloseHow::Aborted,
            _ if facts.sk_err == 0 => CloseHow::RstSent,
            _ => return None,
        }
    })
}

fn closed_by(how: Option<CloseHow>, state: Option<TcpState>) -> Option<ClosedBy> {
    match state? {
        TcpState::FinWait1 | TcpState::FinWait2 => Some(ClosedBy::Local),
        TcpState::CloseWait | TcpState::LastAck => Some(ClosedBy::Remote),
        TcpState::Closing => Some(ClosedBy::Both),
        _ => match how? {
            CloseHow::RstSent | CloseHow::Aborted => Some(ClosedBy::Local),
            CloseHow::RstReceived => Some(ClosedBy::Remote),
            CloseHow::Fin | CloseHow::Timeout => None,
        },
    }
}
