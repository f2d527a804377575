//! The options that `listeners`, `states` and `timewait` share.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::columns::ColumnArgs;
use super::filter::FilterArgs;
use crate::cli::values::{self, named_values};
use crate::model::rows::{ListenerRow, StateRow, TimeWaitRow};
use crate::sink::color::ColorChoice;

const LIVE: &str = "Live";
const OUTPUT: &str = "Output";

/// Options of every snapshot command.
#[derive(Args, Clone, Debug)]
pub struct SnapshotArgs {
    /// Repeat every SECONDS (default 2) with hooks attached: redrawn in place on a terminal,
    /// otherwise one snapshot after another. Ctrl-C ends it
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
        value_parser = values::duration, help_heading = LIVE)]
    pub watch: Option<Duration>,
    /// Stop after this time: 30s, 2m, 1h; a plain number means seconds
    #[arg(long, value_name = "TIME", requires = "watch", value_parser = values::duration,
        help_heading = LIVE)]
    pub duration: Option<Duration>,
    /// Stop after this many snapshots
    #[arg(long, value_name = "N", requires = "watch", help_heading = LIVE)]
    pub count: Option<NonZeroU64>,
    /// Create this file as soon as every hook is attached
    #[arg(long, value_name = "PATH", requires = "watch", help_heading = LIVE)]
    pub ready_file: Option<PathBuf>,

    /// Filters.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Write NDJSON: one object per row, then one that ends the snapshot (see `tcptrace schema`)
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Truncate nothing
    #[arg(short, long, help_heading = OUTPUT)]
    pub wide: bool,
    /// Omit the header line
    #[arg(short = 'H', long, help_heading = OUTPUT)]
    pub no_header: bool,
    /// When to use colour: red means refused or leaking, yellow close to it
    #[arg(long, value_name = "WHEN", help_heading = OUTPUT, default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
    /// Print no banner and no summary on stderr
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// Options of `listeners`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::sink::table::LEGEND)]
pub struct ListenersArgs {
    /// Explain the listeners on this port in sentences
    #[arg(value_name = "PORT")]
    pub explain: Option<NonZeroU16>,
    /// The rest.
    #[command(flatten)]
    pub common: SnapshotArgs,
    /// Columns and order.
    #[command(flatten)]
    pub shown: ColumnArgs<ListenerRow>,
}

/// Options of `states`.
#[derive(Args, Clone, Debug)]
pub struct StatesArgs {
    /// The rest.
    #[command(flatten)]
    pub common: SnapshotArgs,
    /// Columns and order.
    #[command(flatten)]
    pub shown: ColumnArgs<StateRow>,
}

/// Options of `timewait`.
#[derive(Args, Clone, Debug)]
pub struct TimewaitArgs {
    /// The rest.
    #[command(flatten)]
    pub common: SnapshotArgs,
    /// Columns and order.
    #[command(flatten)]
    pub shown: ColumnArgs<TimeWaitRow>,
}
