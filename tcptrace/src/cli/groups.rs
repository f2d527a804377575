//! Groups of options that several commands share.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{self, named_values};
use crate::model::{Kind, Tier};
use crate::sink::TimeStyle;
use crate::sink::color::ColorChoice;

pub(super) const SELECTION: &str = "Selection";
pub(super) const STOP: &str = "Stop (Ctrl-C prints the summary, a second one quits at once)";
pub(super) const OUTPUT: &str = "Output";
const ENGINE: &str = "Engine";

/// Which kinds.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectionArgs {
    /// Only these kinds. Without any choice: every kind but state and close
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = SELECTION,
        value_parser = named_values!(Kind), conflicts_with = "except")]
    pub only: Vec<Kind>,
    /// Not these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = SELECTION,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub except: Vec<Kind>,
    /// Every kind, state and close too
    #[arg(long, help_heading = SELECTION)]
    pub all: bool,
}

/// When to end.
#[derive(Args, Clone, Debug, Default)]
pub struct StopArgs {
    /// After this time: 500ms, 30s, 2m, 1h; a plain number is seconds
    #[arg(long, value_name = "TIME", help_heading = STOP, value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// After this many incidents
    #[arg(long, value_name = "N", help_heading = STOP)]
    pub count: Option<NonZeroU64>,
}

/// How lines look.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Write NDJSON, one object a line (see `tcptrace schema`)
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// How text lines tell the time (JSON has its own)
    #[arg(long, value_name = "STYLE", help_heading = OUTPUT, default_value = "local",
        value_parser = named_values!(TimeStyle))]
    pub time: TimeStyle,
    /// Cut nothing, and print every detail
    #[arg(short, long, help_heading = OUTPUT)]
    pub wide: bool,
    /// No line with the names of the columns
    #[arg(short = 'H', long, help_heading = OUTPUT)]
    pub no_header: bool,
    /// Colour by meaning: red lost or refused, yellow degraded, dim ordinary
    #[arg(long, value_name = "WHEN", help_heading = OUTPUT, default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
    /// No banner and no summary on stderr; losses are told all the same
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,
}

/// What a live run tells beside its output.
#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    /// Create this file once every hook is attached
    #[arg(long, value_name = "PATH", help_heading = OUTPUT)]
    pub ready_file: Option<PathBuf>,
    /// Return 6 if an event was lost
    #[arg(long, help_heading = OUTPUT)]
    pub strict: bool,
    /// Return 5 if one of these kinds was seen
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = OUTPUT,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub fail_on: Vec<Kind>,
}

/// How to listen.
#[derive(Args, Clone, Copy, Debug)]
pub struct EngineArgs {
    /// Use only one tier of hooks; auto takes the best there is for each fact
    #[arg(long, value_name = "TIER", help_heading = ENGINE, default_value = "auto",
        value_parser = tier_parser())]
    pub tier: TierChoice,
    /// Size of the kernel's ring in bytes, or with K or M; a power of two
    #[arg(long, value_name = "BYTES", help_heading = ENGINE, default_value = "4M",
        value_parser = values::ring_bytes)]
    pub ring_size: u32,
}

/// A command to watch.
#[derive(Args, Clone, Debug, Default)]
pub struct CommandArgs {
    /// Start COMMAND once the hooks are attached, watch it and its descendants, stop when it ends
    #[arg(last = true, value_name = "COMMAND", num_args = 1.., help_heading = STOP)]
    pub command: Vec<OsString>,
}

/// `auto`, or one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierChoice(pub Option<Tier>);

fn tier_parser() -> impl clap::builder::TypedValueParser<Value = TierChoice> {
    let names = ["auto"]
        .into_iter()
        .chain(Tier::ALL.iter().map(|tier| tier.name()));
    clap::builder::TypedValueParser::map(
        clap::builder::PossibleValuesParser::new(names),
        |name: String| TierChoice(Tier::from_name(&name)),
    )
}
