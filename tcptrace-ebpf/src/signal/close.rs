//! The life of a connection, reported when it ends.

use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{CloseRecord, UNKNOWN_U32, UNKNOWN_U64, close};

use crate::emit::emit;
use crate::filter::wants;
use crate::head_slot::Draft;
use crate::maps::sock_bits;
use crate::owner;
use crate::sock::{Direct, SockRef};

/// A socket goes to CLOSE (`head.state` is the state before, `time_wait`
/// the minisock's substate, 0 without one). Its counters are intact: `tcp_disconnect` clears them only
/// after the change of state (5.10 to 7.3).
#[inline(always)]
pub(crate) fn on_close(sk: &SockRef<Direct>, head: &mut Draft, time_wait: u8) {
    if !wants(kind::CLOSE) {
        return;
    }
    let mut bits = 0;
    let mut born_ns = 0;
    if let Some(entry) = owner::entry(head.sock) {
        if entry.bits & sock_bits::RST_RECEIVED != 0 {
            bits |= close::RST_RECEIVED;
        }
        born_ns = entry.born_ns;
    }
    if time_wait != 0 {
        bits |= close::TIME_WAIT;
    }
    if sk.is_owned() {
        bits |= close::OWNED;
    }
    if sk.is_dead() {
        bits |= close::DEAD;
    }
    let fin_came = time_wait == tcp_state::TIME_WAIT
        || matches!(
            head.state,
            tcp_state::CLOSE_WAIT | tcp_state::LAST_ACK | tcp_state::CLOSING
        );
    emit(
        kind::CLOSE,
        hook::INET_SOCK_SET_STATE,
        head,
        |record: &mut CloseRecord| {
            record.duration_ns = if born_ns == 0 {
                UNKNOWN_U64
            } else {
                record.head.time_ns - born_ns
            };
            let sent = sk.bytes_sent().unwrap_or(0);
            record.bytes_sent = sent.saturating_sub(sk.bytes_retrans().unwrap_or(0));
            // The peer's FIN counts as a byte (`tcp_rcv_nxt_update`, 5.10 to 7.3).
            let received = sk.bytes_received().unwrap_or(0);
            record.bytes_received = received.saturating_sub(u64::from(fin_came));
            let srtt = sk.srtt_eighths_us().unwrap_or(0) >> 3;
            record.srtt_us = if srtt == 0 { UNKNOWN_U32 } else { srtt };
            record.retransmits = sk.total_retrans().unwrap_or(0);
            record.sk_err = sk.err().unwrap_or(0);
            record.bits = bits;
        },
    );
}
