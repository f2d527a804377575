//! What a live run is to do, with nothing looked up yet.

mod netns_spec;

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use crate::interpret::filter::Filter;
use crate::model::{KindSet, Tier};
use crate::recording::Files;

pub use netns_spec::{NetnsSpec, NotNetns};

/// What a live run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Kinds to watch.
    pub kinds: KindSet,
    /// Kinds named by the user: it is an error when this kernel cannot show them.
    pub asked_by_name: KindSet,
    /// What to show. `filter.pids` are as written, `filter.netns` is empty: see the next two.
    pub filter: Filter,
    /// Descendants of `filter.pids` count too.
    pub with_children: bool,
    /// Namespaces to look up.
    pub netns: Vec<NetnsSpec>,
    /// When to end.
    pub stop: Stop,
    /// How to listen.
    pub engine: Engine,
    /// Incidents shown per second at most.
    pub rate_limit: Option<NonZeroU32>,
    /// Seeing one of these is an error.
    pub fail_on: KindSet,
    /// How long connections wait for accept() is measured.
    pub measures_accepts: bool,
}

impl Plan {
    /// Watches what this filter shows, until it is stopped.
    pub fn of(kinds: KindSet, filter: Filter, engine: Engine) -> Self {
        Self {
            kinds,
            asked_by_name: KindSet::EMPTY,
            filter,
            with_children: false,
            netns: Vec::new(),
            stop: Stop::default(),
            engine,
            rate_limit: None,
            fail_on: KindSet::EMPTY,
            measures_accepts: false,
        }
    }
}

/// What a run leaves in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where to, and how large.
    pub files: Files,
    /// How often queues are looked at; `None`: never.
    pub sample_every: Option<Duration>,
}

/// When to end. What comes first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// After this time.
    pub after: Option<Duration>,
    /// Stop after this many incidents shown.
    pub count: Option<NonZeroU64>,
    /// When this command ends; program and arguments, never empty.
    pub command: Option<Vec<OsString>>,
}

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// The only tier to use; `None`: the best there is for each fact.
    pub tier: Option<Tier>,
    /// Size of the ring buffer.
    pub ring_bytes: u32,
}
