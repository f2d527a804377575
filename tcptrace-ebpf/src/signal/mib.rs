//! The kernel's own counters of one network namespace, on this CPU.
//!
//! They are the proof of what a function did between its entry and its exit: softirqs neither
//! migrate nor interrupt each other, so nothing else on this CPU counts meanwhile.

use core::cell::Cell;

use aya_ebpf::macros::map;
use tcptrace_common::config::NO_REASON;

use crate::maps::{OverflowsSeen, SynCounters};
use crate::memory::{Memory, as_number};
use crate::offsets::{config, offset};
use crate::sock::{Access, Probe};

/// One array of counters, as it lies on this CPU.
#[derive(Clone, Copy)]
pub(crate) struct Mib {
    base: u64,
}

impl Mib {
    /// The `TcpExt` counters; `None` where they cannot be found.
    #[inline(always)]
    pub(crate) fn tcp_ext(net: *const u8) -> Option<Self> {
        Self::at(net, offset!(net_mib_statistics)?)
    }

    /// The `Tcp` counters.
    #[inline(always)]
    pub(crate) fn tcp(net: *const u8) -> Option<Self> {
        Self::at(net, offset!(net_mib_tcp)?)
    }

    #[inline(always)]
    fn at(net: *const u8, field: usize) -> Option<Self> {
        if net.is_null() {
            return None;
        }
        let shift = cpu_shift()?;
        // SAFETY: probing; the field is a per-CPU pointer to an array of longs.
        let pointer = unsafe { Probe::read::<u64>(net.add(field)) };
        Some(Self {
            base: pointer.wrapping_add(shift),
        })
    }

    /// Their address, which distinguishes the counters of CPUs.
    #[inline(always)]
    pub(crate) fn base(self) -> u64 {
        self.base
    }

    /// Distinguishes the counters of CPUs and namespaces, also of those whose memory is reused.
    #[inline(always)]
    pub(crate) fn identity(self, net: *const u8) -> u64 {
        let cookie = match offset!(net_cookie) {
            // SAFETY: probing a field of the namespace.
            Some(at) => unsafe { Probe::read::<u64>(net.add(at)) },
            None => 0,
        };
        self.base ^ cookie.rotate_left(48)
    }

    /// One counter; 0 for a number this kernel does not have.
    #[inline(always)]
    pub(crate) fn value(self, number: u32) -> u64 {
        if number == NO_REASON {
            return 0;
        }
        // SAFETY: probing inside the array.
        unsafe { Probe::read::<u64>((self.base + u64::from(number) * 8) as *const u8) }
    }

    /// The counters of refused SYNs; `None` where the kernel's numbers of them are not known.
    #[inline(always)]
    pub(crate) fn refusals(self, net: *const u8) -> Option<SynCounters> {
        if config!(mib_listen_overflows) == NO_REASON {
            return None;
        }
        Some(SynCounters {
            listen_overflows: self.value(config!(mib_listen_overflows)),
            syn_queue_drops: self.value(config!(mib_syn_queue_drops)),
            syn_queue_cookies: self.value(config!(mib_syn_queue_cookies)),
            listen_drops: self.value(config!(mib_listen_drops)),
            read: self.identity(net),
        })
    }
}

/// The counters of refused SYNs of a namespace on this CPU.
#[inline(always)]
pub(crate) fn refusals(net: *const u8) -> Option<SynCounters> {
    Mib::tcp_ext(net)?.refusals(net)
}

/// The counter of TIME_WAITs that could not be made, likewise.
#[inline(always)]
pub(crate) fn time_wait_overflows(net: *const u8) -> Option<OverflowsSeen> {
    let number = config!(mib_time_wait_overflows);
    let mib = Mib::tcp_ext(net)?;
    (number != NO_REASON).then(|| OverflowsSeen {
        identity: mib.identity(net),
        count: mib.value(number),
    })
}

/// What is added to a per-CPU pointer on this CPU: found from a per-CPU map of ours, whose slot is
/// known both ways. (`__per_cpu_offset` is no symbol without CONFIG_KALLSYMS_ALL.)
#[inline(always)]
fn cpu_shift() -> Option<u64> {
    let shift = SHIFT.get()?;
    let known = shift.known.get();
    if known != 0 {
        return Some(known);
    }
    let pptrs_at = offset!(bpf_array_pptrs)?;
    // SAFETY: our own value. The map's address becomes a plain number by way of memory, since the
    // verifier allows no arithmetic on map pointers; the map outlives the program.
    unsafe {
        let map = as_number(&shift.map_address, &raw const SHIFT as u64);
        let pointer = Probe::read::<u64>((map as *const u8).add(pptrs_at));
        if pointer == 0 {
            return None;
        }
        let address = as_number(&shift.own_address, &raw const *shift as u64);
        let found = address.wrapping_sub(pointer);
        shift.known.set(found);
        Some(found)
    }
}

#[map]
static SHIFT: Memory<Shift> = Memory::new();

struct Shift {
    /// Two addresses of our own that must become plain numbers.
    map_address: Cell<u64>,
    own_address: Cell<u64>,
    /// What is added to a per-CPU pointer on this CPU; 0 = not found yet (the slots of CPUs are never
    /// where the per-CPU pointer itself points). The same for as long as the map lives.
    known: Cell<u64>,
}
