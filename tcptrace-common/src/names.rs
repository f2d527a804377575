//! Names of maps and globals, used by the programs that define them and by the loader.

/// Ring buffer that carries every record.
pub const RING: &str = "RING";
/// Per-CPU counters: one [`crate::wire::KindCounters`] per kind.
pub const COUNTERS: &str = "COUNTERS";
/// One-word array, mapped into the reader: non-zero while the reader sleeps.
pub const READER: &str = "READER";
/// Per-socket memory: owner, birth, last state.
pub const SOCKS: &str = "SOCKS";
/// Listening sockets by namespace and port.
pub const LISTENERS: &str = "LISTENERS";
/// Tasks blocked in a lingering close.
pub const LINGERING: &str = "LINGERING";
/// Processes whose descendants are followed, by pid.
pub const FOLLOWED: &str = "FOLLOWED";
/// One word: the bits of [`crate::config::by_function`].
pub const BY_FUNCTION: &str = "BY_FUNCTION";
/// Tasks inside accept(), and the listener they ask.
pub const ACCEPTING: &str = "ACCEPTING";
/// By the inode of a listener: one [`crate::waits::Waits`].
pub const WAITS: &str = "WAITS";
/// By the inode of a listener: the backlog that listen() was given.
pub const BACKLOGS: &str = "BACKLOGS";
/// Per-CPU counter: runs that [`AGAIN`] has made up for.
pub const MADE_UP: &str = "MADE_UP";
/// The program that runs where the kernel skips that of its tracepoint, [`AGAIN_OF`].
pub const AGAIN: &str = "inet_sock_set_state_again";
/// See [`AGAIN`].
pub const AGAIN_OF: &str = "inet_sock_set_state";
/// By network namespace: counters of refused SYNs as last read on each CPU.
pub const SYN_COUNTERS: &str = "SYN_COUNTERS";
/// By network namespace: counters of TIME_WAITs that could not be made, likewise.
pub const TIME_WAIT_OVERFLOWS: &str = "TIME_WAIT_OVERFLOWS";
/// Network namespaces whose counters could not be read when the run began.
pub const OLDER: &str = "OLDER";
/// The program that the user side runs on each CPU to read what was counted before.
pub const BASELINE: &str = "read_baseline";
/// Global with the [`crate::offsets::KernelOffsets`] of the running kernel.
pub const OFFSETS: &str = "OFFSETS";
/// Global with the [`crate::offsets::HolderOffsets`] of the running kernel.
pub const HOLDERS: &str = "HOLDERS";
/// Global with the [`crate::config::Config`] of this run.
pub const CONFIG: &str = "CONFIG";

/// Per-CPU counters of what found no room: by the numbers of [`limited`].
pub const FULL: &str = "FULL";

/// Maps that can be full: their numbers in [`FULL`], and what is lost then.
pub mod limited {
    /// [`super::SOCKS`]
    pub const SOCKS: u32 = 0;
    /// [`super::LISTENERS`]
    pub const LISTENERS: u32 = 1;
    /// [`super::LINGERING`]
    pub const LINGERING: u32 = 2;
    /// [`super::FOLLOWED`]
    pub const FOLLOWED: u32 = 3;
    /// [`super::SYN_COUNTERS`]
    pub const SYN_COUNTERS: u32 = 4;
    /// [`super::TIME_WAIT_OVERFLOWS`]
    pub const TIME_WAIT_OVERFLOWS: u32 = 5;
    /// [`super::WAITS`]
    pub const WAITS: u32 = 6;
    /// Places where records are built.
    pub const HEAD_SLOTS: u32 = 7;
    /// How many there are.
    pub const COUNT: usize = 8;
    /// Those whose entries are counted.
    pub const MAPS: [&str; 6] = [
        super::SOCKS,
        super::LISTENERS,
        super::LINGERING,
        super::FOLLOWED,
        super::SYN_COUNTERS,
        super::TIME_WAIT_OVERFLOWS,
    ];
    const MEANINGS: [&str; COUNT] = [
        "sockets whose owner was not remembered",
        "ports whose listeners were not remembered",
        "lingering closes that were not followed",
        "descendants that were not followed",
        "namespaces whose refused SYNs were not counted before",
        "namespaces whose TIME_WAIT overflows were not counted before",
        "listeners whose waits were not measured",
        "records that were not built",
    ];
    /// What was not remembered; `?` for a number that stands for nothing.
    pub fn meaning(number: u32) -> &'static str {
        MEANINGS.get(number as usize).copied().unwrap_or("?")
    }
}
