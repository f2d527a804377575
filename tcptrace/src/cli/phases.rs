//! What each command may do: the privileges it needs, and the system calls that are left to it.

use super::args::Command;
use crate::kernel::caller::Need;
use crate::kernel::confine::Phase;

/// What a command does with this machine; it has no more privileges than that takes.
pub(super) fn need(command: &Command) -> Need {
    match command {
        Command::Replay(_)
        | Command::Report(_)
        | Command::Explain(_)
        | Command::Schema
        | Command::Completions { .. }
        | Command::Man(_) => Need::Nothing,
        Command::Top(args) if !args.replay.is_empty() => Need::Nothing,
        Command::Doctor(args) if args.types.is_some() => Need::Nothing,
        Command::Watch(_)
        | Command::Record(_)
        | Command::Top(_)
        | Command::Listeners(_)
        | Command::States(_)
        | Command::Timewait(_)
        | Command::Doctor(_) => Need::Host,
    }
}

/// What is left of the system calls before a command reads files that may come from another user; `None`: it
/// reads none, or attaches first.
pub(super) fn reads(command: &Command) -> Option<Phase> {
    match command {
        Command::Report(_) => Some(Phase::Page),
        Command::Replay(_) => Some(Phase::Read),
        Command::Top(args) if !args.replay.is_empty() => Some(Phase::Read),
        Command::Doctor(args) if args.types.is_some() => Some(Phase::Read),
        _ => None,
    }
}
