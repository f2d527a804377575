//! Two looks at the network namespaces, a moment apart: what they hold now, and what rose meanwhile.
//!
//! Reads only. What cannot be read is said in [`Survey::unseen`]: without privileges that is every
//! namespace but the own one.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::diagnose::settings;
use crate::interpret::filter::Filter;
use crate::kernel::sysctl;
use crate::model::KindSet;
use crate::model::rows::{ListenerRow, PortUse, StateRow};
use crate::model::survey::{Count, Host, Space, Survey, Values, WayIn};
use crate::query::folds::Folds;
use crate::query::{listeners, ports, states};
use crate::session::plan::NetnsSpec;
use crate::source::mib::{Counters, Sockstat, delta};
use crate::source::netns::{self, EnterError, Netns, Reach};
use crate::source::sock_diag::{self, States};
use crate::survey::{self, Activities, Look, Namespaces};

/// What `--netns` names, as inode numbers. Err is a usage error, in one sentence.
pub(super) fn resolve(specs: &[NetnsSpec]) -> Result<Vec<u32>, String> {
    let mut inodes = Vec::new();
    for spec in specs {
        let failed = |why: String| format!("--netns {spec}: {why}");
        let inode = netns::resolve(&spec.to_string()).map_err(|error| failed(error.to_string()))?;
        let known = u32::try_from(inode)
            .ok()
            .filter(|inode| matches!(netns::find(u64::from(*inode)), Ok(Some(_))));
        let why = "no process runs in such a network namespace and it has no name; lsns -t net \
                   lists namespaces";
        inodes.push(known.ok_or_else(|| failed(why.to_owned()))?);
    }
    Ok(inodes)
}

/// The first look; [`First::again`] is the second.
pub(super) struct First {
    at: Instant,
    watched: Vec<u32>,
    counters: HashMap<u64, Counters>,
    /// Drop counters by namespace and cookie.
    drops: HashMap<(u64, u64), u32>,
    /// What the holders of full listeners do.
    activities: Activities,
}

/// What the sockets of a namespace show.
#[derive(Default)]
struct Held {
    listeners: Vec<ListenerRow>,
    ports: Vec<PortUse>,
    stuck: Vec<StateRow>,
}

impl First {
    /// Looks; `watched` empty: everywhere. What fails here fails again, and is told then.
    pub(super) fn take(watched: &[u32]) -> anyhow::Result<Self> {
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
            let Ok(Ok((rows, _))) = netns::with(found, sock_diag::listeners) else {
                continue;
            };
            let drops = rows.iter().filter_map(|row| {
                let drops = row.sk_drops?;
                Some(((found.inode, row.cookie), drops))
            });
            first.drops.extend(drops);
            listeners.extend(rows);
        }
        first.activities = Activities::of_full(&listeners);
        Ok(first)
    }

    /// Looks again, not before `observe` has passed since the first look.
    pub(super) fn again(mut self, observe: Duration) -> anyhow::Result<Survey> {
        std::thread::sleep(observe.saturating_sub(self.at.elapsed()));
        let look = Look {
            states: States::ALL,
            has_times: true,
            has_half_open: true,
            owners_of_listeners: false,
            has_activities: false,
        };
        let mut snapshot = survey::take(&look, &self.watched)?;
        let activities = std::mem::take(&mut self.activities);
        activities.explain(&mut snapshot, |netns, socket| {
            self.risen(netns, socket.cookie, socket.drops) > Some(0)
        });
        let (folds, everything) = (Folds::default(), Filter::of_kinds(KindSet::EMPTY));
        let page = listeners::rows(&snapshot, &folds, &everything);
        let mut held: HashMap<u32, Held> = HashMap::new();
        for mut row in page.rows {
            row.drops_risen = self.risen(row.netns, row.cookie, row.drops);
            held.entry(row.netns).or_default().listeners.push(row);
        }
        for row in states::rows(&snapshot, &folds, &everything).rows {
            if row.anomaly.is_some() {
                held.entry(row.netns).or_default().stuck.push(row);
            }
        }
        for space in &snapshot.spaces {
            let mut ports = ports::of(space);
            // What is far from its limit is not worth keeping.
            ports.retain(|one| one.used() * 2 >= one.range);
            held.entry(space.netns).or_default().ports = ports;
        }
        let mut survey = Survey {
            looked_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            unseen: page.unseen,
            ..Survey::default()
        };
        survey.host.page_bytes = sysctl::page_bytes();
        // Looked for here too when other namespaces were asked for.
        let (of_host, _) = parted(&texts().0);
        if of_host != Values::default() {
            survey.host.settings = of_host;
            survey.host.way_in = Some(WayIn::Own);
        }
        for found in &namespaces(&self.watched)?.found {
            let Some(inode) = survey::number(found) else {
                continue;
            };
            let held = held.remove(&inode).unwrap_or_default();
            self.space(found, inode, held, &mut survey);
        }
        if survey.host.way_in.is_none() {
            survey.unseen.push(
                "the limits of the whole host (tcp_mem, tcp_max_orphans): only its first network \
                 namespace shows them"
                    .to_owned(),
            );
        }
        Ok(survey)
    }

    fn risen(&self, netns: u32, cookie: u64, drops: Option<u32>) -> Option<u64> {
        let before = self.drops.get(&(u64::from(netns), cookie))?;
        Some(u64::from(drops?.wrapping_sub(*before)))
    }

    fn space(&self, found: &Netns, netns: u32, held: Held, survey: &mut Survey) {
        let (texts, unreadable) = match netns::with(found, texts) {
            Ok(read) => read,
            // Its last process ended meanwhile: then there is nothing to see.
            Err(EnterError::Gone { .. }) => return,
            Err(error) => {
                let why = format!("the settings of netns {netns}: {error}");
                survey.unseen.push(why);
                return;
            }
        };
        for (name, error) in unreadable {
            let why = format!("{name} of netns {netns}: {error}");
            survey.unseen.push(why);
        }
        let way_in = way_in(&found.reach);
        let (of_host, settings) = parted(&texts);
        if survey.host.way_in.is_none() && of_host != Values::default() {
            survey.host.settings = of_host;
            survey.host.way_in = Some(way_in.clone());
        }
        let counters = match Counters::read(found) {
            Ok(counters) => Some(counters),
            Err(error) => {
                let why = format!("the counters of netns {netns}: {error}");
                survey.unseen.push(why);
                None
            }
        };
        let levels = Sockstat::read(found).unwrap_or_else(|error| {
            let why = format!("the numbers of sockets of netns {netns}: {error}");
            survey.unseen.push(why);
            Sockstat::default()
        });
        let host: &mut Host = &mut survey.host;
        host.orphans = host.orphans.or(levels.orphans);
        host.memory_pages = host.memory_pages.or(levels.memory_pages);
        survey.spaces.push(Space {
            netns,
            way_in,
            processes: found.processes,
            settings,
            counters: counters.map(|now| self.counts(found.inode, &now)),
            time_wait: levels.time_wait,
            listeners: held.listeners,
            ports: held.ports,
            stuck: held.stuck,
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
    survey::namespaces(watched).context("cannot look for network namespaces in /proc")
}

type Texts = (Vec<(&'static str, String)>, Vec<(&'static str, io::Error)>);

/// Every setting, and those that may not be read.
fn texts() -> Texts {
    let (mut texts, mut unreadable) = (Vec::new(), Vec::new());
    for name in settings::names() {
        match sysctl::text(name) {
            Ok(Some(text)) => texts.push((name, text)),
            Ok(None) => {}
            Err(error) => unreadable.push((name, error)),
        }
    }
    (texts, unreadable)
}

/// Settings of the whole host, and those of the namespace. The size of the table, by which defaults
/// are judged, is with both and without its sign, by which it would differ where nothing does.
fn parted(texts: &[(&'static str, String)]) -> (Values, Values) {
    let (mut of_host, mut of_space) = (Values::default(), Values::default());
    for (name, text) in texts {
        let text = text.trim_start_matches('-');
        if settings::is_of_host(name) {
            of_host.insert(name, text);
        } else {
            of_space.insert(name, text);
        }
    }
    if of_host != Values::default()
        && let Some((name, size)) = texts.iter().find(|(name, _)| *name == settings::TABLE_SIZE)
    {
        of_host.insert(name, size.trim_start_matches('-'));
    }
    (of_host, of_space)
}

fn way_in(reach: &Reach) -> WayIn {
    match reach {
        Reach::Own => WayIn::Own,
        Reach::Pid(pid) => WayIn::Pid(*pid),
        Reach::Named(path) => WayIn::Named(path.to_string_lossy().into_owned()),
    }
}
