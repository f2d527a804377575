//! Who started tcptrace decides over files, not the privileges that the binary was given.
//!
//! A binary with file capabilities, or one that is set-user-id, has more rights than the user who runs
//! it. [`settle`] gives up, before the first path is opened, what the command has no use for. What is
//! left serves to attach hooks and to read /proc; a path that the user named is opened inside of
//! [`as_caller`], with the rights of that user. For a user who is root anyway nothing is hidden.

use std::io;

use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
    set_thread_res_gid, set_thread_res_uid,
};

/// What a command does with this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It reads files that the user names, or nothing at all.
    Nothing,
    /// It reads /proc and other namespaces, and may attach hooks.
    Host,
}

/// For attaching, and for reading what the kernel shows about other users' processes.
const HOST: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::SYS_RESOURCE);
/// What makes root's access to files that of root.
const ROOTS_FILES: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER);

/// Gives up, for good, what a command with this need has no use for. To be called before the first
/// path is opened and before a thread is started.
///
/// # Errors
/// When the kernel refuses; the process must end then, as it has rights that its user has not.
pub fn settle(need: Need) -> io::Result<()> {
    become_real_user()?;
    if need == Need::Host {
        return Ok(());
    }
    let held = capabilities(None)?;
    let left = if is_root() {
        held.permitted & ROOTS_FILES
    } else {
        CapabilitySet::empty()
    };
    set_capabilities(
        None,
        CapabilitySets {
            effective: left,
            permitted: left,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// Runs `work` with no right that the user who started tcptrace does not have.
///
/// # Errors
/// When the kernel refuses; `work` has not run then.
pub fn as_caller<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    if is_root() {
        return Ok(work());
    }
    let before = capabilities(None)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            ..before
        },
    )?;
    let result = work();
    // What was in effect before may be in effect again: the permitted set is unchanged.
    set_capabilities(None, before)?;
    Ok(result)
}

/// Set-user-id and set-group-id end here. A set-user-id binary is left with [`HOST`], as if it had
/// been given file capabilities.
fn become_real_user() -> io::Result<()> {
    let (user, group) = (getuid(), getgid());
    if getegid() != group {
        set_thread_res_gid(group, group, group)?;
    }
    if geteuid() == user {
        return Ok(());
    }
    set_keep_capabilities(true)?;
    set_thread_res_uid(user, user, user)?;
    set_keep_capabilities(false)?;
    let held = capabilities(None)?;
    let left = held.permitted & HOST;
    set_capabilities(
        None,
        CapabilitySets {
            effective: left,
            permitted: left,
            inheritable: held.inheritable & left,
        },
    )?;
    Ok(())
}

fn is_root() -> bool {
    getuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capabilities and users belong to threads: the others keep theirs.
    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(work).join().expect("no panic")
    }

    #[test]
    fn without_a_need_nothing_is_left_but_roots_own_files() {
        let sets = on_a_thread(|| {
            settle(Need::Nothing).expect("settled");
            capabilities(None).expect("own capabilities")
        });
        assert_eq!(sets.effective, sets.permitted);
        assert_eq!(sets.inheritable, CapabilitySet::empty());
        let most = if is_root() {
            ROOTS_FILES
        } else {
            CapabilitySet::empty()
        };
        assert!(most.contains(sets.permitted), "{sets:?}");
    }

    #[test]
    fn a_host_command_keeps_what_it_has() {
        let (before, after) = on_a_thread(|| {
            let before = capabilities(None).expect("own capabilities");
            settle(Need::Host).expect("settled");
            (before, capabilities(None).expect("own capabilities"))
        });
        assert_eq!(before, after);
    }
}
