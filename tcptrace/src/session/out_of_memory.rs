//! What happens when the system gives no more memory: one sentence and exit code 1, instead of an abort with
//! a core file. Hooks detach with the process; what a recording has written by then stays readable.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, for whom a refusal is the end of the process.
#[derive(Debug)]
pub struct ExitingAllocator;

// SAFETY: everything is the system's allocator's, and nothing else is returned.
unsafe impl GlobalAlloc for ExitingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        had(unsafe { System.realloc(pointer, layout, size) })
    }
}

#[inline]
fn had(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        end();
    }
    pointer
}

#[cold]
fn end() -> ! {
    const WHY: &[u8] =
        b"tcptrace: out of memory: the limit (ulimit -v) or the memory of the host is used up\n";
    // Nothing here may allocate, and destructors might.
    // SAFETY: the text lives through the call, and the process ends after it.
    unsafe {
        libc::write(libc::STDERR_FILENO, WHY.as_ptr().cast(), WHY.len());
        libc::_exit(1)
    }
}
