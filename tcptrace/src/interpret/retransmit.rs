//! What was sent again, and why.

use crate::model::What;
use crate::model::event::Retransmit;
use crate::model::flow::TcpState;
use crate::model::incident::RetransmitType;

/// `TCP_CA_Recovery` and `TCP_CA_Loss` (`enum tcp_ca_state`, 5.10 to 7.3).
const CA_RECOVERY: u8 = 3;
const CA_LOSS: u8 = 4;
/// `ICSK_TIME_LOSS_PROBE`: still pending while the probe is sent (`tcp_send_loss_probe`).
const PENDING_LOSS_PROBE: u8 = 5;
/// TCP flags.
const FIN: u8 = 0x01;

/// The fields of the incident.
pub(super) fn what(facts: &Retransmit, state: Option<TcpState>) -> What {
    let kind = kind(facts, state);
    What::Retransmit {
        kind,
        // Counted by the retransmission timer; 0 for what the timer did not send.
        attempt: facts.attempt.filter(|attempt| *attempt > 0),
        bytes: facts.bytes,
        sequence: Some(facts.sequence),
        segments: facts.segments,
        error: facts.error.filter(|error| *error != 0),
        gave_up: facts.gave_up,
    }
}

fn kind(facts: &Retransmit, state: Option<TcpState>) -> RetransmitType {
    if facts.is_syn_ack {
        RetransmitType::SynAck
    } else if state == Some(TcpState::SynSent) {
        RetransmitType::Syn
    } else if facts.tcp_flags & FIN != 0 && facts.bytes == 0 {
        RetransmitType::Fin
    } else {
        // Recovery comes first: a loss probe may be scheduled while a fast retransmit is sent.
        match facts.ca_state {
            CA_LOSS => RetransmitType::Rto,
            CA_RECOVERY => RetransmitType::Fast,
            _ if facts.pending == PENDING_LOSS_PROBE => RetransmitType::LossProbe,
            _ => RetransmitType::Other,
        }
    }
}
