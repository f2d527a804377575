//! Descriptors that are discarded while they are on their way to another process (SCM_RIGHTS).
//!
//! The message is freed with its Unix socket, by a process that never had the descriptors in it, which then
//! closes their sockets.

use crate::maps::sock_bits;
use crate::offsets::{HOLDERS, holder_offset, offset, patched};
use crate::owner;
use crate::owner::holding::{is_zero, word};
use crate::sock::{Probe, SockRef};

/// `AF_UNIX`
const UNIX: u16 = 1;
/// Descriptors of a message that are looked at; the kernel allows 253.
const MOST: usize = 4;

/// A packet is freed; unless it was received whole it still has its descriptors. Whether it was a Unix
/// socket's.
#[inline(always)]
pub(super) fn on_free(skb: *const u8) -> bool {
    let (Some(sk_at), Some(descriptors_at)) =
        (holder_offset!(skb_sk), holder_offset!(skb_cb_descriptors))
    else {
        return false;
    };
    let sk = word(skb as u64, sk_at);
    if sk == 0 || SockRef::<Probe>::remembered(sk).family() != Some(UNIX) {
        return false;
    }
    let descriptors = word(skb as u64, descriptors_at);
    if descriptors != 0 {
        throw_away(descriptors);
    }
    true
}

#[inline(always)]
fn throw_away(descriptors: u64) {
    let Some(count_at) = holder_offset!(descriptors_count) else {
        return;
    };
    let count = word(descriptors, count_at) as u16;
    let mut number = 0;
    while number < MOST && number < usize::from(count) {
        throw_one_away(descriptors, number);
        number += 1;
    }
}

/// Marks the socket if that was its file's last reference. With one branch, since the verifier walks all of
/// it for each descriptor.
#[inline(never)]
fn throw_one_away(descriptors: u64, number: usize) {
    let (Some(files_at), Some(references_at), Some(file_at)) = (
        holder_offset!(descriptors_files),
        holder_offset!(file_references),
        holder_offset!(socket_file),
    ) else {
        return;
    };
    let (Some(data_at), Some(socket_at)) = (offset!(file_private_data), offset!(socket_sk)) else {
        return;
    };
    let file = word(descriptors, files_at + number * 8);
    let socket = word(file, data_at);
    let Some(entry) = owner::entry(word(socket, socket_at)) else {
        return;
    };
    let last = u64::from(patched(&raw const HOLDERS.last_reference));
    let differs = (word(file, references_at) ^ last) | (word(socket, file_at) ^ file);
    entry.bits |= sock_bits::THROWN_AWAY * is_zero(differs);
}
