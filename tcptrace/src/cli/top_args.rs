//! The options of `top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::{TierChoice, WatchArgs, tier_parser};
use super::filter_args::FilterArgs;
use super::values::{self, named_values};
use crate::model::Kind;
use crate::sink::TimeStyle;
use crate::sink::color::ColorChoice;
use crate::tui::input::KEYS;

const SELECTION: &str = "Selection";
const SCREEN: &str = "Screen";
const ENGINE: &str = "Engine";

/// Between two frames at least: what a person can follow.
const INTERVAL_LEAST: Duration = Duration::from_millis(250);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = values::duration(text).map_err(|error| error.to_string())?;
    if interval < INTERVAL_LEAST {
        return Err("top draws four times a second at most; give 250ms or more".to_owned());
    }
    Ok(interval)
}

fn keys() -> String {
    let widest = KEYS.iter().map(|(keys, _)| keys.len()).max().unwrap_or(0);
    let lines = KEYS
        .iter()
        .map(|(keys, does)| format!("  {keys:widest$}  {does}"));
    format!("Keys:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Options of `top`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = keys())]
pub struct TopArgs {
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

    /// Filters.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Draw again after this time: 500ms, 2s; 250ms at least. A key draws at once
    #[arg(long, value_name = "TIME", help_heading = SCREEN, default_value = "250ms",
        value_parser = interval)]
    pub interval: Duration,
    /// End after this time: 30s, 2m, 1h; a plain number is seconds
    #[arg(long, value_name = "TIME", help_heading = SCREEN, value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Colour by meaning: red lost or refused, yellow degraded; without, bold and reverse
    #[arg(long, value_name = "WHEN", help_heading = SCREEN, default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
    /// Create this file once every hook is attached
    #[arg(long, value_name = "PATH", help_heading = SCREEN)]
    pub ready_file: Option<PathBuf>,

    /// Use only one tier of hooks; auto takes the best there is for each fact
    #[arg(long, value_name = "TIER", help_heading = ENGINE, default_value = "auto",
        value_parser = tier_parser())]
    pub tier: TierChoice,
    /// Size of the kernel's ring in bytes, or with K or M; a power of two
    #[arg(long, value_name = "BYTES", help_heading = ENGINE, default_value = "4M",
        value_parser = values::ring_bytes)]
    pub ring_size: u32,
}

impl TopArgs {
    /// What `watch` would be told to watch the same.
    pub(super) fn as_watch(&self) -> WatchArgs {
        WatchArgs {
            only: self.only.clone(),
            except: self.except.clone(),
            all: self.all,
            filter: self.filter.clone(),
            duration: self.duration,
            count: None,
            json: false,
            time: TimeStyle::Local,
            wide: false,
            no_header: false,
            color: self.color,
            quiet: false,
            ready_file: self.ready_file.clone(),
            rate_limit: None,
            strict: false,
            fail_on: Vec::new(),
            tier: self.tier,
            ring_size: self.ring_size,
            command: Vec::new(),
        }
    }
}
