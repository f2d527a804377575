//! What the user side sets for the programs before it loads them.

/// The programs may call `bpf_get_socket_cookie` (BTF tracepoints from 6.1).
pub const HELPER_SOCKET_COOKIE: u32 = 1 << 0;
/// The programs may call `bpf_get_current_task_btf` (from 5.11).
pub const HELPER_TASK_BTF: u32 = 1 << 1;
/// `tcp_send_reset` carries a reset reason as third argument.
pub const ARG_RESET_REASON: u32 = 1 << 2;
/// `kfree_skb` carries a drop reason as third argument.
pub const ARG_DROP_REASON: u32 = 1 << 3;
/// `kfree_skb` carries the receiving socket as fourth argument.
pub const ARG_DROP_SOCK: u32 = 1 << 4;
/// `tcp_retransmit_skb` carries the result of the transmission as third argument.
pub const ARG_RETRANSMIT_ERR: u32 = 1 << 5;
/// Our process lives in a PID namespace of its own: pids must be translated.
pub const NESTED_PIDNS: u32 = 1 << 6;
/// Drop by the owner's pid in the kernel where the owner is certain.
pub const FILTER_PID: u32 = 1 << 7;
/// Drop by network namespace.
pub const FILTER_NETNS: u32 = 1 << 8;
/// Drop by address family: see [`Config::family`].
pub const FILTER_FAMILY: u32 = 1 << 9;
/// Drop by port: see [`Config::any_ports`] and its neighbours.
pub const FILTER_PORTS: u32 = 1 << 10;

/// Bits of the word in the map `BY_FUNCTION`: what a function hook reports, so that the tracepoints that would report it too
/// do not. It is known only once the hooks are attached and therefore not part of [`Config`].
pub mod by_function {
    /// SYNs refused by a full queue.
    pub const SYN: u32 = 1 << 0;
    /// Third ACKs refused by a full accept queue.
    pub const ACK: u32 = 1 << 1;
    /// The turns of TIME_WAIT sockets.
    pub const TIME_WAIT: u32 = 1 << 2;
    /// Whether a lingering close really sleeps.
    pub const LINGER: u32 = 1 << 3;
    /// RSTs that no socket or a minisock answers with.
    pub const NO_SOCKET: u32 = 1 << 4;
    /// Timestamps rejected by connections.
    pub const PAWS: u32 = 1 << 5;
    /// Errors that connect() returns.
    pub const CONNECT: u32 = 1 << 6;
    /// Not a signal: the counters of every namespace were read on every CPU when the run began.
    pub const BASELINES: u32 = 1 << 7;
    /// Signals that tracepoints recognise by the counters of a CPU.
    pub const BY_COUNTERS: u32 = SYN | ACK | TIME_WAIT;
}

/// The programs may call `bpf_get_func_ret` (exits of functions, from 5.17).
pub const HELPER_FUNC_RET: u32 = 1 << 11;

/// How long connections wait for accept() is measured.
pub const MEASURE_ACCEPTS: u32 = 1 << 12;

/// Some processes are followed with their descendants.
pub const FOLLOWS: u32 = 1 << 13;

/// A reason number that no packet bears.
pub const NO_REASON: u32 = u32::MAX;
/// A result that no transmission has.
pub const NO_RESULT: i32 = i32::MIN;
/// How many values one in-kernel filter list holds; longer lists are left to the user side.
pub const LIST: usize = 8;

/// Settings of one run. Patched into the object; constant for the verifier.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Address of `tw_timer_handler`, 0 = not known.
    pub tw_timer_handler: u64,
    /// Address of `process_timeout`, 0 = not known.
    pub process_timeout: u64,
    /// What /proc, in the time namespace of the user side, has more than the kernel's boot clock: ns, added with
    /// wrap-around. 0 outside of a time namespace.
    pub boot_offset_ns: u64,
    /// Features of the kernel and filters in force: the bits of this module.
    pub features: u32,
    /// One bit per kind (`1 << kind`): emit it.
    pub kinds: u32,
    /// `SKB_DROP_REASON_TCP_LISTEN_OVERFLOW`
    pub drop_listen_overflow: u32,
    /// `SKB_DROP_REASON_TCP_RFC7323_PAWS`
    pub drop_paws: u32,
    /// `SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK`
    pub drop_paws_ack: u32,
    /// `SKB_DROP_REASON_TCP_RFC7323_TW_PAWS`
    pub drop_tw_paws: u32,
    /// `SKB_DROP_REASON_TCP_RFC7323_TSECR`
    pub drop_tsecr: u32,
    /// `SKB_DROP_REASON_NO_SOCKET`: borne by cookie ACKs refused for a full accept queue
    pub drop_no_socket: u32,
    /// `SKB_DROP_REASON_NOT_SPECIFIED`: the third ACK's before `TCP_LISTEN_OVERFLOW` existed
    pub drop_not_specified: u32,
    /// `LINUX_MIB_LISTENOVERFLOWS`: index in the per-CPU counters; with [`NO_REASON`] = unknown.
    pub mib_listen_overflows: u32,
    /// `LINUX_MIB_TCPREQQFULLDROP`
    pub mib_syn_queue_drops: u32,
    /// `LINUX_MIB_TCPREQQFULLDOCOOKIES`
    pub mib_syn_queue_cookies: u32,
    /// `LINUX_MIB_EMBRYONICRSTS`
    pub mib_embryonic_resets: u32,
    /// `LINUX_MIB_PAWSESTABREJECTED`
    pub mib_paws_rejects: u32,
    /// `TCP_MIB_OUTRSTS`
    pub mib_out_resets: u32,
    /// `LINUX_MIB_TCPTIMEWAITOVERFLOW`
    pub mib_time_wait_overflows: u32,
    /// Inode of the PID namespace whose numbers we print (with [`NESTED_PIDNS`]).
    pub pidns: u32,
    /// With [`FILTER_FAMILY`]: the family on the wire, see `FlowRecord::spoken_family`.
    pub family: u32,
    /// With more bytes than this waiting in the ring, states and ends of connections are lost: what
    /// is left is for incidents.
    pub crowded_from: u32,
    /// The same for TIME_WAITs, of which there may be one for each connection.
    pub packed_from: u32,
    /// Offset of `tcp_sock.tsorted_sent_queue`, [`NO_REASON`] = not known.
    pub tcp_sent_queue: u32,
    /// Offset of `net.ipv4.sysctl_max_syn_backlog`, [`NO_REASON`] = not known.
    pub net_max_syn_backlog: u32,
    /// Offset of `net.ipv4.sysctl_tcp_syncookies`, [`NO_REASON`] = not known.
    pub net_syncookies: u32,
    /// `LINUX_MIB_LISTENDROPS`
    pub mib_listen_drops: u32,
    /// With [`FILTER_PID`]; unused places are 0.
    pub pids: [u32; LIST],
    /// With [`FILTER_NETNS`]; unused places are 0.
    pub netns: [u32; LIST],
    /// With [`FILTER_PORTS`]: either end; unused places are 0, an empty list accepts all.
    pub any_ports: [u16; LIST],
    /// The local port.
    pub local_ports: [u16; LIST],
    /// The remote port.
    pub remote_ports: [u16; LIST],
}

impl Config {
    /// Everything off.
    pub const EMPTY: Self = Self {
        tw_timer_handler: 0,
        process_timeout: 0,
        boot_offset_ns: 0,
        features: 0,
        kinds: 0,
        drop_listen_overflow: NO_REASON,
        drop_paws: NO_REASON,
        drop_paws_ack: NO_REASON,
        drop_tw_paws: NO_REASON,
        drop_tsecr: NO_REASON,
        drop_no_socket: NO_REASON,
        drop_not_specified: NO_REASON,
        mib_listen_overflows: NO_REASON,
        mib_syn_queue_drops: NO_REASON,
        mib_syn_queue_cookies: NO_REASON,
        mib_embryonic_resets: NO_REASON,
        mib_paws_rejects: NO_REASON,
        mib_out_resets: NO_REASON,
        mib_time_wait_overflows: NO_REASON,
        pidns: 0,
        family: 0,
        crowded_from: u32::MAX,
        packed_from: u32::MAX,
        tcp_sent_queue: NO_REASON,
        net_max_syn_backlog: NO_REASON,
        net_syncookies: NO_REASON,
        mib_listen_drops: NO_REASON,
        pids: [0; LIST],
        netns: [0; LIST],
        any_ports: [0; LIST],
        local_ports: [0; LIST],
        remote_ports: [0; LIST],
    };
}

const _: () = assert!(size_of::<Config>() == 24 + 24 * 4 + 64 + 48);
const _: () = assert!(size_of::<Config>().is_multiple_of(8));

// SAFETY: plain integers, padding spelled out, any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Config {}
