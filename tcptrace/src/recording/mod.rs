//! A run in a file: events after attribution and before interpretation, and all that a replay needs
//! to say the same on another machine.
//!
//! An owner cannot be found again later, a meaning can: so better rules read old recordings. The
//! format is described in `docs/recording.md`. Writing never holds up whoever records: what the disk
//! does not take is lost, and counted. Reading never fails as a whole once a file has begun well:
//! what is damaged is skipped and reported as a [`Piece::Gap`].

mod disk;
mod frame;
mod reader;
mod recorder;
#[cfg(test)]
mod tests;
mod v1;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::{Event, Host, Kind, RunFacts, Sample};

pub use disk::{Confine, Confined, Files, Rotation, Trouble};
pub use reader::{Gap, Piece, ReadError, Reader};
pub use recorder::{Outcome, Recorder, Want};

/// Version of the format this program writes. It reads this one and all before.
pub const VERSION: u16 = 1;

/// How every recording begins.
pub const MAGIC: [u8; 8] = *b"tcptrace";

/// The counters of a network namespace, by the kernel's names (`TcpExt.ListenOverflows`).
pub type Counters = BTreeMap<String, u64>;

/// How a file of a recording begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The same in all files of one run, and in no other.
    pub run: [u8; 16],
    /// Files of the run before this one.
    pub sequence: u32,
    /// The run as a whole; `None` only in a recording that is damaged.
    pub facts: Option<RunFacts>,
    /// What this kernel calls its reasons.
    pub host: Host,
    /// Where things stood.
    pub standing: Standing,
}

/// Where the books and the kernel's counters stand at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Boot clock, ns.
    pub boot_ns: u64,
    /// Counters by the inode number of the namespace.
    pub counters: BTreeMap<u32, Counters>,
    /// Namespaces that could not be read.
    pub unread: u32,
    /// Of each kind: left out by the kernel side, lost in the ring.
    pub kernel: BTreeMap<Kind, KernelCount>,
    /// Incidents left out by filters and therefore not in the recording.
    pub filtered: u64,
    /// Runs that the kernel skipped, by hook; an empty name: of hooks that are not named.
    pub skipped: BTreeMap<Cow<'static, str>, u64>,
    /// A namespace that had events ended with its counters.
    pub has_gone: bool,
}

/// Of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelCount {
    /// Left out by a filter of the kernel side.
    pub filtered: u64,
    /// Lost in the ring.
    pub lost: u64,
}

/// What is recorded, in the order in which it happened to the recorder.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made one at a time, and nearly all are events"
)]
pub enum Item {
    /// A fact.
    Event(Event),
    /// What interpretation held back until this moment of the boot clock was let go.
    Tick(u64),
    /// The kernel side's counters of a kind, as seen at that moment of the boot clock.
    Kernel(Kind, KernelCount, u64),
    /// A record that could not be decoded.
    Undecodable(Option<Kind>),
    /// How full things were.
    Sample(Sample),
    /// The interval that is compared with the kernel's counters ends here (boot clock, ns).
    Ending(u64),
    /// The wall clock was set by `step_ns`, and is ahead of the boot clock by `boot_to_wall_ns` from here on. A
    /// file that begins after that says it again, with 0 for the step.
    Clock {
        /// Wall clock minus boot clock, ns.
        boot_to_wall_ns: i64,
        /// Positive forward, ns.
        step_ns: i64,
    },
}
