//! The last few incidents of a row, the youngest first.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Incident, Kind};

/// Kept for each row: what a screen shows of them.
const KEPT: usize = 8;

/// An incident with its number in the run, which distinguishes two equal ones.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Rises by one.
    pub number: u64,
    /// Shared by all rows that it belongs to.
    pub incident: Arc<Incident>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    incidents: VecDeque<Numbered>,
}

impl Latest {
    /// It happened.
    pub fn add(&mut self, incident: &Numbered) {
        if self.incidents.len() == KEPT {
            self.incidents.pop_back();
        }
        self.incidents.push_front(incident.clone());
    }

    /// The youngest first.
    pub fn iter(&self) -> impl Iterator<Item = &Numbered> {
        self.incidents.iter()
    }

    /// The youngest.
    pub fn first(&self) -> Option<&Incident> {
        self.incidents.front().map(|numbered| &*numbered.incident)
    }

    /// What they are about: each kind with each cause once, the most frequent among them first.
    pub fn topics<C: PartialEq + Copy>(&self, cause: impl Fn(&Incident) -> C) -> Vec<(Kind, C)> {
        let mut counts: Vec<((Kind, C), usize)> = Vec::new();
        for Numbered { incident, .. } in &self.incidents {
            let topic = (incident.kind(), cause(incident));
            match counts.iter_mut().find(|(known, _)| *known == topic) {
                Some((_, count)) => *count += 1,
                None => counts.push((topic, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.into_iter().map(|(topic, _)| topic).collect()
    }
}
