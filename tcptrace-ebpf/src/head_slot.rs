//! Where a program builds a record: not on its stack, which holds 512 bytes and
//! whose contents multiply the verifier's paths.

use core::cell::Cell;
use core::ops::{Deref, DerefMut};

use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use tcptrace_common::names::limited;
use tcptrace_common::wire::Head;

use crate::{full_maps, memory};

/// Programs that may be building on one CPU at a time: in a system call, in a softirq that interrupts
/// it, each with a second record at hand.
const HEAD_SLOTS_PER_CPU: u32 = 4;
/// Numbers stored in a slot: see [`HeadSlot::launder`].
const NUMBERS: usize = 2;

#[map]
static HEAD_SLOTS: PerCpuArray<Slot> = PerCpuArray::with_max_entries(HEAD_SLOTS_PER_CPU, 0);

#[repr(C)]
struct Slot {
    /// Non-zero while a program builds here.
    is_taken: u64,
    numbers: [u32; NUMBERS],
    /// For [`HeadSlot::as_number`].
    address: u64,
    draft: Draft,
}

/// Words behind the common part of the longest record.
const REST: usize = 8;

/// A record that is being built: its common part, and room for what is its own.
#[repr(C)]
pub(crate) struct Draft {
    head: Head,
    rest: [u64; REST],
    /// Which of this CPU's slots it is built in.
    level: u32,
}

impl Draft {
    /// The level of its slot, for [`draft_at`].
    #[inline(always)]
    pub(crate) fn level(&self) -> u32 {
        self.level
    }

    /// The record as what it becomes, what is its own zeroed.
    #[inline(always)]
    pub(crate) fn as_record<T: Copy + 'static>(&mut self) -> &mut T {
        const {
            assert!(
                size_of::<T>() >= size_of::<Head>()
                    && size_of::<T>() <= size_of::<Head>() + REST * 8
            );
        }
        // SAFETY: all records of `wire` begin with a Head and are made of integers.
        unsafe {
            (&raw mut self.rest)
                .cast::<u64>()
                .write_bytes(0, const { (size_of::<T>() - size_of::<Head>()) / 8 });
            &mut *(self as *mut Self).cast::<T>()
        }
    }

    /// The first bytes of it, at most all.
    #[inline(always)]
    pub(crate) fn bytes(&self, len: u32) -> &[u8] {
        let len = (len as usize).min(size_of::<Head>() + REST * 8);
        // SAFETY: so many lie here, of integers.
        unsafe { core::slice::from_raw_parts((self as *const Self).cast::<u8>(), len) }
    }
}

impl Deref for Draft {
    type Target = Head;

    #[inline(always)]
    fn deref(&self) -> &Head {
        &self.head
    }
}

impl DerefMut for Draft {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Head {
        &mut self.head
    }
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
        let mut level = 0;
        let mut slot = HEAD_SLOTS.get_ptr_mut(level)?;
        if is_taken(slot) {
            level = deeper();
            slot = HEAD_SLOTS.get_ptr_mut(level)?;
        }
        // SAFETY: a map value. An interrupt between the look and this store has given back what it took.
        unsafe {
            (&raw mut (*slot).is_taken).write_volatile(1);
            (*slot).draft.level = level;
        }
        Some(Self { slot })
    }

    /// The record that is built here.
    #[inline(always)]
    pub(crate) fn draft(&mut self) -> &mut Draft {
        // SAFETY: the slot is this program's until it is dropped.
        unsafe { &mut (*self.slot).draft }
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

    /// An address as a plain number: what a global function takes.
    #[inline(always)]
    pub(crate) fn as_number(&mut self, pointer: *const u8) -> u64 {
        // SAFETY: as above.
        let cell = Cell::from_mut(unsafe { &mut (*self.slot).address });
        memory::as_number(cell, pointer as u64)
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

/// What is built in the slot of that level, which the caller has claimed.
#[inline(always)]
pub(crate) fn draft_at(level: u32) -> Option<&'static mut Draft> {
    // SAFETY: a map value; it belongs to its claimer until that gives it back.
    HEAD_SLOTS
        .get_ptr_mut(level)
        .map(|slot| unsafe { &mut (*slot).draft })
}

/// The level of a free slot behind the first, or one that there is not. A global function, which the
/// verifier checks once: it is rare.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn deeper() -> u32 {
    let mut level = 1;
    while level < HEAD_SLOTS_PER_CPU {
        if let Some(slot) = HEAD_SLOTS.get_ptr_mut(level)
            && !is_taken(slot)
        {
            return level;
        }
        level += 1;
    }
    full_maps::count(limited::HEAD_SLOTS);
    HEAD_SLOTS_PER_CPU
}
