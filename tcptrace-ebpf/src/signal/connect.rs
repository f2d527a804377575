//! connect() calls that failed, and sockets closed while they waited for the answer.
//!
//! All of them change from SYN_SENT to CLOSE: in the call itself where no port was free or nothing could
//! be sent (`tcp_v4_connect`, `tcp_v6_connect`), in softirq where a timer gave up or the network
//! reported an error (`tcp_write_err`, `tcp_v4_err`), in close() and shutdown() (5.10 to 7.3). An error
//! before SYN_SENT, such as a missing route or a refused bind(), changes no state and is not seen here:
//! what the call itself returns is for [`super::calls`] where functions can be hooked.

use tcptrace_common::config::by_function;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{ConnectFailedRecord, Head, UNKNOWN_U64, connect_failed};

use crate::emit::emit;
use crate::filter::wants;
use crate::maps::{is_reported_by_function, sock_bits};
use crate::owner;
use crate::sock::{Direct, SockRef};

/// `RCV_SHUTDOWN | SEND_SHUTDOWN`: set by close() before it changes the state.
const SHUTDOWN_BOTH: u8 = 3;

/// Whether a socket that changes to CLOSE may have failed to connect.
#[inline(always)]
pub(crate) fn may_concern(old: u8) -> bool {
    old == tcp_state::SYN_SENT && wants(kind::CONNECT_FAILED)
}

/// Since when the socket connects, 0 where that is not known; `None` if a RST ended it, which is reported
/// as received.
#[inline(always)]
fn began(sock: u64) -> Option<u64> {
    match owner::entry(sock) {
        Some(entry) if entry.bits & sock_bits::RST_RECEIVED != 0 => None,
        Some(entry) => Some(entry.born_ns),
        None => Some(0),
    }
}

/// A socket changes to CLOSE: reports it if it was connecting.
#[inline(always)]
pub(crate) fn on_close(sk: &SockRef<Direct>, old: u8, head: &Head) {
    if !may_concern(old) {
        return;
    }
    let Some(born_ns) = began(head.sock) else {
        return;
    };
    let mut bits = 0;
    if sk.is_owned() {
        bits |= connect_failed::OWNED;
    }
    if sk.shutdown() == Some(SHUTDOWN_BOTH) {
        bits |= connect_failed::SHUT;
    }
    if sk.packets_out().unwrap_or(0) != 0 {
        bits |= connect_failed::SENT;
    }
    if sk.num().unwrap_or(0) != 0 {
        bits |= connect_failed::HAS_PORT;
    }
    // The call gives up before it sends: what it returns is reported instead.
    let is_at_once = bits & !connect_failed::HAS_PORT == connect_failed::OWNED;
    if is_at_once
        && sk.retransmits().unwrap_or(0) == 0
        && is_reported_by_function(by_function::CONNECT)
    {
        return;
    }
    emit(
        kind::CONNECT_FAILED,
        hook::INET_SOCK_SET_STATE,
        head,
        |record: &mut ConnectFailedRecord| {
            record.waited_ns = if born_ns == 0 {
                UNKNOWN_U64
            } else {
                head.time_ns - born_ns
            };
            record.sk_err = sk.err().unwrap_or(0);
            record.retransmits = sk.retransmits().unwrap_or(0);
            record.bits = bits;
        },
    );
}
