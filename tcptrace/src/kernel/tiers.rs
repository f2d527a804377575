//! Per signal an ordered list of candidates: where it can be hooked, what that needs, what stays
//! unseen there. The first candidate that loads and attaches wins; refusals are kept.
//!
//! The order is per signal. A tracepoint that reports everything comes first, since it is stable; but where
//! it is a hot one (every timer, every freed packet), or has to infer, the functions come first.

mod functions;
mod signals;
#[cfg(test)]
mod tests;

use tcptrace_common::hook::{Family, Hook};

use super::Kernel;
use crate::model::{Evidence, Kind, Tier};

pub use functions::{WALK, functions};
pub use signals::{ACCEPT, LISTENED, SIGNALS, WAITS};

/// One program of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// The function or tracepoint it is attached to.
    pub target: &'static str,
}

/// What a candidate attaches: all of it, or it does not serve.
#[derive(Clone, Copy, Debug)]
pub enum Hooks {
    /// Tracepoints by name; the first reports.
    Tracepoints(&'static [&'static str]),
    /// Function hooks as [`Tier::Fentry`] needs them, or as [`Tier::Kprobe`] does.
    Functions {
        /// Those that serve together.
        family: Family,
        /// The number of the hook that reports.
        reporter: u8,
    },
    /// Nothing: counters are read.
    Counters,
}

/// Why a candidate cannot serve on this kernel; `None` = it can be tried.
pub type Obstacle = fn(&Kernel) -> Option<String>;

/// One place where a signal can be hooked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Which kind of hook.
    pub tier: Tier,
    /// What it attaches.
    pub hooks: Hooks,
    /// How a fact from here is known.
    pub evidence: Evidence,
    /// What cannot be seen here; empty = nothing.
    pub blind_to: &'static str,
    /// What the tracepoints then need not report: bits of `config::by_function`.
    pub by_function: u32,
    /// What is missing on this kernel.
    pub obstacle: Obstacle,
}

impl Candidate {
    /// Its programs in the object.
    ///
    /// # Errors
    /// Which function this kernel does not have.
    pub fn programs(&self, kernel: &Kernel) -> Result<Vec<Program>, String> {
        match self.hooks {
            Hooks::Counters => Ok(Vec::new()),
            Hooks::Tracepoints(names) => {
                if let Some(absent) = names.iter().find(|name| !kernel.has_tracepoint(name)) {
                    return Err(format!("this kernel has no tracepoint {absent}"));
                }
                Ok(names.iter().map(|name| tracepoint(name)).collect())
            }
            Hooks::Functions { family, .. } => {
                let hooks = functions::present(family, kernel)?.into_iter();
                Ok(hooks.flat_map(|hook| self.programs_of(hook)).collect())
            }
        }
    }

    /// The programs of one function hook, by its tier.
    fn programs_of(&self, hook: &'static Hook) -> impl Iterator<Item = Program> + use<> {
        let names = match self.tier {
            Tier::Kprobe => hook.by_breakpoint,
            Tier::Fentry | Tier::Tracepoint | Tier::Counting => hook.by_btf,
        };
        let target = hook.name;
        names.iter().map(move |name| Program { name, target })
    }

    /// The hook that reports, as events name it.
    pub fn label(&self, kernel: &Kernel) -> String {
        match self.hooks {
            Hooks::Counters => "the kernel's counters".to_owned(),
            Hooks::Tracepoints(names) => {
                format!("tp_btf/{}", names.first().unwrap_or(&"?"))
            }
            Hooks::Functions { reporter, .. } => {
                let Some(hook) = Hook::by_number(reporter) else {
                    return self.tier.name().to_owned();
                };
                let hook = functions::or_stand_in(hook, kernel).unwrap_or(hook);
                let label = match self.tier {
                    Tier::Kprobe => hook.label_by_breakpoint(),
                    Tier::Fentry | Tier::Tracepoint | Tier::Counting => Some(hook.label()),
                };
                label.unwrap_or(hook.name).to_owned()
            }
        }
    }

    /// Why it cannot serve on this kernel.
    pub fn obstacle(&self, kernel: &Kernel) -> Option<String> {
        self.programs(kernel)
            .err()
            .or_else(|| (self.obstacle)(kernel))
    }
}

/// Every tracepoint that may be attached, some more than once.
pub fn tracepoints() -> impl Iterator<Item = &'static str> {
    let candidates = SIGNALS
        .iter()
        .chain([&ACCEPT])
        .flat_map(|signal| signal.candidates);
    let of_signals = candidates.flat_map(|candidate| match candidate.hooks {
        Hooks::Tracepoints(names) => names,
        Hooks::Functions { .. } | Hooks::Counters => &[],
    });
    of_signals.chain(OWNERS).chain([&FORKS]).copied()
}

/// A tracepoint's program bears its name.
pub fn tracepoint(name: &'static str) -> Program {
    Program { name, target: name }
}

/// A signal, the kind it belongs to, its candidates.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Kind of incident.
    pub kind: Kind,
    /// Which part of the kind, for people.
    pub part: &'static str,
    /// What a user misses where it cannot be observed: the end of a sentence such as "not visible: …".
    pub fact: &'static str,
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

fn nothing(_kernel: &Kernel) -> Option<String> {
    None
}
