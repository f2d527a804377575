//! What `tcptrace doctor --json` writes. The comments are the descriptions in the schema; `null` is not
//! known, or not there.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::Finding;
use super::incident::{LimitedBy, Queue};
use super::line::{End, VERSION};
use super::survey::Count;
use super::{Endpoint, Evidence, Kind, Tier, named};

/// What the object is called.
pub const KIND: &str = "doctor";

/// The report of `tcptrace doctor`. All from `counters` on is null with `--btf`, and where the kernel's
/// files could not be read.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "doctor")]
pub struct Doctor<'a> {
    /// Version of the format.
    #[schemars(extend("const" = VERSION))]
    pub v: u8,
    /// What the object is.
    #[schemars(extend("const" = KIND))]
    pub kind: &'a str,
    /// Configuration files that were found.
    pub config: &'a [ConfigFile],
    /// null with `--btf`.
    pub privileges: Option<Privileges>,
    /// The kernel's types.
    pub kernel: Option<KernelTypes<'a>>,
    /// Why these are not known.
    pub kernel_error: Option<&'a str>,
    /// Programs were attached; false: judged by types.
    pub tried: bool,
    /// Why nothing is known of the signals; `signals` is empty then.
    pub untried: Option<&'a str>,
    /// Every part of every kind.
    pub signals: Vec<SignalRow<'a>>,
    /// How the owner after accept() is observed.
    pub accept: Option<FactSource<'a>>,
    /// How the backlog of listen() is observed.
    pub backlogs: Option<FactSource<'a>>,
    /// How the wait for accept() is measured.
    pub accept_waits: Option<FactSource<'a>>,
    /// Programs attached for the report.
    pub programs: Option<&'a [String]>,
    /// How sockets older than tcptrace are found.
    pub older_sockets: Option<OlderSockets<'a>>,
    /// How children of a process are followed.
    pub children: Option<Children<'a>>,
    /// Error counters of the own namespace that have risen and can be explained.
    pub counters: Option<Vec<Explained>>,
    /// Why nothing is known of TCP on this host.
    pub counters_error: Option<&'a str>,
    /// Between the two looks, for what rose, milliseconds.
    pub looked_ms: Option<u64>,
    /// What all namespaces share.
    pub host: Option<HostFacts>,
    /// Namespaces with equal settings together.
    pub settings: Option<Vec<SettingsGroup>>,
    /// By rising number.
    pub namespaces: Option<Vec<Namespace<'a>>>,
    /// Listeners whose accept queue is full, or whose drop counter is not 0.
    pub listeners: Option<Vec<HurtListener<'a>>>,
    /// What is wrong, the worst first; one of severity `broken` or `degraded` makes the exit code 5
    /// with `--fail`.
    pub findings: Option<&'a [Finding]>,
    /// Why something is missing.
    pub unseen: Option<&'a [String]>,
}

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ConfigFile {
    /// Its path.
    pub path: String,
    /// What it sets: the section, and the options as on a command line.
    pub options: Vec<String>,
    /// Why it was not read; null: it was.
    pub skipped: Option<String>,
}

/// What this process may do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Privileges {
    /// Those that tcptrace has a use for.
    pub capabilities: Vec<CapabilityRow>,
    /// Whether it runs in a user namespace other than the first.
    pub user_namespace: Option<bool>,
    /// How far the kernel guards itself against root; null: not known.
    pub lockdown: Option<Lockdown>,
    /// What else the machine forbids, in sentences.
    pub notes: Vec<String>,
}

/// One capability.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CapabilityRow {
    /// As in capabilities(7).
    pub name: &'static str,
    /// Whether this process has it.
    pub held: Option<bool>,
    /// What does not work without it; null: it is held, or not needed.
    pub lacking: Option<&'static str>,
    /// Nothing works without it.
    pub required: bool,
}

named! {
    /// How far the kernel guards itself against root, in the kernel's own words.
    Lockdown {
        /// Not at all.
        None = "none",
        /// Root may not change the kernel.
        Integrity = "integrity",
        /// Root may not read the kernel's memory either, which tracing does.
        Confidentiality = "confidentiality",
    }
}

/// What the kernel's types show.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct KernelTypes<'a> {
    /// As `uname -r` prints it, or the name of the file.
    pub release: &'a str,
    /// Whether it is the kernel tcptrace runs on.
    pub runs_here: bool,
    /// Fields of kernel structures that are read and known.
    pub fields_known: usize,
    /// Fields that this kernel does not have.
    pub fields_absent: Vec<String>,
    /// Why a RST is sent.
    pub reset_reasons: Reasons,
    /// Why a packet is dropped.
    pub drop_reasons: Reasons,
    /// Whether dropped packets come with their socket.
    pub drop_socket: bool,
    /// Functions whose addresses are needed.
    pub functions: Vec<Function<'a>>,
    /// Ticks of its clock per second.
    pub ticks_per_second: Option<u64>,
}

/// Reasons that the kernel gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Reasons {
    /// How many there are names of.
    pub names: usize,
    /// Whether its hooks report them.
    #[serde(rename = "told")]
    pub reported: bool,
}

/// A function of the kernel.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'static str,
    /// Whether its address is known.
    pub found: bool,
    /// Why it is not.
    pub refused: Option<&'a str>,
}

/// What serves a fact; all null when nothing does.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct FactSource<'a> {
    /// How sure it is; null: it cannot be seen.
    pub evidence: Option<Evidence>,
    /// The hook that reports it.
    pub hook: Option<&'a str>,
    /// The kind of that hook.
    pub tier: Option<Tier>,
    /// What that hook does not show.
    pub blind_to: Option<&'a str>,
    /// Why better hooks do not serve.
    pub refusals: &'a [String],
}

/// One part of a kind.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SignalRow<'a> {
    /// What serves it.
    #[serde(flatten)]
    pub served: FactSource<'a>,
    /// The kind of incident.
    pub kind: Kind,
    /// Which of its facts.
    pub part: &'static str,
    /// The same in plain words, without the kind.
    pub fact: &'static str,
}

named! {
    /// How files of sockets are found.
    FoundBy {
        /// By a program that walks all open files.
        Iterator = "iterator",
        /// By sock_diag and /proc.
        Proc = "proc",
    }
}

/// Sockets older than tcptrace.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct OlderSockets<'a> {
    /// What finds their owners.
    pub by: FoundBy,
    /// Why the iterator does not.
    pub refused: Option<&'a str>,
}

/// Children of followed processes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Children<'a> {
    /// The hook that reports them.
    pub hook: Option<String>,
    /// Why there is none.
    pub refused: Option<&'a str>,
}

/// A counter that `tcptrace explain` knows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Explained {
    /// The kernel's name of it.
    pub counter: &'static str,
    /// Since the namespace began.
    pub value: u64,
    /// For `tcptrace explain`.
    pub explain: &'static str,
}

/// What all namespaces share.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct HostFacts {
    /// Those that only the first network namespace of the host shows.
    pub settings: Vec<Setting>,
    /// Sockets without a process now.
    pub orphans: Option<u64>,
    /// Memory that TCP uses now, pages.
    pub tcp_memory_pages: Option<u64>,
    /// Size of a page.
    pub page_bytes: Option<u64>,
}

named! {
    /// What a setting is about.
    SettingGroup {
        /// Accept queue and SYN queue.
        Queues = "queues",
        /// Giving up, orphans, and what is left in memory.
        Closing = "closing",
        /// TIME_WAIT and timestamps.
        TimeWait = "time_wait",
        /// Ports given out by connect() and bind().
        Ports = "ports",
        /// Probes of silent connections.
        Keepalive = "keepalive",
    }
}

/// One setting as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Setting {
    /// Its full name, as sysctl takes it.
    pub name: &'static str,
    /// What it is about.
    pub group: SettingGroup,
    /// Its value; null: not in this kernel or namespace.
    pub value: Option<String>,
    /// The kernel's default; null: it follows from the size of memory.
    pub default: Option<String>,
    /// Whether it was changed; null: not known.
    pub changed: Option<bool>,
    /// What this value does here, in one sentence; null: there is none, or it is not understood.
    pub effect: Option<String>,
}

/// Namespaces that have every setting in common.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SettingsGroup {
    /// Inode numbers.
    pub namespaces: Vec<u32>,
    /// Their settings.
    pub values: Vec<Setting>,
}

/// A network namespace.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Namespace<'a> {
    /// Inode number.
    pub netns: u32,
    /// tcptrace runs in it.
    pub own: bool,
    /// Processes that live in it.
    pub processes: u32,
    /// One of them.
    pub pid: Option<u32>,
    /// A file it is mounted on.
    pub file: Option<&'a str>,
    /// How many there are.
    pub listeners: usize,
    /// TIME_WAIT sockets in it now.
    pub time_wait_entries: Option<u64>,
    /// All error counters, including those at 0; null: they cannot be read.
    pub counters: Option<Vec<Damage>>,
}

named! {
    /// What damage means for users.
    Weight {
        /// Connections were refused or discarded because of limits of this host or namespace.
        Refused = "refused",
        /// Connections ended badly, or worked worse.
        Degraded = "degraded",
    }
}

/// One counter of damage and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Damage {
    /// Name, as in /proc/net.
    pub counter: &'static str,
    /// Its value.
    #[serde(flatten)]
    pub count: Count,
    /// What it means for users.
    pub weight: Weight,
    /// What is counted, in plain words; the number comes before them.
    pub says: &'static str,
    /// What it is part of.
    pub of: Option<&'static str>,
    /// How many of these there were since the namespace began.
    pub of_total: Option<u64>,
    /// For `tcptrace explain`.
    #[serde(rename = "explain")]
    pub topic: Option<&'static str>,
}

impl Damage {
    /// Per 100 of what it is part of; `None` without that.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let total = self.of_total.filter(|total| *total > 0)?;
        Some(self.count.total as f64 * 100.0 / total as f64)
    }

    /// How much it rose between the two looks; 0 where that is not known.
    #[must_use]
    pub fn rose(&self) -> u64 {
        self.count.rose.unwrap_or(0)
    }
}

/// A listener that is full, or has dropped something.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct HurtListener<'a> {
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Where it listens.
    #[schemars(with = "End")]
    pub local: Endpoint,
    /// The kernel's socket cookie, as printed by ss -e.
    pub cookie: u64,
    /// Every holder.
    pub pids: &'a [u32],
    /// Name of the first holder.
    pub comm: Option<&'a str>,
    /// The accept queue.
    pub accept_queue: Queue,
    /// Length above limit: the next connection is refused.
    pub full: bool,
    /// What the limit comes from.
    pub limited_by: Option<LimitedBy>,
    /// The socket's drop counter since it began.
    pub drops: Option<u32>,
    /// How much that rose between the two looks; null: not known.
    pub drops_rose: Option<u64>,
}
