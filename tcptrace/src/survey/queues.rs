//! How full the queues are, at intervals: no hook reports that, since nothing happens.
//!
//! Looking for namespaces and for the holders of sockets costs a walk through /proc, so both are
//! kept; listeners come and go seldom.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::boot_ns;
use super::namespaces::{namespaces, number};
use crate::attribute::holders::{self, Query};
use crate::attribute::{proc, with_name};
use crate::model::incident::Queue;
use crate::model::sample::{ListenerSample, SpaceSample};
use crate::model::{Endpoint, Family, Process, Sample};
use crate::source::mib::Sockstat;
use crate::source::netns::{self, Netns};
use crate::source::sock_diag::{self, SockRow};

/// How often namespaces, and holders that were not found, are looked for.
const LOOKING: Duration = Duration::from_secs(10);

/// How often namespaces are looked for that were asked for and are not there.
const MISSING: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Queues {
    watched: Vec<u32>,
    /// `tcp_max_tw_buckets` by namespace.
    limits: HashMap<u32, u32>,
    looking_due: Instant,
    found: Vec<Netns>,
    /// By inode; `None`: nobody was found.
    holders: HashMap<u64, Option<Arc<Process>>>,
}

impl Queues {
    /// Looks at these namespaces; none named: all.
    pub fn new(watched: &[u32], limits: HashMap<u32, u32>) -> Self {
        Self {
            watched: watched.to_vec(),
            limits,
            looking_due: Instant::now(),
            found: Vec::new(),
            holders: HashMap::new(),
        }
    }

    /// How full they are now.
    pub fn look(&mut self) -> Sample {
        let now = Instant::now();
        if now >= self.looking_due {
            self.found = namespaces(&self.watched)
                .map(|all| all.found)
                .unwrap_or_default();
            let is_complete = self.found.len() >= self.watched.len();
            self.looking_due = now + if is_complete { LOOKING } else { MISSING };
            self.holders.retain(|_, holder| holder.is_some());
        }
        let mut spaces = Vec::new();
        for found in &self.found {
            let Some(netns) = number(found) else {
                continue;
            };
            let inside = netns::with(found, || sock_diag::listeners().map(|(rows, _)| rows));
            // A namespace that ended, or does not let itself be looked at, has no sample.
            let (Ok(Ok(rows)), Ok(levels)) = (inside, Sockstat::read(found)) else {
                continue;
            };
            let mut seen = HashSet::new();
            let listeners = rows.into_iter().filter(|row| seen.insert(row.cookie));
            spaces.push((netns, levels, listeners.collect::<Vec<_>>()));
        }
        self.learn(spaces.iter().flat_map(|(_, _, rows)| rows));
        let spaces = spaces.into_iter().map(|(netns, levels, rows)| SpaceSample {
            netns,
            time_wait_entries: levels.time_wait,
            time_wait_limit: self.limits.get(&netns).copied(),
            orphans: levels.orphans,
            listeners: rows.iter().map(|row| self.listener(row)).collect(),
        });
        Sample {
            boot_ns: boot_ns(),
            spaces: spaces.collect(),
        }
    }

    /// Who holds listeners that are new.
    fn learn<'a>(&mut self, rows: impl Iterator<Item = &'a SockRow>) {
        let there: HashSet<u64> = rows.filter_map(|row| row.inode).collect();
        self.holders.retain(|inode, _| there.contains(inode));
        let is_new = |inode: &u64| !self.holders.contains_key(inode);
        let wanted: HashSet<u64> = there.into_iter().filter(is_new).collect();
        if wanted.is_empty() {
            return;
        }
        let query = Query {
            wanted: Some(&wanted),
            first_holder_only: true,
            ..Query::default()
        };
        let found = holders::scan(&query).unwrap_or_default();
        for inode in wanted {
            let pid = found.of(inode).next();
            let facts = pid.and_then(|pid| proc::read(pid).ok().flatten());
            let holder = facts.map(|facts| Arc::new(with_name(facts)));
            self.holders.insert(inode, holder);
        }
    }

    fn listener(&self, row: &SockRow) -> ListenerSample {
        let holder = row.inode.and_then(|inode| self.holders.get(&inode));
        ListenerSample {
            family: match row.family {
                sock_diag::Family::Inet => Family::Inet,
                sock_diag::Family::Inet6 => Family::Inet6,
            },
            local: Endpoint {
                addr: row.local.ip().to_canonical(),
                port: row.local.port(),
            },
            cookie: row.cookie,
            holder: holder.cloned().flatten(),
            accept_queue: Queue {
                length: row.rqueue,
                limit: row.wqueue,
            },
            drops: row.sk_drops,
        }
    }
}
