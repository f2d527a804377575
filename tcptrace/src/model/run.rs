//! What holds for a whole run: the machine, what was watched and by what.

use super::snapshot::Settings;
use super::{Clock, KindSet};

/// The facts of a run, as they were when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Name of the machine; `None`: it could not be read.
    pub host_name: Option<String>,
    /// Of the kernel, as it calls itself: for people.
    pub kernel: String,
    /// Of tcptrace.
    pub version: String,
    /// From the boot clock to the wall clock, and when the run began.
    pub clock: Clock,
    /// What was watched.
    pub kinds: KindSet,
    /// Whether filters besides kinds and namespaces were in force.
    pub is_partial: bool,
    /// The words of the command line.
    pub words: Vec<String>,
    /// The hooks that were attached.
    pub hooks: Vec<String>,
    /// What could not be seen, or was only counted, and why: one sentence each.
    pub unseen: Vec<String>,
    /// The network namespaces there were, with their settings.
    pub spaces: Vec<SpaceFacts>,
}

/// A network namespace when the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceFacts {
    /// Inode number.
    pub netns: u32,
    /// Whether tcptrace ran in it.
    pub is_own: bool,
    /// Its settings.
    pub settings: Settings,
}
