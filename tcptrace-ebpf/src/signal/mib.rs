//! The kernel's own counters of one network namespace, on this CPU.
//!
//! They are the proof of what a function did between its entry and its exit: softirqs neither
//! migrate nor interrupt each other, so nothing else on this CPU counts meanwhile.

use tcptrace_common::config::NO_REASON;

use crate::maps::{SCRATCH, SynCounters, Window};
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

    /// Tells the counters of CPUs and namespaces apart, also of those whose memory is used again.
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
    pub(crate) fn refusals(self) -> Option<SynCounters> {
        if config!(mib_listen_overflows) == NO_REASON {
            return None;
        }
        Some(SynCounters {
            listen_overflows: self.value(config!(mib_listen_overflows)),
            syn_queue_drops: self.value(config!(mib_syn_queue_drops)),
            syn_queue_cookies: self.value(config!(mib_syn_queue_cookies)),
            read: self.base,
        })
    }
}

impl Window {
    /// Opens it for a call with this socket (0 = none) and packet.
    #[inline(always)]
    pub(crate) fn open(&mut self, sock: u64, skb: u64) {
        self.sock = sock;
        self.skb = skb;
        self.counters.read = 0;
    }

    /// Closes it: socket and packet of the call, `None` when none was open.
    #[inline(always)]
    pub(crate) fn close(&mut self) -> Option<(u64, u64)> {
        let skb = self.skb;
        self.skb = 0;
        if skb == 0 {
            return None;
        }
        Some((self.sock, skb))
    }
}

/// What is added to a per-CPU pointer on this CPU: learnt from a per-CPU map of ours, whose slot
/// is known both ways. (`__per_cpu_offset` is no symbol without CONFIG_KALLSYMS_ALL.)
#[inline(always)]
fn cpu_shift() -> Option<u64> {
    let slot = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: our own slot. The same for as long as the map lives; 0 = not learnt yet (the slots of
    // CPUs are never where the per-CPU pointer itself points).
    let known = unsafe { (*slot).cpu_shift };
    if known != 0 {
        return Some(known);
    }
    let pptrs_at = offset!(bpf_array_pptrs)?;
    // SAFETY: our own slot. The map's address becomes a plain number by way of memory, since the
    // verifier allows no arithmetic on map pointers; the map outlives the program.
    unsafe {
        (&raw mut (*slot).map_address).write_volatile(&raw const SCRATCH as u64);
        let map = (&raw const (*slot).map_address).read_volatile();
        let pointer = Probe::read::<u64>((map as *const u8).add(pptrs_at));
        if pointer == 0 {
            return None;
        }
        (&raw mut (*slot).slot_address).write_volatile(slot as u64);
        let address = (&raw const (*slot).slot_address).read_volatile();
        let shift = address.wrapping_sub(pointer);
        (*slot).cpu_shift = shift;
        Some(shift)
    }
}
