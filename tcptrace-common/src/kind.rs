//! Kinds of facts as integer constants: an enum is never conjured from bytes.

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
/// How many kinds there are.
pub const COUNT: usize = 10;

/// Where a record was heard. The number is on the wire, the name is for people.
pub mod hook {
    /// `tp_btf/inet_sock_set_state`
    pub const INET_SOCK_SET_STATE: u8 = 0;
    /// `tp_btf/tcp_send_reset`
    pub const TCP_SEND_RESET: u8 = 1;
    /// `tp_btf/tcp_receive_reset`
    pub const TCP_RECEIVE_RESET: u8 = 2;
    /// `tp_btf/tcp_retransmit_skb`
    pub const TCP_RETRANSMIT_SKB: u8 = 3;
    /// `tp_btf/tcp_retransmit_synack`
    pub const TCP_RETRANSMIT_SYNACK: u8 = 4;
    /// `tp_btf/kfree_skb`
    pub const KFREE_SKB: u8 = 5;
    /// `tp_btf/consume_skb`
    pub const CONSUME_SKB: u8 = 6;
    /// `tp_btf/timer_start`
    pub const TIMER_START: u8 = 7;
    /// `tp_btf/timer_expire_entry`
    pub const TIMER_EXPIRE_ENTRY: u8 = 8;
    /// `tp_btf/timer_cancel`
    pub const TIMER_CANCEL: u8 = 9;
    /// `tp_btf/tcp_destroy_sock`
    pub const TCP_DESTROY_SOCK: u8 = 10;
    /// `tp_btf/tcp_rcv_space_adjust`
    pub const TCP_RCV_SPACE_ADJUST: u8 = 11;
    /// `fexit/tcp_conn_request`
    pub const TCP_CONN_REQUEST: u8 = 12;
    /// `fexit/tcp_check_req`
    pub const TCP_CHECK_REQ: u8 = 13;
    /// `fexit/tcp_get_cookie_sock`
    pub const TCP_GET_COOKIE_SOCK: u8 = 14;
    /// `fexit/sk_stream_wait_close`
    pub const SK_STREAM_WAIT_CLOSE: u8 = 15;
    /// `fexit/inet_twsk_alloc`
    pub const INET_TWSK_ALLOC: u8 = 16;
    /// `fentry/inet_twsk_hashdance_schedule`
    pub const INET_TWSK_HASHDANCE_SCHEDULE: u8 = 17;
    /// `fentry/__inet_twsk_schedule`
    pub const INET_TWSK_SCHEDULE: u8 = 18;
    /// `fentry/tw_timer_handler`
    pub const TW_TIMER_HANDLER: u8 = 19;
    /// `fentry/inet_twsk_deschedule_put`
    pub const INET_TWSK_DESCHEDULE_PUT: u8 = 20;
    /// `fexit/tcp_v4_send_reset`
    pub const TCP_V4_SEND_RESET: u8 = 21;
    /// `fexit/tcp_v6_send_reset`
    pub const TCP_V6_SEND_RESET: u8 = 22;
    /// `fexit/tcp_timewait_state_process`
    pub const TCP_TIMEWAIT_STATE_PROCESS: u8 = 23;
    /// `fexit/tcp_validate_incoming`
    pub const TCP_VALIDATE_INCOMING: u8 = 24;
    /// `fexit/reqsk_timer_handler`
    pub const REQSK_TIMER_HANDLER: u8 = 25;
    /// Added to the number of a function hook: the same function, heard by a breakpoint.
    pub const BY_BREAKPOINT: u8 = 14;
    /// Names by number.
    pub const NAMES: [&str; 40] = [
        "tp_btf/inet_sock_set_state",
        "tp_btf/tcp_send_reset",
        "tp_btf/tcp_receive_reset",
        "tp_btf/tcp_retransmit_skb",
        "tp_btf/tcp_retransmit_synack",
        "tp_btf/kfree_skb",
        "tp_btf/consume_skb",
        "tp_btf/timer_start",
        "tp_btf/timer_expire_entry",
        "tp_btf/timer_cancel",
        "tp_btf/tcp_destroy_sock",
        "tp_btf/tcp_rcv_space_adjust",
        "fexit/tcp_conn_request",
        "fexit/tcp_check_req",
        "fexit/tcp_get_cookie_sock",
        "fexit/sk_stream_wait_close",
        "fexit/inet_twsk_alloc",
        "fentry/inet_twsk_hashdance_schedule",
        "fentry/__inet_twsk_schedule",
        "fentry/tw_timer_handler",
        "fentry/inet_twsk_deschedule_put",
        "fexit/tcp_v4_send_reset",
        "fexit/tcp_v6_send_reset",
        "fexit/tcp_timewait_state_process",
        "fexit/tcp_validate_incoming",
        "fexit/reqsk_timer_handler",
        "kretprobe/tcp_conn_request",
        "kretprobe/tcp_check_req",
        "kretprobe/tcp_get_cookie_sock",
        "kretprobe/sk_stream_wait_close",
        "kretprobe/inet_twsk_alloc",
        "kprobe/inet_twsk_hashdance_schedule",
        "kprobe/__inet_twsk_schedule",
        "kprobe/tw_timer_handler",
        "kprobe/inet_twsk_deschedule_put",
        "kretprobe/tcp_v4_send_reset",
        "kretprobe/tcp_v6_send_reset",
        "kretprobe/tcp_timewait_state_process",
        "kretprobe/tcp_validate_incoming",
        "kretprobe/reqsk_timer_handler",
    ];
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
