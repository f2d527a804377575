//! Maps that more than one module uses, or the user side: the ring, loss counters per kind, owners,
//! listeners, lingering tasks. What one signal keeps on a CPU is its own: `memory`.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use tcptrace_common::kind;
use tcptrace_common::waits::Waits;
use tcptrace_common::wire::{KindCounters, OwnerRecord};

/// `BPF_F_MMAPABLE`: the reader writes the word of [`READER`] without a system call.
const MMAPABLE: u32 = 1 << 10;
/// Listeners of one port in one entry of [`LISTENERS`].
pub(crate) const GROUP: usize = 16;
/// Entries of one port at most: of a larger SO_REUSEPORT group the rest is only counted. The verifier walks
/// every page: 15, the most that fit below, cost it 70,398 instructions instead of 47,811 (6.18), most of them in
/// `consume_skb` and `inet_sock_set_state`, where they double.
pub(crate) const PAGES: u16 = 2;
/// [`SockEntry::place`] has room for all of them.
const _: () = assert!(GROUP * (PAGES as usize) < u8::MAX as usize);

/// Size is set by the loader.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

#[map]
pub(crate) static COUNTERS: PerCpuArray<KindCounters> =
    PerCpuArray::with_max_entries(kind::COUNT as u32, 0);

#[map]
pub(crate) static READER: Array<u32> = Array::with_max_entries(1, MMAPABLE);

/// One word: see [`is_reported_by_function`].
#[map]
pub(crate) static BY_FUNCTION: Array<u32> = Array::with_max_entries(1, 0);

/// What is remembered of a socket, by its address. Size is set by the loader.
#[map]
pub(crate) static SOCKS: HashMap<u64, SockEntry> = HashMap::with_max_entries(1, 0);

#[map]
pub(crate) static LISTENERS: HashMap<ListenerKey, ListenerGroup> =
    HashMap::with_max_entries(8192, 0);

/// Tasks blocked in a lingering close, by pid_tgid.
#[map]
pub(crate) static LINGERING: HashMap<u64, LingerEntry> = HashMap::with_max_entries(4096, 0);

/// Processes that are followed with their descendants: by pid in our namespace, their start in clock
/// ticks since boot.
#[map]
pub(crate) static FOLLOWED: HashMap<u32, u64> = HashMap::with_max_entries(65_536, 0);

/// Counters of refused SYNs as last read on this CPU, by network namespace. Size is set by the loader.
#[map]
pub(crate) static SYN_COUNTERS: PerCpuHashMap<u32, SynCounters> =
    PerCpuHashMap::with_max_entries(1, 0);

/// The counter of TIME_WAITs that could not be made as last read on this CPU, by network namespace.
/// Size is set by the loader.
#[map]
pub(crate) static TIME_WAIT_OVERFLOWS: PerCpuHashMap<u32, OverflowsSeen> =
    PerCpuHashMap::with_max_entries(1, 0);

/// Tasks inside accept(), and the listener they ask. Size is set by the loader.
#[map]
pub(crate) static ACCEPTING: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1, 0);

/// Waits for accept(), by the inode of the listener. Size is set by the loader.
#[map]
pub(crate) static WAITS: HashMap<u64, Waits> = HashMap::with_max_entries(1, 0);

/// What listen() was given, by the inode of the listener.
#[map]
pub(crate) static BACKLOGS: LruHashMap<u64, u32> = LruHashMap::with_max_entries(8192, 0);

/// Whether a function hook already reports this: bits of `config::by_function`.
#[inline(always)]
pub(crate) fn is_reported_by_function(bit: u32) -> bool {
    // SAFETY: a map value that the user side writes once, before the tracepoints are attached.
    BY_FUNCTION
        .get_ptr(0)
        .is_some_and(|word| unsafe { word.read_volatile() } & bit != 0)
}

/// Bits of [`SockEntry::bits`].
pub(crate) mod sock_bits {
    /// Made by a handshake, not yet used by any process we saw.
    pub(crate) const CHILD: u8 = 1 << 0;
    /// A RST was received.
    pub(crate) const RST_RECEIVED: u8 = 1 << 1;
    /// Its last descriptor was on its way in a message (SCM_RIGHTS) that was discarded.
    pub(crate) const THROWN_AWAY: u8 = 1 << 2;
    /// The last call came from a kernel thread: it may have closed the socket, for a task that had ended or
    /// as the collector of descriptors that went round in circles.
    pub(crate) const KERNEL_CALLED: u8 = 1 << 3;
}

/// In [`SockEntry::descriptor`]: no call of the owner was looked at yet.
pub(crate) const UNTRIED: u32 = u32::MAX;

/// What is remembered of one socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SockEntry {
    /// Who; pid 0 while nobody is known.
    pub(crate) owner: OwnerRecord,
    /// When it was born, boot clock; 0 = before we watched.
    pub(crate) born_ns: u64,
    /// When it came into its state; 0 = before we watched. Only kept up to date where states are wanted.
    pub(crate) since_ns: u64,
    /// `pid_tgid` of the task that lingers in its close, 0 = none.
    pub(crate) lingering: u64,
    /// Its cookie; 0 until a program needs it.
    pub(crate) cookie: u64,
    /// The listener it came from, while nobody has accepted it; 0 = not known.
    pub(crate) listener: u64,
    /// tgid of the owner in the initial PID namespace.
    pub(crate) tgid: u32,
    /// Inode of its network namespace; 0 until a program needs it.
    pub(crate) netns: u32,
    /// The state before CLOSE, once closed.
    pub(crate) state_before_close: u8,
    /// Bits of [`sock_bits`].
    pub(crate) bits: u8,
    /// Of a listener: its place among those of its port, counted from 1 through all pages; 0 = none.
    pub(crate) place: u8,
    pub(crate) pad: u8,
    /// tgid of the process counted last among its holders, by the walk at start.
    pub(crate) counted: u32,
    /// `task_struct` of the owner's first thread, 0 = not known. Its memory may be another's by now:
    /// [`crate::owner::holding`] compares.
    pub(crate) leader: u64,
    /// A descriptor that the owner had of it; see [`crate::owner::holding`].
    pub(crate) descriptor: u32,
    pub(crate) pad2: u32,
}

/// No owner.
pub(crate) const NOBODY: OwnerRecord = OwnerRecord {
    start_ns: 0,
    comm: [0; 16],
    pid: 0,
    tid: 0,
    uid: 0,
    holders: 0,
    basis: 0,
    bits: 0,
};

impl SockEntry {
    /// Nothing known.
    pub(crate) const BLANK: Self = Self {
        owner: NOBODY,
        born_ns: 0,
        since_ns: 0,
        lingering: 0,
        cookie: 0,
        listener: 0,
        tgid: 0,
        netns: 0,
        state_before_close: 0,
        bits: 0,
        place: 0,
        pad: 0,
        counted: 0,
        leader: 0,
        descriptor: UNTRIED,
        pad2: 0,
    };
}

/// Key of [`LISTENERS`].
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ListenerKey {
    pub(crate) netns: u32,
    pub(crate) port: u16,
    /// The first [`GROUP`] listeners are on page 0.
    pub(crate) page: u16,
}

/// Sockets that listen on one port of one namespace, and their drop counters as last seen. Whose they
/// are is in [`SOCKS`].
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ListenerGroup {
    /// Their addresses; 0 = an empty place.
    pub(crate) socks: [u64; GROUP],
    /// 0 in an empty place.
    pub(crate) drops: [u32; GROUP],
    /// On page 0: how many listen on the port, with or without a place.
    pub(crate) count: u64,
}

/// A close that waits.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct LingerEntry {
    pub(crate) sock: u64,
    pub(crate) start_ns: u64,
    pub(crate) linger_jiffies: u64,
    pub(crate) unsent_bytes: u32,
    pub(crate) unacked_bytes: u32,
    /// Non-zero once the task really slept.
    pub(crate) slept: u32,
    pub(crate) pad: u32,
}

/// Counters of one namespace on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SynCounters {
    pub(crate) listen_overflows: u64,
    pub(crate) syn_queue_drops: u64,
    pub(crate) syn_queue_cookies: u64,
    /// All SYNs and third ACKs that a listener dropped, whatever the reason.
    pub(crate) listen_drops: u64,
    /// Whose they are, `Mib::identity`: namespaces may have one number one after the other. 0 until this
    /// CPU has read them once; see `signal::baseline`.
    pub(crate) read: u64,
}

impl SynCounters {
    /// Not read.
    pub(crate) const NONE: Self = Self {
        listen_overflows: 0,
        syn_queue_drops: 0,
        syn_queue_cookies: 0,
        listen_drops: 0,
        read: 0,
    };
}

/// A counter of one namespace on one CPU.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct OverflowsSeen {
    /// As [`SynCounters::read`].
    pub(crate) identity: u64,
    pub(crate) count: u64,
}
