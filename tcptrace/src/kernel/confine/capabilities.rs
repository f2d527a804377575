//! The capabilities of a thread, lowered to those of its phase.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// For files in /proc of processes that are not our own: the links themselves take CAP_SYS_PTRACE,
/// the directory they are in (mode 0500, of its process's user) takes CAP_DAC_READ_SEARCH.
const ALWAYS: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);
/// For setns(2) into a network namespace; in effect for that call only, see [`entering`].
const ENTERING: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// Runs `work` with what [`ENTERING`] holds in effect, as far as this thread may have it.
///
/// Before [`confine`](super::confine) it is in effect anyway, and nothing changes.
pub fn entering<T>(work: impl FnOnce() -> T) -> T {
    let Ok(before) = capabilities(None) else {
        return work();
    };
    let more = ENTERING & before.permitted;
    let raised = CapabilitySets {
        effective: before.effective | more,
        ..before
    };
    if before.effective.contains(more) || set_capabilities(None, raised).is_err() {
        return work();
    }
    let result = work();
    // What was in effect before may be in effect again.
    let _never_refused = set_capabilities(None, before);
    result
}

/// Drops the capabilities of this thread but those of [`Phase::Run`](super::Phase::Run).
pub(super) fn lower() -> io::Result<()> {
    let held = capabilities(None)?;
    empty_bounding_set(held.effective)?;
    let mut sets = all_three(held.effective & ALWAYS, held.permitted);
    set_capabilities(None, sets)?;
    // Tried, not known by version: kernels before 5.19 want it where unprivileged bpf is off.
    for capability in [CapabilitySet::BPF, CapabilitySet::SYS_ADMIN] {
        if maps_are_refused() && held.effective.contains(capability) {
            sets.effective |= capability;
            set_capabilities(None, sets)?;
        }
    }
    sets.permitted = sets.effective | (held.effective & ENTERING);
    set_capabilities(None, sets)?;
    Ok(())
}

/// From which programs take what they may have when they are executed. Without CAP_SETPCAP it stays
/// as it is, and does not matter: nothing is executed any more.
fn empty_bounding_set(effective: CapabilitySet) -> io::Result<()> {
    if !effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability)?,
            Ok(false) => {}
            // Beyond the last that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Whether the kernel refuses to read maps, by its answer about one that does not exist.
fn maps_are_refused() -> bool {
    const MAP_LOOKUP_ELEM: libc::c_int = 1;
    // `map_fd`, padding, `key`, `value`, `flags`.
    let attributes: [u64; 4] = [u64::from(u32::MAX), 0, 0, 0];
    // SAFETY: the kernel reads the attributes, which live through the call and are as long as said;
    // no map has the descriptor -1.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            MAP_LOOKUP_ELEM,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    answer < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Drops all capabilities of this thread. Root keeps the power over directories that it needs in `directory`:
/// it is nobody special in that of another user without it.
pub(super) fn drop_all(directory: BorrowedFd<'_>) -> io::Result<()> {
    let held = capabilities(None)?;
    empty_bounding_set(held.effective)?;
    let mut left = CapabilitySet::empty();
    set_capabilities(None, all_three(left, held.permitted))?;
    if rustix::process::getuid().is_root() && !is_writable(directory) {
        left = held.effective & CapabilitySet::DAC_OVERRIDE;
    }
    Ok(set_capabilities(None, all_three(left, left))?)
}

/// Nothing is inherited, which empties the ambient set too.
fn all_three(effective: CapabilitySet, permitted: CapabilitySet) -> CapabilitySets {
    CapabilitySets {
        effective,
        permitted,
        inheritable: CapabilitySet::empty(),
    }
}

/// Whether files can be made and removed in a directory with the capabilities that are in effect.
fn is_writable(directory: BorrowedFd<'_>) -> bool {
    // rustix and the C library may answer for the permitted set, which is wider at this moment.
    // SAFETY: a NUL-terminated path that lives through the call; the rest are integers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            directory.as_raw_fd(),
            c".".as_ptr(),
            libc::W_OK | libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    answer == 0
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::Path;

    use super::*;

    /// What this thread has.
    fn now() -> CapabilitySets {
        capabilities(None).expect("own capabilities")
    }

    /// Capabilities belong to threads: the others keep theirs.
    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().expect("no panic")
    }

    #[test]
    fn little_is_left_and_nothing_is_gained() {
        let (held, left) = on_a_thread(|| {
            let held = now();
            lower().expect("lowered");
            (held, now())
        });
        assert!(held.permitted.contains(left.permitted));
        assert!(left.permitted.contains(left.effective));
        let few = ALWAYS | ENTERING | CapabilitySet::BPF;
        assert!(few.contains(left.permitted), "{left:?}");
        assert_eq!(left.inheritable, CapabilitySet::empty());
        assert_eq!(left.effective & ALWAYS, held.effective & ALWAYS);
    }

    #[test]
    fn entering_is_in_effect_for_one_call_only() {
        let (held, during, after) = on_a_thread(|| {
            let held = now();
            lower().expect("lowered");
            (held, entering(now), now())
        });
        let admin = held.effective & ENTERING;
        assert_eq!(during.effective & ENTERING, admin);
        assert!(!after.effective.contains(ENTERING) || admin.is_empty());
        assert_eq!(after.permitted & ENTERING, admin);
    }

    #[test]
    fn the_bounding_set_is_empty_where_it_may_be_changed() {
        let (may, bounds) = on_a_thread(|| {
            let may = now().effective.contains(CapabilitySet::SETPCAP);
            lower().expect("lowered");
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("own status");
            (may, status)
        });
        let line = bounds.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        assert!(!may || bits == Some(0), "{bits:?}");
    }

    #[test]
    fn root_keeps_power_over_directories_only_where_it_has_to_write_there() {
        use std::os::unix::fs::{PermissionsExt, chown};
        let own = std::env::temp_dir().join(format!("tcptrace-confine-{}", std::process::id()));
        std::fs::create_dir(&own).expect("a directory");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let is_root = chown(&own, Some(12_345), Some(12_345)).is_ok();
        let left = |directory: &Path| {
            let directory = directory.to_owned();
            on_a_thread(move || {
                let open = std::fs::File::open(&directory).expect("a directory");
                drop_all(open.as_fd()).expect("dropped");
                let file = directory.join("made");
                let made = std::fs::write(&file, b"").and_then(|()| std::fs::remove_file(&file));
                assert_eq!(now().effective, now().permitted);
                (now().effective, made.is_ok())
            })
        };
        let of_others = left(&own);
        let of_everybody = left(&std::env::temp_dir());
        std::fs::remove_dir(&own).expect("removed");
        assert_eq!(of_others, (of_others.0, true));
        let expected = if is_root {
            CapabilitySet::DAC_OVERRIDE
        } else {
            CapabilitySet::empty()
        };
        assert_eq!(of_others.0, expected);
        assert_eq!(of_everybody.0, CapabilitySet::empty());
        assert!(of_everybody.1);
    }
}
