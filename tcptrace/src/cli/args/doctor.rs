//! Options of `doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::values::{self, named_values};
use crate::session::plan::NetnsSpec;
use crate::sink::color::ColorChoice;

/// What `doctor --fail` takes for wrong, for the help and the manual.
pub const DOCTOR_HELP: &str = "\
--fail exits with 5 for what is happening now and can be acted on:
  a finding of severity broken or degraded: an accept queue is full; a counter of refusals rises
  (ListenOverflows, ListenDrops, TCPReqQFullDrop, TCPAbortOnMemory, TCPAbortFailed,
  TCPTimeWaitOverflow); tcp_max_tw_buckets, tcp_max_orphans, the memory of tcp_mem, or 9 in 10
  local ports (to one destination, or of one address whose connections each took their own) are
  used up; or hooks report connections that are refused, reset or given up, unless they are fewer
  than 1 in 100 of those opened meanwhile. docs/findings.md lists every finding.
Now means: while it observes (--for). Earlier counts, changed settings and kinds that this kernel
cannot show are reported but do not count. Exit code 5 takes precedence over 3 (missing privilege) and 1 (nothing is observable).";

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
    /// Print every setting with its effect, not only those that were changed or that a finding names
    #[arg(long, conflicts_with = "json")]
    pub all_settings: bool,
    /// Observe for this long before judging: 2s, 500ms, 1m; a plain number means seconds
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = values::duration)]
    pub observe: Duration,
    /// Create this file once the hooks are attached
    #[arg(long, value_name = "PATH", conflicts_with_all = ["hooks", "types"])]
    pub ready_file: Option<PathBuf>,
    /// Only this network namespace: that of a process, a name from `ip netns`, or an inode number
    #[arg(long, value_name = "PID|NAME|inode:N", value_delimiter = ',')]
    pub netns: Vec<NetnsSpec>,
    /// When to use colour: red means wrong now, yellow refused earlier or changed
    #[arg(long, value_name = "WHEN", default_value = "auto",
        value_parser = named_values!(ColorChoice))]
    pub color: ColorChoice,
}
