//! The command line: words to a typed plan, a plan to what runs it, the result to an exit code.
//!
//! Nothing here panics over a closed stream: a closed stdout ends quietly with 0.

pub mod args;
mod choice;
pub mod completions;
mod config;
pub mod doctor;
pub mod exit;
pub mod explain;
mod judged;
pub mod listeners;
pub mod man;
pub mod output;
mod output_file;
mod period;
mod phases;
pub mod plan;
pub mod record;
mod recorded_input;
pub mod replay;
pub mod report;
pub mod schema;
pub mod snapshot;
pub mod states;
pub mod timewait;
pub mod top;
pub mod values;
pub mod watch;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::record::RecordArgs;
use args::recorded::{ReplayArgs, ReportArgs};
use args::watch::WatchArgs;
use args::{Cli, Command};
use exit::Exit;
use record::RecordPlan;
use replay::ReplayPlan;
use report::ReportPlan;
use watch::WatchPlan;

use crate::kernel::{caller, confine};
use crate::model::doctor::ConfigFile;
use crate::session::{Refused, logging};
use crate::sink::sanitize;

/// Parses, runs, and returns the exit code. Errors are printed on stderr.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    let cli = match Cli::try_parse_from(words.clone()) {
        Ok(cli) => cli,
        Err(error) => return parse_failed(&error),
    };
    // Before the first path is opened.
    if let Err(error) = caller::settle(phases::need(&cli.command)) {
        let why = format!("cannot drop the privileges of the binary: {error}");
        return output::refuse(&why, Exit::Failure);
    }
    let (cli, config) = match configured(cli, words) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    if let Err(why) = logging::install() {
        return output::refuse(&why, Exit::Usage);
    }
    if let Some(phase) = phases::reads(&cli.command) {
        confine::confine_reader(phase);
    }
    let ended = match cli.command {
        Command::Watch(args) => return watch(*args),
        Command::Record(args) => return record(*args),
        Command::Replay(args) => return replay(*args),
        Command::Top(args) => top::run(*args),
        Command::Report(args) => return report(*args),
        Command::Listeners(args) => listeners::run(*args),
        Command::States(args) => states::run(*args),
        Command::Timewait(args) => timewait::run(*args),
        Command::Doctor(args) => doctor::run(&args, &config),
        Command::Explain(args) => explain::run(&args),
        Command::Schema => schema::run(),
        Command::Completions { shell } => completions::run(shell),
        Command::Man(args) => man::run(&args),
    };
    finish(ended)
}

/// The command line with the defaults of configuration files, and these files.
fn configured(cli: Cli, words: Vec<OsString>) -> Result<(Cli, Vec<ConfigFile>), Exit> {
    let own = words.len();
    let config = config::load(&cli, words).map_err(|why| output::refuse(&why, Exit::Usage))?;
    config.notes.iter().for_each(|note| output::say(note));
    if config.words.len() == own {
        return Ok((cli, config.files));
    }
    let of: Vec<&str> = config.files.iter().map(|file| &*file.path).collect();
    let of = of.join(", ");
    if config.has_filter {
        output::say(&format!(
            "filters of {of} are in force; --no-config leaves them out"
        ));
    }
    let cli = Cli::try_parse_from(config.words).map_err(|error| {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default();
        let why = why.trim_start_matches("error: ");
        let why = format!("with the defaults of {of}: {why}; --no-config leaves them out");
        output::refuse(&why, Exit::Usage)
    })?;
    Ok((cli, config.files))
}

fn watch(args: WatchArgs) -> Exit {
    match WatchPlan::new(args) {
        Ok(plan) => finish(watch::run(plan)),
        Err(error) => parse_failed(&usage_error("watch", ErrorKind::ArgumentConflict, &error)),
    }
}

fn record(args: RecordArgs) -> Exit {
    match RecordPlan::new(args) {
        Ok(plan) => finish(record::run(plan)),
        Err(error) => parse_failed(&usage_error("record", ErrorKind::ArgumentConflict, &error)),
    }
}

fn replay(args: ReplayArgs) -> Exit {
    match ReplayPlan::new(args) {
        Ok(plan) => finish(replay::run(&plan)),
        Err(error) => parse_failed(&usage_error("replay", ErrorKind::ArgumentConflict, &error)),
    }
}

fn report(args: ReportArgs) -> Exit {
    match ReportPlan::new(args) {
        Ok(plan) => finish(report::run(&plan)),
        Err(error) => parse_failed(&usage_error("report", ErrorKind::ArgumentConflict, &error)),
    }
}

/// An error in the arguments of a subcommand, printed as clap prints its own.
fn usage_error(subcommand: &str, kind: ErrorKind, why: &dyn std::fmt::Display) -> clap::Error {
    let mut whole = Cli::command();
    whole.build();
    match whole.find_subcommand_mut(subcommand) {
        Some(command) => command.error(kind, why),
        None => whole.error(kind, why),
    }
}

/// `--help` and `--version` arrive here too: they go to stdout and are no failure.
fn parse_failed(error: &clap::Error) -> Exit {
    let printed = if is_harmless() {
        error.print()
    } else {
        // clap repeats the words as they are, escape sequences too.
        let text = sanitize::clean_lines(&error.render().to_string());
        io::stderr().write_all(text.as_bytes())
    };
    if error.use_stderr() {
        Exit::Usage
    } else {
        finish(printed.map(|()| Exit::Done).map_err(anyhow::Error::from))
    }
}

/// Whether the command line has nothing that a terminal would obey.
fn is_harmless() -> bool {
    let is_plain = |word: &str| !word.chars().any(sanitize::is_hostile);
    std::env::args_os().all(|word| word.to_str().is_some_and(is_plain))
}

fn finish(ended: anyhow::Result<Exit>) -> Exit {
    match ended {
        Ok(exit) => exit,
        Err(error) if is_closed_pipe(&error) => Exit::Done,
        Err(error) => {
            let exit = match error.downcast_ref() {
                Some(Refused::Usage(_)) => Exit::Usage,
                Some(Refused::Privilege(_)) => Exit::Privilege,
                Some(Refused::Unsupported(_)) => Exit::Unsupported,
                None => Exit::Failure,
            };
            output::refuse(&format!("{error:#}"), exit)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a finished text to stdout.
fn print(text: &[u8]) -> anyhow::Result<Exit> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()?;
    Ok(Exit::Done)
}
