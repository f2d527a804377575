//! What every line of NDJSON has, and what every incident has.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flow::TcpState;
use super::owner::{self, OwnerObject};
use super::{Endpoint, Evidence, Family, Owner};

/// Version of the event format.
pub const VERSION: u8 = 1;

/// What every line begins with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct LineHead<'a> {
    /// Version of the format.
    pub v: u8,
    /// RFC 3339 UTC with nanoseconds, when it happened in the kernel.
    #[serde(borrow)]
    #[schemars(extend("format" = "date-time"))]
    pub ts: Cow<'a, str>,
    /// The same moment on the kernel's boot clock.
    pub mono_ns: u64,
    /// What the line is about.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
}

/// What every incident has, before the fields of its kind.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IncidentHead<'a> {
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// The kernel's socket cookie, as printed by ss -e; null: no full socket.
    pub cookie: Option<u64>,
    /// Family of the socket; one with v4-mapped addresses is `inet6`.
    pub family: Family,
    /// Local end of the connection.
    pub local: Option<End>,
    /// Remote end of the connection; null for facts about a listener as such.
    #[schemars(with = "Option<End>")]
    pub remote: Option<Endpoint>,
    /// TCP state when it happened, before the change it reports.
    pub state: Option<TcpState>,
    /// The process that owns the socket.
    #[serde(deserialize_with = "owner::or_none")]
    #[schemars(with = "OwnerObject")]
    pub owner: Option<Owner>,
    /// The hook that saw it, or `sock_diag`.
    #[serde(borrow)]
    pub hook: Cow<'a, str>,
    /// How the fact is known.
    pub evidence: Evidence,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "endpoint")]
pub struct End {
    /// A v4-mapped address is printed as IPv4.
    pub addr: IpAddr,
    /// null while a connect() has not chosen its port.
    pub port: Option<u16>,
}

impl End {
    /// The end, or its address alone while no port is chosen.
    pub fn bound_or_not(self) -> (Option<Endpoint>, Option<IpAddr>) {
        let addr = self.addr.to_canonical();
        match self.port {
            Some(port) => (Some(Endpoint { addr, port }), None),
            None => (None, Some(addr)),
        }
    }
}
