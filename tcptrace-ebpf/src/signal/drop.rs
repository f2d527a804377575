//! Dropped packets with a reason of interest: third ACKs refused for a full accept queue, and
//! segments rejected for their timestamp.

use tcptrace_common::config::NO_REASON;
use tcptrace_common::flow::FlowRecord;
use tcptrace_common::kind::{self, hook, tcp_state};
use tcptrace_common::wire::{OwnerRecord, PawsRecord, QueueDropRecord, evidence, outcome, step};

use super::packet::Packet;
use super::{syn, time_wait};
use crate::emit::{emit, head, now};
use crate::filter::wants;
use crate::offsets::config;
use crate::owner;
use crate::sock::{Direct, SockRef};

/// What a drop reason says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The accept queue was full.
    Refused,
    /// It was, if the socket is a listener whose queue is full.
    MaybeRefused,
    /// The timestamp was too old, or the echo wrong.
    Paws,
}

/// `kfree_skb(skb, location, reason, rx_sk)`: hot under attack, so reasons are compared first.
#[inline(always)]
pub(crate) fn on_drop(skb: *const u8, reason: u32, sk: *const u8) {
    let Some(meaning) = meaning_of(reason) else {
        return;
    };
    if meaning == Meaning::MaybeRefused {
        time_wait::on_drop();
        if sk.is_null() {
            return;
        }
    }
    if !wants(if meaning == Meaning::Paws {
        kind::PAWS_DROP
    } else {
        kind::ACCEPT_DROP
    }) {
        return;
    }
    let mut head = head(now(), 0, FlowRecord::default(), OwnerRecord::default());
    let packet = Packet::of(skb);
    let sk = SockRef::or_null(sk);
    if !sk.is_null() {
        head.flow = sk.flow(sk.cookie());
        head.sock = sk.address();
        head.state = sk.state().unwrap_or(0);
        if sk.is_full() {
            head.inode = sk.inode();
        }
        // Decided in softirq, or in the owner's backlog: what is remembered tells.
        owner::known(&mut head);
    } else if let Some(packet) = &packet {
        head.flow.netns = packet.netns();
        packet.ends_into(&mut head.flow);
    }
    if meaning == Meaning::Paws {
        emit(
            kind::PAWS_DROP,
            hook::KFREE_SKB,
            &head,
            |record: &mut PawsRecord| {
                record.reason = reason;
            },
        );
        return;
    }
    if sk.is_null() {
        return;
    }
    let (length, limit) = queue(&sk);
    if head.state != tcp_state::LISTEN || meaning == Meaning::MaybeRefused && length <= limit {
        return;
    }
    syn::forget_ack_drop(&sk, &head.flow);
    // The remote end is the client's.
    if let Some(packet) = &packet {
        packet.ends_into(&mut head.flow);
    }
    if meaning == Meaning::MaybeRefused {
        head.evidence = evidence::INFERRED;
    }
    let was_reset = owner::scratch().is_some_and(|s| s.reset_skb == skb as u64);
    emit(
        kind::ACCEPT_DROP,
        hook::KFREE_SKB,
        &head,
        |record: &mut QueueDropRecord| {
            record.length = length;
            record.limit = limit;
            record.reason = reason;
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
fn meaning_of(reason: u32) -> Option<Meaning> {
    if reason == NO_REASON {
        None
    } else if reason == config!(drop_listen_overflow) {
        Some(Meaning::Refused)
    } else if reason == config!(drop_no_socket) || reason == config!(drop_not_specified) {
        Some(Meaning::MaybeRefused)
    } else if reason == config!(drop_paws)
        || reason == config!(drop_paws_ack)
        || reason == config!(drop_tw_paws)
        || reason == config!(drop_tsecr)
    {
        Some(Meaning::Paws)
    } else {
        None
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
