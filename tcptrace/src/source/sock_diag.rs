//! Turns the kernel's own socket list (netlink `SOCK_DIAG`, what `ss` uses) into [`SockRow`]s, for
//! the network namespace of the calling thread; `netns::with` moves it to another one.
//!
//! Rows are handed to a callback as they arrive, so a host with 100,000 sockets costs one 64 KiB
//! buffer. It needs no privilege, changes nothing (the kernel numbers each listed socket with its
//! cookie, which is invisible otherwise) and must never decide what a row means or who owns it.
//!
//! A dump is not a snapshot: the kernel walks its hash tables while sockets come and go, so a
//! socket may be missed or listed twice. What the kernel itself notices of that is
//! [`Dump::interrupted`]; who needs each socket once compares cookies.
//!
//! It fails with a typed [`DiagError`]; a reply that does not parse ends the dump, because after
//! a wrong length nothing behind it can be trusted.

mod message;
#[cfg(test)]
mod tests;

pub use message::{
    Family, Framed, Info, Malformed, Message, Messages, SockRow, Timer, parse_messages,
};

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::BitOr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, netlink, recv, send,
    socket_with,
};

/// The kernel builds replies of at most 32 KiB; twice that makes a truncated one an error to report
/// and not a size to tune.
const BUFFER_BYTES: usize = 64 * 1024;
/// A dump is answered inside the `recv` call itself: silence this long is a fault, not load.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;
const REQUEST_BYTES: usize = 72;
/// `1 << (INET_DIAG_SKMEMINFO - 1)`: the drop counter is only sent when asked for. The other
/// attributes read here come unasked.
const WANT_SKMEMINFO: u8 = 1 << 6;
/// `1 << (INET_DIAG_INFO - 1)`: for how a connection gets on. The kernel takes each socket's lock for
/// it, so it is only asked for where it is shown.
const WANT_INFO: u8 = 1 << 1;

/// TCP state numbers as the kernel reports them in [`SockRow::state`].
pub mod state {
    /// `TCP_ESTABLISHED`.
    pub const ESTABLISHED: u8 = 1;
    /// `TCP_SYN_RECV`, also what a request socket (a SYN queue entry) is reported as.
    pub const SYN_RECV: u8 = 3;
    /// `TCP_FIN_WAIT2`.
    pub const FIN_WAIT2: u8 = 5;
    /// `TCP_TIME_WAIT`.
    pub const TIME_WAIT: u8 = 6;
    /// `TCP_CLOSE_WAIT`.
    pub const CLOSE_WAIT: u8 = 8;
    /// `TCP_LISTEN`.
    pub const LISTEN: u8 = 10;
}

/// A set of TCP states to list, bit N for state number N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// Every state from ESTABLISHED (1) to CLOSING (11). Sockets that were only bound are not in it.
    pub const ALL: Self = Self(0x0ffe);
    /// Listening sockets; the kernel then walks only its small listener table.
    pub const LISTEN: Self = Self::one(state::LISTEN);
    /// SYN queue entries and the rare full socket in SYN_RECV (TCP Fast Open, simultaneous open).
    pub const SYN_RECV: Self = Self::one(state::SYN_RECV);
    /// TIME_WAIT proper. The kernel selects TIME_WAIT entries by substate, so those that wait in
    /// FIN_WAIT2 after the owner is gone are found under FIN_WAIT2.
    pub const TIME_WAIT: Self = Self::one(state::TIME_WAIT);

    /// The set of one state number; empty for a number no kernel uses (above 31).
    #[must_use]
    pub const fn one(state: u8) -> Self {
        Self(if state < 32 { 1 << state } else { 0 })
    }

    /// The mask as the kernel takes it.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for States {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a finished dump went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dump {
    /// Rows handed out.
    pub rows: u64,
    /// The kernel said that its tables changed under the dump (`NLM_F_DUMP_INTR`): rows may be
    /// missing or doubled.
    pub interrupted: bool,
}

/// Why the socket list could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DiagError {
    /// The kernel has no diag handler for TCP and could not load one.
    #[error(
        "the kernel cannot list TCP sockets without its tcp_diag module: run `modprobe tcp_diag`"
    )]
    ModuleAbsent,
    /// The kernel, or a security module, refused.
    #[error("listing sockets over netlink is not permitted here")]
    NotPermitted(#[source] io::Error),
    /// The kernel answered with another error.
    #[error("the kernel refused to list sockets")]
    Refused(#[source] io::Error),
    /// A system call on the netlink socket failed.
    #[error("cannot {step} the netlink socket")]
    Socket {
        /// What was being done to the socket.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Nothing came within ten seconds.
    #[error("the kernel stopped answering in the middle of a socket list")]
    Silent,
    /// A reply was longer than the buffer.
    #[error("netlink reply of {actual} bytes does not fit {limit}")]
    Truncated {
        /// Bytes the kernel sent.
        actual: usize,
        /// Bytes there was room for.
        limit: usize,
    },
    /// A reply does not parse.
    #[error("malformed netlink reply")]
    Malformed(#[from] Malformed),
}

impl DiagError {
    fn from_kernel(errno: i32) -> Self {
        let error = io::Error::from_raw_os_error(errno);
        match errno {
            libc::ENOENT => Self::ModuleAbsent,
            libc::EPERM | libc::EACCES => Self::NotPermitted(error),
            _ => Self::Refused(error),
        }
    }
}

/// Hands every IPv4 and IPv6 TCP socket in one of `states` to `on_row`, in the kernel's order.
pub fn for_each(states: States, on_row: impl FnMut(SockRow)) -> Result<Dump, DiagError> {
    dump(states, WANT_SKMEMINFO, on_row)
}

/// As [`for_each`], with [`SockRow::info`].
pub fn for_each_with_info(states: States, on_row: impl FnMut(SockRow)) -> Result<Dump, DiagError> {
    dump(states, WANT_SKMEMINFO | WANT_INFO, on_row)
}

fn dump(states: States, want: u8, mut on_row: impl FnMut(SockRow)) -> Result<Dump, DiagError> {
    let mut client = Client::open()?;
    let mut dump = Dump::default();
    for family in [Family::Inet, Family::Inet6] {
        let request = Request {
            family,
            protocol: IPPROTO_TCP,
            states,
            want,
        };
        client.dump(request, &mut dump, &mut on_row)?;
    }
    Ok(dump)
}

/// Every listening TCP socket, IPv4 first.
///
/// In these rows `rqueue` is the length of the accept queue and `wqueue` its limit.
pub fn listeners() -> Result<(Vec<SockRow>, Dump), DiagError> {
    let mut rows = Vec::new();
    let dump = for_each(States::LISTEN, |row| rows.push(row))?;
    Ok((rows, dump))
}

/// How many handshakes wait for their last ACK, per local address and port. Addresses are those
/// the packets were sent to, never a wildcard; v4-mapped ones are given as IPv4.
///
/// The kernel does not say which listener a SYN queue entry belongs to: with `SO_REUSEPORT` the
/// number is that of the whole group. Connections handled by SYN cookies leave no entry.
pub fn syn_recv_counts() -> Result<(HashMap<SocketAddr, u32>, Dump), DiagError> {
    let mut counts = HashMap::new();
    let dump = for_each(States::SYN_RECV, |row| {
        // A TCP Fast Open child is a full socket in SYN_RECV, and counts in the accept queue.
        if !row.is_full_socket() {
            let local = SocketAddr::new(row.local.ip().to_canonical(), row.local.port());
            *counts.entry(local).or_insert(0) += 1;
        }
    })?;
    Ok((counts, dump))
}

/// One netlink socket, its receive buffer and the number of its last request.
struct Client {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Client {
    fn open() -> Result<Self, DiagError> {
        let failed = |step| {
            move |errno: Errno| DiagError::Socket {
                step,
                source: errno.into(),
            }
        };
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(|errno| match errno {
            Errno::PROTONOSUPPORT => DiagError::ModuleAbsent,
            other => failed("open")(other),
        })?;
        // Connected to port 0, the socket takes messages from the kernel only.
        connect(&socket, &netlink::SocketAddrNetlink::new(0, 0)).map_err(failed("connect"))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(SILENCE_LIMIT))
            .map_err(failed("set a timeout on"))?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER_BYTES],
            sequence: 0,
        })
    }

    fn dump(
        &mut self,
        request: Request,
        dump: &mut Dump,
        on_row: &mut impl FnMut(SockRow),
    ) -> Result<(), DiagError> {
        self.sequence += 1;
        let sequence = self.sequence;
        send(&self.socket, &request.bytes(sequence), SendFlags::empty()).map_err(|errno| {
            DiagError::Socket {
                step: "write to",
                source: errno.into(),
            }
        })?;
        loop {
            let datagram = self.receive()?;
            if take_datagram(datagram, sequence, dump, on_row)? == Progress::Finished {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> Result<&[u8], DiagError> {
        let limit = self.buffer.len();
        loop {
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::TRUNC) {
                Ok((_, actual)) if actual > limit => {
                    return Err(DiagError::Truncated { actual, limit });
                }
                Ok((filled, _)) => return Ok(self.buffer.get(..filled).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(DiagError::Silent),
                Err(errno) => {
                    return Err(DiagError::Socket {
                        step: "read from",
                        source: errno.into(),
                    });
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Finished,
}

/// Hands out the rows of one datagram. `Finished` once the kernel closed the dump.
fn take_datagram(
    datagram: &[u8],
    sequence: u32,
    dump: &mut Dump,
    on_row: &mut impl FnMut(SockRow),
) -> Result<Progress, DiagError> {
    if datagram.is_empty() {
        return Err(Malformed::Empty.into());
    }
    for framed in parse_messages(datagram) {
        let framed = framed?;
        if framed.sequence != sequence {
            // Skipping it would mean waiting for an answer that may never come.
            return Err(Malformed::Sequence {
                found: framed.sequence,
                expected: sequence,
            }
            .into());
        }
        dump.interrupted |= framed.dump_interrupted;
        match framed.message {
            Message::Row(row) => {
                dump.rows += 1;
                on_row(row);
            }
            Message::Done { errno: None } => return Ok(Progress::Finished),
            Message::Done { errno: Some(errno) } | Message::Error { errno } => {
                return Err(DiagError::from_kernel(errno));
            }
            Message::Acknowledged | Message::Noop => {}
            Message::Overrun => return Err(Malformed::Overrun.into()),
            Message::Unknown { kind } => return Err(Malformed::Kind(kind).into()),
        }
    }
    Ok(Progress::More)
}

/// What a dump asks for.
#[derive(Debug, Clone, Copy)]
struct Request {
    family: Family,
    protocol: u8,
    states: States,
    want: u8,
}

impl Request {
    /// `nlmsghdr` + `inet_diag_req_v2`, with no address or port set, which selects every socket.
    fn bytes(self, sequence: u32) -> [u8; REQUEST_BYTES] {
        let mut bytes = [0; REQUEST_BYTES];
        let mut put = |offset: usize, value: &[u8]| {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        };
        put(0, &(REQUEST_BYTES as u32).to_ne_bytes());
        put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(6, &(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        put(8, &sequence.to_ne_bytes());
        put(16, &[self.family.number(), self.protocol, self.want, 0]);
        put(20, &self.states.bits().to_ne_bytes());
        bytes
    }
}
