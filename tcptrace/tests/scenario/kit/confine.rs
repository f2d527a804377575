//! System calls as safe functions, third part: what takes rights and mounts away from a process
//! about to be executed. None but those that take a path allocates, so that they may run between
//! fork and exec.

use std::ffi::{CStr, CString};
use std::io::Result;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::sys::check;
use super::sys_ops;

/// Takes every capability but these from the programs this process will execute, root's too.
pub(crate) fn keep_only(capabilities: &[u8]) -> Result<()> {
    for capability in 0..64_u8 {
        if capabilities.contains(&capability) {
            continue;
        }
        // SAFETY: integers only.
        let dropped = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, i32::from(capability)) });
        match dropped {
            // Beyond the last that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            answer => drop(answer?),
        }
    }
    Ok(())
}

/// Becomes another user for good whose programs have these capabilities, as a service of systemd
/// with `User=`, `AmbientCapabilities=` and `NoNewPrivileges=` does.
pub(crate) fn become_user_with(uid: u32, capabilities: &[u8]) -> Result<()> {
    const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    // While we are root: without CAP_SETPCAP the bounding set cannot be changed.
    keep_only(capabilities)?;
    sys_ops::become_user(uid)?;
    let held = capabilities
        .iter()
        .fold(0_u64, |set, number| set | 1 << number);
    let (low, high) = (held as u32, (held >> 32) as u32);
    let header = [CAPABILITY_VERSION_3, 0];
    // Effective, permitted and inheritable, the low words first.
    let sets = [low, low, low, high, high, high];
    // SAFETY: version 3 reads two words of header and six of capabilities.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    if set < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let no_more = libc::c_ulong::from(0_u8);
    for number in capabilities {
        let (raise, number) = (libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(*number));
        // SAFETY: integers only.
        check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number, no_more, no_more) })?;
    }
    // SAFETY: integers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

/// Kernels before 5.11 count maps as locked memory.
pub(crate) fn lock_any_memory() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the pointer is valid for the call. Without the right to raise it the limit stays.
    let _ = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const unlimited) };
}

/// A mount namespace of our own, whose changes nobody else sees.
pub(crate) fn own_mounts() -> Result<()> {
    sys_ops::unshare(libc::CLONE_NEWNS)?;
    let (none, root) = (std::ptr::null(), c"/".as_ptr());
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: a NUL-terminated path; the other pointers may be null for a change of propagation.
    check(unsafe { libc::mount(none, root, none, flags, none.cast()) }).map(drop)
}

/// Mounts the proc of our PID namespace over the one that is there.
pub(crate) fn mount_proc() -> Result<()> {
    let (kind, target) = (c"proc".as_ptr(), c"/proc".as_ptr());
    // SAFETY: NUL-terminated strings; there are no options.
    check(unsafe { libc::mount(kind, target, kind, 0, std::ptr::null()) }).map(drop)
}

/// Mounts a file system of its own in memory over a directory.
pub(crate) fn mount_memory(target: &Path, options: &str) -> Result<()> {
    mount(c"tmpfs", target, options)
}

/// Mounts a file system of its own, of this kind, over a directory.
pub(crate) fn mount(kind: &CStr, target: &Path, options: &str) -> Result<()> {
    let kind = kind.as_ptr();
    let target = CString::new(target.as_os_str().as_bytes())?;
    let options = CString::new(options)?;
    // SAFETY: NUL-terminated strings that outlive the call.
    check(unsafe { libc::mount(kind, target.as_ptr(), kind, 0, options.as_ptr().cast()) }).map(drop)
}

/// Unmounts a directory from our own mounts.
pub(crate) fn detach_path(target: &Path) {
    if let Ok(target) = CString::new(target.as_os_str().as_bytes()) {
        detach(&target);
    }
}

/// Unmounts `target` from our own mounts; that it was not mounted is as good.
pub(crate) fn detach(target: &CStr) {
    // SAFETY: a NUL-terminated path.
    let _ = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
}
