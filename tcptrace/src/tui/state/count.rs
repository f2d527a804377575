//! What every row counts: how many incidents, how often of late, and the last of them. And who they
//! belong to.

use std::sync::Arc;

use super::latest::{Latest, Numbered};
use super::rate::Rate;
use crate::model::{Incident, Process};

/// Identity of a process, pid and start; `None`: the owner is not known.
pub type Who = Option<(u32, Option<u64>)>;

/// Whose incident it is.
pub fn who(incident: &Incident) -> Who {
    let process = &incident.owner.as_ref()?.process;
    Some((process.pid, process.start_ticks))
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Incidents.
    pub total: u64,
    /// The same, of late.
    pub rate: Rate,
    /// The last of them.
    pub latest: Latest,
}

impl Count {
    /// One more.
    pub fn add(&mut self, numbered: &Numbered) {
        self.total += 1;
        self.rate.add(numbered.incident.boot_ns, 1);
        self.latest.add(numbered);
    }
}

/// Keeps the process as it is known by the youngest incident: a program may give itself another
/// name.
pub fn renew(process: &mut Option<Arc<Process>>, incident: &Incident) {
    let Some(owner) = &incident.owner else { return };
    let is_same = process
        .as_ref()
        .is_some_and(|known| Arc::ptr_eq(known, &owner.process));
    if !is_same {
        *process = Some(Arc::clone(&owner.process));
    }
}
