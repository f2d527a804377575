//! Maps: the ring, loss counters per kind, owners, listeners, lingering tasks, per-CPU scratch.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use tcptrace_common::kind;
use tcptrace_common::names::full;
use tcptrace_common::waits::Waits;
use tcptrace_common::wire::{Head, KindCounters, OwnerRecord};

use crate::emit::Builder;

/// `BPF_F_MMAPABLE`: the reader writes the word of [`READER`] without a system call.
const MMAPABLE: u32 = 1 << 10;
/// Listeners of one port in one entry of [`LISTENERS`].
pub(crate) const GROUP: usize = 16;
/// Entries of one port at most: of a larger SO_REUSEPORT group the rest is only counted.
pub(crate) const PAGES: u16 = 16;

/// Size is set by the loader.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(4096, 0);

#[map]
pub(crate) static COUNTERS: PerCpuArray<KindCounters> =
    PerCpuArray::with_max_entries(kind::COUNT as u32, 0);

/// Where programs build the common part of a record, by [`crate::emit::Builder`].
#[map]
pub(crate) static HEADS: PerCpuArray<Head> = PerCpuArray::with_max_entries(Builder::COUNT, 0);

#[map]
pub(crate) static READER: Array<u32> = Array::with_max_entries(1, MMAPABLE);

/// One word: see [`served`].
#[map]
pub(crate) static SERVED: Array<u32> = Array::with_max_entries(1, 0);

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

/// How often maps were full, by places of `names::full`.
#[map]
pub(crate) static FULL: PerCpuArray<u64> = PerCpuArray::with_max_entries(full::COUNT, 0);

/// Counts that a map was full. A function of its own, since it is rare. Atomic, because a softirq may
/// run another program between load and store.
#[inline(never)]
pub(crate) fn count_full(place: u32) {
    if let Some(count) = FULL.get_ptr_mut(place) {
        // SAFETY: this CPU's own slot of a map value, aligned to 8 bytes.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(count, 1) };
    }
}

#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Counters of refused SYNs as last seen on this CPU, by network namespace.
#[map]
pub(crate) static SYN_COUNTERS: PerCpuHashMap<u32, SynCounters> =
    PerCpuHashMap::with_max_entries(1024, 0);

/// The counter of TIME_WAITs that could not be made as last seen on this CPU, by network namespace.
#[map]
pub(crate) static TIME_WAIT_OVERFLOWS: PerCpuHashMap<u32, OverflowsSeen> =
    PerCpuHashMap::with_max_entries(1024, 0);

/// Tasks inside accept(), and the listener they ask. Size is set by the loader.
#[map]
pub(crate) static ACCEPTING: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1, 0);

/// Waits for accept(), by the inode of the listener. Size is set by the loader.
#[map]
pub(crate) static WAITS: HashMap<u64, Waits> = HashMap::with_max_entries(1, 0);

/// What listen() was given, by the inode of the listener.
#[map]
pub(crate) static BACKLOGS: LruHashMap<u64, u32> = LruHashMap::with_max_entries(8192, 0);

/// Whether a function hook tells this already: bits of `config::served`.
#[inline(always)]
pub(crate) fn served(bit: u32) -> bool {
    // SAFETY: a map value that the user side writes once, before the tracepoints are attached.
    SERVED
        .get_ptr(0)
        .is_some_and(|word| unsafe { word.read_volatile() } & bit != 0)
}

/// Bits of [`SockEntry::bits`].
pub(crate) mod sock_bits {
    /// Made by a handshake, not yet used by any process we saw.
    pub(crate) const CHILD: u8 = 1 << 0;
    /// A RST was received.
    pub(crate) const RST_RECEIVED: u8 = 1 << 1;
}

/// What is remembered of one socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SockEntry {
    /// Who; pid 0 while nobody is known.
    pub(crate) owner: OwnerRecord,
    /// When it was born, boot clock; 0 = before we watched.
    pub(crate) born_ns: u64,
    /// When it came into its state; 0 = before we watched.
    pub(crate) since_ns: u64,
    /// `pid_tgid` of the task that lingers in its close, 0 = none.
    pub(crate) lingering: u64,
    /// Its cookie; 0 until somebody needed it.
    pub(crate) cookie: u64,
    /// The listener it came from, while nobody has accepted it; 0 = not known.
    pub(crate) listener: u64,
    /// tgid of the owner in the initial PID namespace.
    pub(crate) tgid: u32,
    /// Inode of its network namespace; 0 until somebody needed it.
    pub(crate) netns: u32,
    /// The state before CLOSE, once closed.
    pub(crate) state_before_close: u8,
    /// Bits of [`sock_bits`].
    pub(crate) bits: u8,
    pub(crate) pad: [u8; 2],
    /// tgid of the process counted last among its holders, by the walk at start.
    pub(crate) counted: u32,
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
        pad: [0; 2],
        counted: 0,
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
    pub(crate) socks: [u64; GROUP],
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
    /// Where they were read, which tells namespaces apart that bore one number one after the
    /// other; 0 until this CPU has read them once.
    pub(crate) read: u64,
}

/// A counter of one namespace on one CPU.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct OverflowsSeen {
    /// `Mib::identity`; 0 until this CPU has read it once.
    pub(crate) identity: u64,
    pub(crate) count: u64,
}

/// What one hook leaves for the next one on the same CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Scratch {
    /// The minisock whose timer was just started.
    pub(crate) tw: TwSeen,
    /// One whose socket was about to close when an interrupt brought the next.
    pub(crate) tw_interrupted: TwSeen,
    /// The minisock whose timer was just cancelled before its time.
    pub(crate) cancelled: TwSeen,
    /// The connect() in progress: task, and the remote end it goes to.
    pub(crate) connect_task: u64,
    pub(crate) connect_sock: u64,
    pub(crate) connect_addr: [u64; 2],
    pub(crate) connect_port: u32,
    /// The listener being closed, and the task that does it.
    pub(crate) closing_port: u32,
    pub(crate) closing_task: u64,
    pub(crate) closing_listener: u64,
    pub(crate) closing_owner: OwnerRecord,
    /// The socket that was just destroyed, and what was remembered of it.
    pub(crate) destroyed: u64,
    pub(crate) destroyed_entry: SockEntry,
    /// The packet that was just answered by a RST.
    pub(crate) reset_skb: u64,
    /// The socket that just went to CLOSE and the state it came from.
    pub(crate) closed: u64,
    pub(crate) closed_from: u64,
    /// The SYN at hand (softirq only, so never interrupted by another one).
    pub(crate) syn: Head,
    /// What became of it.
    pub(crate) fate: u32,
    /// What the drop at hand means, and its reason.
    pub(crate) drop_meaning: u32,
    pub(crate) drop_reason: u32,
    /// The change of state at hand.
    pub(crate) old_state: u32,
    pub(crate) new_state: u32,
    pub(crate) pad: u32,
    /// The handshake packet a listener works on.
    pub(crate) handshake: Window,
    /// The packet that may be answered by a RST without a full socket.
    pub(crate) answer: Window,
    /// The segment whose timestamp is checked.
    pub(crate) segment: Window,
    /// The packet for a TIME_WAIT socket.
    pub(crate) late: Window,
    /// The SYN-ACK that is due again: request, its listener, how often it was due before.
    pub(crate) request: u64,
    pub(crate) request_listener: u64,
    pub(crate) request_timeouts: u64,
    /// The socket that a TIME_WAIT minisock is being made for, and its future substate.
    pub(crate) tw_of: u64,
    pub(crate) tw_substate: u64,
    /// The minisock made last on this CPU, 0 once its socket has closed.
    pub(crate) tw_made: u64,
    /// The listen() in progress: task, and what it was given.
    pub(crate) listening_task: u64,
    pub(crate) listening_backlog: u64,
    pub(crate) takeover: Takeover,
    /// One that may be asked for, while the question is open.
    pub(crate) candidate: Takeover,
    /// Two addresses of our own that must become plain numbers.
    pub(crate) map_address: u64,
    pub(crate) slot_address: u64,
    /// What is added to a per-CPU pointer on this CPU; 0 = not learnt yet.
    pub(crate) cpu_shift: u64,
}

/// What is held at the entry of a function and compared at its exit. Softirqs neither migrate nor
/// interrupt each other, so what lies between the two on one CPU is that one call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// The socket it is called with, 0 = none.
    pub(crate) sock: u64,
    /// The packet; 0 = the window is closed.
    pub(crate) skb: u64,
    /// The socket's drop counter.
    pub(crate) drops: u64,
    pub(crate) counters: SynCounters,
    pub(crate) embryonic_resets: u64,
    pub(crate) paws_rejects: u64,
    pub(crate) out_resets: u64,
}

/// The same number, by way of memory that only one program writes: the verifier then forgets what
/// each path has compared it with, where it would else follow all of them apart through all the
/// rest of the program.
#[inline(always)]
pub(crate) fn forgotten(slot: &mut u32, number: u32) -> u32 {
    let slot = &raw mut *slot;
    // SAFETY: just made from a reference. Volatile, or the compiler would know the number too.
    unsafe {
        slot.write_volatile(number);
        slot.read_volatile()
    }
}

/// A TIME_WAIT minisock that is about to make room.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Takeover {
    pub(crate) minisock: u64,
    /// The task that connects; 0 = a SYN came.
    pub(crate) task: u64,
    /// The socket that connects.
    pub(crate) sock: u64,
}

/// A TIME_WAIT minisock as its timer hooks see it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct TwSeen {
    /// Address of its timer; 0 = none.
    pub(crate) timer: u64,
    pub(crate) timeout_jiffies: u64,
    /// Its ends; `state` is the substate. The owner is not known here.
    pub(crate) head: Head,
}
