//! What the kernel had counted on each CPU when the run began: what the first refusal on a CPU is compared with.
//!
//! The user side enters each namespace and runs [`on_run`] on every CPU. Namespaces that it could not enter it
//! notes in [`OLDER`], and the walk over open files those of listeners that it could not find. Then it sets
//! `by_function::BASELINES`: what was not read and is not noted is younger than the run, and began to count at 0.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use tcptrace_common::config::by_function;
use tcptrace_common::names::limited;

use super::mib;
use super::packet::netns_of;
use crate::full_maps;
use crate::maps::{
    OverflowsSeen, SYN_COUNTERS, SynCounters, TIME_WAIT_OVERFLOWS, is_reported_by_function,
};
use crate::sock::{Access, Probe};

/// Network namespaces that are older than the run, and whose counters could not be read. Size is set by the
/// loader.
#[map]
static OLDER: HashMap<u32, u8> = HashMap::with_max_entries(1, 0);

/// Address of the network namespace of the task that ran [`on_run`] last.
#[map]
static ENTERED: Array<u64> = Array::with_max_entries(1, 0);

/// Run by the user side on a CPU of its choice. With `step` 0 it notes the current task's namespace, which
/// lies behind the two offsets; else it reads the counters of that namespace on this CPU.
#[inline(always)]
pub(crate) fn on_run(step: u64, first: u64, second: u64) {
    let Some(entered) = ENTERED.get_ptr_mut(0) else {
        return;
    };
    if step != 0 {
        // SAFETY: a map value that only this program uses.
        read(unsafe { *entered });
        return;
    }
    // SAFETY: as above; the task is probed.
    unsafe {
        let task = bpf_get_current_task();
        let proxy = Probe::read::<u64>((task + first) as *const u8);
        *entered = Probe::read::<u64>((proxy + second) as *const u8);
    }
}

#[inline(always)]
fn read(net: u64) {
    let net = net as *const u8;
    let netns = netns_of(net);
    if let Some(now) = mib::refusals(net) {
        // A hook that was faster has compared already; the two values are equal then.
        last(netns, &now);
    }
    if let Some(now) = mib::time_wait_overflows(net) {
        last_overflows(netns, now);
    }
}

/// The walk over open files has found a listener.
#[inline(always)]
pub(super) fn on_older_listener(netns: u32) {
    if SYN_COUNTERS.get_ptr(netns).is_none() && OLDER.insert(netns, 0, 0).is_err() {
        full_maps::count(limited::SYN_COUNTERS);
    }
}

/// Whether a namespace that this CPU has not read before is younger than the run.
#[inline(always)]
fn is_young(netns: u32, read_before: u64) -> bool {
    // Its number was another one's when the run began.
    let is_another = read_before != 0;
    is_reported_by_function(by_function::BASELINES)
        && (is_another || OLDER.get_ptr(netns).is_none())
}

/// Replaces the refusal counters of a namespace on this CPU. What is returned bears their identity when they
/// can be compared.
#[inline(always)]
pub(super) fn before(netns: u32, now: &SynCounters) -> SynCounters {
    let before = last(netns, now);
    if before.read != now.read {
        // Of one packet, or of earlier ones too: then nobody knows which raised them.
        let is_of_one =
            (now.listen_overflows | now.syn_queue_drops | now.syn_queue_cookies | now.listen_drops)
                <= 1;
        if !is_of_one || !is_young(netns, before.read) {
            return SynCounters::NONE;
        }
        return SynCounters {
            read: now.read,
            ..SynCounters::NONE
        };
    }
    // Memory is used again too, and kernels before 5.12 give a namespace no number of its own: counters that
    // went back are another one's.
    if now.listen_overflows < before.listen_overflows
        || now.syn_queue_drops < before.syn_queue_drops
        || now.syn_queue_cookies < before.syn_queue_cookies
    {
        return SynCounters::NONE;
    }
    before
}

/// The same for TIME_WAITs that could not be made.
#[inline(always)]
pub(super) fn overflows_before(netns: u32, now: OverflowsSeen) -> OverflowsSeen {
    let before = last_overflows(netns, now);
    let is_of_one = now.count <= 1;
    if before.identity != now.identity && is_of_one && is_young(netns, before.identity) {
        return OverflowsSeen {
            identity: now.identity,
            count: 0,
        };
    }
    before
}

#[inline(always)]
fn last(netns: u32, now: &SynCounters) -> SynCounters {
    match SYN_COUNTERS.get_ptr_mut(netns) {
        // SAFETY: this CPU's slot of a map value; the other CPUs' slots begin zeroed: not read yet.
        Some(last) => unsafe { last.replace(*now) },
        None => {
            if SYN_COUNTERS.insert(netns, now, 0).is_err() {
                full_maps::count(limited::SYN_COUNTERS);
            }
            SynCounters::NONE
        }
    }
}

#[inline(always)]
fn last_overflows(netns: u32, now: OverflowsSeen) -> OverflowsSeen {
    match TIME_WAIT_OVERFLOWS.get_ptr_mut(netns) {
        // SAFETY: this CPU's slot of a map value.
        Some(last) => unsafe { last.replace(now) },
        None => {
            if TIME_WAIT_OVERFLOWS.insert(netns, now, 0).is_err() {
                full_maps::count(limited::TIME_WAIT_OVERFLOWS);
            }
            OverflowsSeen {
                identity: 0,
                count: 0,
            }
        }
    }
}
