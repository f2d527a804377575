//! Options of `watch`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::filter::FilterArgs;
use super::groups::{
    CommandArgs, EngineArgs, LiveArgs, OUTPUT, OutputArgs, SelectionArgs, StopArgs,
};
use super::help::{TEMPLATE, examples_of_watch, watch_help};

/// Options of `watch`.
#[derive(Args, Clone, Debug)]
#[command(
    help_template = TEMPLATE,
    before_help = examples_of_watch(),
    after_help = "A PID is always the process that owns the socket. For marks and exit codes, see --help.",
    after_long_help = watch_help()
)]
pub struct WatchArgs {
    /// What to watch.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How long.
    #[command(flatten)]
    pub stop: StopArgs,
    /// Where and how to write.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Beside the output.
    #[command(flatten)]
    pub live: LiveArgs,
    /// Show at most this many incidents per second, folded ones included; suppressed ones are counted
    /// and reported
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub rate_limit: Option<NonZeroU32>,
    /// Also record what is shown to this new file, for `tcptrace replay` and `tcptrace report`
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub record: Option<PathBuf>,
    /// How to listen.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// A command to watch.
    #[command(flatten)]
    pub command: CommandArgs,
}
