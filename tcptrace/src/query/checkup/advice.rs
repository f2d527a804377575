//! Advice, each piece with the evidence it rests on, what the application can do first, the command
//! that would change a setting, and what that risks. No evidence, no advice.

use super::damage::{self, Damage};
use super::{Checkup, Host, Space, WayIn};
use crate::interpret;
use crate::model::incident::LimitedBy;
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
/// Part of a limit from which on it is worth a word, in percent.
const NEAR_PERCENT: u64 = 90;

/// All advice there is evidence for.
#[must_use]
pub fn all(checkup: &Checkup) -> Vec<Advice> {
    let mut found = Vec::new();
    for space in &checkup.spaces {
        let pieces = [
            accept_queue(space),
            abort_on_overflow(space),
            syn_queue(space),
            timestamps(space),
            time_wait(space),
            resets(space),
        ];
        found.extend(pieces.into_iter().flatten());
    }
    let spaces = &checkup.spaces;
    found.extend(orphans(&checkup.host, spaces));
    found.extend(memory(&checkup.host, spaces));
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

fn has_overflowed(space: &Space) -> bool {
    space.total("TcpExt.ListenOverflows") > 0 || space.listeners.iter().any(ListenerRow::is_full)
}

fn first_fix(kind: Kind, cause: Option<&str>) -> String {
    let fix = interpret::advice::find(kind, cause).and_then(|advice| advice.fix.first());
    fix.map_or_else(String::new, |fix| (*fix).to_owned())
}

fn accept_queue(space: &Space) -> Option<Advice> {
    if !has_overflowed(space) {
        return None;
    }
    let full = space.listeners.iter().find(|row| row.is_full());
    let worst = full.or_else(|| hurt(space).max_by_key(|row| row.drops));
    let overflows = space.total("TcpExt.ListenOverflows");
    let counted = format!(
        "accept queues of netns {} overflowed {overflows} times",
        space.netns
    );
    let Some(row) = worst else {
        return Some(Advice {
            about: About::AcceptQueue,
            netns: Some(space.netns),
            evidence: format!("{counted}, of listeners that are gone"),
            first: "See who it is when it happens again: tcptrace listeners --watch".to_owned(),
            command: None,
            risk: "Which limit was met is not known any more, so no setting is advised.".to_owned(),
        });
    };
    let queue = row.accept_queue;
    let state = if row.is_full() {
        format!("is full: {} wait, limit {}", queue.length, queue.limit)
    } else {
        let drops = row.drops.unwrap_or(0);
        format!("dropped {drops} since it began, its queue has room now")
    };
    let wanted = u64::from(queue.limit).saturating_mul(2).max(ROOM);
    let (command, risk) = match row.limited_by {
        Some(LimitedBy::Somaxconn | LimitedBy::Both) => (
            Some(command(
                &space.way_in,
                "net.core.somaxconn",
                &wanted.to_string(),
            )),
            "Acts at the next listen(): restart the program, with a backlog as large. A longer \
             queue means longer waits, and does not help a program that cannot keep up."
                .to_owned(),
        ),
        Some(LimitedBy::Backlog) => (
            None,
            format!(
                "No sysctl helps: the backlog given to listen() binds, {}. Raise it in the \
                 program's configuration; net.core.somaxconn allows {}.",
                queue.limit,
                space.settings.text("net.core.somaxconn").unwrap_or("?")
            ),
        ),
        None => (
            None,
            "Which limit binds is not known: net.core.somaxconn was changed since listen(). \
             Restart the program first."
                .to_owned(),
        ),
    };
    Some(Advice {
        about: About::AcceptQueue,
        netns: Some(space.netns),
        evidence: format!("{} {state}; {counted}", whose(row)),
        first: first_fix(Kind::AcceptDrop, None),
        command,
        risk,
    })
}

fn abort_on_overflow(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_abort_on_overflow";
    let value = space.settings.number(name).filter(|value| *value > 0)?;
    has_overflowed(space).then(|| Advice {
        about: About::AbortOnOverflow,
        netns: Some(space.netns),
        evidence: format!(
            "tcp_abort_on_overflow={value} and accept queues of netns {} overflow: clients whose \
             connect() had succeeded get a RST",
            space.netns
        ),
        first: first_fix(Kind::AcceptDrop, None),
        command: Some(command(&space.way_in, name, "0")),
        risk: "Clients then wait and retry instead of failing at once, which is slower for those \
               that would go to another server."
            .to_owned(),
    })
}

fn syn_queue(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_syncookies";
    let dropped = space.total("TcpExt.TCPReqQFullDrop");
    let cookies = space.total("TcpExt.TCPReqQFullDoCookies");
    let first = "Find out whether it is honest load or a flood (ss -tn state syn-recv shows from \
                 where); for honest load raise the backlog of the listener, which limits its SYN \
                 queue too."
        .to_owned();
    if dropped > 0 && space.settings.number(name) == Some(0) {
        return Some(Advice {
            about: About::SynQueue,
            netns: Some(space.netns),
            evidence: format!(
                "{dropped} SYNs were dropped by full SYN queues of netns {}, and tcp_syncookies=0",
                space.netns
            ),
            first,
            command: Some(command(&space.way_in, name, "1")),
            risk:
                "Connections made by a cookie lose window scaling and SACK where the client sends \
                   no timestamps."
                    .to_owned(),
        });
    }
    let told = match (dropped, cookies) {
        (0, 0) => return None,
        (0, cookies) => format!("{cookies} SYNs were answered by cookies"),
        (dropped, _) => format!("{dropped} SYNs were dropped while cookies were off"),
    };
    Some(Advice {
        about: About::SynQueue,
        netns: Some(space.netns),
        evidence: format!(
            "{told}, since SYN queues of netns {} were full",
            space.netns
        ),
        first,
        command: None,
        risk: "No sysctl is needed: cookies are on, so nobody is refused.".to_owned(),
    })
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

fn time_wait(space: &Space) -> Option<Advice> {
    let name = "net.ipv4.tcp_max_tw_buckets";
    let most = space.settings.number(name)?;
    let overflows = space.total("TcpExt.TCPTimeWaitOverflow");
    let is_near = |entries: &u64| is_near(*entries, most);
    let near = space.time_wait.filter(is_near);
    if overflows == 0 && near.is_none() {
        return None;
    }
    let now = space.time_wait.map_or_else(
        || format!("tcp_max_tw_buckets is {most}"),
        |entries| format!("{entries} of {most} entries are in use now"),
    );
    Some(Advice {
        about: About::TimeWait,
        netns: Some(space.netns),
        evidence: format!(
            "{overflows} TIME_WAITs could not be made in netns {}; {now}",
            space.netns
        ),
        first: "See who leaves them: tcptrace timewait. Reuse connections (keep-alive, pools), or \
                let the clients close first."
            .to_owned(),
        command: Some(command(
            &space.way_in,
            name,
            &most.saturating_mul(2).max(ROOM).to_string(),
        )),
        risk:
            "Each entry takes some 250 bytes of kernel memory. Do not lower it: what is over the \
               limit loses its protection from old segments."
                .to_owned(),
    })
}

fn is_near(used: u64, most: u64) -> bool {
    used > 0 && used.saturating_mul(100) >= most.saturating_mul(NEAR_PERCENT)
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

fn thrown_away(spaces: &[Space]) -> u64 {
    let counts = spaces
        .iter()
        .map(|space| space.total("TcpExt.TCPAbortOnMemory"));
    counts.sum()
}

fn orphans(host: &Host, spaces: &[Space]) -> Option<Advice> {
    let name = "net.ipv4.tcp_max_orphans";
    let (now, most) = (host.orphans?, host.settings.number(name)?);
    let thrown = thrown_away(spaces);
    // kernel: an orphan that sends without progress counts twice or four times.
    let is_many = now > 0 && now.saturating_mul(4) >= most;
    if !is_many {
        return None;
    }
    let way_in = host.way_in.as_ref()?;
    Some(Advice {
        about: About::Orphans,
        netns: None,
        evidence: format!(
            "{now} sockets without a process, tcp_max_orphans is {most}; {thrown} closed sockets were \
             thrown away"
        ),
        first: "See to whom: tcptrace states. Their peers are gone or do not read; shut down and \
                read until the end before close(), or set TCP_USER_TIMEOUT."
            .to_owned(),
        command: Some(command(way_in, name, &most.saturating_mul(2).to_string())),
        risk: "Each may hold up to 64 KiB that cannot be swapped.".to_owned(),
    })
}

fn memory(host: &Host, spaces: &[Space]) -> Option<Advice> {
    let name = "net.ipv4.tcp_mem";
    let limits: [u64; 3] = host.settings.numbers(name)?;
    let used = host.memory_pages?;
    let pressures = spaces
        .iter()
        .map(|space| space.total("TcpExt.TCPMemoryPressures"));
    let pressures: u64 = pressures.sum();
    let thrown = thrown_away(spaces);
    if used < limits[1] && pressures == 0 && thrown == 0 {
        return None;
    }
    let is_now = used >= limits[1];
    let doubled = limits.map(|pages| pages.saturating_mul(2).to_string());
    let command = host.way_in.as_ref().filter(|_| is_now || pressures > 0);
    Some(Advice {
        about: About::Memory,
        netns: None,
        evidence: format!(
            "TCP uses {used} pages, its limits (tcp_mem) are {} {} {}; it came under pressure \
             {pressures} times, and {thrown} closed sockets were thrown away for memory or their number",
            limits[0], limits[1], limits[2]
        ),
        first:
            "Find sockets whose data nobody reads or acknowledges: tcptrace states shows unread \
                and unacknowledged bytes by process."
                .to_owned(),
        command: command.map(|way_in| self::command(way_in, name, &doubled.join(" "))),
        risk: if command.is_some() {
            "It is memory that cannot be swapped: on a host that is short of it others are killed."
                .to_owned()
        } else {
            "Which limit was met is not known any more; dmesg may say (TCP: too many orphaned \
             sockets, TCP: out of memory)."
                .to_owned()
        },
    })
}
