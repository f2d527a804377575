//! One body per signal, independent of the hook that calls it.

pub(crate) mod accept;
pub(crate) mod answer;
pub(crate) mod baseline;
pub(crate) mod calls;
pub(crate) mod close;
pub(crate) mod connect;
pub(crate) mod drop;
pub(crate) mod fork;
pub(crate) mod handshake;
mod in_flight;
pub(crate) mod linger;
pub(crate) mod listen;
pub(crate) mod mib;
pub(crate) mod minisock;
pub(crate) mod packet;
pub(crate) mod paws;
pub(crate) mod reset;
pub(crate) mod retransmit;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod syn;
pub(crate) mod time_wait;
pub(crate) mod timed_out;
pub(crate) mod timer;
mod window;
