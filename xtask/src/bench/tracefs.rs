//! `/sys/kernel/tracing` for peers that need it, on hosts where it is not mounted: in a mount
//! namespace of the peer's own, so that the host stays as it is.

use std::ffi::CStr;
use std::io;
use std::path::Path;

/// Whether the host has it mounted.
pub(super) fn is_mounted() -> bool {
    Path::new("/sys/kernel/tracing/events").is_dir()
}

/// Gives the calling process a mount namespace that has it. To be called between fork and exec.
pub(super) fn mount() -> io::Result<()> {
    // SAFETY: a plain system call.
    done(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    attach(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE)?;
    attach(c"tracefs", c"/sys/kernel/tracing", Some(c"tracefs"), 0)?;
    // Older tools look for it below debugfs, which brings it along.
    attach(c"debugfs", c"/sys/kernel/debug", Some(c"debugfs"), 0)
}

fn attach(source: &CStr, target: &CStr, kind: Option<&CStr>, flags: u64) -> io::Result<()> {
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: strings end with a zero and outlive the call; no data is passed.
    done(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind,
            flags,
            std::ptr::null(),
        )
    })
}

fn done(answer: i32) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
