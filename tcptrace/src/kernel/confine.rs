//! Gives up what only attaching needed: afterwards this process can no longer load a program, start
//! another one, open a connection, mount, signal or debug anything, and holds three capabilities.
//!
//! Turns the privileges of the calling thread, and of every thread it starts from then on, into those
//! that the running phase uses. Nothing can be taken back. Which capabilities are kept, why, and why
//! there is no Landlock: docs/privileges.md.
//!
//! A part that cannot be given up is told and the rest is given up all the same: to go on with more
//! than is needed is no worse than before, and an incident does not wait.

mod calls;

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// For files in /proc of processes that are not our own: the links themselves take CAP_SYS_PTRACE,
/// the directory they are in (mode 0500, of its process's user) takes CAP_DAC_READ_SEARCH.
const ALWAYS: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);
/// For setns(2) into a network namespace; in effect for that call only, see [`entering`].
const ENTERING: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// How often, and how long after each other, threads that are about to end are looked for.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What the running phase does beside listening, reading /proc and writing to open descriptors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Duties<'a> {
    /// The directory in which it makes, renames and removes files; `None`: it opens no file for
    /// writing any more, and may not.
    pub writes_in: Option<&'a Path>,
    /// The traced command, a child that has not been waited for: it gets SIGTERM and SIGHUP from us.
    pub command: Option<u32>,
}

/// Gives up every other privilege, for good; what could not be given up, one sentence each.
///
/// Call it when everything is attached, the traced command runs, the ready file is there and
/// systemd is told, and before a thread is started: capabilities belong to threads, and those of a
/// thread that runs already cannot be changed (which is told then; system calls are filtered for
/// all of them). After it no program can be started and no file be opened for writing outside of
/// what `duties` say, a terminal (`/dev/tty`) included: open it before.
#[must_use = "the user is to be told"]
pub fn confine(duties: Duties<'_>) -> Vec<String> {
    let mut kept = Vec::new();
    if let Some(others) = other_threads() {
        kept.push(format!(
            "{others} threads that were started before keep their capabilities"
        ));
    }
    let mut note = |what: &str, answer: io::Result<()>| {
        kept.extend(answer.err().map(|error| format!("{what}: {error}")));
    };
    note("cannot drop capabilities", lower(duties.writes_in));
    // A core would have names and addresses of everybody's connections in it.
    let silent = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    note(
        "a core file can be written",
        silent.map_err(io::Error::from),
    );
    let no_more = set_no_new_privs(true);
    note(
        "set-user-id programs would work",
        no_more.map_err(io::Error::from),
    );
    note(
        "cannot filter system calls",
        calls::forbid(duties.writes_in.is_some(), duties.command),
    );
    kept
}

/// Runs `work` with what [`ENTERING`] holds in effect, as far as this thread may have it.
///
/// Before [`confine`] it is in effect anyway, and nothing changes.
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

/// Threads besides this one; `None` without any, or where /proc does not tell.
fn other_threads() -> Option<usize> {
    let others = || Some(std::fs::read_dir("/proc/self/task").ok()?.count() - 1);
    for _ in 1..LOOKS {
        if others()? == 0 {
            return None;
        }
        // One that was joined is listed for a moment longer.
        std::thread::sleep(BETWEEN_LOOKS);
    }
    others().filter(|others| *others > 0)
}

/// Drops the capabilities of this thread.
fn lower(writes_in: Option<&Path>) -> io::Result<()> {
    let held = capabilities(None)?;
    empty_bounding_set(held.effective)?;
    let mut sets = CapabilitySets {
        effective: held.effective & ALWAYS,
        permitted: held.permitted,
        // This empties the ambient set too.
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    // Tried, not known by version: kernels before 5.19 want it where unprivileged bpf is off.
    for capability in [CapabilitySet::BPF, CapabilitySet::SYS_ADMIN] {
        if maps_are_refused() && held.effective.contains(capability) {
            sets.effective |= capability;
            set_capabilities(None, sets)?;
        }
    }
    // Root has no power over other users' directories without it.
    if writes_in.is_some_and(|directory| !is_writable(directory)) {
        sets.effective |= held.effective & CapabilitySet::DAC_OVERRIDE;
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

/// Whether files can be made and removed in a directory with the capabilities that are in effect.
fn is_writable(directory: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else {
        return false;
    };
    // rustix and the C library may answer for the permitted set, which is wider at this moment.
    // SAFETY: a NUL-terminated path that lives through the call; the rest are integers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::W_OK | libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    answer == 0
}

#[cfg(test)]
mod tests {
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
            lower(None).expect("lowered");
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
            lower(None).expect("lowered");
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
            lower(None).expect("lowered");
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
                lower(Some(&directory)).expect("lowered");
                let file = directory.join("made");
                let made = std::fs::write(&file, b"").and_then(|()| std::fs::remove_file(&file));
                (now().effective, made.is_ok())
            })
        };
        let of_others = left(&own);
        let of_everybody = left(&std::env::temp_dir());
        std::fs::remove_dir(&own).expect("removed");
        assert_eq!(of_others, (of_others.0, true));
        assert_eq!(of_others.0.contains(CapabilitySet::DAC_OVERRIDE), is_root);
        assert!(!of_everybody.0.contains(CapabilitySet::DAC_OVERRIDE));
        assert!(of_everybody.1);
    }
}
