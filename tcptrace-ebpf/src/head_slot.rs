//! Where a program builds the common part of a record: not on its stack, which holds 512 bytes and
//! whose contents multiply the verifier's paths.

use core::ptr;

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use tcptrace_common::names::limited;
use tcptrace_common::wire::Head;

use crate::full_maps;

/// Programs that may be building on one CPU at a time: in a system call, in a softirq that interrupts
/// it, each with a second record at hand.
const HEAD_SLOTS_PER_CPU: u32 = 4;
/// Numbers kept in a slot: see [`HeadSlot::launder`].
const NUMBERS: usize = 2;

#[map]
static HEAD_SLOTS: PerCpuArray<Slot> = PerCpuArray::with_max_entries(HEAD_SLOTS_PER_CPU, 0);

#[repr(C)]
struct Slot {
    /// Non-zero while a program builds here.
    is_taken: u64,
    numbers: [u32; NUMBERS],
    head: Head,
}

/// A slot of its own for one program, given back when it is dropped. Before 5.12 (functions) and 6.1
/// (tracepoints) a program may be interrupted by itself, and different programs may be on every kernel:
/// what one builds must not be another's.
pub(crate) struct HeadSlot {
    slot: *mut Slot,
}

impl HeadSlot {
    /// Takes a free slot of this CPU; when all are taken that is counted.
    #[inline(always)]
    pub(crate) fn claim() -> Option<Self> {
        let mut slot = HEAD_SLOTS.get_ptr_mut(0)?;
        if is_taken(slot) {
            slot = deeper();
            if slot.is_null() {
                return None;
            }
        }
        // SAFETY: a map value. An interrupt between the look and this store has given back what it took.
        unsafe { (&raw mut (*slot).is_taken).write_volatile(1) };
        Some(Self { slot })
    }

    /// The common part that is built here.
    #[inline(always)]
    pub(crate) fn head(&mut self) -> &mut Head {
        // SAFETY: the slot is this program's until it is dropped.
        unsafe { &mut (*self.slot).head }
    }

    /// The same number, by way of memory that only this program writes: the verifier then forgets what
    /// each path has compared it with, where it would else follow all of them apart through all the
    /// rest of the program.
    #[inline(always)]
    pub(crate) fn launder<const SLOT: usize>(&mut self, number: u32) -> u32 {
        // SAFETY: as above; the index is checked when this is compiled. Volatile, or the compiler
        // would know the number too.
        unsafe {
            let slot = &raw mut (*self.slot).numbers[SLOT];
            slot.write_volatile(number);
            slot.read_volatile()
        }
    }
}

impl Drop for HeadSlot {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { (&raw mut (*self.slot).is_taken).write_volatile(0) };
    }
}

#[inline(always)]
fn is_taken(slot: *mut Slot) -> bool {
    // SAFETY: a map value.
    unsafe { (&raw const (*slot).is_taken).read_volatile() != 0 }
}

/// A free slot behind the first. A function of its own, since it is rare.
#[inline(never)]
fn deeper() -> *mut Slot {
    let mut level = 1;
    while level < HEAD_SLOTS_PER_CPU {
        if let Some(slot) = HEAD_SLOTS.get_ptr_mut(level)
            && !is_taken(slot)
        {
            return slot;
        }
        level += 1;
    }
    full_maps::count(limited::HEAD_SLOTS);
    ptr::null_mut()
}
