//! Which connection: addresses, ports, namespace, cookie, TCP state.

use std::fmt;
use std::net::IpAddr;

use super::named;

named! {
    /// Address family of the socket (of the socket: a v4-mapped peer is still `inet6`).
    Family {
        /// `AF_INET`
        Inet = "inet",
        /// `AF_INET6`
        Inet6 = "inet6",
    }
}

named! {
    /// TCP state, the kernel's name without `TCP_`.
    TcpState {
        /// Connected.
        Established = "ESTABLISHED",
        /// Our SYN is out.
        SynSent = "SYN_SENT",
        /// A SYN came, ours is out.
        SynRecv = "SYN_RECV",
        /// We closed; our FIN is not acknowledged.
        FinWait1 = "FIN_WAIT1",
        /// We closed; waiting for the peer's FIN.
        FinWait2 = "FIN_WAIT2",
        /// Both closed; waiting for stray segments to die.
        TimeWait = "TIME_WAIT",
        /// Gone.
        Close = "CLOSE",
        /// The peer closed, we did not yet.
        CloseWait = "CLOSE_WAIT",
        /// The peer closed, then we.
        LastAck = "LAST_ACK",
        /// Waiting for connections.
        Listen = "LISTEN",
        /// Both closed at once.
        Closing = "CLOSING",
        /// A connection request.
        NewSynRecv = "NEW_SYN_RECV",
    }
}

impl TcpState {
    /// The state the kernel numbers so; `None` for 0 and numbers above 12.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// One end of a connection. A v4-mapped address is held as IPv4.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Endpoint {
    /// Address; unspecified for a wildcard listener.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    /// `1.2.3.4:80` or `[::1]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            IpAddr::V4(addr) => write!(f, "{addr}:{}", self.port),
            IpAddr::V6(addr) => write!(f, "[{addr}]:{}", self.port),
        }
    }
}

/// A connection as the local host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Of the socket.
    pub family: Family,
    /// `None` while no port is bound.
    pub local: Option<Endpoint>,
    /// The local address while no port is bound (a connect() chooses the port last).
    pub unbound: Option<IpAddr>,
    /// `None` for facts about a listener as such.
    pub remote: Option<Endpoint>,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Socket cookie; `None` where there is no full socket or nobody asked for one.
    pub cookie: Option<u64>,
}
