//! Options of the commands that show an earlier run: `replay` and `report`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::filter::FilterArgs;
use super::groups::{OUTPUT, OutputArgs, SELECTION, STOP, SelectionArgs};
use super::help::watch_help;
use crate::cli::values::{self, moments::Moment, named_values};
use crate::model::{Kind, named};

named! {
    /// Where the times of a page are those of.
    Zone {
        /// This machine.
        Local = "local",
        /// UTC.
        Utc = "utc",
    }
}

/// Which part of a recording.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PeriodArgs {
    /// Show only what happened from then on: 2026-11-22T18:29:58Z, "2026-11-22 18:29" or 18:29 (in the time zone
    /// of the output), or "10m ago" (before the end of the recording)
    #[arg(long, value_name = "TIME", help_heading = SELECTION, value_parser = values::moments::moment)]
    pub since: Option<Moment>,
    /// Show only what happened until then; the same forms
    #[arg(long, value_name = "TIME", help_heading = SELECTION, value_parser = values::moments::moment)]
    pub until: Option<Moment>,
}

/// Options of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// A recording, several files of one recording, or NDJSON written by tcptrace; - reads stdin
    #[arg(value_name = "FILE", required_unless_present = "live")]
    pub files: Vec<PathBuf>,
    /// Watch this host for so long, and write the report of that run: 60s, 5m; Ctrl-C ends earlier. Nothing is
    /// recorded; -o is needed
    #[arg(long, value_name = "TIME", value_parser = values::duration, requires = "page",
        conflicts_with_all = ["files", "since", "until"])]
    pub live: Option<Duration>,
    /// Write the page to this file, replacing it if it exists; - writes to stdout [default: FILE
    /// with .html]
    #[arg(short = 'o', long = "output", value_name = "OUT", help_heading = OUTPUT)]
    pub page: Option<PathBuf>,
    /// Time zone of the times on the page
    #[arg(long, value_name = "ZONE", help_heading = OUTPUT, default_value = "local",
        value_parser = named_values!(Zone))]
    pub time: Zone,
    /// Which part.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// What to show.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Options of `replay`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = watch_help())]
pub struct ReplayArgs {
    /// A recording, several files of one recording, or NDJSON written by tcptrace; - reads stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Replay at the original speed (1) or N times as fast (10, 0.5) [default: as fast as possible]
    #[arg(long, value_name = "N", value_parser = values::speed)]
    pub speed: Option<f64>,
    /// Which part.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// What to show.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Stop after this many incidents, folded ones included
    #[arg(long, value_name = "N", help_heading = STOP)]
    pub count: Option<NonZeroU64>,
    /// Where and how to write.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Exit with 6 if an event was lost or part of the recording is missing
    #[arg(long, help_heading = OUTPUT)]
    pub strict: bool,
    /// Exit with 5 if an incident of one of these kinds occurred
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = OUTPUT,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub fail_on: Vec<Kind>,
}
