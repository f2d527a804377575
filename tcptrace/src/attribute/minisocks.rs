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
    owners: HashMap<Key, Owner>,
    order: VecDeque<Key>,
}

impl Minisocks {
    pub(super) fn enter(&mut self, flow: &Flow, owner: Option<&Owner>) {
        let key = key(flow);
        let Some(owner) = owner else {
            self.owners.remove(&key);
            return;
        };
        if self.owners.insert(key, owner.clone()).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.owners.remove(&oldest);
            }
        }
    }

    /// Who left it, if it is known.
    pub(super) fn find(&self, flow: &Flow) -> Option<Owner> {
        self.owners.get(&key(flow)).cloned().map(remembered)
    }

    /// Who left it; it is gone now.
    pub(super) fn leave(&mut self, flow: &Flow) -> Option<Owner> {
        let owner = self.owners.remove(&key(flow));
        // Ends come in about the order of beginnings, so the front is cleared cheaply.
        while self
            .order
            .front()
            .is_some_and(|oldest| !self.owners.contains_key(oldest))
        {
            self.order.pop_front();
        }
        owner.map(remembered)
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
