//! Two looks at the network namespaces, a moment apart: what they hold now, and what rose meanwhile.
//!
//! Reads only. What cannot be read is said in [`Observation::unseen`]: without privileges that is every
//! namespace but the own one.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::activity::Activities;
use super::snapshot::{self, Look};
use super::{Namespaces, number};
use crate::kernel::sysctl;
use crate::model::survey::{Count, Observation, ObservedSpace, Texts, WayIn};
use crate::source::mib::{Counters, Sockstat, delta};
use crate::source::netns::{self, EnterError, Netns, Reach};
use crate::source::sock_diag::{self, States};

/// The first look; [`First::again`] is the second.
#[derive(Debug)]
pub struct First {
    at: Instant,
    watched: Vec<u32>,
    counters: HashMap<u64, Counters>,
    /// Drop counters by namespace and cookie.
    drops: HashMap<(u32, u64), u32>,
    /// What the holders of full listeners do.
    activities: Activities,
}

impl First {
    /// Looks; `watched` empty: everywhere. What fails here fails again, and is reported then.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn take(watched: &[u32]) -> anyhow::Result<Self> {
        let mut first = Self {
            at: Instant::now(),
            watched: watched.to_vec(),
            counters: HashMap::new(),
            drops: HashMap::new(),
            activities: Activities::default(),
        };
        let mut listeners = Vec::new();
        for found in &namespaces(watched)?.found {
            if let Ok(counters) = Counters::read(found) {
                first.counters.insert(found.inode, counters);
            }
            let (Some(netns), Ok(Ok((rows, _)))) =
                (number(found), netns::with(found, sock_diag::listeners))
            else {
                continue;
            };
            let drops = rows
                .iter()
                .filter_map(|row| Some(((netns, row.cookie), row.sk_drops?)));
            first.drops.extend(drops);
            listeners.extend(rows);
        }
        first.activities = Activities::of_full(&listeners);
        Ok(first)
    }

    /// Looks again, not before `observe` has passed since the first look, and reads these settings.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn again(
        mut self,
        observe: Duration,
        names: &[&'static str],
    ) -> anyhow::Result<Observation> {
        std::thread::sleep(observe.saturating_sub(self.at.elapsed()));
        let look = Look {
            states: States::ALL,
            has_info: true,
            has_half_open: true,
            owners_of_listeners: false,
            has_activities: false,
        };
        let mut snapshot = snapshot::take(&look, &self.watched)?;
        let activities = std::mem::take(&mut self.activities);
        activities.explain(&mut snapshot, |netns, socket| {
            let before = self.drops.get(&(netns, socket.cookie));
            let risen = socket.drops.zip(before);
            risen.is_some_and(|(now, before)| now.wrapping_sub(*before) > 0)
        });
        let mut observation = Observation {
            looked_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            page_bytes: sysctl::page_bytes(),
            unseen: std::mem::take(&mut snapshot.unseen),
            snapshot,
            own_settings: texts(names).0,
            ..Observation::default()
        };
        for found in &namespaces(&self.watched)?.found {
            if let Some(netns) = number(found) {
                self.space(found, netns, names, &mut observation);
            }
        }
        observation.drops_before = self.drops;
        Ok(observation)
    }

    fn space(&self, found: &Netns, netns: u32, names: &[&'static str], all: &mut Observation) {
        let (settings, unreadable) = match netns::with(found, || texts(names)) {
            Ok(read) => read,
            // Its last process ended meanwhile: then there is nothing to see.
            Err(EnterError::Gone { .. }) => return,
            Err(error) => {
                let why = format!("the settings of netns {netns}: {error}");
                all.unseen.push(why);
                return;
            }
        };
        for (name, error) in unreadable {
            all.unseen.push(format!("{name} of netns {netns}: {error}"));
        }
        let counters = match Counters::read(found) {
            Ok(counters) => Some(counters),
            Err(error) => {
                let why = format!("the counters of netns {netns}: {error}");
                all.unseen.push(why);
                None
            }
        };
        let levels = Sockstat::read(found).unwrap_or_else(|error| {
            let why = format!("the socket counts of netns {netns}: {error}");
            all.unseen.push(why);
            Sockstat::default()
        });
        all.orphans = all.orphans.or(levels.orphans);
        all.memory_pages = all.memory_pages.or(levels.memory_pages);
        all.spaces.push(ObservedSpace {
            netns,
            way_in: way_in(&found.reach),
            processes: found.processes,
            settings,
            counters: counters.map(|now| self.counts(found.inode, &now)),
            time_wait: levels.time_wait,
        });
    }

    fn counts(&self, inode: u64, now: &Counters) -> BTreeMap<String, Count> {
        let risen = self.counters.get(&inode).map(|before| delta(before, now));
        let counts = now.iter().map(|(name, total)| {
            let rose = risen.as_ref().and_then(|risen| risen.value(name));
            let rose = rose.and_then(|rose| u64::try_from(rose).ok());
            (name.to_owned(), Count { total, rose })
        });
        counts.collect()
    }
}

fn namespaces(watched: &[u32]) -> anyhow::Result<Namespaces> {
    super::namespaces(watched).context("cannot look for network namespaces in /proc")
}

/// The settings, and those that may not be read.
fn texts(names: &[&'static str]) -> (Texts, Vec<(&'static str, io::Error)>) {
    let (mut texts, mut unreadable) = (Vec::new(), Vec::new());
    for &name in names {
        match sysctl::text(name) {
            Ok(Some(text)) => texts.push((name, text)),
            Ok(None) => {}
            Err(error) => unreadable.push((name, error)),
        }
    }
    (texts, unreadable)
}

fn way_in(reach: &Reach) -> WayIn {
    match reach {
        Reach::Own => WayIn::Own,
        Reach::Pid(pid) => WayIn::Pid(*pid),
        Reach::Named(path) => WayIn::Named(path.to_string_lossy().into_owned()),
    }
}
