//! Memory that only the start needed goes back: a tracer must not weigh on the host it watches.

/// Gives back what the allocator keeps from reading types and loading programs. Where the C library
/// has no such call, nothing happens.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions; it only releases memory that is free already.
    unsafe {
        libc::malloc_trim(0);
    }
}
