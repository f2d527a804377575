//! Turns the bytes of one netlink datagram into messages and socket rows.
//!
//! Pure: no socket, no clock, and any bytes are allowed. Every length is checked before it is
//! used, each step moves forward by at least one header, and the iterator ends for good at the
//! first [`Malformed`] piece.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const HEADER_BYTES: usize = 16;
/// `sizeof(struct inet_diag_msg)`.
const ROW_BYTES: usize = 72;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// The two upper bits of an attribute's type are flags (nested, byte order).
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_DUMP_INTR: u16 = 0x10;

const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SHUTDOWN: u16 = 8;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_MARK: u16 = 15;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Index of the drop counter in the SKMEMINFO array of `u32`s.
const SK_MEMINFO_DROPS: usize = 8;
/// Where `struct tcp_info` has what is read here: its layout is part of the kernel's promise to user
/// space, and newer members stand behind older ones.
mod info {
    pub(super) const SND_MSS: usize = 16;
    pub(super) const LAST_DATA_SENT: usize = 44;
    pub(super) const LAST_DATA_RECV: usize = 52;
    pub(super) const LAST_ACK_RECV: usize = 56;
    pub(super) const NOTSENT_BYTES: usize = 144;
    pub(super) const RWND_LIMITED: usize = 176;
    pub(super) const SND_WND: usize = 228;
    pub(super) const RCV_WND: usize = 232;
}

/// The address family of a socket, which for v4-mapped addresses differs from that of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`.
    Inet,
    /// `AF_INET6`.
    Inet6,
}

impl Family {
    /// The number the kernel uses.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Inet => 2,
            Self::Inet6 => 10,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::Inet),
            10 => Some(Self::Inet6),
            _ => None,
        }
    }
}

/// The timer that runs on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Retransmission, reordering or loss probe; also the SYN-ACK timer of a SYN queue entry.
    Retransmit,
    /// Keepalive, or the FIN_WAIT2 timer of a socket that is still a full one.
    Keepalive,
    /// The entry is a TIME_WAIT one (not a full socket), in state TIME_WAIT or FIN_WAIT2.
    TimeWait,
    /// Zero window probe.
    Probe,
    /// A timer this version does not know.
    Other(u8),
}

/// One TCP socket as the kernel listed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SockRow {
    /// Family of the socket itself.
    pub family: Family,
    /// TCP state number (see `state`).
    pub state: u8,
    /// Local address; v4-mapped addresses are left as they are.
    pub local: SocketAddr,
    /// Remote address; `None` for a socket that has no peer (a listener).
    pub remote: Option<SocketAddr>,
    /// Socket cookie, the number that stays with a connection into TIME_WAIT.
    pub cookie: u64,
    /// Inode of the socket file; `None` when no file refers to it: SYN queue entry, connection not
    /// accepted yet, closed by its owner (orphan), TIME_WAIT.
    pub inode: Option<u64>,
    /// User that created the socket; `None` whenever `inode` is, the kernel then reports 0.
    pub uid: Option<u32>,
    /// Bytes received and unread; in LISTEN the length of the accept queue.
    pub rqueue: u32,
    /// Bytes written and not acknowledged; in LISTEN the limit of the accept queue.
    pub wqueue: u32,
    /// The running timer; `None` when none runs.
    pub timer: Option<Timer>,
    /// Retransmissions (or probes) since the timer first fired.
    pub retrans: u8,
    /// Time until the timer fires; `None` when none runs.
    pub expires_ms: Option<u32>,
    /// Packets dropped by this socket since its start, for a listener the connections it could not
    /// take; `None` when the kernel sent no memory facts (not a full socket).
    pub sk_drops: Option<u32>,
    /// Id of the cgroup v2 the socket was created in; `None` when not sent (before 5.8, TIME_WAIT).
    pub cgroup_id: Option<u64>,
    /// Interface the socket is bound to; `None` when it is not.
    pub ifindex: Option<u32>,
    /// `SO_MARK`; `None` without CAP_NET_ADMIN or when not a full socket.
    pub mark: Option<u32>,
    /// `IPV6_V6ONLY`; `None` unless the socket is IPv6 and listening or closed.
    pub v6only: Option<bool>,
    /// `sk_shutdown`: bit 0 receiving, bit 1 sending is shut down; `None` when not a full socket.
    pub shutdown: Option<u8>,
    /// What `struct tcp_info` reports; `None` unless asked for, or when not a full socket.
    pub info: Option<Info>,
}

/// What is read of `struct tcp_info`. A member that this kernel does not have yet is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Info {
    /// `tcpi_snd_mss`: payload of a full segment, bytes.
    pub snd_mss: Option<u32>,
    /// `tcpi_last_data_sent`: since data last went out, ms; probes of a shut window carry none.
    pub last_data_sent_ms: Option<u32>,
    /// `tcpi_last_data_recv`: since data last came in, ms. A socket that never received any counts from
    /// its beginning.
    pub last_data_recv_ms: Option<u32>,
    /// `tcpi_last_ack_recv`: since the last segment with an acknowledgement came in, ms.
    pub last_ack_recv_ms: Option<u32>,
    /// `tcpi_notsent_bytes` (4.6 and newer): bytes written that were never sent.
    pub notsent_bytes: Option<u32>,
    /// `tcpi_rwnd_limited` (4.9 and newer): how long the peer's window held data back, in all, us.
    pub rwnd_limited_us: Option<u64>,
    /// `tcpi_snd_wnd` (5.4 and newer): the window that the peer offers, bytes.
    pub snd_wnd: Option<u32>,
    /// `tcpi_rcv_wnd` (6.2 and newer): the window that this end offers, bytes.
    pub rcv_wnd: Option<u32>,
}

impl Info {
    fn read(bytes: &[u8]) -> Self {
        Self {
            snd_mss: u32_at(bytes, info::SND_MSS),
            last_data_sent_ms: u32_at(bytes, info::LAST_DATA_SENT),
            last_data_recv_ms: u32_at(bytes, info::LAST_DATA_RECV),
            last_ack_recv_ms: u32_at(bytes, info::LAST_ACK_RECV),
            notsent_bytes: u32_at(bytes, info::NOTSENT_BYTES),
            rwnd_limited_us: chunk_at(bytes, info::RWND_LIMITED).map(u64::from_ne_bytes),
            snd_wnd: u32_at(bytes, info::SND_WND),
            rcv_wnd: u32_at(bytes, info::RCV_WND),
        }
    }
}

impl SockRow {
    /// Whether this is a whole socket, and not one of the kernel's small stand-ins for a handshake
    /// (SYN queue entry) or a TIME_WAIT. Only whole sockets carry a shutdown state.
    #[must_use]
    pub const fn is_full_socket(&self) -> bool {
        self.shutdown.is_some()
    }
}

/// What one netlink message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost an allocation for every socket"
)]
pub enum Message {
    /// A socket.
    Row(SockRow),
    /// End of the dump; with an error number when it ended because it failed.
    Done {
        /// Positive error number; `None` when all is well.
        errno: Option<i32>,
    },
    /// The request was refused.
    Error {
        /// Positive error number.
        errno: i32,
    },
    /// The request was accepted.
    Acknowledged,
    /// To be ignored by definition.
    Noop,
    /// The kernel lost data.
    Overrun,
    /// A message type that is no answer to a socket request.
    Unknown {
        /// `nlmsg_type`.
        kind: u16,
    },
}

/// A message with what its header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// Number of the request this answers.
    pub sequence: u32,
    /// `NLM_F_DUMP_INTR`: the kernel saw its tables change during the dump.
    pub dump_interrupted: bool,
    /// The content.
    pub message: Message,
}

/// What is wrong with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A datagram without bytes.
    #[error("empty datagram")]
    Empty,
    /// Fewer bytes than a message header.
    #[error("{0} bytes left where a message header needs {HEADER_BYTES}")]
    Header(usize),
    /// A message length that is shorter than its header or longer than the datagram.
    #[error("message length {length} with {left} bytes left")]
    Length {
        /// `nlmsg_len`.
        length: u32,
        /// Bytes left in the datagram.
        left: usize,
    },
    /// A message too short for what its type must carry.
    #[error("message of type {kind} with only {length} bytes of content")]
    Short {
        /// `nlmsg_type`.
        kind: u16,
        /// Bytes of content.
        length: usize,
    },
    /// An error number of the wrong sign.
    #[error("error message with error number {0}")]
    ErrorNumber(i32),
    /// A socket of a family that was not asked for.
    #[error("socket of address family {0}")]
    Family(u8),
    /// An attribute length that is shorter than its header or longer than its message.
    #[error("attribute length {length} with {left} bytes left")]
    Attribute {
        /// `nla_len`.
        length: u16,
        /// Bytes left in the message.
        left: usize,
    },
    /// An answer to another request.
    #[error("answer to request {found} instead of {expected}")]
    Sequence {
        /// Number in the message.
        found: u32,
        /// Number of the request.
        expected: u32,
    },
    /// The kernel said that it lost messages.
    #[error("messages lost in the kernel")]
    Overrun,
    /// A message type that is no answer to a socket request.
    #[error("unexpected message type {0}")]
    Kind(u16),
}

/// The messages of one datagram, in order; ends after the first malformed one.
#[must_use]
pub fn parse_messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

/// Iterator made by [`parse_messages`].
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl Iterator for Messages<'_> {
    type Item = Result<Framed, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = take_message(&mut self.rest);
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

fn take_message(rest: &mut &[u8]) -> Result<Framed, Malformed> {
    let bytes = *rest;
    let (Some(length), Some(kind), Some(flags), Some(sequence), Some(_)) = (
        u32_at(bytes, 0),
        u16_at(bytes, 4),
        u16_at(bytes, 6),
        u32_at(bytes, 8),
        u32_at(bytes, 12),
    ) else {
        return Err(Malformed::Header(bytes.len()));
    };
    let content = usize::try_from(length)
        .ok()
        .and_then(|end| bytes.get(HEADER_BYTES..end))
        .ok_or(Malformed::Length {
            length,
            left: bytes.len(),
        })?;
    // The padding after the last message of a datagram may be missing.
    *rest = bytes
        .get(aligned(HEADER_BYTES + content.len())..)
        .unwrap_or_default();
    Ok(Framed {
        sequence,
        dump_interrupted: flags & NLM_F_DUMP_INTR != 0,
        message: message(kind, content)?,
    })
}

fn message(kind: u16, content: &[u8]) -> Result<Message, Malformed> {
    let short = Malformed::Short {
        kind,
        length: content.len(),
    };
    let status = || u32_at(content, 0).map(u32::cast_signed).ok_or(short);
    match kind {
        SOCK_DIAG_BY_FAMILY => row(content).map(Message::Row),
        // A dump that fails half-way reports it in the content of its end message. A count of
        // bytes (positive) is no error.
        NLMSG_DONE => Ok(Message::Done {
            errno: status()?.checked_neg().filter(|n| *n > 0),
        }),
        NLMSG_ERROR => match status()? {
            0 => Ok(Message::Acknowledged),
            number => match number.checked_neg() {
                Some(errno) if errno > 0 => Ok(Message::Error { errno }),
                _ => Err(Malformed::ErrorNumber(number)),
            },
        },
        NLMSG_NOOP => Ok(Message::Noop),
        NLMSG_OVERRUN => Ok(Message::Overrun),
        _ => Ok(Message::Unknown { kind }),
    }
}

/// `struct inet_diag_msg`: family, state, timer, retrans, then `inet_diag_sockid` (ports,
/// addresses, interface, cookie), then expires, rqueue, wqueue, uid, inode; then attributes.
fn row(content: &[u8]) -> Result<SockRow, Malformed> {
    let short = Malformed::Short {
        kind: SOCK_DIAG_BY_FAMILY,
        length: content.len(),
    };
    let (fixed, mut attributes) = content.split_first_chunk::<ROW_BYTES>().ok_or(short)?;
    let word = |offset| u32_at(fixed, offset).ok_or(short);
    let family = Family::from_number(fixed[0]).ok_or(Malformed::Family(fixed[0]))?;
    let local = endpoint(family, fixed, 4, 8).ok_or(short)?;
    let remote = endpoint(family, fixed, 6, 24).ok_or(short)?;
    let timer = match fixed[2] {
        0 => None,
        1 => Some(Timer::Retransmit),
        2 => Some(Timer::Keepalive),
        3 => Some(Timer::TimeWait),
        4 => Some(Timer::Probe),
        other => Some(Timer::Other(other)),
    };
    let expires_ms = word(52)?;
    let uid = word(64)?;
    let inode = Some(u64::from(word(68)?)).filter(|inode| *inode != 0);
    let mut row = SockRow {
        family,
        state: fixed[1],
        local,
        remote: Some(remote).filter(|peer| peer.port() != 0 || !peer.ip().is_unspecified()),
        // Two words, the low one first whatever the byte order of the machine.
        cookie: u64::from(word(44)?) | u64::from(word(48)?) << 32,
        inode,
        uid: inode.map(|_| uid),
        rqueue: word(56)?,
        wqueue: word(60)?,
        timer,
        retrans: fixed[3],
        expires_ms: timer.map(|_| expires_ms),
        sk_drops: None,
        cgroup_id: None,
        ifindex: Some(word(40)?).filter(|index| *index != 0),
        mark: None,
        v6only: None,
        shutdown: None,
        info: None,
    };
    while let Some((kind, value)) = take_attribute(&mut attributes)? {
        match kind {
            INET_DIAG_INFO => row.info = Some(Info::read(value)),
            INET_DIAG_SKMEMINFO => row.sk_drops = u32_at(value, SK_MEMINFO_DROPS * 4),
            INET_DIAG_SHUTDOWN => row.shutdown = value.first().copied(),
            INET_DIAG_SKV6ONLY => row.v6only = value.first().map(|flag| *flag != 0),
            INET_DIAG_MARK => row.mark = u32_at(value, 0),
            INET_DIAG_CGROUP_ID => row.cgroup_id = chunk_at(value, 0).map(u64::from_ne_bytes),
            _ => {}
        }
    }
    Ok(row)
}

/// The next attribute, `None` at the end (fewer bytes than a header are padding).
fn take_attribute<'a>(rest: &mut &'a [u8]) -> Result<Option<(u16, &'a [u8])>, Malformed> {
    let bytes = *rest;
    let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) else {
        return Ok(None);
    };
    let value = bytes
        .get(ATTRIBUTE_HEADER_BYTES..usize::from(length))
        .ok_or(Malformed::Attribute {
            length,
            left: bytes.len(),
        })?;
    *rest = bytes
        .get(aligned(usize::from(length))..)
        .unwrap_or_default();
    Ok(Some((kind & ATTRIBUTE_TYPE_MASK, value)))
}

fn endpoint(family: Family, fixed: &[u8], port: usize, address: usize) -> Option<SocketAddr> {
    let ip = match family {
        Family::Inet => IpAddr::V4(Ipv4Addr::from(chunk_at::<4>(fixed, address)?)),
        Family::Inet6 => IpAddr::V6(Ipv6Addr::from(chunk_at::<16>(fixed, address)?)),
    };
    Some(SocketAddr::new(
        ip,
        u16::from_be_bytes(chunk_at(fixed, port)?),
    ))
}

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn chunk_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    chunk_at(bytes, offset).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    chunk_at(bytes, offset).map(u32::from_ne_bytes)
}
