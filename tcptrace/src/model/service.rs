//! Which service an incident is about: the end of the connection whose port does not change from one
//! connection to the next.

use std::fmt;
use std::net::IpAddr;

use super::flow::TcpState;
use super::incident::{RetransmitType, What};
use super::{Endpoint, Incident};

/// What was connected to, and from which side, as far as an incident says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// The local end: the peer came in.
    Incoming(Option<Endpoint>),
    /// The remote end: the owner went out.
    Outgoing(Option<Endpoint>),
    /// Two ports of which either may be the client's: distinguished by address only.
    Unclear(IpAddr, IpAddr),
}

/// kernel: the first port that connect() takes unless net.ipv4.ip_local_port_range says otherwise.
const FIRST_EPHEMERAL: u16 = 32_768;

impl Service {
    /// By what the incident says; else by the ports: that of the service is the lower one, unless both are
    /// such as clients are given.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let (local, remote) = (incident.flow.local, incident.flow.remote);
        match (&incident.what, incident.state) {
            (What::AcceptDrop { .. } | What::SynDrop { .. }, _)
            | (_, Some(TcpState::Listen | TcpState::SynRecv | TcpState::NewSynRecv)) => {
                return Self::Incoming(local);
            }
            (What::Retransmit { kind, .. }, _) if *kind == RetransmitType::SynAck => {
                return Self::Incoming(local);
            }
            (_, Some(TcpState::SynSent)) => return Self::Outgoing(remote),
            _ => {}
        }
        match (local, remote) {
            (Some(own), Some(peer)) if own.port.min(peer.port) >= FIRST_EPHEMERAL => {
                Self::Unclear(own.addr, peer.addr)
            }
            (Some(own), Some(peer)) if peer.port < own.port => Self::Outgoing(remote),
            (None, Some(_)) => Self::Outgoing(remote),
            _ => Self::Incoming(local),
        }
    }

    /// Whether it has an address.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Incoming(None) | Self::Outgoing(None))
    }

    /// The port that clients connect to; `None`: not known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Incoming(end) | Self::Outgoing(end) => end.map(|end| end.port),
            Self::Unclear(..) => None,
        }
    }
}

impl fmt::Display for Service {
    /// Behind a number of incidents: `at 10.0.0.1:80`, `with peer 10.0.0.2:5432`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming(Some(end)) => write!(f, "at {end}"),
            Self::Outgoing(Some(end)) => write!(f, "with peer {end}"),
            Self::Unclear(own, peer) => write!(f, "between {own} and {peer}"),
            Self::Incoming(None) | Self::Outgoing(None) => f.write_str("at unknown addresses"),
        }
    }
}
