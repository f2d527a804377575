//! Two looks at this machine, a moment apart: settings, counters, listeners, ports and sockets of
//! every network namespace that could be reached.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::rows::{ListenerRow, PortUse, StateRow};
use super::snapshot::Snapshot;

/// Settings by their full names, as the kernel writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Keeps a value; runs of blanks and tabs become one blank.
    pub fn insert(&mut self, name: &'static str, text: &str) {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        self.0.insert(name, words.join(" "));
    }

    /// The text; `None` where this kernel or namespace does not have the setting.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The number; `None` where there is none, or something else.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Exactly `N` numbers.
    #[must_use]
    pub fn numbers<const N: usize>(&self, name: &str) -> Option<[u64; N]> {
        let words = self.text(name)?.split(' ');
        let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
        numbers.ok()?.try_into().ok()
    }
}

/// One counter of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// Since the namespace began.
    #[serde(rename = "value")]
    pub total: u64,
    /// Between the two looks; null: it was not there at the first one.
    pub rose: Option<u64>,
}

/// How commands reach a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// It is the one tcptrace runs in.
    Own,
    /// Through a process that lives in it.
    Pid(u32),
    /// Through the file it is mounted on.
    Named(String),
}

/// One network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Inode number.
    pub netns: u32,
    /// How to get there.
    pub way_in: WayIn,
    /// How many processes live in it.
    pub processes: u32,
    /// Its own settings.
    pub settings: Values,
    /// Every counter there is, by the kernel's name; `None`: they could not be read.
    pub counters: Option<BTreeMap<String, Count>>,
    /// TIME_WAIT entries now.
    pub time_wait: Option<u64>,
    /// Every listener; `drops_risen` is between the two looks.
    pub listeners: Vec<ListenerRow>,
    /// Local ports in use by local address, the fullest first.
    pub ports: Vec<PortUse>,
    /// Sockets by state and holder, as `states` shows them: only rows with an anomaly.
    pub stuck: Vec<StateRow>,
}

impl Space {
    /// A counter; `None`: this kernel does not have it, or the counters could not be read.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<Count> {
        self.counters.as_ref()?.get(name).copied()
    }

    /// A counter since the namespace began; 0 where it is not known.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        self.count(name).map_or(0, |count| count.total)
    }

    /// How much a counter rose between the two looks; 0 where that is not known.
    #[must_use]
    pub fn rose(&self, name: &str) -> u64 {
        self.count(name).and_then(|count| count.rose).unwrap_or(0)
    }

    /// Whether tcptrace runs in it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.way_in == WayIn::Own
    }
}

/// What all namespaces share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// Settings that only the first network namespace of the host shows.
    pub settings: Values,
    /// How to get to that one; `None`: it cannot be reached.
    pub way_in: Option<WayIn>,
    /// Sockets without an owner now.
    pub orphans: Option<u64>,
    /// Pages that TCP uses now.
    pub memory_pages: Option<u64>,
    /// Bytes of a page.
    pub page_bytes: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// From the first look to the second, ms.
    pub looked_ms: u64,
    /// What all share.
    pub host: Host,
    /// By rising number.
    pub spaces: Vec<Space>,
    /// Why something is missing, one sentence each.
    pub unseen: Vec<String>,
}

/// What two looks read, before anybody makes sense of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// From the first look to the second, ms.
    pub looked_ms: u64,
    /// Bytes of a page.
    pub page_bytes: Option<u64>,
    /// Sockets without a process now.
    pub orphans: Option<u64>,
    /// Pages that TCP uses now.
    pub memory_pages: Option<u64>,
    /// The sockets of the second look.
    pub snapshot: Snapshot,
    /// Drop counters of listeners at the first look, by namespace and cookie.
    pub drops_before: HashMap<(u32, u64), u32>,
    /// Settings as tcptrace's own namespace shows them.
    pub own_settings: Texts,
    /// By rising number.
    pub spaces: Vec<ObservedSpace>,
    /// Why something is missing, one sentence each.
    pub unseen: Vec<String>,
}

/// Settings by name, as the kernel writes them.
pub type Texts = Vec<(&'static str, String)>;

/// What two looks read of a network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSpace {
    /// Inode number.
    pub netns: u32,
    /// How to get there.
    pub way_in: WayIn,
    /// How many processes live in it.
    pub processes: u32,
    /// The settings that it shows.
    pub settings: Texts,
    /// Every counter there is, by the kernel's name; `None`: they could not be read.
    pub counters: Option<BTreeMap<String, Count>>,
    /// TIME_WAIT entries now.
    pub time_wait: Option<u64>,
}
