//! Connections given up because nothing came back.
//!
//! A timer of the kernel gives up by `tcp_write_err`: it sets `sk_err` and then changes the state to
//! CLOSE (5.10 to 7.3). Nothing else closes a connection with such an error, so the change of state
//! says all there is; the counters of what was tried are still there.

use aya_ebpf::helpers::generated::bpf_jiffies64;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{TimedOutRecord, UNKNOWN_U32, timed_out};

use crate::emit::emit;
use crate::filter::wants;
use crate::head_slot::Draft;
use crate::sock::{Direct, SockRef};

/// `ETIMEDOUT`
const TIMED_OUT: i32 = 110;
/// `EPIPE` and `ECONNRESET`: a RST came.
const RESET: [i32; 2] = [32, 104];

/// Whether a socket that changes to CLOSE may have been given up: it has an error.
#[inline(always)]
pub(crate) fn may_concern(sk: &SockRef<Direct>, old: u8) -> bool {
    wants(kind::TIMED_OUT)
        && old != tcp_state::SYN_SENT
        && old != tcp_state::LISTEN
        && sk.err().is_some_and(|err| err != 0)
}

/// Whether a timer has given this connection up. Instead of ETIMEDOUT the error may be one that the
/// network had reported before (`sk_err_soft`): then something was sent again without an answer, which
/// distinguishes it from an error that was merely left behind.
#[inline(always)]
fn is_given_up(sk: &SockRef<Direct>) -> bool {
    let err = sk.err().unwrap_or(0);
    if err == TIMED_OUT {
        return true;
    }
    let tried = sk.retransmits().unwrap_or(0) | sk.probes().unwrap_or(0);
    tried != 0 && err != RESET[0] && err != RESET[1] && !sk.is_owned()
}

/// A socket changes to CLOSE: reports it if it was given up. `head.state` is the state before.
#[inline(always)]
pub(crate) fn on_close(sk: &SockRef<Direct>, old: u8, head: &mut Draft) {
    if !may_concern(sk, old) || !is_given_up(sk) {
        return;
    }
    emit(
        kind::TIMED_OUT,
        hook::INET_SOCK_SET_STATE,
        head,
        |record: &mut TimedOutRecord| {
            record.silent_jiffies = silent_jiffies(sk);
            (record.unsent_bytes, record.unacked_bytes) = sk
                .send_queues(record.head.state)
                .unwrap_or((UNKNOWN_U32, UNKNOWN_U32));
            record.user_timeout_ms = sk.user_timeout_ms().unwrap_or(0);
            record.window = sk.window().unwrap_or(UNKNOWN_U32);
            record.sk_err = sk.err().unwrap_or(0);
            record.retransmits = sk.retransmits().unwrap_or(0);
            record.probes = sk.probes().unwrap_or(0);
            if sk.is_dead() {
                record.bits = timed_out::DEAD;
            }
        },
    );
}

/// Since the last data or acknowledgement came, as the keepalive timer reckons
/// (`keepalive_time_elapsed`, 5.10 to 7.3).
#[inline(always)]
pub(super) fn silent_jiffies(sk: &SockRef<Direct>) -> u32 {
    let (Some(data), Some(ack)) = (sk.last_data_jiffies(), sk.last_ack_jiffies()) else {
        return UNKNOWN_U32;
    };
    // SAFETY: no arguments, no preconditions.
    let now = unsafe { bpf_jiffies64() } as u32;
    now.wrapping_sub(data).min(now.wrapping_sub(ack))
}
