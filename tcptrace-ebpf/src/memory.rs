//! Memory of one signal on each CPU: what one hook leaves for the next one there.

use core::cell::Cell;
use core::hint::black_box;

use aya_ebpf::maps::PerCpuArray;

/// One value per CPU, made of cells: programs that interrupt each other on a CPU share the value, so
/// nobody may hold it exclusively. What must belong together is checked when it is used (by address,
/// task, packet), since an interrupt may have replaced it.
#[repr(transparent)]
pub(crate) struct Memory<T>(PerCpuArray<T>);

// SAFETY: every CPU has a value of its own; a program that interrupts another one there ends before that one continues.
unsafe impl<T> Sync for Memory<T> {}

impl<T> Memory<T> {
    pub(crate) const fn new() -> Self {
        Self(PerCpuArray::with_max_entries(1, 0))
    }

    /// This CPU's value. Always there; the verifier wants it checked.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get(0)
    }
}

/// An address as a plain number, by way of a cell: the verifier allows no arithmetic on pointers, and a global function
/// takes numbers only.
#[inline(always)]
pub(crate) fn as_number(cell: &Cell<u64>, address: u64) -> u64 {
    // SAFETY: a cell of this CPU. Volatile, or the compiler would know the number too.
    unsafe {
        cell.as_ptr().write_volatile(address);
        cell.as_ptr().read_volatile()
    }
}

/// Keeps stores before it before those after it, for an interrupt on this CPU. (The target has no
/// fences; what goes through a black box may look at all memory.)
#[inline(always)]
pub(crate) fn fence() {
    let _ = black_box(0_u32);
}
