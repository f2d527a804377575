//! Per signal an ordered list of candidates: where it can be heard, what that needs, what stays
//! unseen there. The first candidate that loads and attaches wins; refusals are kept.
//!
//! The order is per signal. A tracepoint that tells everything comes first, being stable; but where
//! it is a hot one (every timer, every freed packet), or has to infer, the functions come first.

mod functions;
mod signals;

use std::fmt;

use super::Kernel;
use crate::model::{self, Evidence, Kind};

pub use functions::FUNCTIONS;
pub use signals::{ACCEPT, SIGNALS};

/// Kinds of hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Entry and exit of functions, through BTF.
    Fentry,
    /// Entry and exit of functions, through breakpoints.
    Kprobe,
    /// BTF tracepoints.
    Tracepoint,
    /// The kernel's counters.
    Counting,
}

impl Tier {
    /// Whether its candidates may be tried when the user insists on a tier. Signals without a
    /// function hook are heard at tracepoints then too, but never through the other kind of
    /// function hook.
    pub fn is_allowed_by(self, forced: Option<model::Tier>) -> bool {
        match (self, forced) {
            (Self::Tracepoint | Self::Counting, _) | (_, None) => true,
            (Self::Fentry, Some(forced)) => forced == model::Tier::Fentry,
            (Self::Kprobe, Some(forced)) => forced == model::Tier::Kprobe,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::Counting => "counting",
        })
    }
}

/// Where in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its first instruction.
    Entry,
    /// Its return.
    Exit,
}

/// One function hook.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The kernel's name.
    pub name: &'static str,
    /// Where.
    pub place: Place,
}

/// One program of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: String,
    /// The function or tracepoint it is attached to.
    pub target: &'static str,
}

/// What a candidate attaches: all of it, or it does not serve.
#[derive(Clone, Copy, Debug)]
pub enum Hooks {
    /// Tracepoints by name.
    Tracepoints(&'static [&'static str]),
    /// Function hooks as [`Tier::Fentry`] needs them, or as [`Tier::Kprobe`] does.
    Functions(&'static [Function]),
    /// Nothing: counters are read.
    Counters,
}

/// Why a candidate cannot serve on this kernel; `None` = it can be tried.
pub type Obstacle = fn(&Kernel) -> Option<String>;

/// One place where a signal can be heard.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Which kind of hook.
    pub tier: Tier,
    /// What it attaches.
    pub hooks: Hooks,
    /// The hook that reports, as events name it.
    pub hook: &'static str,
    /// How a fact from here is known.
    pub evidence: Evidence,
    /// What cannot be seen here; empty = nothing.
    pub blind_to: &'static str,
    /// What the tracepoints need not tell then: bits of `config::served`.
    pub served: u32,
    /// What is missing on this kernel.
    pub obstacle: Obstacle,
}

impl Candidate {
    /// Its programs in the object.
    pub fn programs(&self) -> Vec<Program> {
        match self.hooks {
            Hooks::Counters => Vec::new(),
            Hooks::Tracepoints(names) => names.iter().map(|name| tracepoint(name)).collect(),
            Hooks::Functions(functions) => functions
                .iter()
                .map(|function| {
                    let prefix = match (self.tier, function.place) {
                        (Tier::Kprobe, Place::Entry) => "kprobe",
                        (Tier::Kprobe, Place::Exit) => "kretprobe",
                        (_, Place::Entry) => "fentry",
                        (_, Place::Exit) => "fexit",
                    };
                    Program {
                        // Names of programs have no leading underscores.
                        name: format!("{prefix}_{}", function.name.trim_start_matches('_')),
                        target: function.name,
                    }
                })
                .collect(),
        }
    }

    /// Why it cannot serve on this kernel.
    pub fn obstacle(&self, kernel: &Kernel) -> Option<String> {
        if let Hooks::Functions(functions) = self.hooks {
            let absent = functions.iter().find(|f| !kernel.has_function(f.name));
            if let Some(absent) = absent {
                return Some(format!("this kernel has no function {}", absent.name));
            }
        }
        (self.obstacle)(kernel)
    }
}

/// A tracepoint's program bears its name.
pub fn tracepoint(name: &'static str) -> Program {
    Program {
        name: name.to_owned(),
        target: name,
    }
}

/// A signal, the kind it belongs to, its candidates.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Kind of incident.
    pub kind: Kind,
    /// Which part of the kind, for people.
    pub part: &'static str,
    /// Best first.
    pub candidates: &'static [Candidate],
}

/// Tracepoints that remember owners: needed for every kind.
pub const OWNERS: &[&str] = &[
    "inet_sock_set_state",
    "tcp_destroy_sock",
    "tcp_rcv_space_adjust",
];

/// The tracepoint that follows children.
pub const FORKS: &str = "sched_process_fork";
