//! Incidents by process.

use std::sync::Arc;

use super::bounded::Bounded;
use super::count::{Count, Who, renew, who};
use super::latest::Numbered;
use crate::model::{Basis, Kind, Process};

/// Processes kept at most.
const MOST: usize = 512;

/// A process and what happened to its connections.
#[derive(Clone, Debug, Default)]
pub struct ProcessRow {
    /// Identity.
    pub who: Who,
    /// As known by the youngest incident; `None`: the owner is not known.
    pub process: Option<Arc<Process>>,
    /// Incidents.
    pub count: Count,
    /// The same by kind.
    pub by_kind: [u64; Kind::ALL.len()],
    /// How the owner was known, in the order of [`Basis::ALL`].
    pub by_basis: [u64; Basis::ALL.len()],
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Processes {
    rows: Bounded<Who, ProcessRow>,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            rows: Bounded::new(MOST),
        }
    }
}

impl Processes {
    pub(super) fn on(&mut self, numbered: &Numbered) {
        let incident = &*numbered.incident;
        let who = who(incident);
        let row = self.rows.touch(who, || ProcessRow {
            who,
            ..ProcessRow::default()
        });
        row.count.add(numbered);
        row.by_kind[incident.kind().index()] += 1;
        if let Some(owner) = &incident.owner {
            row.by_basis[owner.basis as usize] += 1;
        }
        renew(&mut row.process, incident);
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &ProcessRow> {
        self.rows.values()
    }

    /// How many rows went for room.
    pub fn left_out(&self) -> u64 {
        self.rows.left_out()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}
