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
    ("tcptrace watch", "what goes wrong, as it happens"),
    (
        "tcptrace watch --only rst_sent,rst_received --port 443",
        "resets of one service",
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
        "for other programs",
    ),
    (
        "tcptrace watch --fail-on rst_sent -- ./integration-test",
        "fail when a test resets",
    ),
    (
        "tcptrace explain rst_sent/linger_zero",
        "what it means, how to fix it",
    ),
    (
        "tcptrace listeners",
        "which accept queues are full, and why",
    ),
    (
        "tcptrace top",
        "all of it on one screen, by process, queue and cause",
    ),
    ("tcptrace listeners 443", "one port explained in sentences"),
    ("tcptrace timewait --watch", "who fills TIME_WAIT"),
    (
        "tcptrace record -o flight.rec --rotate --max-size 64M --keep 16",
        "a flight recorder within 1 GiB",
    ),
    (
        "tcptrace replay flight.rec --only accept_drop",
        "what was refused, from a recording",
    ),
    (
        "tcptrace states --comm java",
        "leaked and stuck sockets of one service",
    ),
    (
        "tcptrace doctor",
        "what can be seen here, what is wrong, what to do",
    ),
];

fn examples() -> String {
    let widest = EXAMPLES
        .iter()
        .map(|(line, _)| line.len())
        .max()
        .unwrap_or(0);
    let lines = EXAMPLES
        .iter()
        .map(|(line, says)| format!("  {line:widest$}  {says}\n"));
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
    about = "Tells, live and by process, why TCP connections die, are refused, or pile up",
    help_template = TEMPLATE,
    before_help = examples(),
    after_help = "A PID is always the owner of the socket: who opened, accepted or listens.",
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
    /// Show what goes wrong, one line per incident, with the process that owns the socket
    Watch(Box<WatchArgs>),
    /// Show it on a full screen: by process, listener, cause and peer; a recording, too
    Top(Box<TopArgs>),
    /// Record a run into a file, for later: as a flight recorder within a fixed disk budget, too
    Record(Box<RecordArgs>),
    /// Show a recording, or NDJSON of an earlier run, as if it happened now; needs no privilege
    Replay(Box<ReplayArgs>),
    /// Make one HTML page of a recording, for the post-mortem: opens anywhere, without a network
    Report(Box<ReportArgs>),
    /// Show every listening socket: who, how full its queues are, which limit binds, what it dropped
    Listeners(Box<ListenersArgs>),
    /// Show sockets by state and process, and what is wrong with them
    States(Box<SnapshotArgs>),
    /// Show who left the TIME_WAIT sockets there are, and how many local ports they take
    Timewait(Box<SnapshotArgs>),
    /// Say what can be seen on this machine, what is wrong with its TCP, and what to do; changes nothing
    Doctor(DoctorArgs),
    /// Say what an incident means, how to confirm it and how to fix it
    Explain(ExplainArgs),
    /// Print the JSON Schema of the --json output
    Schema,
    /// Print a completion script
    Completions {
        /// For this shell
        shell: Shell,
    },
    /// Print a manual page (roff)
    Man(ManArgs),
}

/// Options of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The page of this subcommand; without one that of tcptrace itself
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// What `doctor --fail` takes for wrong, for the help and the manual.
pub const DOCTOR_HELP: &str = "\
Wrong, for --fail, is what goes on now and can be acted on:
  an accept queue is full; a listener's drop counter rises; a counter of refusals rises
  (ListenOverflows, ListenDrops, TCPReqQFullDrop, TCPAbortOnMemory, TCPAbortFailed,
  TCPTimeWaitOverflow); tcp_max_tw_buckets, tcp_max_orphans or the memory of tcp_mem is used up.
Rising means: between two looks, a second or so apart. What was counted earlier, resets by
applications, changed settings and kinds that this kernel cannot show are told, but are not
wrong. 5 comes before the codes 3 (a privilege is missing) and 1 (nothing can be seen).";

/// Options of `doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DOCTOR_HELP)]
pub struct DoctorArgs {
    /// Write the report as one JSON object (see `tcptrace schema`)
    #[arg(long)]
    pub json: bool,
    /// Instead of this machine, judge the kernel whose BTF is in this file; nothing is tried
    #[arg(long = "btf", value_name = "FILE", conflicts_with_all = ["fail", "netns"])]
    pub types: Option<PathBuf>,
    /// Return 5 when something is wrong with TCP now (see below)
    #[arg(long)]
    pub fail: bool,
    /// Look at this network namespace only: of a process, one of `ip netns`, or by inode number
    #[arg(long, value_name = "PID|NAME|inode:N", value_delimiter = ',')]
    pub netns: Vec<NetnsSpec>,
    /// Colour by meaning: red wrong now, yellow refused before or changed
    #[arg(long, value_name = "WHEN", default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
}

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A kind, or a kind and a cause, such as accept_drop or rst_sent/linger_zero; none: list all
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
    before_help = examples(),
    after_help = "A PID is always the owner of the socket. Marks and exit codes: --help",
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
    /// At most this many lines per second; what is left out is counted and said
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub rate_limit: Option<NonZeroU32>,
    /// Record what is shown into this new file too, for `tcptrace replay` and `tcptrace report`
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
    /// Where to: a new file. It is readable by its owner only
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub output: PathBuf,
    /// No file grows larger than this, such as 64M: recording then ends, or goes on in the next file
    #[arg(long, value_name = "SIZE", help_heading = OUTPUT, value_parser = values::size)]
    pub max_size: Option<u64>,
    /// Go on in a new file when one is full (64M unless --max-size says otherwise), or after this
    /// time; the full one becomes FILE.1, that one FILE.2, and so on
    #[arg(long, value_name = "TIME", help_heading = OUTPUT, num_args = 0..=1,
        value_parser = values::duration)]
    pub rotate: Option<Option<Duration>>,
    /// With --rotate: so many files stay, the newest included [default: 8]
    #[arg(long, value_name = "N", help_heading = OUTPUT, requires = "rotate")]
    pub keep: Option<NonZeroU32>,
    /// Write over an existing recording
    #[arg(long, help_heading = OUTPUT, conflicts_with = "rotate")]
    pub force: bool,
    /// How often queues and TIME_WAIT entries are looked at; 0 never
    #[arg(long, value_name = "TIME", help_heading = OUTPUT, default_value = "1s",
        value_parser = values::interval)]
    pub sample: Duration,
    /// No banner and no summary on stderr; losses are told all the same
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
    /// A recording, several files of one, or the NDJSON that tcptrace wrote; - is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write the page there, replacing what is there; - is stdout [default: FILE with .html]
    #[arg(short = 'o', long = "output", value_name = "OUT", help_heading = OUTPUT)]
    pub page: Option<PathBuf>,
    /// How the page tells the time
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
    /// A recording, several files of one, or the NDJSON that tcptrace wrote; - is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// As fast as it happened (1), N times as fast (10, 0.5), or as fast as possible
    #[arg(long, value_name = "N", value_parser = values::speed)]
    pub speed: Option<f64>,
    /// What to show.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Whose.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// After this many incidents
    #[arg(long, value_name = "N", help_heading = STOP)]
    pub count: Option<NonZeroU64>,
    /// Where and how to write.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Return 6 if an event was lost, or a part of the recording is missing
    #[arg(long, help_heading = OUTPUT)]
    pub strict: bool,
    /// Return 5 if one of these kinds was seen
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = OUTPUT,
        value_parser = named_values!(Kind), hide_possible_values = true)]
    pub fail_on: Vec<Kind>,
}
