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
/// How often maps of the programs were full: see [`full`].
pub const FULL: &str = "FULL";

/// Places in the map [`FULL`].
pub mod full {
    /// Sockets that could not be remembered.
    pub const SOCKS: u32 = 0;
    /// Ports whose listeners could not be remembered.
    pub const LISTENERS: u32 = 1;
    /// Descendants that could not be followed.
    pub const FOLLOWED: u32 = 2;
    /// Descendants that were added.
    pub const JOINED: u32 = 3;
    /// How many places there are.
    pub const COUNT: u32 = 4;
}
/// One word: the bits of [`crate::config::served`].
pub const SERVED: &str = "SERVED";
/// Tasks inside accept(), and the listener they ask.
pub const ACCEPTING: &str = "ACCEPTING";
/// By the inode of a listener: one [`crate::waits::Waits`].
pub const WAITS: &str = "WAITS";
/// By the inode of a listener: the backlog that listen() was given.
pub const BACKLOGS: &str = "BACKLOGS";
/// Global with the [`crate::offsets::KernelOffsets`] of the running kernel.
pub const OFFSETS: &str = "OFFSETS";
/// Global with the [`crate::config::Config`] of this run.
pub const CONFIG: &str = "CONFIG";
