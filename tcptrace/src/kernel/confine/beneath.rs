//! Keeps a thread from every file that is not beneath one directory.

use std::io;
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus,
};
use rustix::process::{chroot, fchdir};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// What keeps the thread there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Landlock refuses every path that leads elsewhere.
    Landlock,
    /// There is no elsewhere: the thread's root is the directory.
    Root,
    /// Nothing but the rights of its user.
    Nothing,
}

/// Makes `directory` the working directory of this thread alone, and the only place where it can open,
/// make, rename or remove a file.
///
/// Not by its descriptor: other threads could close that and open something else by its number.
///
/// # Errors
/// When the working directory cannot be changed; nothing is held then.
pub(super) fn stay(directory: BorrowedFd<'_>) -> io::Result<Held> {
    enter(directory)?;
    let status = landlock(directory).map_err(io::Error::other)?;
    if status == RulesetStatus::NotEnforced {
        return Ok(by_root());
    }
    Ok(Held::Landlock)
}

/// The same as on a kernel without Landlock.
#[cfg(test)]
pub(super) fn stay_without_landlock(directory: BorrowedFd<'_>) -> io::Result<Held> {
    enter(directory)?;
    Ok(by_root())
}

fn enter(directory: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: only the working directory, the root and the umask become this thread's own, on which no
    // code of other threads counts.
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    Ok(fchdir(directory)?)
}

/// Takes CAP_SYS_CHROOT.
fn by_root() -> Held {
    match chroot(".") {
        Ok(()) => Held::Root,
        Err(_) => Held::Nothing,
    }
}

/// As much of it as this kernel has.
fn landlock(directory: BorrowedFd<'_>) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(ABI::V5);
    let writing = AccessFs::WriteFile
        | AccessFs::ReadDir
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::Truncate;
    let status = Ruleset::default()
        .handle_access(all)?
        .create()?
        .add_rule(PathBeneath::new(directory, writing))?
        .restrict_self()?;
    Ok(status.ruleset)
}
