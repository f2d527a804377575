//! Defaults of filters and output from configuration files: those of the machine, then those of the user. They
//! become words of the command line, behind the user's own, which win.

mod file;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, Parser};

use super::args::Cli;
use crate::kernel::caller;
use crate::model::doctor::ConfigFile;
use file::{Entry, Outcome};

/// Where the machine has its own.
const OF_THE_MACHINE: &str = "/etc/tcptrace.toml";
/// In the user's directory of configurations.
const OF_THE_USER: &str = "tcptrace.toml";

const FILTER: &[&str] = &[
    "only", "except", "all", "comm", "port", "lport", "rport", "addr", "laddr", "raddr", "ipv4",
    "ipv6", "cgroup",
];
const OUTPUT: &[&str] = &["color", "time", "fold", "wide", "no-header", "quiet"];
const COLUMNS: &[&str] = &["columns"];
const TABLE: &[&str] = &["columns", "sort"];

/// The sections of a file, and the keys of each.
const KEYS: &[(&str, &[&[&str]])] = &[
    ("filter", &[FILTER]),
    ("output", &[OUTPUT]),
    ("watch", &[FILTER, OUTPUT, COLUMNS]),
    ("replay", &[FILTER, OUTPUT, COLUMNS]),
    ("listeners", &[FILTER, OUTPUT, TABLE]),
    ("states", &[FILTER, OUTPUT, TABLE]),
    ("timewait", &[FILTER, OUTPUT, TABLE]),
    ("top", &[FILTER, &["color"]]),
    ("record", &[FILTER, &["quiet"]]),
    ("report", &[FILTER, &["time"]]),
    ("doctor", &[&["color"]]),
];
/// What a listener has not.
const REMOTE: &[&str] = &["rport", "raddr"];

/// What files say for this command line.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// The files that were looked at.
    pub(super) files: Vec<ConfigFile>,
    /// The command line with their defaults.
    pub(super) words: Vec<OsString>,
    /// What the user should know, one sentence each.
    pub(super) notes: Vec<String>,
    /// Whether a default leaves something out.
    pub(super) has_filter: bool,
}

/// Reads the files, as the user who started tcptrace, and adds what they say to a command line that was accepted.
/// `Err`: in one sentence.
pub(super) fn load(cli: &Cli, words: Vec<OsString>) -> Result<Config, String> {
    let mut config = Config {
        words,
        ..Config::default()
    };
    if cli.no_config {
        return Ok(config);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for path in paths(cli) {
        let read = caller::as_caller(|| file::read(&path, cli.config.is_some()));
        let read = read.map_err(|error| format!("cannot drop privileges: {error}"))??;
        let mut found = ConfigFile {
            path: path.to_string_lossy().into_owned(),
            ..ConfigFile::default()
        };
        match read {
            Outcome::Missing => continue,
            Outcome::Skipped(why) => {
                config
                    .notes
                    .push(format!("{} is not read: {why}", found.path));
                found.skipped = Some(why);
            }
            // Of a user who may not look into that directory: only doctor mentions it.
            Outcome::Unreadable(why) => found.skipped = Some(why),
            Outcome::Entries(of_file) => {
                for entry in of_file {
                    check(&entry)
                        .map_err(|why| format!("{}: line {}: {why}", path.display(), entry.line))?;
                    found.options.push(shown(&entry));
                    // The later file has the last word.
                    entries.retain(|known| {
                        (&known.section, &known.key) != (&entry.section, &entry.key)
                    });
                    entries.push(entry);
                }
            }
        }
        config.files.push(found);
    }
    config.add(&entries);
    Ok(config)
}

fn paths(cli: &Cli) -> Vec<PathBuf> {
    if let Some(path) = &cli.config {
        return vec![path.clone()];
    }
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
    // An empty or relative one is to be ignored, by the rules of XDG.
    let directory = home("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let directory = directory.or_else(|| home("HOME").map(|path| path.join(".config")));
    let of_the_user = directory.filter(|path| path.is_absolute());
    std::iter::once(PathBuf::from(OF_THE_MACHINE))
        .chain(of_the_user.map(|path| path.join(OF_THE_USER)))
        .collect()
}

/// The words of an option.
fn options(entry: &Entry) -> Vec<String> {
    let key = &entry.key;
    if entry.values.is_empty() {
        return vec![format!("--{key}")];
    }
    let values = entry.values.iter();
    values.map(|value| format!("--{key}={value}")).collect()
}

fn shown(entry: &Entry) -> String {
    format!("[{}] {}", entry.section, options(entry).join(" "))
}

/// Whether a command takes this option with these values; `Err`: why not.
fn accepts(command: &str, entry: &Entry) -> Result<(), String> {
    let words = ["tcptrace".to_owned(), command.to_owned()];
    let answer = Cli::try_parse_from(words.into_iter().chain(options(entry)));
    let Err(error) = answer else {
        return Ok(());
    };
    // What is missing or in the way here need not be so on another command line.
    match error.kind() {
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict => Ok(()),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// Whether the value means something to the commands of its section.
fn check(entry: &Entry) -> Result<(), String> {
    match entry.section.as_str() {
        "filter" | "output" => accepts("watch", entry),
        command => accepts(command, entry),
    }
}

impl Config {
    /// Adds what the command line does not say itself.
    fn add(&mut self, entries: &[Entry]) {
        let mut whole = Cli::command();
        whole.build();
        let Ok(matches) = whole.clone().try_get_matches_from(self.words.clone()) else {
            return;
        };
        let Some((name, given)) = matches.subcommand() else {
            return;
        };
        let Some(command) = whole.find_subcommand(name) else {
            return;
        };
        let mut added: Vec<OsString> = Vec::new();
        let is_of = |entry: &&Entry| {
            let is_overridden = || {
                let mut others = entries.iter();
                others.any(|other| other.section == name && other.key == entry.key)
            };
            let is_general = matches!(entry.section.as_str(), "filter" | "output");
            let is_without = name == "listeners" && REMOTE.contains(&entry.key.as_str());
            (entry.section == name || (is_general && !is_overridden())) && !is_without
        };
        let own: Vec<&Entry> = entries.iter().filter(is_of).collect();
        for entry in &own {
            if is_free(command, given, &entry.key)
                && !is_folded_in_columns(given, &own, &entry.key)
                && accepts(name, entry).is_ok()
            {
                self.has_filter |= FILTER.contains(&entry.key.as_str());
                added.extend(options(entry).into_iter().map(OsString::from));
            }
        }
        let end = self.words.iter().position(|word| word == "--");
        let end = end.unwrap_or(self.words.len());
        self.words.splice(end..end, added);
    }
}

/// `--fold always` and `--columns` contradict one another: what is chosen for this command or on its line wins.
fn is_folded_in_columns(given: &ArgMatches, entries: &[&Entry], key: &str) -> bool {
    let is_given = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    let is_there = |key: &str| entries.iter().any(|entry| entry.key == key);
    match key {
        "fold" => {
            is_there("columns") || given.try_contains_id("columns").is_ok() && is_given("columns")
        }
        "columns" => given.try_contains_id("fold").is_ok() && is_given("fold"),
        _ => false,
    }
}

/// Whether the command has the option, and the command line neither says it nor contradicts it.
fn is_free(command: &Command, given: &ArgMatches, key: &str) -> bool {
    let is_given = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    let Some(option) = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(key))
    else {
        return false;
    };
    let against = command.get_arguments().filter(|arg| {
        let conflicts = command.get_arg_conflicts_with(arg);
        conflicts
            .iter()
            .any(|other| other.get_id() == option.get_id())
    });
    let mut against = against.chain(command.get_arg_conflicts_with(option));
    !is_given(option.get_id().as_str()) && !against.any(|arg| is_given(arg.get_id().as_str()))
}
