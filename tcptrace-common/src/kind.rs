//! Kinds of facts as integer constants: an enum is never conjured from bytes.

pub use crate::hook;

/// State transition of a socket.
pub const STATE: u16 = 0;
/// RST sent.
pub const RST_SENT: u16 = 1;
/// RST received.
pub const RST_RECEIVED: u16 = 2;
/// A close that blocked in linger has ended.
pub const LINGER_CLOSE: u16 = 3;
/// A connection was refused because the accept queue was full.
pub const ACCEPT_DROP: u16 = 4;
/// A SYN was refused, or answered by a cookie, because the SYN queue was full.
pub const SYN_DROP: u16 = 5;
/// A segment or a SYN-ACK was sent again.
pub const RETRANSMIT: u16 = 6;
/// A TIME_WAIT socket began, ended, or could not be made.
pub const TIME_WAIT: u16 = 7;
/// A segment was rejected for its timestamp.
pub const PAWS_DROP: u16 = 8;
/// A connection ended: its life in one record.
pub const CLOSE: u16 = 9;
/// A connection was given up, since nothing came back.
pub const TIMED_OUT: u16 = 10;
/// connect() failed, or its socket was closed before the answer.
pub const CONNECT_FAILED: u16 = 11;
/// How many kinds there are.
pub const COUNT: usize = 12;

/// The tracepoints and functions that report each kind: a run of one that did not take place may be why the kernel
/// counts more. Names only, whatever the tier.
const REPORTERS: [(u16, &[&str]); COUNT] = [
    (STATE, &["inet_sock_set_state"]),
    (
        RST_SENT,
        &[
            "tcp_send_reset",
            "kfree_skb",
            "tcp_v4_send_reset",
            "tcp_v6_send_reset",
        ],
    ),
    (
        RST_RECEIVED,
        &["tcp_receive_reset", "tcp_check_req", "tcp_get_cookie_sock"],
    ),
    (
        LINGER_CLOSE,
        &[
            "inet_sock_set_state",
            "timer_start",
            "timer_cancel",
            "timer_expire_entry",
            "sk_stream_wait_close",
        ],
    ),
    (
        ACCEPT_DROP,
        &[
            "consume_skb",
            "kfree_skb",
            "tcp_send_reset",
            "tcp_conn_request",
            "tcp_check_req",
            "tcp_get_cookie_sock",
        ],
    ),
    (SYN_DROP, &["consume_skb", "tcp_conn_request"]),
    (
        RETRANSMIT,
        &[
            "tcp_retransmit_skb",
            "tcp_retransmit_synack",
            "reqsk_timer_handler",
        ],
    ),
    // The last state of its socket says that a TIME_WAIT is to come.
    (
        TIME_WAIT,
        &[
            "inet_sock_set_state",
            "timer_start",
            "timer_cancel",
            "timer_expire_entry",
            "consume_skb",
            "inet_twsk_hashdance_schedule",
            "__inet_twsk_schedule",
            "inet_twsk_alloc",
            "tw_timer_handler",
            "inet_twsk_deschedule_put",
            "tcp_timewait_state_process",
            "tcp_twsk_unique",
        ],
    ),
    (
        PAWS_DROP,
        &[
            "kfree_skb",
            "tcp_validate_incoming",
            "tcp_timewait_state_process",
            "tcp_check_req",
            "tcp_get_cookie_sock",
        ],
    ),
    (CLOSE, &["inet_sock_set_state", "tcp_receive_reset"]),
    (TIMED_OUT, &["inet_sock_set_state"]),
    (
        CONNECT_FAILED,
        &[
            "inet_sock_set_state",
            "tcp_v4_connect",
            "tcp_v6_connect",
            "inet_bind",
            "inet6_bind",
        ],
    ),
];
const _: () = {
    let mut number = 0;
    while number < COUNT {
        assert!(REPORTERS[number].0 as usize == number, "by their numbers");
        number += 1;
    }
};

/// The tracepoints and functions that report the kind of that number; none for a number that stands for nothing.
pub fn reporters(kind: u16) -> &'static [&'static str] {
    REPORTERS.get(usize::from(kind)).map_or(&[], |row| row.1)
}

/// How an owner is known, as a number on the wire.
pub mod basis {
    /// No owner is known.
    pub const NONE: u8 = 0;
    /// The owner's own system call triggered the hook.
    pub const TASK: u8 = 1;
    /// Remembered from an earlier call of the owner on this socket.
    pub const SOCKET: u8 = 2;
    /// Not accepted yet: the owner of the listener.
    pub const LISTENER: u8 = 3;
    /// Found in the process table when tracing began.
    pub const SNAPSHOT: u8 = 4;
}

/// TCP states as the kernel numbers them (`enum` in `include/net/tcp_states.h`, 5.10 to 7.3).
pub mod tcp_state {
    /// Connected.
    pub const ESTABLISHED: u8 = 1;
    /// Our SYN is out.
    pub const SYN_SENT: u8 = 2;
    /// A SYN came, ours is out.
    pub const SYN_RECV: u8 = 3;
    /// We closed; our FIN is not acknowledged.
    pub const FIN_WAIT1: u8 = 4;
    /// We closed; waiting for the peer's FIN.
    pub const FIN_WAIT2: u8 = 5;
    /// Both closed; waiting for stray segments to die.
    pub const TIME_WAIT: u8 = 6;
    /// Gone.
    pub const CLOSE: u8 = 7;
    /// The peer closed, we did not yet.
    pub const CLOSE_WAIT: u8 = 8;
    /// The peer closed, then we; our FIN is not acknowledged.
    pub const LAST_ACK: u8 = 9;
    /// Waiting for connections.
    pub const LISTEN: u8 = 10;
    /// Both closed at once.
    pub const CLOSING: u8 = 11;
    /// A connection request, not a full socket.
    pub const NEW_SYN_RECV: u8 = 12;
}
