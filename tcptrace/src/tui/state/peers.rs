//! Retransmissions by the address they went to.

use std::net::IpAddr;
use std::sync::Arc;

use super::bounded::Bounded;
use super::count::{Count, renew};
use super::latest::Numbered;
use crate::model::incident::RetransmitType;
use crate::model::{Process, What};

/// Peers kept at most.
const MOST: usize = 512;
/// How many types there are.
pub const TYPES: usize = RetransmitType::ALL.len();

/// A peer.
#[derive(Clone, Debug, Default)]
pub struct PeerRow {
    /// Identity; `None`: the remote end is not known.
    pub addr: Option<IpAddr>,
    /// Retransmissions.
    pub count: Count,
    /// The same by type, in the order of [`RetransmitType::ALL`].
    pub by_type: [u64; TYPES],
    /// Bytes sent again.
    pub bytes: u64,
    /// Requests that were given up after the last attempt.
    pub given_up: u64,
    /// Of the youngest whose owner is known.
    pub process: Option<Arc<Process>>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Peers {
    rows: Bounded<Option<IpAddr>, PeerRow>,
    by_type: [u64; TYPES],
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            rows: Bounded::new(MOST),
            by_type: [0; TYPES],
        }
    }
}

impl Peers {
    pub(super) fn on(&mut self, numbered: &Numbered) {
        let incident = &*numbered.incident;
        let What::Retransmit {
            kind,
            bytes,
            gave_up,
            ..
        } = &incident.what
        else {
            return;
        };
        let addr = incident.flow.remote.map(|end| end.addr);
        let row = self.rows.touch(addr, || PeerRow {
            addr,
            ..PeerRow::default()
        });
        row.count.add(numbered);
        row.by_type[*kind as usize] += 1;
        self.by_type[*kind as usize] += 1;
        if *gave_up {
            row.given_up += 1;
        } else {
            row.bytes += u64::from(*bytes);
        }
        renew(&mut row.process, incident);
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &PeerRow> {
        self.rows.values()
    }

    /// Retransmissions by type, of rows that went too, in the order of [`RetransmitType::ALL`].
    pub fn by_type(&self) -> &[u64; TYPES] {
        &self.by_type
    }

    /// How many rows went for room.
    pub fn left_out(&self) -> u64 {
        self.rows.left_out()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
