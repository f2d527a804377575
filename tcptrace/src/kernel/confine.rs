//! Gives up what a phase does not need. Once attached, this process can load no program, start no other
//! one, open no connection, mount, signal or debug nothing, open no file for writing, and holds three
//! capabilities; the thread that writes a recording holds none and writes in its directory only.
//!
//! All of it belongs to a thread and to those that it starts later. Nothing can be taken back. What is kept
//! and why: docs/privileges.md; which system calls: [`table`].
//!
//! A part that cannot be given up is reported, and the rest is given up anyway: to continue with more
//! than is needed is no worse than before, and an incident does not wait.

mod beneath;
mod calls;
mod capabilities;
mod refused;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

pub use capabilities::entering;
pub use table::Phase;

/// How often, and how long after each other, threads that are about to end are looked for.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What a thread could not give up, one sentence each.
#[derive(Debug, Default)]
struct Kept(Vec<String>);

impl Kept {
    fn note(&mut self, what: &str, answer: io::Result<()>) {
        self.0
            .extend(answer.err().map(|error| format!("{what}: {error}")));
    }

    /// What every phase gives up, and last the system calls.
    fn lock(&mut self, phase: Phase, command: Option<u32>) {
        let no_more = set_no_new_privs(true).map_err(io::Error::from);
        self.note("set-user-id programs would work", no_more);
        let filtered = calls::allow_only(phase, command);
        self.note("cannot filter system calls", filtered);
    }
}

/// Gives up every privilege but those of [`Phase::Run`], for good; what could not be given up, one
/// sentence each.
///
/// `command` is the traced command, a child that has not been waited for: it gets SIGTERM and SIGHUP from us. Call it
/// when everything is attached, the traced command runs, the thread that records has confined itself by
/// [`confine_recorder`], the ready file exists and systemd is notified, and before another thread is started: a thread
/// that already runs keeps its privileges, which is then reported. After it no program can be started and no file be
/// opened for writing, a terminal (`/dev/tty`) included: open it before.
#[must_use = "the user must be informed"]
pub fn confine(command: Option<u32>) -> Vec<String> {
    let mut kept = Kept::default();
    if let Some(others) = other_threads() {
        kept.0.push(format!(
            "{others} threads that were started before keep their privileges"
        ));
    }
    kept.note("cannot drop capabilities", capabilities::lower());
    // A core would have names and addresses of everybody's connections in it.
    let silent = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    kept.note(
        "a core file can be written",
        silent.map_err(io::Error::from),
    );
    kept.lock(Phase::Run, command);
    kept.0
}

/// Whether the calling thread is in the directory where it writes, and what it could not give up, one
/// sentence each.
#[derive(Debug)]
pub struct Recorder {
    /// Its working directory, and that of no other thread, is that of the recording. Names are all it can
    /// open then: no path and no descriptor.
    pub is_inside: bool,
    /// What could not be given up.
    pub kept: Vec<String>,
}

/// Gives up everything on the calling thread but writing in `directory`. To be called before [`confine`], on the thread that writes a recording.
///
/// The kernel holds it there: by Landlock; before Linux 5.13 root's thread has the directory for its root. A
/// user without privileges is held there by nothing on such a kernel, and writes what that user may.
pub fn confine_recorder(directory: BorrowedFd<'_>) -> Recorder {
    hold_recorder(directory, beneath::stay(directory))
}

fn hold_recorder(directory: BorrowedFd<'_>, held: io::Result<beneath::Held>) -> Recorder {
    let mut kept = Kept::default();
    let is_inside = held.is_ok();
    log::debug!(target: "confine", "the recorder is held: {held:?}");
    kept.note(
        "the recorder can write in other directories",
        held.map(drop),
    );
    // After that, since a root directory of its own takes one.
    kept.note(
        "cannot drop the capabilities of the recorder",
        capabilities::drop_all(directory),
    );
    if is_inside {
        kept.lock(Phase::Record, None);
    }
    Recorder {
        is_inside,
        kept: kept.0,
    }
}

/// Gives up, on a command that only reads files that its user names, all system calls but those of `phase`.
/// Where the kernel refuses, the command has no privileges to lose and continues.
pub fn confine_reader(phase: Phase) {
    let mut kept = Kept::default();
    kept.lock(phase, None);
    for why in kept.0 {
        log::debug!(target: "confine", "{why}");
    }
}

/// Threads besides this one without a filter of their own; `None` without any, or if /proc does not show them.
fn other_threads() -> Option<usize> {
    for _ in 1..LOOKS {
        unconfined_threads()?;
        // One that was joined is listed for a moment longer.
        std::thread::sleep(BETWEEN_LOOKS);
    }
    unconfined_threads()
}

fn unconfined_threads() -> Option<usize> {
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    let others = std::fs::read_dir("/proc/self/task").ok()?.filter(|task| {
        let Ok(task) = task else { return false };
        let status = std::fs::read_to_string(task.path().join("status"));
        // A status that cannot be read is that of a thread that has just ended.
        task.file_name().to_str() != Some(&own)
            && status.is_ok_and(|status| !status.lines().any(|line| line == "Seccomp:\t2"))
    });
    Some(others.count()).filter(|count| *count > 0)
}
