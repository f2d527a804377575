//! What each command may do: the privileges it needs, and the system calls that are left to it.

use super::args::Command;
use crate::kernel::caller::Need;
use crate::kernel::confine::Phase;

/// What a command does with this machine; it has no more privileges than that takes.
pub(super) fn need(command: &Command) -> Need {
    match command {
        Command::Report(args) if args.live.is_some() => Need::Host,
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
        Command::Report(args) if args.live.is_none() => Some(Phase::Page),
        Command::Replay(_) => Some(Phase::Read),
        Command::Top(args) if !args.replay.is_empty() => Some(Phase::Read),
        Command::Doctor(args) if args.types.is_some() => Some(Phase::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::ValueParser;
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::Cli;

    /// Every word of the command line that names a file. Each stands in the scenarios `caller::`, where a
    /// binary with more rights than its user must not open what the user may not; `top --replay`, which needs
    /// a terminal, below.
    const FILES: &[&str] = &[
        "tcptrace config",
        "doctor types",
        "listeners ready_file",
        "man all",
        "record output",
        "record ready_file",
        "replay files",
        "report files",
        "report page",
        "states ready_file",
        "timewait ready_file",
        "top ready_file",
        "top replay",
        "watch ready_file",
        "watch record",
    ];

    #[test]
    fn every_word_that_names_a_file_is_known() {
        let path = ValueParser::path_buf().type_id();
        let whole = Cli::command();
        let own = whole.get_arguments();
        let own = own.filter(|argument| argument.get_value_parser().type_id() == path);
        let own: Vec<_> = own
            .map(|argument| format!("tcptrace {}", argument.get_id()))
            .collect();
        let mut found = Vec::new();
        for command in Cli::command().get_subcommands() {
            let files = command
                .get_arguments()
                .filter(|argument| argument.get_value_parser().type_id() == path);
            found.extend(
                files.map(|argument| format!("{} {}", command.get_name(), argument.get_id())),
            );
        }
        found.sort();
        assert_eq!([own, found].concat(), FILES);
    }

    #[test]
    fn what_only_reads_files_needs_no_privilege_and_is_confined_before_it_opens_one() {
        let of = |words: &str| {
            let words = std::iter::once("tcptrace").chain(words.split(' '));
            let command = Cli::try_parse_from(words).expect("a command line").command;
            (need(&command), reads(&command))
        };
        assert_eq!(of("replay a"), (Need::Nothing, Some(Phase::Read)));
        assert_eq!(of("top --replay a"), (Need::Nothing, Some(Phase::Read)));
        assert_eq!(of("doctor --btf a"), (Need::Nothing, Some(Phase::Read)));
        assert_eq!(of("report a"), (Need::Nothing, Some(Phase::Page)));
        assert_eq!(of("report --live 5s -o a"), (Need::Host, None));
        for words in ["explain", "schema", "man", "completions bash"] {
            assert_eq!(of(words), (Need::Nothing, None), "{words}");
        }
        for words in [
            "watch",
            "record -o a",
            "top",
            "listeners",
            "states",
            "timewait",
            "doctor",
        ] {
            assert_eq!(of(words), (Need::Host, None), "{words}");
        }
    }
}
