//! The actor side: a process that carries out orders with real sockets and nothing else.
//!
//! `root_live --actor COMM CONTROL_FD [UID]`. One packet on the control socket is one order
//! (`write 5 1237`), answered by one packet: `ok VALUES...` or `err ERRNO TEXT`. The end of the
//! control socket ends the actor. A failing order is an answer, never an exit.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::time::Duration;

use super::{actor_ops, sys, sys_ops};

/// Runs until the control socket closes or an order ends the process.
pub(crate) fn run(args: &[String]) -> ExitCode {
    match begin(args).and_then(|control| obey(args, control)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actor {args:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The same after an exec(): what ends the process stays as it was.
pub(crate) fn go_on(args: &[String]) -> ExitCode {
    match parse(args.get(1)).and_then(|control| obey(args, control)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actor {args:?} after exec: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `root_live --actor-once COMM ADDRESS CODE [MS]`: one connection attempt, then exit with CODE, after MS. For
/// tests of a tracer that starts its own command.
pub(crate) fn run_once(args: &[String]) -> ExitCode {
    let attempt = || -> Result<u8> {
        let (Some(comm), Some(to), Some(code)) = (args.first(), args.get(1), args.get(2)) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        sys_ops::set_comm(comm)?;
        let fd = sys::tcp_socket(false)?;
        // Refused is as good as connected here.
        let _ = sys::connect(fd, to.parse().map_err(Error::other)?);
        if let Some(ms) = args.get(3) {
            std::thread::sleep(Duration::from_millis(ms.parse().map_err(Error::other)?));
        }
        code.parse().map_err(Error::other)
    };
    attempt().map_or(ExitCode::FAILURE, ExitCode::from)
}

fn begin(args: &[String]) -> Result<RawFd> {
    if let Some(uid) = args.get(2) {
        sys_ops::become_user(uid.parse().map_err(Error::other)?)?;
    }
    // After the change of user, which would clear it.
    sys_ops::die_with_parent()?;
    parse(args.get(1))
}

fn obey(args: &[String], mut control: RawFd) -> Result<()> {
    let comm = args.first().ok_or(ErrorKind::InvalidInput)?;
    sys_ops::set_comm(comm)?;
    sys_ops::let_sigusr1_interrupt()?;
    answer(control, Ok(String::new()))?;
    loop {
        let (order, fd) = sys::receive_packet(control)?;
        if order.is_empty() {
            return Ok(());
        }
        let order = String::from_utf8_lossy(&order).into_owned();
        let words: Vec<&str> = order.split(' ').collect();
        let reply = match (words[0], fd) {
            // Both processes continue from here, each with a control socket of its own.
            (verb @ ("fork" | "fork-pidns"), Some(new_control)) => {
                fork(verb, words.get(1).copied(), &mut control, new_control)
            }
            ("adopt", Some(fd)) => Ok(fd.to_string()),
            ("exec", _) => exec(words.get(1).copied(), control).map(|()| String::new()),
            _ => actor_ops::perform(&words),
        };
        answer(control, reply)?;
    }
}

fn parse(word: Option<&String>) -> Result<RawFd> {
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| ErrorKind::InvalidInput.into())
}

fn answer(control: RawFd, reply: Result<String>) -> Result<()> {
    let text = match reply {
        Ok(values) => format!("ok {values}"),
        Err(error) => format!("err {} {error}", error.raw_os_error().unwrap_or(0)),
    };
    sys::send_packet(control, text.as_bytes(), None)
}

/// The parent answers with the child's pid; the child answers on `new_control`. With `fork-pidns`
/// the child is process 1 of a new PID namespace, and its parent still knows its outer pid.
fn fork(verb: &str, comm: Option<&str>, control: &mut RawFd, new: RawFd) -> Result<String> {
    if verb == "fork-pidns" {
        sys_ops::unshare(libc::CLONE_NEWPID)?;
    }
    // Nobody waits for the child; it is not to stay as a zombie.
    sys_ops::ignore_children()?;
    let child = sys_ops::fork()?;
    if child == 0 {
        // Not tied to its parent's life (that is a scenario), only to the control socket.
        sys_ops::set_comm(comm.ok_or(ErrorKind::InvalidInput)?)?;
        sys::close(*control)?;
        *control = new;
        return Ok(String::new());
    }
    sys::close(new)?;
    Ok(child.to_string())
}

/// Replaces this program by a fresh copy of itself under another name, which inherits the sockets
/// that `keep` marked and answers the order.
fn exec(comm: Option<&str>, control: RawFd) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let comm = comm.ok_or(ErrorKind::InvalidInput)?;
    sys::set_inherited_over_exec(control)?;
    let executable = std::env::current_exe()?;
    let arguments = ["--actor-after-exec", comm, &control.to_string()].map(String::from);
    Err(std::process::Command::new(executable)
        .args(arguments)
        .exec())
}
