//! The options of `top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::filter::FilterArgs;
use super::groups::{EngineArgs, SelectionArgs};
use crate::cli::values::{self, named_values};
use crate::sink::color::ColorChoice;
use crate::tui::input::KEYS;

const SCREEN: &str = "Screen";
const RECORDING: &str = "Recording";

/// Between two frames at least: what a person can follow.
const INTERVAL_LEAST: Duration = Duration::from_millis(250);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = values::duration(text).map_err(|error| error.to_string())?;
    if interval < INTERVAL_LEAST {
        return Err("top redraws at most four times a second; use 250ms or more".to_owned());
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
    /// Which kinds.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Filters.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Redraw interval, such as 500ms or 2s (at least 250ms); a key press redraws at once
    #[arg(long, value_name = "TIME", help_heading = SCREEN, default_value = "250ms",
        value_parser = interval)]
    pub interval: Duration,
    /// Stop after this time: 30s, 2m, 1h; a plain number means seconds
    #[arg(long, value_name = "TIME", help_heading = SCREEN, value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// When to use colour (red: lost or refused, yellow: degraded); bold and reverse video
    /// otherwise
    #[arg(long, value_name = "WHEN", help_heading = SCREEN, default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
    /// Create this file as soon as every hook is attached
    #[arg(long, value_name = "PATH", help_heading = SCREEN)]
    pub ready_file: Option<PathBuf>,

    /// Show a recording (see record) instead of this host; needs no privileges
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = RECORDING,
        conflicts_with_all = ["duration", "ready_file", "tier", "ring_size"])]
    pub replay: Vec<PathBuf>,
    /// Replay at the original speed (1) or N times as fast (10, 0.5) [default: as fast as possible]
    #[arg(long, value_name = "N", requires = "replay", help_heading = RECORDING,
        value_parser = values::speed)]
    pub speed: Option<f64>,

    /// How to listen.
    #[command(flatten)]
    pub engine: EngineArgs,
}
