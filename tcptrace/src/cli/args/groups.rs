//! Groups of options that several commands share.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::columns::LineColumnArgs;
use crate::cli::values::{self, named_values};
use crate::model::{Kind, Tier};
use crate::sink::TimeStyle;
use crate::sink::color::ColorChoice;
use crate::sink::text::FoldChoice;

pub(super) const SELECTION: &str = "Selection";
pub(super) const STOP: &str =
    "Stop (Ctrl-C ends the run with a summary, a second Ctrl-C quits at once)";
pub(super) const OUTPUT: &str = "Output";
const ENGINE: &str = "Engine";

/// Which kinds.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArgs {
    /// Show only these kinds (default: every kind except state and close)
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = SELECTION,
        value_parser = named_values!(Kind), conflicts_with = "except")]
    pub only: Vec<Kind>,
    /// Leave out these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = SELECTION,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub except: Vec<Kind>,
    /// Show every kind, including state and close
    #[arg(long, help_heading = SELECTION)]
    pub all: bool,
}

/// When to end.
#[derive(Args, Clone, Debug, Default)]
pub struct StopArgs {
    /// Stop after this time: 500ms, 30s, 2m, 1h; a plain number means seconds
    #[arg(long, value_name = "TIME", help_heading = STOP, value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Stop after this many incidents, folded ones included
    #[arg(long, value_name = "N", help_heading = STOP)]
    pub count: Option<NonZeroU64>,
}

/// How lines look.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Write NDJSON, one object per line (see `tcptrace schema`)
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Format of the time in text lines (JSON is not affected)
    #[arg(long, value_name = "STYLE", help_heading = OUTPUT, default_value = "local",
        value_parser = named_values!(TimeStyle))]
    pub time: TimeStyle,
    /// When to fold lines that say the same within a second into one line with their number; auto: on
    /// a terminal (JSON is not affected)
    #[arg(long, value_name = "WHEN", help_heading = OUTPUT, default_value = "auto",
        value_parser = named_values!(FoldChoice))]
    pub fold: FoldChoice,
    /// Truncate nothing and print every detail
    #[arg(short, long, help_heading = OUTPUT)]
    pub wide: bool,
    /// Columns.
    #[command(flatten)]
    pub chosen: LineColumnArgs,
    /// Omit the header line
    #[arg(short = 'H', long, help_heading = OUTPUT)]
    pub no_header: bool,
    /// When to use colour: red means lost or refused, yellow degraded, dim ordinary
    #[arg(long, value_name = "WHEN", help_heading = OUTPUT, default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
    /// Print no banner and no summary on stderr; losses are always reported
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// What a live run prints besides its output.
#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    /// Create this file as soon as every hook is attached
    #[arg(long, value_name = "PATH", help_heading = OUTPUT)]
    pub ready_file: Option<PathBuf>,
    /// Exit with 6 if an event was lost
    #[arg(long, help_heading = OUTPUT)]
    pub strict: bool,
    /// Exit with 5 if an incident of one of these kinds occurred
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = OUTPUT,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub fail_on: Vec<Kind>,
}

/// How to listen.
#[derive(Args, Clone, Copy, Debug)]
pub struct EngineArgs {
    /// Use only one tier of hooks; auto uses the best available tier for each fact
    #[arg(long, value_name = "TIER", help_heading = ENGINE, default_value = "auto",
        value_parser = tier_parser())]
    pub tier: TierChoice,
    /// Size of the kernel's ring buffer in bytes, or with K or M; must be a power of two
    #[arg(long, value_name = "BYTES", help_heading = ENGINE, default_value = "4M",
        value_parser = values::sizes::ring_bytes)]
    pub ring_size: u32,
}

/// A command to watch.
#[derive(Args, Clone, Debug, Default)]
pub struct CommandArgs {
    /// Start COMMAND once the hooks are attached, watch it and its descendants, and stop when it
    /// ends
    #[arg(last = true, value_name = "COMMAND", num_args = 1.., help_heading = STOP)]
    pub command: Vec<OsString>,
}

/// `auto`, or one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierChoice(pub Option<Tier>);

fn tier_parser() -> impl clap::builder::TypedValueParser<Value = TierChoice> {
    let names = ["auto"].into_iter().chain(Tier::CHOICES.map(Tier::name));
    clap::builder::TypedValueParser::map(
        clap::builder::PossibleValuesParser::new(names),
        |name: String| TierChoice(Tier::from_name(&name)),
    )
}
