//! Runs a program as process 1 of a PID namespace of its own, with that namespace's /proc, as a
//! container does: `root_live --in-pid-namespace PROGRAM ARGS...`. Returns what the program returns.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{confine, sys_ops};

pub(crate) fn run(words: &[String]) -> ExitCode {
    let attempt = || -> Result<u8> {
        let (program, args) = words.split_first().ok_or(ErrorKind::InvalidInput)?;
        sys_ops::die_with_parent()?;
        confine::own_mounts()?;
        sys_ops::unshare(libc::CLONE_NEWPID)?;
        let mut command = Command::new(program);
        command.args(args);
        // SAFETY: two system calls that allocate nothing; the child is in the new namespace.
        unsafe {
            command.pre_exec(|| {
                sys_ops::die_with_parent()?;
                confine::mount_proc()
            });
        }
        let code = command.status()?.code();
        code.and_then(|code| u8::try_from(code).ok())
            .ok_or_else(|| Error::other("the program was killed"))
    };
    attempt().map_or_else(
        |error| {
            eprintln!("--in-pid-namespace: {error}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}
