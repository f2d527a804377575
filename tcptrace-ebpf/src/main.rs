//! The eBPF object of tcptrace. See `docs/architecture.md`: hook -> signal -> emit -> ring.
#![no_std]
#![no_main]
// The target has no `core::sync::atomic` arithmetic; the crate is built with RUSTC_BOOTSTRAP only.
#![feature(core_intrinsics)]
#![allow(internal_features, reason = "atomic_xadd: see emit.rs")]
#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "a value taken from .rodata by reference is not copied to the stack, which is small"
)]

mod emit;
mod filter;
mod full_maps;
mod head_slot;
mod hook;
mod maps;
mod memory;
mod note;
mod offsets;
mod owner;
mod reentry;
mod signal;
mod sock;

/// The kernel lets only GPL-compatible programs call the helpers used here.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 4] = *b"GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
