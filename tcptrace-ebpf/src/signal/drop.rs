//! Dropped packets with a reason of interest: third ACKs refused for a full accept queue, and
//! segments rejected for their timestamp.

use tcptrace_common::config::{ARG_RESET_REASON, NO_REASON, by_function};
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{check, evidence};

use super::listen::{self, AcceptQueue};
use super::packet::Packet;
use super::{answer, in_flight, paws, reset, syn, time_wait};
use crate::emit::{begin, now};
use crate::filter::wants;
use crate::head_slot::{Draft, HeadSlot};
use crate::maps::is_reported_by_function;
use crate::offsets::{config, has};
use crate::owner;
use crate::sock::SockRef;

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
    let head = slot.draft();
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
fn rejected(skb: *const u8, reason: u32, sk: *const u8, head: &mut Draft) {
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
fn refused(skb: *const u8, reason: u32, sk: *const u8, meaning: u32, head: &mut Draft) {
    let Some(sk) = SockRef::trusted(sk) else {
        return;
    };
    if !sk.is_full() || sk.state() != Some(tcp_state::LISTEN) {
        return;
    }
    let queue = AcceptQueue::of(&sk);
    if meaning == meaning::MAYBE_REFUSED && !queue.is_over_limit() {
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
    let was_reset = reset::has_answered(skb as u64);
    listen::report_refused_ack(head, hook::KFREE_SKB, &queue, reason, was_reset);
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
