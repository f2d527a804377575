//! Descendants of followed processes.

use tcptrace_common::names::limited;

use crate::full_maps;
use crate::maps::FOLLOWED;
use crate::owner;

/// `sched_process_fork(parent, child)`: the child of a followed process is followed. Threads have
/// their process's number and are in already.
#[inline(always)]
pub(crate) fn on_fork(parent: *const u8, child: *const u8) {
    if parent.is_null() || child.is_null() {
        return;
    }
    if !owner::is_followed(owner::process_number(parent), owner::start_ticks(parent)) {
        return;
    }
    let start = owner::start_ticks(child);
    // A full map loses a descendant, never one of those named.
    if FOLLOWED
        .insert(owner::process_number(child), start, 0)
        .is_err()
    {
        full_maps::count(limited::FOLLOWED);
    }
}
