//! The command line as written. What it means is a plan's business.

pub mod columns;
pub mod doctor;
pub mod filter;
pub mod groups;
pub mod help;
pub mod record;
pub mod recorded;
pub mod snapshot;
pub mod top;
pub mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use doctor::DoctorArgs;
use help::{TEMPLATE, first_examples};
use record::RecordArgs;
use recorded::{ReplayArgs, ReportArgs};
use snapshot::{ListenersArgs, StatesArgs, TimewaitArgs};
use top::TopArgs;
use watch::WatchArgs;

const CONFIGURATION: &str = "Configuration";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "tcptrace",
    version,
    about = "Shows, live and by process, why TCP connections die, are refused, or pile up",
    help_template = TEMPLATE,
    before_help = first_examples(),
    after_help = "A PID is always the process that owns the socket: the one that opened it, accepted it, or listens.",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Read defaults of filters and output from this file only, instead of /etc/tcptrace.toml and
    /// $XDG_CONFIG_HOME/tcptrace.toml
    #[arg(long, value_name = "PATH", global = true, help_heading = CONFIGURATION)]
    pub config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, global = true, help_heading = CONFIGURATION, conflicts_with = "config")]
    pub no_config: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show what is going wrong, one line per incident, with the process that owns the socket
    Watch(Box<WatchArgs>),
    /// Show incidents on a full screen, by process, listener, cause and peer; live or from a
    /// recording
    Top(Box<TopArgs>),
    /// Record a run to a file; with --rotate, a flight recorder that stays within a fixed disk
    /// budget
    Record(Box<RecordArgs>),
    /// Replay a recording, or the NDJSON of an earlier run; needs no privileges
    Replay(Box<ReplayArgs>),
    /// Write a recording as one self-contained HTML page, for the post-mortem
    Report(Box<ReportArgs>),
    /// Show every listening socket: its process, its queues, the limit that applies, and its drops
    Listeners(Box<ListenersArgs>),
    /// Show sockets by TCP state and process, problems first
    States(Box<StatesArgs>),
    /// Show which processes left the current TIME_WAIT sockets, and how many local ports those
    /// occupy
    Timewait(Box<TimewaitArgs>),
    /// Report what is wrong with TCP on this host, what to do about it, and what tcptrace can
    /// observe here; changes nothing
    Doctor(DoctorArgs),
    /// Explain what an incident means, how to confirm it, and how to fix it
    Explain(ExplainArgs),
    /// Print the JSON Schema of the --json output
    Schema,
    /// Print a completion script
    Completions {
        /// Shell to generate the script for
        shell: Shell,
    },
    /// Print a manual page (roff)
    Man(ManArgs),
}

/// Options of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Print the page of this subcommand (default: the page of tcptrace itself)
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write all pages into this directory instead
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A kind, or a kind and a cause, such as accept_drop or rst_sent/linger_zero (default: list
    /// all)
    #[arg(value_name = "KIND[/CAUSE]")]
    pub topic: Option<String>,
}
