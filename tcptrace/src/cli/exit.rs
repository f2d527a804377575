//! What the process returns: part of the contract.

use std::process::ExitCode;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; an endless watch ended by Ctrl-C and a closed pipe included.
    Done,
    /// Something failed while running.
    Failure,
    /// The command line is wrong.
    Usage,
    /// A privilege is missing.
    Privilege,
    /// This kernel cannot show a kind that was asked for by name.
    Unsupported,
    /// A kind named by `--fail-on` was seen.
    FailOn,
    /// Events were lost under `--strict`.
    Lost,
    /// A second Ctrl-C.
    Interrupted,
    /// What the traced command returned, when nothing above applies.
    Command(u8),
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Privilege => 3,
            Self::Unsupported => 4,
            Self::FailOn => 5,
            Self::Lost => 6,
            Self::Interrupted => 130,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Number and meaning, for the manual and the help.
pub const TABLE: &[(&str, &str)] = &[
    (
        "0",
        "success, including Ctrl-C in an endless run and a closed pipe",
    ),
    ("1", "a runtime failure"),
    ("2", "invalid command line"),
    ("3", "missing privilege"),
    (
        "4",
        "this kernel cannot show a kind that was requested by name",
    ),
    (
        "5",
        "a --fail-on kind occurred; doctor --fail: something is wrong with TCP now",
    ),
    ("6", "events were lost under --strict"),
    ("130", "a second Ctrl-C"),
    (
        "other",
        "with -- COMMAND: the exit code of COMMAND, when nothing above applies",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        let codes = [
            Exit::Done,
            Exit::Failure,
            Exit::Usage,
            Exit::Privilege,
            Exit::Unsupported,
            Exit::FailOn,
            Exit::Lost,
            Exit::Interrupted,
        ]
        .map(|exit| exit.code().to_string());
        assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "130"]);
        assert!(
            codes
                .iter()
                .all(|code| TABLE.iter().any(|(listed, _)| listed == code))
        );
    }
}
