//! Options of `record`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::filter::FilterArgs;
use super::groups::{CommandArgs, EngineArgs, LiveArgs, OUTPUT, SelectionArgs, StopArgs};
use super::help::codes_help;
use crate::cli::values;

/// Options of `record`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = codes_help())]
pub struct RecordArgs {
    /// File to create; only its owner can read it
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub output: PathBuf,
    /// Maximum size of a file, such as 64M; recording then ends or, with --rotate, continues in the
    /// next file
    #[arg(long, value_name = "SIZE", help_heading = OUTPUT, value_parser = values::sizes::file_bytes)]
    pub max_size: Option<u64>,
    /// Continue in a new file when the current one is full (64M, or --max-size) or after this time;
    /// the previous file becomes FILE.1, that one FILE.2, and so on
    #[arg(long, value_name = "TIME", help_heading = OUTPUT, num_args = 0..=1,
        value_parser = values::duration)]
    pub rotate: Option<Option<Duration>>,
    /// With --rotate: keep this many files, including the newest [default: 8]
    #[arg(long, value_name = "N", help_heading = OUTPUT, requires = "rotate")]
    pub keep: Option<NonZeroU32>,
    /// Overwrite an existing recording
    #[arg(long, help_heading = OUTPUT, conflicts_with = "rotate")]
    pub force: bool,
    /// How often to sample queues and TIME_WAIT entries; 0 turns sampling off
    #[arg(long, value_name = "TIME", help_heading = OUTPUT, default_value = "1s",
        value_parser = values::interval)]
    pub sample: Duration,
    /// Print no banner and no summary on stderr; losses are always reported
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
    /// What to record.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How long.
    #[command(flatten)]
    pub stop: StopArgs,
    /// Beside the file.
    #[command(flatten)]
    pub live: LiveArgs,
    /// How to listen.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// A command to watch.
    #[command(flatten)]
    pub command: CommandArgs,
}
