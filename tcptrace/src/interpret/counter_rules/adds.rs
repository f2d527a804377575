//! What one incident adds to a counter.

use crate::model::flow::TcpState;
use crate::model::incident::{
    CloseHow, ConnectOutcome, DropOutcome, LimitedBy, PawsWhere, ResetCause, ResetMeaning,
    RetransmitType, TimeWaitPhase, TimeoutCause,
};
use crate::model::{Basis, Errno, Incident, What};

/// Refused for a full accept queue, and for a full SYN queue.
pub(super) fn refused(incident: &Incident) -> (u64, u64) {
    match &incident.what {
        What::AcceptDrop { count, .. } => (*count, 0),
        What::SynDrop {
            outcome: Some(DropOutcome::Dropped),
            count,
            ..
        } => (0, *count),
        _ => (0, 0),
    }
}

/// EAGAIN, ENOMEM, EBUSY, EINVAL, EHOSTUNREACH: `__tcp_retransmit_skb` reports these (from 6.16 on),
/// but ends before it counts.
const NOT_TRIED: [i32; 5] = [-11, -12, -16, -22, -113];

fn is_not_tried(error: Option<i32>) -> bool {
    error.is_some_and(|error| NOT_TRIED.contains(&error))
}

pub(super) fn time_waits(incident: &Incident, wanted: TimeWaitPhase) -> u64 {
    match &incident.what {
        What::TimeWait { phase, .. } => u64::from(*phase == wanted),
        _ => 0,
    }
}

pub(super) fn rejected(incident: &Incident, wanted: PawsWhere) -> u64 {
    match &incident.what {
        What::PawsDrop { place, .. } => u64::from(*place == wanted),
        _ => 0,
    }
}

pub(super) fn ended_from(incident: &Incident, states: &[TcpState]) -> u64 {
    match &incident.what {
        What::State { old, new, .. } => u64::from(*new == TcpState::Close && states.contains(old)),
        _ => 0,
    }
}

fn reset(incident: &Incident) -> Option<(ResetCause, Option<&str>)> {
    match &incident.what {
        What::RstSent { cause, reason, .. } => Some((*cause, reason.as_deref())),
        _ => None,
    }
}

/// A reset for a reason that the kernel gives, or by our cause where it gives none (before 6.10).
pub(super) fn reset_for(incident: &Incident, wanted: &str, causes: &[ResetCause]) -> u64 {
    u64::from(match reset(incident) {
        Some((_, Some(reason))) => reason == wanted,
        Some((cause, None)) => causes.contains(&cause),
        None => false,
    })
}

/// Refused SYNs that only ListenDrops counts.
pub(super) fn beyond_max_syn_backlog(incident: &Incident) -> u64 {
    match &incident.what {
        What::SynDrop {
            limited_by: Some(LimitedBy::MaxSynBacklog),
            count,
            ..
        } => *count,
        _ => 0,
    }
}

pub(super) fn cookies(incident: &Incident) -> u64 {
    match &incident.what {
        What::SynDrop {
            outcome: Some(DropOutcome::Cookie),
            count,
            ..
        } => *count,
        _ => 0,
    }
}

/// A connect() that was given up for this error, or by the process (`None`).
fn connect(incident: &Incident) -> Option<(ConnectOutcome, Option<Errno>, bool)> {
    match &incident.what {
        What::ConnectFailed {
            outcome,
            error,
            syns,
            ..
        } => Some((*outcome, *error, syns.is_none_or(|syns| syns > 0))),
        _ => None,
    }
}

pub(super) fn closed_before_answer(incident: &Incident) -> u64 {
    let is_it = |(outcome, _, _)| outcome == ConnectOutcome::Closed;
    u64::from(connect(incident).is_some_and(is_it))
}

pub(super) fn failed_by_network(incident: &Incident) -> u64 {
    let is_it = |(outcome, error, is_sent)| {
        outcome == ConnectOutcome::Failed && is_sent && error != Some(Errno::Etimedout)
    };
    u64::from(connect(incident).is_some_and(is_it))
}

pub(super) fn connect_timed_out(incident: &Incident) -> u64 {
    let is_it = |(_, error, is_sent)| is_sent && error == Some(Errno::Etimedout);
    u64::from(connect(incident).is_some_and(is_it))
}

/// kernel: `tcp_done` of a connection that was never established, and a RST for a request (`tcp_check_req`).
pub(super) fn attempt_failed(incident: &Incident) -> u64 {
    let by_reset = match &incident.what {
        What::RstReceived { meaning } => {
            *meaning == ResetMeaning::Refused || incident.state == Some(TcpState::SynRecv)
        }
        _ => false,
    };
    u64::from(by_reset) + failed_by_network(incident) + connect_timed_out(incident)
}

/// kernel: each run of the retransmission timer and of the timer of a SYN-ACK, sent or not
/// (`tcp_retransmit_timer`, `tcp_syn_ack_timeout`).
pub(super) fn timeouts(incident: &Incident) -> u64 {
    match &incident.what {
        What::Retransmit {
            kind: RetransmitType::Syn | RetransmitType::SynAck,
            ..
        } => 1,
        // What the timer did not send bears no attempt.
        What::Retransmit { attempt, .. } => u64::from(attempt.is_some()),
        What::TimedOut {
            cause,
            unacked_bytes,
            ..
        } => {
            let by_probes = matches!(cause, TimeoutCause::Keepalive | TimeoutCause::ZeroWindow);
            u64::from(!by_probes && *unacked_bytes != Some(0))
        }
        _ => connect_timed_out(incident),
    }
}

pub(super) fn syn_acks(incident: &Incident) -> u64 {
    u64::from(matches!(
        &incident.what,
        What::Retransmit {
            kind: RetransmitType::SynAck,
            ..
        }
    ))
}

pub(super) fn retransmitted(incident: &Incident) -> u64 {
    match &incident.what {
        What::Retransmit {
            segments,
            error,
            gave_up: false,
            ..
        } if !is_not_tried(*error) => u64::from(segments.unwrap_or(1)),
        _ => 0,
    }
}

pub(super) fn syn_retransmitted(incident: &Incident) -> u64 {
    u64::from(matches!(
        &incident.what,
        What::Retransmit {
            kind: RetransmitType::Syn | RetransmitType::SynAck,
            gave_up: false,
            error,
            ..
        } if !is_not_tried(*error)
    ))
}

/// kernel: counted for what connect() takes over, not for what a SYN does.
pub(super) fn recycled(incident: &Incident) -> u64 {
    u64::from(matches!(
        &incident.what,
        What::TimeWait {
            phase: TimeWaitPhase::Reuse,
            new_owner: Some(owner),
            ..
        } if owner.basis == Basis::Task
    ))
}

pub(super) fn reset_by_timer(incident: &Incident) -> u64 {
    let by_timer = |(cause, _): (ResetCause, _)| {
        matches!(
            cause,
            ResetCause::KeepaliveTimeout | ResetCause::UserTimeout
        )
    };
    u64::from(reset(incident).is_some_and(by_timer))
}

/// kernel: SO_LINGER{1,0} has no reason of its own and counts as data that came after a close. What a minisock
/// answers is not counted: it has no options.
pub(super) fn aborted_on_data(incident: &Incident) -> u64 {
    match &incident.what {
        What::RstSent {
            cause: ResetCause::LingerZero,
            ..
        } => 1,
        What::RstSent {
            cause: ResetCause::LateData,
            reason: None,
            linger,
            ..
        } => u64::from(linger.is_some()),
        _ => reset_for(incident, "TCP_ABORT_ON_DATA", &[]),
    }
}

pub(super) fn timed_out(incident: &Incident) -> u64 {
    u64::from(matches!(&incident.what, What::TimedOut { .. }))
}

pub(super) fn closed_by(incident: &Incident, wanted: CloseHow) -> u64 {
    match &incident.what {
        What::Close { how, .. } => u64::from(*how == Some(wanted)),
        _ => 0,
    }
}
