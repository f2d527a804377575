//! Advice, each piece with the evidence it rests on, what the application can do first, the command
//! that would change a setting, and what that risks. No evidence, no advice.

mod limits;
mod queues;

use super::damage::{self, Damage};
use super::{Checkup, Space, WayIn};
use crate::interpret;
use crate::model::rows::ListenerRow;
use crate::model::{Kind, named};

named! {
    /// What advice is about.
    About {
        /// Full accept queues.
        AcceptQueue = "accept_queue",
        /// tcp_abort_on_overflow together with full accept queues.
        AbortOnOverflow = "abort_on_overflow",
        /// Full SYN queues.
        SynQueue = "syn_queue",
        /// Rejected timestamps.
        Timestamps = "timestamps",
        /// Too many TIME_WAIT entries.
        TimeWait = "time_wait",
        /// Too many sockets without a process.
        Orphans = "orphans",
        /// Memory of TCP.
        Memory = "memory",
        /// Resets by the application.
        Resets = "resets",
    }
}

/// A piece of advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub about: About,
    /// Where; `None`: on the whole host.
    pub netns: Option<u32>,
    /// What it rests on.
    pub evidence: String,
    /// What to do first: as a rule in the application.
    pub first: String,
    /// What would change the setting; `None` where no setting cures this.
    pub command: Option<String>,
    /// What the command risks, or why there is none.
    pub risk: String,
}

/// A queue of this length is enough for what is no overload.
const ROOM: u64 = 1024;
/// Resets of so many in 100 connections are no accident.
const TELLING_PERCENT: f64 = 1.0;

/// All advice there is evidence for.
#[must_use]
pub fn all(checkup: &Checkup) -> Vec<Advice> {
    let mut found = Vec::new();
    for space in &checkup.spaces {
        let pieces = [
            queues::accept_queue(space),
            queues::abort_on_overflow(space),
            queues::syn_queue(space),
            timestamps(space),
            limits::time_wait(space),
            resets(space),
        ];
        found.extend(pieces.into_iter().flatten());
    }
    let spaces = &checkup.spaces;
    found.extend(limits::orphans(&checkup.host, spaces));
    found.extend(limits::memory(&checkup.host, spaces));
    found
}

/// `sysctl -w`, in the namespace where it acts.
#[must_use]
pub fn command(way_in: &WayIn, name: &str, value: &str) -> String {
    let value = if value.contains(' ') {
        format!("'{value}'")
    } else {
        value.to_owned()
    };
    let set = format!("sysctl -w {name}={value}");
    match way_in {
        WayIn::Own => set,
        WayIn::Pid(pid) => format!("nsenter -t {pid} -n {set}"),
        WayIn::Named(path) => format!("nsenter --net={} {set}", quoted(path)),
    }
}

/// For a shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// `payments (123) at 10.0.0.1:80`.
#[must_use]
pub fn whose(row: &ListenerRow) -> String {
    match &row.owner {
        None => format!("the listener {}", row.local),
        Some(owner) => {
            let more = match row.pids.len() {
                0 | 1 => String::new(),
                holders => format!(" +{}", holders - 1),
            };
            format!(
                "{} ({}{more}) at {}",
                owner.process.comm, owner.process.pid, row.local
            )
        }
    }
}

/// Listeners that are full, or dropped something.
pub fn hurt(space: &Space) -> impl Iterator<Item = &ListenerRow> {
    let is_hurt = |row: &&ListenerRow| row.is_full() || row.drops.is_some_and(|drops| drops > 0);
    space.listeners.iter().filter(is_hurt)
}

fn first_fix(kind: Kind, cause: Option<&str>) -> String {
    let fix = interpret::advice::find(kind, cause).and_then(|advice| advice.fix.first());
    fix.map_or_else(String::new, |fix| (*fix).to_owned())
}

fn timestamps(space: &Space) -> Option<Advice> {
    let rejected: Vec<Damage> = damage::moved(space)
        .into_iter()
        .filter(|damage| {
            damage
                .topic
                .is_some_and(|topic| topic.starts_with("paws_drop"))
        })
        .collect();
    if rejected.is_empty() {
        return None;
    }
    let counts: Vec<String> = rejected
        .iter()
        .map(|damage| format!("{} {}", damage.counter, damage.count.total))
        .collect();
    let recycle = "net.ipv4.tcp_tw_recycle";
    let recycles = space
        .settings
        .number(recycle)
        .is_some_and(|value| value > 0);
    Some(Advice {
        about: About::Timestamps,
        netns: Some(space.netns),
        evidence: format!(
            "segments were rejected for their timestamps in netns {}: {}",
            space.netns,
            counts.join(", ")
        ),
        first:
            "See whose connections they are: tcptrace watch --only paws_drop. Many peers behind \
                one address mean a NAT or a balancer that mixes the clocks of several hosts; a few \
                rejects are late duplicates and harmless."
                .to_owned(),
        command: recycles.then(|| command(&space.way_in, recycle, "0")),
        risk: if recycles {
            "TIME_WAIT sockets then live for 60 s, and take that much more memory.".to_owned()
        } else {
            "tcp_timestamps=0 would hide it and is not advised: it also ends PAWS, tw_reuse and \
             exact round-trip times."
                .to_owned()
        },
    })
}

/// Most telling cause only: the other ones are in the counters.
fn resets(space: &Space) -> Option<Advice> {
    let causes = [
        ("TcpExt.TCPAbortOnData", "linger_zero"),
        ("TcpExt.TCPAbortOnClose", "unread_data"),
        ("TcpExt.TCPAbortOnLinger", "linger2"),
    ];
    let damages = damage::moved(space);
    let (damage, percent, cause) = damages
        .iter()
        .filter_map(|damage| {
            let (_, cause) = causes.iter().find(|(name, _)| *name == damage.counter)?;
            let percent = damage.percent().filter(|part| *part >= TELLING_PERCENT)?;
            Some((damage, percent, *cause))
        })
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    Some(Advice {
        about: About::Resets,
        netns: Some(space.netns),
        evidence: format!(
            "{} in netns {}, {percent:.1} per 100 connections: {}",
            damage.count.total, space.netns, damage.says
        ),
        first: first_fix(Kind::RstSent, Some(cause)),
        command: None,
        risk: format!(
            "No sysctl changes what a program does: tcptrace watch --only rst_sent names it, tcptrace \
             explain rst_sent/{cause} says more."
        ),
    })
}
