//! Dropped packets with a reason of interest: third ACKs refused for a full accept queue, and
//! segments rejected for their timestamp.

use tcptrace_common::config::{ARG_RESET_REASON, NO_REASON, by_function};
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{Head, QueueDropRecord, UNKNOWN_U32, check, evidence, outcome, step};

use super::packet::Packet;
use super::{answer, in_flight, listen, paws, reset, syn, time_wait};
use crate::emit::{begin, emit, now};
use crate::filter::wants;
use crate::head_slot::HeadSlot;
use crate::maps::is_reported_by_function;
use crate::offsets::{config, has};
use crate::owner;
use crate::sock::{Direct, SockRef};

/// What a drop reason says.
mod meaning {
    /// Nothing of interest.
    pub(super) const NONE: u32 = 0;
    /// The accept queue was full.
    pub(super) const REFUSED: u32 = 1;
    /// It was, if the socket is a listener whose queue is full.
    pub(super) const MAYBE_REFUSED: u32 = 2;
    /// The timestamp was too old, or the echo wrong.
    pub(super) const PAWS: u32 = 3;
}

/// `kfree_skb(skb, location, reason, rx_sk)`: hot under attack, so reasons are compared first.
#[inline(always)]
pub(crate) fn on_drop(skb: *const u8, reason: u32, sk: *const u8) {
    if in_flight::on_free(skb) {
        return;
    }
    let meaning = meaning_of(reason);
    if meaning == meaning::NONE {
        return;
    }
    let Some(mut slot) = HeadSlot::claim() else {
        return;
    };
    let meaning = slot.launder::<0>(meaning);
    let reason = slot.launder::<1>(reason);
    let head = slot.head();
    if meaning == meaning::PAWS {
        rejected(skb, reason, sk, head);
        return;
    }
    if meaning == meaning::MAYBE_REFUSED {
        if !has(ARG_RESET_REASON) && reason == config!(drop_no_socket) {
            // This kernel shows the RST only in a function.
            if !is_reported_by_function(by_function::NO_SOCKET) {
                answer::on_no_socket(skb, head);
            }
            return;
        }
        time_wait::on_drop();
        // Where refused third ACKs have a reason of their own, this one says nothing of them.
        if reason == config!(drop_not_specified) && config!(drop_listen_overflow) != NO_REASON {
            return;
        }
    }
    if !is_reported_by_function(by_function::ACK) {
        refused(skb, reason, sk, meaning, head);
    }
}

/// A segment with a timestamp that is too old, or echoes one we never sent.
#[inline(always)]
fn rejected(skb: *const u8, reason: u32, sk: *const u8, head: &mut Head) {
    if !wants(kind::PAWS_DROP) || is_reported_by_function(by_function::PAWS) {
        return;
    }
    begin(head, now(), 0);
    let sk = SockRef::or_null(sk);
    if !sk.is_null() {
        head.state = sk.state().unwrap_or(0);
        sk.identify(None, head);
        // Decided in softirq or in the owner's backlog, so the owner is the one recorded for the socket.
        owner::known(head);
        if sk.is_full() {
            owner::note_file(&sk, head);
        }
    } else if let Some(packet) = Packet::of(skb) {
        head.flow.netns = packet.netns();
        packet.ends_into(&mut head.flow);
    }
    paws::report(head, reason, check::BY_REASON, hook::KFREE_SKB);
}

/// A third ACK that found the accept queue full.
#[inline(always)]
fn refused(skb: *const u8, reason: u32, sk: *const u8, meaning: u32, head: &mut Head) {
    let Some(sk) = SockRef::trusted(sk) else {
        return;
    };
    if !sk.is_full() || sk.state() != Some(tcp_state::LISTEN) {
        return;
    }
    let (length, limit) = queue(&sk);
    let somaxconn = sk.somaxconn().unwrap_or(UNKNOWN_U32);
    if meaning == meaning::MAYBE_REFUSED && length <= limit {
        return;
    }
    let was_refused = syn::forget_ack_drop(&sk);
    if !wants(kind::ACCEPT_DROP) || (meaning == meaning::MAYBE_REFUSED && !was_refused) {
        return;
    }
    begin(head, now(), tcp_state::LISTEN);
    sk.identify(None, head);
    owner::last_user(head);
    owner::note_file(&sk, head);
    // The remote end is the client's.
    if let Some(packet) = Packet::of(skb) {
        packet.ends_into(&mut head.flow);
    }
    if meaning == meaning::MAYBE_REFUSED {
        head.evidence = evidence::INFERRED;
    }
    let backlog = listen::backlog(head.inode);
    let was_reset = reset::has_answered(skb as u64);
    emit(
        kind::ACCEPT_DROP,
        hook::KFREE_SKB,
        head,
        |record: &mut QueueDropRecord| {
            record.length = length;
            record.limit = limit;
            record.reason = reason;
            record.somaxconn = somaxconn;
            record.backlog = backlog;
            record.count = 1;
            record.step = step::ACK;
            record.outcome = if was_reset {
                outcome::RESET
            } else {
                outcome::DROPPED
            };
        },
    );
}

/// A valid cookie ACK refused for a full accept queue bears NO_SOCKET (seen 6.12 to 7.3); before
/// LISTEN_OVERFLOW existed, third ACKs bore NOT_SPECIFIED. Both come with the listener.
#[inline(always)]
fn meaning_of(reason: u32) -> u32 {
    if reason == NO_REASON {
        meaning::NONE
    } else if reason == config!(drop_listen_overflow) {
        meaning::REFUSED
    } else if reason == config!(drop_no_socket) || reason == config!(drop_not_specified) {
        meaning::MAYBE_REFUSED
    } else if reason == config!(drop_paws)
        || reason == config!(drop_paws_ack)
        || reason == config!(drop_tw_paws)
        || reason == config!(drop_tsecr)
    {
        meaning::PAWS
    } else {
        meaning::NONE
    }
}

/// Length and limit of the accept queue.
#[inline(always)]
fn queue(sk: &SockRef<Direct>) -> (u32, u32) {
    (
        sk.accept_queue_length().unwrap_or(0),
        sk.accept_queue_limit().unwrap_or(0),
    )
}
