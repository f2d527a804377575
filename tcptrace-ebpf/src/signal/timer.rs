//! Timers: the function of a timer shows whether it is one that reports something.
//!
//! These hooks are hot (every TCP segment moves a timer): one load and two comparisons come
//! first.

use super::{linger, time_wait};
use crate::offsets::{config, offset};
use crate::sock::{Access, Direct};

/// What a timer ends.
#[derive(Clone, Copy)]
enum Ends {
    TimeWait,
    Sleep,
    Other,
}

#[inline(always)]
fn what(timer: *const u8) -> Ends {
    let Some(at) = offset!(timer_function) else {
        return Ends::Other;
    };
    // SAFETY: offset of `timer_list`, a trusted argument.
    let function = unsafe { Direct::read::<u64>(timer.add(at)) };
    // 0 stands for a function whose address is not known, and no timer has none.
    if function == 0 {
        Ends::Other
    } else if function == config!(tw_timer_handler) {
        Ends::TimeWait
    } else if function == config!(process_timeout) {
        Ends::Sleep
    } else {
        Ends::Other
    }
}

/// `timer_start(timer, ...)`.
#[inline(always)]
pub(crate) fn on_start(timer: *const u8) {
    match what(timer) {
        Ends::TimeWait => time_wait::on_start(timer),
        Ends::Sleep => linger::on_sleep(),
        Ends::Other => {}
    }
}

/// `timer_expire_entry(timer, ...)`.
#[inline(always)]
pub(crate) fn on_expire(timer: *const u8) {
    match what(timer) {
        Ends::TimeWait => time_wait::on_expire(timer),
        Ends::Sleep => linger::on_timeout(timer),
        Ends::Other => {}
    }
}

/// `timer_cancel(timer)`.
#[inline(always)]
pub(crate) fn on_cancel(timer: *const u8) {
    match what(timer) {
        Ends::TimeWait => time_wait::on_cancel(timer),
        Ends::Sleep => linger::on_wake(),
        Ends::Other => {}
    }
}
