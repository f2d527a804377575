//! Who left which TIME_WAIT socket: the kernel has forgotten, this table has not.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Basis, Flow, Owner};

/// As many as the kernel keeps by default on a host of 32 GiB (`tcp_max_tw_buckets`); the oldest
/// give way, their owner is then unknown.
const MOST: usize = 131_072;

/// One tuple of one namespace. A minisock keeps its socket's cookie, but has none where nobody
/// asked for it; the tuple is always there and unique while the minisock lives.
type Key = (Option<u32>, Option<(IpAddr, u16)>, Option<(IpAddr, u16)>);

#[derive(Debug, Default)]
pub(super) struct Minisocks {
    owners: HashMap<Key, (u64, Owner)>,
    /// Keys by age, each with the turn it was entered in: a tuple may come back.
    order: VecDeque<(u64, Key)>,
    turn: u64,
}

impl Minisocks {
    pub(super) fn enter(&mut self, flow: &Flow, owner: Option<&Owner>) {
        let key = key(flow);
        let Some(owner) = owner else {
            self.owners.remove(&key);
            return;
        };
        self.turn += 1;
        self.owners.insert(key, (self.turn, owner.clone()));
        self.order.push_back((self.turn, key));
        while self.owners.len() > MOST {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if self.is_current(&oldest) {
                self.owners.remove(&oldest.1);
            }
        }
        // Entries of tuples that left are swept when they outnumber the living.
        if self.order.len() > 2 * MOST {
            let order = std::mem::take(&mut self.order);
            self.order = order
                .into_iter()
                .filter(|entry| self.is_current(entry))
                .collect();
        }
    }

    fn is_current(&self, (turn, key): &(u64, Key)) -> bool {
        self.owners
            .get(key)
            .is_some_and(|(entered, _)| entered == turn)
    }

    /// Who left it, if it is known.
    pub(super) fn find(&self, flow: &Flow) -> Option<Owner> {
        self.owners
            .get(&key(flow))
            .map(|(_, owner)| remembered(owner.clone()))
    }

    /// Who left it; it is gone now.
    pub(super) fn leave(&mut self, flow: &Flow) -> Option<Owner> {
        let owner = self.owners.remove(&key(flow));
        // Ends come in about the order of beginnings, so the front is cleared cheaply.
        while self
            .order
            .front()
            .is_some_and(|oldest| !self.is_current(oldest))
        {
            self.order.pop_front();
        }
        owner.map(|(_, owner)| remembered(owner))
    }
}

/// What was the owner's own call when it left the TIME_WAIT is a memory now.
fn remembered(owner: Owner) -> Owner {
    let basis = match owner.basis {
        Basis::Task => Basis::Socket,
        other => other,
    };
    Owner { basis, ..owner }
}

fn key(flow: &Flow) -> Key {
    let end = |end: Option<crate::model::Endpoint>| end.map(|end| (end.addr, end.port));
    (flow.netns, end(flow.local), end(flow.remote))
}
