//! Who left which TIME_WAIT socket: the kernel has forgotten, this table has not.

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::model::{Basis, Endpoint, Flow, Owner, Process};

/// As many of each family as the kernel keeps by default on a host of 32 GiB
/// (`tcp_max_tw_buckets`); the oldest give way, their owner is then unknown.
const MOST: usize = 131_072;
/// No slot.
const NONE: u32 = u32::MAX;

/// One tuple of one namespace. A minisock keeps its socket's cookie, but has none where nobody
/// asked for it; the tuple is always there and unique while the minisock lives. 0 = not known,
/// which no namespace's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key<A> {
    netns: u32,
    local: A,
    remote: A,
    local_port: u16,
    remote_port: u16,
}

impl<A> Key<A> {
    fn of(flow: &Flow, address: impl Fn(Option<Endpoint>) -> Option<A>) -> Option<Self> {
        let port = |end: Option<Endpoint>| end.map_or(0, |end| end.port);
        Some(Self {
            netns: flow.netns.unwrap_or(0),
            local: address(flow.local)?,
            remote: address(flow.remote)?,
            local_port: port(flow.local),
            remote_port: port(flow.remote),
        })
    }
}

impl Key<Ipv4Addr> {
    /// `None` unless both ends are IPv4.
    fn ipv4(flow: &Flow) -> Option<Self> {
        Self::of(flow, |end| match end.map(|end| end.addr) {
            Some(IpAddr::V4(addr)) => Some(addr),
            Some(IpAddr::V6(_)) => None,
            None => Some(Ipv4Addr::UNSPECIFIED),
        })
    }
}

impl Key<Ipv6Addr> {
    fn ipv6(flow: &Flow) -> Option<Self> {
        Self::of(flow, |end| {
            Some(match end.map(|end| end.addr) {
                Some(IpAddr::V4(addr)) => addr.to_ipv6_mapped(),
                Some(IpAddr::V6(addr)) => addr,
                None => Ipv6Addr::UNSPECIFIED,
            })
        })
    }
}

/// See the module. Most are IPv4, whose entries take half the memory.
#[derive(Debug, Default)]
pub(super) struct Minisocks {
    ipv4: Table<Ipv4Addr>,
    ipv6: Table<Ipv6Addr>,
}

impl Minisocks {
    pub(super) fn enter(&mut self, flow: &Flow, owner: Option<&Owner>) {
        match Key::ipv4(flow) {
            Some(key) => self.ipv4.enter(key, owner),
            None => {
                if let Some(key) = Key::ipv6(flow) {
                    self.ipv6.enter(key, owner);
                }
            }
        }
    }

    /// Who left it, if it is known.
    pub(super) fn find(&self, flow: &Flow) -> Option<Owner> {
        match Key::ipv4(flow) {
            Some(key) => self.ipv4.find(key),
            None => self.ipv6.find(Key::ipv6(flow)?),
        }
    }

    /// Who left it; it is gone now.
    pub(super) fn leave(&mut self, flow: &Flow) -> Option<Owner> {
        match Key::ipv4(flow) {
            Some(key) => self.ipv4.leave(key),
            None => self.ipv6.leave(Key::ipv6(flow)?),
        }
    }
}

/// The minisocks of a family: slots in a row, chained by age, and an index over them.
#[derive(Debug)]
struct Table<A> {
    index: HashTable<u32>,
    /// Seeded: who connects chooses the tuple.
    hasher: RandomState,
    slots: Vec<Slot<A>>,
    oldest: u32,
    newest: u32,
    /// Slots to be used again, chained by `newer`.
    free: u32,
}

/// What an [`Owner`] is, in half the room.
#[derive(Debug)]
struct Slot<A> {
    key: Key<A>,
    /// `None` in a free slot.
    process: Option<Arc<Process>>,
    tid: Option<NonZeroU32>,
    shared_by: Option<NonZeroU32>,
    basis: Basis,
    is_stale: bool,
    older: u32,
    newer: u32,
}

impl<A> Default for Table<A> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            hasher: RandomState::default(),
            slots: Vec::new(),
            oldest: NONE,
            newest: NONE,
            free: NONE,
        }
    }
}

impl<A: Copy + Eq + Hash> Table<A> {
    fn enter(&mut self, key: Key<A>, owner: Option<&Owner>) {
        drop(self.leave(key));
        let Some(owner) = owner else { return };
        if self.index.len() >= MOST
            && let Some(oldest) = self.slot(self.oldest).map(|slot| slot.key)
        {
            drop(self.leave(oldest));
        }
        let slot = Slot {
            key,
            process: Some(Arc::clone(&owner.process)),
            tid: owner.tid.and_then(NonZeroU32::new),
            shared_by: owner.shared_by.and_then(NonZeroU32::new),
            basis: remembered(owner.basis),
            is_stale: owner.is_stale,
            older: self.newest,
            newer: NONE,
        };
        let place = self.put(slot);
        match self.slot_mut(self.newest) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
        let Self {
            index,
            hasher,
            slots,
            ..
        } = self;
        index.insert_unique(hasher.hash_one(key), place, |place| {
            let slot = slots.get(*place as usize);
            slot.map_or(0, |slot| hasher.hash_one(slot.key))
        });
    }

    fn find(&self, key: Key<A>) -> Option<Owner> {
        let is_it = |place: &u32| self.slot(*place).is_some_and(|slot| slot.key == key);
        let place = self.index.find(self.hasher.hash_one(key), is_it)?;
        let slot = self.slot(*place)?;
        Some(slot.owner(Arc::clone(slot.process.as_ref()?)))
    }

    fn leave(&mut self, key: Key<A>) -> Option<Owner> {
        let Self { index, slots, .. } = self;
        let is_it = |place: &u32| {
            slots
                .get(*place as usize)
                .is_some_and(|slot| slot.key == key)
        };
        let (place, _) = index
            .find_entry(self.hasher.hash_one(key), is_it)
            .ok()?
            .remove();
        let free = self.free;
        let slot = self.slot_mut(place)?;
        let process = slot.process.take()?;
        let owner = slot.owner(process);
        let (older, newer) = (slot.older, slot.newer);
        slot.newer = free;
        self.free = place;
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        Some(owner)
    }

    /// Puts it into a free slot, or a new one; which.
    fn put(&mut self, slot: Slot<A>) -> u32 {
        let place = self.free;
        match self.slots.get_mut(place as usize) {
            Some(free) => {
                self.free = free.newer;
                *free = slot;
                place
            }
            None => {
                self.slots.push(slot);
                // Never more than MOST of them.
                (self.slots.len() - 1) as u32
            }
        }
    }

    fn slot(&self, place: u32) -> Option<&Slot<A>> {
        self.slots.get(place as usize)
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot<A>> {
        self.slots.get_mut(place as usize)
    }
}

impl<A> Slot<A> {
    fn owner(&self, process: Arc<Process>) -> Owner {
        Owner {
            process,
            basis: self.basis,
            shared_by: self.shared_by.map(NonZeroU32::get),
            tid: self.tid.map(NonZeroU32::get),
            holders: None,
            is_stale: self.is_stale,
        }
    }
}

/// What was the owner's own call when it left the TIME_WAIT is a memory now.
const fn remembered(basis: Basis) -> Basis {
    match basis {
        Basis::Task => Basis::Socket,
        other => other,
    }
}
