//! Descendants of followed processes.

use tcptrace_common::names::limited;

use crate::full;
use crate::maps::FOLLOWED;
use crate::owner;

/// `sched_process_fork(parent, child)`: the child of a followed process is followed. Threads have
/// their process's number and are in already.
#[inline(always)]
pub(crate) fn on_fork(parent: *const u8, child: *const u8) {
    if parent.is_null() || child.is_null() {
        return;
    }
    let pid = owner::process_number(parent);
    if FOLLOWED.get_ptr(pid).is_some() {
        // A full map loses a descendant, never one of those named.
        if FOLLOWED.insert(owner::process_number(child), 1, 0).is_err() {
            full::count(limited::FOLLOWED);
        }
    }
}
