//! One kind of incident with one cause: how often, whose, where and when, for a page.

use std::net::IpAddr;

use crate::diagnose::fold::{Tally, counted};
use crate::model::Incident;
use crate::report::bins::{Grid, Series};
use crate::report::ranking::Ranking;
use crate::report::who::{Who, WhoRef};

/// Programs, addresses and ports distinguished for one kind and cause.
const MOST: usize = 1024;
/// Incidents shown whole.
const EXAMPLES: usize = 4;

/// See the module.
#[derive(Debug)]
pub(in crate::report) struct Trouble {
    /// What findings are made from.
    pub(in crate::report) tally: Tally,
    pub(in crate::report) over_time: Series<u64>,
    pub(in crate::report) owners: Ranking<Who, u64>,
    pub(in crate::report) peers: Ranking<IpAddr, u64>,
    pub(in crate::report) local_ports: Ranking<u16, u64>,
    pub(in crate::report) remote_ports: Ranking<u16, u64>,
    pub(in crate::report) spaces: Ranking<u32, u64>,
    /// The first ones, with their moments on the wall clock.
    pub(in crate::report) examples: Vec<(i64, Incident)>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            tally: Tally::default(),
            over_time: Series::default(),
            owners: Ranking::of(MOST),
            peers: Ranking::of(MOST),
            local_ports: Ranking::of(MOST),
            remote_ports: Ranking::of(MOST),
            spaces: Ranking::of(MOST),
            examples: Vec::new(),
        }
    }
}

impl Trouble {
    pub(super) fn add(&mut self, incident: &Incident, grid: &Grid, wall_ns: i64) {
        fn more(total: &mut u64, count: u64) {
            *total = total.saturating_add(count);
        }
        let count = counted(&incident.what);
        self.tally.add(incident, wall_ns);
        self.over_time.put(grid, wall_ns, count);
        let who = WhoRef::of(incident.owner.as_ref());
        more(self.owners.at(&who, || who.owned()), count);
        if let Some(end) = incident.flow.local {
            more(self.local_ports.at(&end.port, || end.port), count);
        }
        if let Some(end) = incident.flow.remote {
            more(self.peers.at(&end.addr, || end.addr), count);
            more(self.remote_ports.at(&end.port, || end.port), count);
        }
        if let Some(netns) = incident.flow.netns {
            more(self.spaces.at(&netns, || netns), count);
        }
        if self.examples.len() < EXAMPLES {
            self.examples.push((wall_ns, incident.clone()));
        }
    }
}
