//! The kernel's counters of every namespace, and its listeners.

use std::collections::{HashMap, HashSet};

use super::boot_ns;
use super::namespaces::{Namespaces, namespaces, number};
use crate::source::mib::Counters;
use crate::source::netns;
use crate::source::sock_diag::{self, SockRow};

/// Counters of all namespaces at one moment.
#[derive(Clone, Debug, Default)]
pub struct CounterReading {
    /// By namespace.
    pub counters: HashMap<u32, Counters>,
    /// Namespaces that could not be read, or were beyond the limit.
    pub unread: u32,
    /// What was there.
    pub presence: Presence,
    /// The boot clock before the first of them was read, ns.
    pub begin_ns: u64,
    /// The boot clock when the last of them had been read, ns.
    pub boot_ns: u64,
}

/// Which namespaces there were at a moment.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    listed: HashSet<u32>,
    is_known: bool,
}

impl Presence {
    /// Of exactly these namespaces.
    pub fn of(listed: HashSet<u32>) -> Self {
        Self {
            listed,
            is_known: true,
        }
    }

    /// Of namespaces that could not be listed.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Whether a namespace that is there later is younger than this moment, so that its counters
    /// began at 0 since.
    pub fn is_before(&self, netns: u32) -> bool {
        self.is_known && !self.listed.contains(&netns)
    }
}

impl From<&Namespaces> for Presence {
    fn from(all: &Namespaces) -> Self {
        Self::of(all.listed.clone())
    }
}

/// Reads the counters; `watched` empty: of every namespace.
pub fn counters(watched: &[u32]) -> CounterReading {
    let begin_ns = boot_ns();
    let Some(all) = found(watched) else {
        return CounterReading {
            begin_ns,
            unread: 1,
            presence: Presence::unknown(),
            boot_ns: boot_ns(),
            ..CounterReading::default()
        };
    };
    let mut counters = HashMap::new();
    let mut unread = all.left_out;
    for netns in &all.found {
        match (number(netns), Counters::read(netns)) {
            (Some(number), Ok(read)) => {
                counters.insert(number, read);
            }
            (_, Err(error)) => {
                log::info!(target: "survey", "counters of netns {}: {error}", netns.inode);
                unread += 1;
            }
            (None, Ok(_)) => {}
        }
    }
    CounterReading {
        counters,
        unread,
        presence: Presence::from(&all),
        begin_ns,
        boot_ns: boot_ns(),
    }
}

/// Counters and listeners of all namespaces.
#[derive(Clone, Debug, Default)]
pub struct RefusalReading {
    /// By namespace.
    pub spaces: HashMap<u32, Refusing>,
    /// What was there.
    pub presence: Presence,
}

/// What one namespace says of refusals.
#[derive(Clone, Debug, Default)]
pub struct Refusing {
    /// Its counters.
    pub counters: Counters,
    /// Its listeners, with their own counters.
    pub listeners: Vec<SockRow>,
}

/// Reads them; `watched` empty: of every namespace.
pub fn refusals(watched: &[u32]) -> RefusalReading {
    let Some(all) = found(watched) else {
        return RefusalReading {
            presence: Presence::unknown(),
            ..RefusalReading::default()
        };
    };
    let mut spaces = HashMap::new();
    for found in &all.found {
        let Some(number) = number(found) else {
            continue;
        };
        let listeners = netns::with(found, sock_diag::listeners);
        match (Counters::read(found), listeners) {
            (Ok(counters), Ok(Ok((listeners, _)))) => {
                let refusing = Refusing {
                    counters,
                    listeners,
                };
                spaces.insert(number, refusing);
            }
            _ => log::info!(target: "survey", "refusals of netns {number} could not be read"),
        }
    }
    RefusalReading {
        spaces,
        presence: Presence::from(&all),
    }
}

fn found(watched: &[u32]) -> Option<Namespaces> {
    namespaces(watched)
        .inspect_err(
            |error| log::warn!(target: "survey", "cannot list network namespaces: {error}"),
        )
        .ok()
}
