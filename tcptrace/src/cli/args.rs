//! The command line as written. What it means is a plan's business.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::filter_args::FilterArgs;
use super::groups::{
    CommandArgs, EngineArgs, LiveArgs, OUTPUT, OutputArgs, STOP, SelectionArgs, StopArgs,
};
use super::snapshot_args::{ListenersArgs, SnapshotArgs};
use super::top_args::TopArgs;
use super::values::{self, named_values};
use crate::model::{Kind, named};
use crate::session::plan::NetnsSpec;
use crate::sink::color::ColorChoice;

/// Examples, first in the help and in the manual.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("tcptrace doctor", "what is wrong here, and what to do"),
    ("tcptrace watch", "what is going wrong, as it happens"),
    (
        "tcptrace watch --only rst_sent,rst_received --port 443",
        "resets on port 443",
    ),
    (
        "tcptrace watch --only accept_drop,syn_drop",
        "who refuses connections, and why",
    ),
    (
        "tcptrace watch --pid 1234 --children --duration 30s",
        "one process and its descendants",
    ),
    (
        "tcptrace watch --raddr 10.0.0.0/8 --json > incidents.ndjson",
        "NDJSON for other programs",
    ),
    (
        "tcptrace watch --fail-on rst_sent -- ./integration-test",
        "fail a test run that sends a RST",
    ),
    (
        "tcptrace explain rst_sent/linger_zero",
        "what it means and how to fix it",
    ),
    (
        "tcptrace listeners",
        "which accept queues are full, and why",
    ),
    ("tcptrace top", "everything on one screen"),
    ("tcptrace listeners 443", "one port, explained in sentences"),
    (
        "tcptrace timewait --watch",
        "which processes fill TIME_WAIT",
    ),
    (
        "tcptrace record -o flight.rec --rotate --max-size 64M --keep 16",
        "a flight recorder limited to 1 GiB",
    ),
    (
        "tcptrace replay flight.rec --only accept_drop",
        "refused connections from a recording",
    ),
    (
        "tcptrace states --comm java",
        "leaked and stuck sockets of a service",
    ),
];

/// One example of each subcommand.
fn first_examples() -> String {
    let mut shown = Vec::new();
    examples(|line| {
        let subcommand = line.split(' ').nth(1);
        let is_first = !shown.contains(&subcommand);
        shown.push(subcommand);
        is_first
    })
}

fn examples_of_watch() -> String {
    examples(|line| line.starts_with("tcptrace watch"))
}

/// The meaning first, the command below it: a long command still fits 80 columns.
fn examples(is_shown: impl FnMut(&'static str) -> bool) -> String {
    let mut is_shown = is_shown;
    let lines = EXAMPLES
        .iter()
        .filter(|(line, _)| is_shown(line))
        .map(|(line, says)| format!("  # {says}\n  {line}\n"));
    format!("Examples:\n{}", lines.collect::<String>())
}

const TEMPLATE: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

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
    States(Box<SnapshotArgs>),
    /// Show which processes left the current TIME_WAIT sockets, and how many local ports those
    /// occupy
    Timewait(Box<SnapshotArgs>),
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

/// What `doctor --fail` takes for wrong, for the help and the manual.
pub const DOCTOR_HELP: &str = "\
--fail exits with 5 for what is happening now and can be acted on:
  a finding of severity broken or degraded: an accept queue is full; a counter of refusals rises
  (ListenOverflows, ListenDrops, TCPReqQFullDrop, TCPAbortOnMemory, TCPAbortFailed,
  TCPTimeWaitOverflow); tcp_max_tw_buckets, tcp_max_orphans, the memory of tcp_mem, or 9 in 10
  local ports (to one destination, or of one address whose connections each took their own) are
  used up. docs/findings.md lists every finding.
Rising means: between two samples taken about a second apart. Earlier counts, resets by
applications, changed settings and kinds that this kernel cannot show are reported but do not
count. Exit code 5 takes precedence over 3 (missing privilege) and 1 (nothing is observable).";

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArgs {
    /// Write the report as one JSON object (see `tcptrace schema`)
    #[arg(long)]
    pub json: bool,
    /// Judge the kernel whose BTF is in this file instead of this host; no hook is attached
    #[arg(long = "btf", value_name = "FILE", conflicts_with_all = ["fail", "netns", "observe"])]
    pub types: Option<PathBuf>,
    /// Exit with 5 if something is wrong with TCP now (see below)
    #[arg(long)]
    pub fail: bool,
    /// Print the report on privileges, kernel types and hooks instead of the findings
    #[arg(long, conflicts_with_all = ["json", "fail"])]
    pub hooks: bool,
    /// Observe for this long before judging: 2s, 500ms, 1m; a plain number means seconds
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = values::duration)]
    pub observe: Duration,
    /// Only this network namespace: that of a process, a name from `ip netns`, or an inode number
    #[arg(long, value_name = "PID|NAME|inode:N", value_delimiter = ',')]
    pub netns: Vec<NetnsSpec>,
    /// When to use colour: red means wrong now, yellow refused earlier or changed
    #[arg(long, value_name = "WHEN", default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
}

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A kind, or a kind and a cause, such as accept_drop or rst_sent/linger_zero (default: list
    /// all)
    #[arg(value_name = "KIND[/CAUSE]")]
    pub topic: Option<String>,
}

fn watch_help() -> String {
    format!(
        "Marks in a line:\n{}\n\nExit codes:\n{}",
        indented(crate::sink::text::LEGEND),
        codes()
    )
}

fn codes_help() -> String {
    format!("Exit codes:\n{}", codes())
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn codes() -> String {
    let lines = super::exit::TABLE
        .iter()
        .map(|(code, says)| format!("  {code:<5} {says}"));
    lines.collect::<Vec<_>>().join("\n")
}

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
    /// Print at most this many lines per second; suppressed lines are counted and reported
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

/// Options of `record`.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = codes_help())]
pub struct RecordArgs {
    /// File to create; only its owner can read it
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub output: PathBuf,
    /// Maximum size of a file, such as 64M; recording then ends or, with --rotate, continues in the
    /// next file
    #[arg(long, value_name = "SIZE", help_heading = OUTPUT, value_parser = values::size)]
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

named! {
    /// Where the times of a page are those of.
    Zone {
        /// This machine.
        Local = "local",
        /// UTC.
        Utc = "utc",
    }
}

/// Options of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// A recording, several files of one recording, or NDJSON written by tcptrace; - reads stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write the page to this file, replacing it if it exists; - writes to stdout [default: FILE
    /// with .html]
    #[arg(short = 'o', long = "output", value_name = "OUT", help_heading = OUTPUT)]
    pub page: Option<PathBuf>,
    /// Time zone of the times on the page
    #[arg(long, value_name = "ZONE", help_heading = OUTPUT, default_value = "local",
        value_parser = named_values!(Zone))]
    pub time: Zone,
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
    /// What to show.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Stop after this many incidents
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
