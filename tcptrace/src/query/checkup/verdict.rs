//! Whether something is wrong now: what `--fail` asks.
//!
//! Wrong is only what is going on: a limit that is reached, or something refused between the two
//! looks. Counters since boot do not count, for they never go down, and neither does what an
//! application does to its own connections (resets by linger, unread data).

use super::damage::{self, Weight};
use super::{Checkup, Space};
use crate::model::named;

named! {
    /// What is wrong.
    Kind {
        /// An accept queue is full.
        QueueFull = "queue_full",
        /// A SYN queue is full, and SYN cookies are off.
        SynQueueFull = "syn_queue_full",
        /// The drop counter of a listener rose.
        ListenerDrops = "listener_drops",
        /// A counter of refusals rose.
        CounterRises = "counter_rises",
        /// tcp_max_tw_buckets is reached.
        TimeWaitLimit = "time_wait_limit",
        /// tcp_max_orphans is reached.
        OrphanLimit = "orphan_limit",
        /// TCP uses all the memory of tcp_mem.
        MemoryLimit = "memory_limit",
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub kind: Kind,
    /// Where; `None`: on the whole host.
    pub netns: Option<u32>,
    /// In words.
    pub says: String,
}

/// Everything that is wrong now; empty when nothing is.
#[must_use]
pub fn wrong(checkup: &Checkup) -> Vec<Wrong> {
    let mut found = Vec::new();
    for space in &checkup.spaces {
        of_space(space, &mut found);
    }
    let host = &checkup.host;
    let mut reached = |kind, used: Option<u64>, most: Option<u64>, what: &str| {
        if let (Some(used), Some(most)) = (used, most)
            && used >= most
            // With a limit of 0 nothing is wrong until somebody wants one.
            && used > 0
        {
            found.push(Wrong {
                kind,
                netns: None,
                says: format!("{used} {what}, the limit is {most}"),
            });
        }
    };
    let most = host.settings.number("net.ipv4.tcp_max_orphans");
    let what = "sockets without a process";
    reached(Kind::OrphanLimit, host.orphans, most, what);
    let [_, _, most] = match host.settings.numbers("net.ipv4.tcp_mem") {
        Some(limits) => limits.map(Some),
        None => [None; 3],
    };
    let what = "pages of memory used by TCP";
    reached(Kind::MemoryLimit, host.memory_pages, most, what);
    found
}

fn of_space(space: &Space, found: &mut Vec<Wrong>) {
    let mut add = |kind, says| {
        found.push(Wrong {
            kind,
            netns: Some(space.netns),
            says,
        });
    };
    let has_cookies = space.settings.number("net.ipv4.tcp_syncookies") != Some(0);
    for row in &space.listeners {
        if row.is_full() {
            let queue = row.accept_queue;
            let says = format!(
                "the accept queue of {} is full, {} wait, limit {}",
                row.local, queue.length, queue.limit
            );
            add(Kind::QueueFull, says);
        }
        if row.is_syn_full() && !has_cookies {
            let queue = row.syn_queue;
            let says = format!(
                "the SYN queue of {} is full, {} half open, limit {}, and tcp_syncookies=0",
                row.local, queue.length, queue.limit
            );
            add(Kind::SynQueueFull, says);
        }
        if let Some(rose) = row.drops_risen.filter(|rose| *rose > 0) {
            let says = format!("the listener {} drops: +{rose} while looking", row.local);
            add(Kind::ListenerDrops, says);
        }
    }
    for damage in damage::all(space) {
        if damage.weight == Weight::Refused && damage.rose() > 0 {
            let says = format!("{} rose by {} while looking", damage.counter, damage.rose());
            add(Kind::CounterRises, says);
        }
    }
    let most = space.settings.number("net.ipv4.tcp_max_tw_buckets");
    if let (Some(entries), Some(most)) = (space.time_wait, most)
        && entries >= most
        && entries > 0
    {
        let says = format!("{entries} TIME_WAIT entries, tcp_max_tw_buckets is {most}");
        add(Kind::TimeWaitLimit, says);
    }
}
