//! Records as they lie in the ring buffer: `repr(C)`, padding spelled out, sizes asserted.
//!
//! Every record begins with [`Head`]; its `kind` says which struct of this module the whole is.
//! A number that is not known is the type's `MAX` (said where it applies), never 0.

use crate::flow::FlowRecord;

/// Layout version; raised with every change of this module.
pub const VERSION: u8 = 5;
/// "Not known" for 32-bit numbers.
pub const UNKNOWN_U32: u32 = u32::MAX;
/// "Not known" for 64-bit numbers.
pub const UNKNOWN_U64: u64 = u64::MAX;

/// Who owns the socket, as known in the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnerRecord {
    /// Start of the process on the boot clock, ns; with the pid it is the identity.
    pub start_ns: u64,
    /// Name of the thread-group leader.
    pub comm: [u8; 16],
    /// Process (tgid) in our PID namespace; 0 = unknown.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Effective user.
    pub uid: u32,
    /// How many processes held the socket when tracing began; 0 = not known.
    pub holders: u16,
    /// One of [`crate::kind::basis`].
    pub basis: u8,
    /// Bits of [`owner`].
    pub bits: u8,
}

/// Bits of [`OwnerRecord::bits`].
pub mod owner {
    /// The process is followed (`--children`, `-- COMMAND`).
    pub const FOLLOWED: u8 = 1 << 0;
    /// [`super::Head::inode`] is that of the listener's file: nobody has accepted the connection.
    pub const LISTENER_FILE: u8 = 1 << 1;
    /// The process was seen to hold the socket (or the listener) at that moment.
    pub const HOLDS: u8 = 1 << 2;
    /// Name and user are those of that moment, not of an earlier call.
    pub const CURRENT: u8 = 1 << 3;
    /// The socket was closed by a task that need not have held it: a kernel thread, or whoever threw its
    /// descriptor away unreceived. The owner is who used it last.
    pub const DISCARDED: u8 = 1 << 4;
}

/// What every record begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// One of [`crate::kind`].
    pub kind: u16,
    /// Length of the whole record in bytes.
    pub len: u16,
    /// [`VERSION`].
    pub version: u8,
    /// One of [`crate::kind::hook`].
    pub hook: u8,
    /// TCP state when it happened, before the change reported; 0 = unknown.
    pub state: u8,
    /// One of [`evidence`].
    pub evidence: u8,
    /// Boot clock in the hook, ns.
    pub time_ns: u64,
    /// Address of the socket: distinguishes sockets within one run, 0 = none.
    pub sock: u64,
    /// Inode of the socket's file, where the owner is to be looked up by it; with
    /// [`owner::LISTENER_FILE`] of its listener's. 0 = none, or not needed.
    pub inode: u64,
    /// The connection.
    pub flow: FlowRecord,
    /// Its owner.
    pub owner: OwnerRecord,
}

/// How a record's meaning is known.
pub mod evidence {
    /// The hook says it.
    pub const SEEN: u8 = 0;
    /// Follows from what the hook says, by a documented rule.
    pub const INFERRED: u8 = 1;
}

/// A state transition.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StateRecord {
    /// Common part.
    pub head: Head,
    /// Time spent in the old state, ns; `u64::MAX` = not known.
    pub in_old_ns: u64,
    /// Old state.
    pub old: u8,
    /// New state.
    pub new: u8,
    /// Spelled-out padding.
    pub pad: [u8; 6],
}

/// Bits of [`ResetRecord::bits`].
pub mod reset {
    /// `SOCK_LINGER` was set.
    pub const LINGER: u8 = 1 << 0;
    /// `SOCK_DEAD`: an orphan.
    pub const DEAD: u8 = 1 << 1;
    /// The socket has a `struct socket` (a file).
    pub const HAS_SOCKET: u8 = 1 << 2;
    /// A system call owned the socket.
    pub const OWNED: u8 = 1 << 3;
    /// The RST answers a packet.
    pub const REPLY: u8 = 1 << 4;
    /// There is a socket at all.
    pub const HAS_SOCK: u8 = 1 << 5;
    /// The socket is a TIME_WAIT minisock.
    pub const MINISOCK: u8 = 1 << 6;
    /// The socket is a child nobody accepted, its listener is going away.
    pub const LISTENER_CLOSING: u8 = 1 << 7;
}

/// A RST sent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ResetRecord {
    /// Common part; `state` is the one before the reset when known.
    pub head: Head,
    /// Jiffies of `sk_lingertime`.
    pub linger_jiffies: u64,
    /// `enum sk_rst_reason`, `u32::MAX` = the kernel gives none.
    pub reason: u32,
    /// Written by the process, never sent; `u32::MAX` = not known.
    pub unsent_bytes: u32,
    /// Sent, not acknowledged; `u32::MAX` = not known.
    pub unacked_bytes: u32,
    /// Received, never read; `u32::MAX` = not known.
    pub unread_bytes: u32,
    /// `tcp_sock.linger2`, jiffies; below 0 = abort instead of FIN_WAIT2.
    pub linger2: i32,
    /// `TCP_USER_TIMEOUT`, ms.
    pub user_timeout_ms: u32,
    /// Accept queue length, of a listener.
    pub queue_length: u32,
    /// Its limit.
    pub queue_limit: u32,
    /// `sk_err` at that moment.
    pub sk_err: i32,
    /// `sk_shutdown`.
    pub shutdown: u8,
    /// `sk_state` in the hook: CLOSE when the reset follows the change of state.
    pub state_now: u8,
    /// Bits of [`reset`].
    pub bits: u8,
    /// Spelled-out padding.
    pub pad: u8,
}

/// A RST received.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ResetReceivedRecord {
    /// Common part.
    pub head: Head,
    /// Non-zero: the process had closed the socket already.
    pub dead: u8,
    /// Spelled-out padding.
    pub pad: [u8; 7],
}

/// Bits of [`RetransmitRecord::bits`].
pub mod retransmit {
    /// A SYN-ACK of a connection request.
    pub const SYN_ACK: u8 = 1 << 0;
    /// Nothing was sent: the last attempt has gone unanswered, and the request is dropped.
    pub const GIVEN_UP: u8 = 1 << 1;
}

/// A segment sent again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RetransmitRecord {
    /// Common part.
    pub head: Head,
    /// First sequence number.
    pub sequence: u32,
    /// Payload bytes.
    pub bytes: u32,
    /// Segments on the wire (`tcp_gso_segs`); 0 = not known.
    pub segments: u32,
    /// Which attempt in a row by timeout; `u32::MAX` = not known.
    pub attempt: u32,
    /// Result of the transmission, 0 = sent; `i32::MIN` = the kernel does not say.
    pub error: i32,
    /// `icsk_ca_state`.
    pub ca_state: u8,
    /// `icsk_pending`: the timer that is due.
    pub pending: u8,
    /// TCP flags of the segment.
    pub tcp_flags: u8,
    /// Bits of [`retransmit`].
    pub bits: u8,
}

/// Handshake step of [`QueueDropRecord`].
pub mod step {
    /// The SYN.
    pub const SYN: u8 = 1;
    /// The ACK that completes the handshake.
    pub const ACK: u8 = 2;
}

/// What became of the refused connection, in [`QueueDropRecord`].
pub mod outcome {
    /// Silently dropped.
    pub const DROPPED: u8 = 1;
    /// Answered by a RST.
    pub const RESET: u8 = 2;
    /// Answered by a SYN cookie.
    pub const COOKIE: u8 = 3;
}

/// A connection refused (ACCEPT_DROP, SYN_DROP).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueDropRecord {
    /// Common part; flow and owner are the listener's, the remote end is the client's.
    pub head: Head,
    /// Queue length at that moment.
    pub length: u32,
    /// Its limit.
    pub limit: u32,
    /// `enum skb_drop_reason`; `u32::MAX` = none.
    pub reason: u32,
    /// How many (steps of the drop counter).
    pub count: u32,
    /// `net.core.somaxconn` of the namespace at that moment; `u32::MAX` = not known.
    pub somaxconn: u32,
    /// What listen() was given (`i32::MAX` for less than 0, which means no bound of its own);
    /// `u32::MAX` = not seen.
    pub backlog: u32,
    /// One of [`step`].
    pub step: u8,
    /// One of [`outcome`].
    pub outcome: u8,
    /// Non-zero: `tcp_max_syn_backlog` refused the SYN, and `limit` is what it allows.
    pub by_max_syn_backlog: u8,
    /// Spelled-out padding.
    pub pad: [u8; 5],
}

/// Phase of a [`TimeWaitRecord`].
pub mod phase {
    /// The minisock was made.
    pub const ENTER: u8 = 1;
    /// It made room for a new connection of the same tuple.
    pub const REUSE: u8 = 2;
    /// None could be made: bucket limit or memory.
    pub const OVERFLOW: u8 = 3;
    /// Its time was up.
    pub const EXPIRE: u8 = 4;
    /// It was taken away early: a RST, a new connection that was not seen, or its namespace went.
    pub const CANCEL: u8 = 5;
}

/// A TIME_WAIT socket's turn.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeWaitRecord {
    /// Common part. On REUSE the owner is the NEW connection's.
    pub head: Head,
    /// Jiffies until it expires, on ENTER; `u64::MAX` = not known.
    pub timeout_jiffies: u64,
    /// One of [`phase`].
    pub phase: u8,
    /// `tw_substate`: FIN_WAIT2 or TIME_WAIT; 0 = not known.
    pub substate: u8,
    /// Spelled-out padding.
    pub pad: [u8; 6],
}

/// How a lingering close ended.
pub mod linger_end {
    /// The peer acknowledged everything, the FIN included.
    pub const DRAINED: u8 = 1;
    /// The linger time was up.
    pub const TIMED_OUT: u8 = 2;
    /// A signal.
    pub const INTERRUPTED: u8 = 3;
    /// The connection was reset or timed out under it.
    pub const RESET: u8 = 4;
}

/// A close that blocked in linger.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LingerRecord {
    /// Common part; the time is the end's.
    pub head: Head,
    /// Boot clock when the close began to wait.
    pub start_ns: u64,
    /// `sk_lingertime`.
    pub linger_jiffies: u64,
    /// Written, never sent, at the start.
    pub unsent_bytes: u32,
    /// Sent, not acknowledged, at the start.
    pub unacked_bytes: u32,
    /// Not acknowledged at the end; `u32::MAX` = not known.
    pub remaining_bytes: u32,
    /// One of [`linger_end`].
    pub end: u8,
    /// Spelled-out padding.
    pub pad: [u8; 3],
}

/// Which check of a [`PawsRecord`] failed, where no reason says so.
pub mod check {
    /// The reason says.
    pub const BY_REASON: u8 = 0;
    /// That of a connection.
    pub const ESTABLISHED: u8 = 1;
    /// That of a TIME_WAIT socket.
    pub const TIME_WAIT: u8 = 2;
}

/// A segment rejected for its timestamp.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PawsRecord {
    /// Common part.
    pub head: Head,
    /// `enum skb_drop_reason`; `u32::MAX` = the kernel gives none.
    pub reason: u32,
    /// One of [`check`].
    pub check: u8,
    /// Spelled-out padding.
    pub pad: [u8; 3],
}

/// Bits of [`CloseRecord::bits`].
pub mod close {
    /// A RST had been received.
    pub const RST_RECEIVED: u8 = 1 << 0;
    /// A TIME_WAIT minisock took over.
    pub const TIME_WAIT: u8 = 1 << 1;
    /// A system call owned the socket.
    pub const OWNED: u8 = 1 << 2;
    /// The process had closed the socket before.
    pub const DEAD: u8 = 1 << 3;
}

/// A connection's life.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CloseRecord {
    /// Common part; `state` is the last before CLOSE.
    pub head: Head,
    /// Since its birth; `u64::MAX` = born before we watched.
    pub duration_ns: u64,
    /// Payload sent, retransmissions not counted again.
    pub bytes_sent: u64,
    /// Payload received.
    pub bytes_received: u64,
    /// Smoothed round trip; `u32::MAX` = never measured.
    pub srtt_us: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// `sk_err`.
    pub sk_err: i32,
    /// Bits of [`close`].
    pub bits: u8,
    /// Spelled-out padding.
    pub pad: [u8; 3],
}

/// Bits of [`TimedOutRecord::bits`].
pub mod timed_out {
    /// The process had closed the socket before.
    pub const DEAD: u8 = 1 << 0;
}

/// A connection given up, since nothing came back.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimedOutRecord {
    /// Common part; `state` is the last before CLOSE.
    pub head: Head,
    /// Jiffies since the peer's last segment; `u32::MAX` = not known.
    pub silent_jiffies: u32,
    /// Written by the process, never sent; `u32::MAX` = not known.
    pub unsent_bytes: u32,
    /// Sent, not acknowledged; `u32::MAX` = not known.
    pub unacked_bytes: u32,
    /// `TCP_USER_TIMEOUT`, ms; 0 = not set.
    pub user_timeout_ms: u32,
    /// The peer's window, bytes (`tcp_sock.snd_wnd`); `u32::MAX` = not known.
    pub window: u32,
    /// `sk_err`
    pub sk_err: i32,
    /// Timeouts in a row after which something was sent again (`icsk_retransmits`).
    pub retransmits: u8,
    /// Probes of a closed window or of an idle connection without an answer (`icsk_probes_out`).
    pub probes: u8,
    /// Bits of [`timed_out`].
    pub bits: u8,
    /// Spelled-out padding.
    pub pad: [u8; 5],
}

/// Bits of [`ConnectFailedRecord::bits`].
pub mod connect_failed {
    /// A system call held the socket: connect(), close(), shutdown() or the end of the process.
    pub const OWNED: u8 = 1 << 0;
    /// Closed in both directions before.
    pub const SHUT: u8 = 1 << 1;
    /// A SYN is in the send queue: connect() had come as far as sending it.
    pub const SENT: u8 = 1 << 2;
    /// It has a local port.
    pub const HAS_PORT: u8 = 1 << 3;
    /// The call returned the error, which `sk_err` has: nothing else is known.
    pub const RETURNED: u8 = 1 << 4;
    /// With [`RETURNED`]: it was bind(), not connect().
    pub const BIND: u8 = 1 << 5;
}

/// A socket left SYN_SENT for CLOSE without a RST from the peer, or a call returned an error.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectFailedRecord {
    /// Common part; `state` is SYN_SENT, or that after the call which returned the error.
    pub head: Head,
    /// Since connect() began; `u64::MAX` = not known.
    pub waited_ns: u64,
    /// `sk_err`, or what the call returned, above 0
    pub sk_err: i32,
    /// Timeouts in a row after which the SYN was sent again (`icsk_retransmits`).
    pub retransmits: u8,
    /// Bits of [`connect_failed`].
    pub bits: u8,
    /// Spelled-out padding.
    pub pad: [u8; 2],
}

/// Counters of one kind on one CPU. What is neither is on the ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct KindCounters {
    /// Left out by a filter in the kernel.
    pub filtered: u64,
    /// Refused by a full ring.
    pub lost: u64,
}

const HEAD: usize = 32 + 56 + 40;
const _: () = assert!(size_of::<OwnerRecord>() == 40);
const _: () = assert!(size_of::<Head>() == HEAD);
const _: () = assert!(size_of::<StateRecord>() == HEAD + 16);
const _: () = assert!(size_of::<ResetRecord>() == HEAD + 48);
const _: () = assert!(size_of::<ResetReceivedRecord>() == HEAD + 8);
const _: () = assert!(size_of::<RetransmitRecord>() == HEAD + 24);
const _: () = assert!(size_of::<QueueDropRecord>() == HEAD + 32);
const _: () = assert!(size_of::<TimeWaitRecord>() == HEAD + 16);
const _: () = assert!(size_of::<LingerRecord>() == HEAD + 32);
const _: () = assert!(size_of::<PawsRecord>() == HEAD + 8);
const _: () = assert!(size_of::<CloseRecord>() == HEAD + 40);
const _: () = assert!(size_of::<TimedOutRecord>() == HEAD + 32);
const _: () = assert!(size_of::<ConnectFailedRecord>() == HEAD + 16);

// SAFETY: plain integers without hidden padding (sizes asserted above); any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KindCounters {}
