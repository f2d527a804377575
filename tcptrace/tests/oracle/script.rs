//! What the players do, one step a line. A step whose actor or socket is not there is left out when
//! it is played, so that any selection of steps is a script too.

use serde::{Deserialize, Serialize};

/// A place for a process.
pub(super) type Seat = usize;
/// A socket, by the number that the step gave it which made it.
pub(super) type Name = usize;

/// One step. `in_thread`: by a thread that is not the leader and bears another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// A new process.
    Spawn {
        seat: Seat,
    },
    Listen {
        seat: Seat,
        socket: Name,
        mapped: bool,
    },
    /// Connects from an address of its own.
    Connect {
        seat: Seat,
        socket: Name,
        to: Name,
        mapped: bool,
        in_thread: bool,
    },
    /// Connects to a port where nobody listens.
    Refused {
        seat: Seat,
        socket: Name,
    },
    Accept {
        seat: Seat,
        socket: Name,
        from: Name,
        in_thread: bool,
    },
    Write {
        seat: Seat,
        socket: Name,
        bytes: usize,
        in_thread: bool,
    },
    /// Reads all there is.
    Read {
        seat: Seat,
        socket: Name,
    },
    Shutdown {
        seat: Seat,
        socket: Name,
    },
    /// SO_LINGER{1,0}.
    LingerZero {
        seat: Seat,
        socket: Name,
    },
    Duplicate {
        seat: Seat,
        socket: Name,
    },
    Close {
        seat: Seat,
        socket: Name,
        in_thread: bool,
    },
    /// connect() to AF_UNSPEC.
    Disconnect {
        seat: Seat,
        socket: Name,
    },
    /// What `ss -K` does.
    Destroy {
        seat: Seat,
        socket: Name,
    },
    Fork {
        seat: Seat,
        child: Seat,
    },
    /// Hands a descriptor over (SCM_RIGHTS) and keeps its own.
    Pass {
        seat: Seat,
        socket: Name,
        to: Seat,
    },
    /// Hands its last descriptor over to a process that throws it away unreceived.
    Discard {
        seat: Seat,
        socket: Name,
        by: Seat,
    },
    /// Replaces the program; the sockets named are inherited.
    Exec {
        seat: Seat,
        keep: Vec<Name>,
    },
    Rename {
        seat: Seat,
    },
    BecomeUser {
        seat: Seat,
    },
    /// Moves to the other network namespace.
    Setns {
        seat: Seat,
    },
    Exit {
        seat: Seat,
    },
    /// kill -9
    Kill {
        seat: Seat,
    },
    /// Both at once, by different processes.
    Race {
        one: Box<Step>,
        two: Box<Step>,
    },
}

/// One line for each step.
pub(super) fn to_text(script: &[Step]) -> String {
    let lines = script
        .iter()
        .map(|step| serde_json::to_string(step).expect("plain data"));
    lines.map(|line| line + "\n").collect()
}

/// Err names the line that is no step.
pub(super) fn from_text(text: &str) -> Result<Vec<Step>, String> {
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
        .collect()
}
