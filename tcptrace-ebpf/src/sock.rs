//! The only code that reads kernel structures, through the offsets of the running kernel.
//!
//! Two ways of reading: [`Direct`] where the verifier knows the pointer's type (arguments of BTF
//! tracepoints and what is reached from them), [`Probe`] for plain addresses. Each getter returns
//! `None` when this kernel does not have the field.

mod address;

pub(crate) use address::{Address, sock_of};

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{
    bpf_get_socket_cookie, bpf_probe_read_kernel, bpf_skc_to_tcp_sock,
};
use tcptrace_common::config::{HELPER_SOCKET_COOKIE, NO_REASON};
use tcptrace_common::flow::{AF_INET, AF_INET6, FlowRecord};
use tcptrace_common::kind::tcp_state;
use tcptrace_common::wire::Head;

use crate::maps::SockEntry;
use crate::offsets::{config, has, offset};

/// `IPPROTO_TCP`.
pub(crate) const PROTOCOL_TCP: u16 = 6;

/// How memory of the kernel is read.
pub(crate) trait Access {
    /// Reads a value; a fault reads as zero.
    ///
    /// # Safety
    /// `at` must be what the implementation says.
    unsafe fn read<T: Copy>(at: *const u8) -> T;
}

/// Plain loads from pointers whose type the verifier knows.
pub(crate) struct Direct;

impl Access for Direct {
    #[inline(always)]
    unsafe fn read<T: Copy>(at: *const u8) -> T {
        // SAFETY: the verifier refuses the program unless the pointer is typed; the kernel
        // catches faults of such loads (exception table) and yields zero.
        unsafe { at.cast::<T>().read() }
    }
}

/// `bpf_probe_read_kernel` from any address.
pub(crate) struct Probe;

impl Access for Probe {
    #[inline(always)]
    unsafe fn read<T: Copy>(at: *const u8) -> T {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the destination is ours and as large as said; the helper zeroes it on a fault.
        // Every T used here is made of integers, for which all bytes are valid.
        unsafe {
            bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, at.cast());
            value.assume_init()
        }
    }
}

/// Inode number of a `struct socket`'s file. Read by probing: `socket_alloc` lies around it.
#[inline(always)]
pub(crate) fn inode_of(socket: u64) -> Option<u64> {
    let offset = offset!(socket_ino)?;
    if socket == 0 {
        return None;
    }
    // SAFETY: probing; a fault reads as zero, which means unknown.
    Some(unsafe { Probe::read::<u64>((socket as *const u8).add(offset)) })
}

/// A socket. `tcp` is null for minisocks, whose fields past `sock_common` are other ones.
pub(crate) struct SockRef<A: Access> {
    sk: *const u8,
    tcp: *const u8,
    access: PhantomData<A>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident: $ty:ty = $base:ident + $field:ident) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name(&self) -> Option<$ty> {
            let offset = offset!($field)?;
            // SAFETY: the offset is the running kernel's for this structure.
            Some(unsafe { A::read::<$ty>(self.$base.add(offset)) })
        }
    };
}

impl SockRef<Direct> {
    /// A socket from a trusted argument; `None` for NULL.
    #[inline(always)]
    pub(crate) fn trusted(sk: *const u8) -> Option<Self> {
        if sk.is_null() {
            return None;
        }
        Some(Self::or_null(sk))
    }

    /// As [`Self::trusted`], but NULL stays NULL: for signals that may have no socket. An `Option`
    /// kept across branches would leave the verifier registers that were never written.
    #[inline(always)]
    pub(crate) fn or_null(sk: *const u8) -> Self {
        let mut tcp = core::ptr::null();
        if !sk.is_null() {
            // SAFETY: the argument is a trusted, non-null `struct sock *`; the helper returns
            // NULL for anything but a full TCP socket.
            tcp = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }
                .cast_const()
                .cast();
        }
        Self {
            sk,
            tcp,
            access: PhantomData,
        }
    }

    /// A socket of which only `struct sock` is wanted: saves the helper call on hot paths.
    #[inline(always)]
    pub(crate) fn base(sk: *const u8) -> Self {
        Self {
            sk,
            tcp: core::ptr::null(),
            access: PhantomData,
        }
    }

    /// Whether there is no socket at all.
    #[inline(always)]
    pub(crate) fn is_null(&self) -> bool {
        self.sk.is_null()
    }

    /// Socket cookie; made if there was none. 0 where the helper is refused and nobody asked for
    /// one yet.
    #[inline(always)]
    pub(crate) fn cookie(&self) -> u64 {
        if has(HELPER_SOCKET_COOKIE) {
            // SAFETY: a trusted, non-null socket pointer.
            return unsafe { bpf_get_socket_cookie(self.sk.cast_mut().cast()) };
        }
        self.kept_cookie().unwrap_or(0)
    }
}

impl SockRef<Direct> {
    /// Fills which socket and which connection it is. The namespace never changes and is asked for
    /// once in the life of a socket that is remembered. So is the cookie where a helper makes it,
    /// but not at the birth of a child, which is given another one right after
    /// (`inet_csk_clone_lock`, 5.10 to 6.12).
    #[inline(always)]
    pub(crate) fn identify(&self, entry: Option<&mut SockEntry>, head: &mut Head) {
        head.sock = self.address();
        match entry {
            Some(entry) => {
                if entry.netns == 0 {
                    entry.netns = self.netns();
                }
                head.flow.netns = entry.netns;
                head.flow.cookie = entry.cookie;
                if entry.cookie == 0 {
                    head.flow.cookie = self.cookie();
                    if has(HELPER_SOCKET_COOKIE) && head.state != tcp_state::LISTEN {
                        entry.cookie = head.flow.cookie;
                    }
                }
            }
            None => {
                head.flow.netns = self.netns();
                head.flow.cookie = self.cookie();
            }
        }
        self.ends_into(&mut head.flow);
    }
}

impl SockRef<Probe> {
    /// A full socket at a remembered address: may have gone, so every read may yield zero.
    #[inline(always)]
    pub(crate) fn remembered(address: u64) -> Self {
        let sk = address as *const u8;
        Self {
            sk,
            tcp: sk,
            access: PhantomData,
        }
    }
}

impl SockRef<Probe> {
    /// A minisock (TIME_WAIT or request): only the fields of `sock_common` are its own.
    #[inline(always)]
    pub(crate) fn minisock(address: u64) -> Self {
        Self {
            sk: address as *const u8,
            tcp: core::ptr::null(),
            access: PhantomData,
        }
    }
}

impl SockRef<Probe> {
    /// The state that a minisock stands for. After close() in FIN_WAIT2 the kernel keeps a minisock
    /// whose state is TIME_WAIT too; `tw_substate` distinguishes the two (5.10 to 7.3).
    #[inline(always)]
    pub(crate) fn minisock_state(&self) -> Option<u8> {
        match self.state() {
            Some(tcp_state::TIME_WAIT) => self.tw_substate().or(Some(tcp_state::TIME_WAIT)),
            other => other,
        }
    }
}

impl<A: Access> SockRef<A> {
    /// Address, as a key.
    #[inline(always)]
    pub(crate) fn address(&self) -> u64 {
        self.sk as u64
    }

    /// Whether it is a full TCP socket.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        !self.tcp.is_null()
    }

    getter!(state: u8 = sk + skc_state);
    getter!(family: u16 = sk + skc_family);
    getter!(kept_cookie: u64 = sk + skc_cookie);
    getter!(num: u16 = sk + skc_num);
    getter!(dport_be: u16 = sk + skc_dport);
    getter!(flags: u64 = sk + skc_flags);
    getter!(protocol: u16 = sk + sk_protocol);
    getter!(shutdown: u8 = sk + sk_shutdown);
    getter!(err: i32 = sk + sk_err);
    getter!(drops: u32 = sk + sk_drops);
    getter!(accept_queue_length: u32 = sk + sk_ack_backlog);
    getter!(accept_queue_limit: u32 = sk + sk_max_ack_backlog);
    getter!(linger_jiffies: u64 = sk + sk_lingertime);
    getter!(lock_owned: u32 = sk + sk_lock_owned);
    getter!(
        /// Big endian; stays when `skc_num` is given back at CLOSE.
        inet_sport_be: u16 = tcp + inet_sport
    );
    getter!(syn_queue_length: u32 = tcp + icsk_syn_qlen);
    getter!(ca_state_bits: u8 = tcp + icsk_ca_state);
    getter!(pending: u8 = tcp + icsk_pending);
    getter!(retransmits: u8 = tcp + icsk_retransmits);
    getter!(user_timeout_ms: u32 = tcp + icsk_user_timeout);
    getter!(probes: u8 = tcp + icsk_probes_out);
    getter!(last_data_jiffies: u32 = tcp + icsk_last_data);
    getter!(last_ack_jiffies: u32 = tcp + last_ack);
    getter!(window: u32 = tcp + snd_wnd);
    getter!(packets_out: u32 = tcp + packets_out);
    getter!(write_seq: u32 = tcp + write_seq);
    getter!(snd_una: u32 = tcp + snd_una);
    getter!(snd_nxt: u32 = tcp + snd_nxt);
    getter!(rcv_nxt: u32 = tcp + rcv_nxt);
    getter!(copied_seq: u32 = tcp + copied_seq);
    getter!(bytes_sent: u64 = tcp + bytes_sent);
    getter!(bytes_retrans: u64 = tcp + bytes_retrans);
    getter!(bytes_received: u64 = tcp + bytes_received);
    getter!(total_retrans: u32 = tcp + total_retrans);
    getter!(srtt_eighths_us: u32 = tcp + srtt_us);
    getter!(linger2: i32 = tcp + linger2);
    getter!(tw_substate: u8 = sk + tw_substate);

    /// Whether it speaks TCP (the tracepoint also fires for MPTCP, DCCP and SCTP).
    #[inline(always)]
    pub(crate) fn is_tcp(&self) -> bool {
        self.is_full() && self.protocol() == Some(PROTOCOL_TCP)
    }

    /// Whether a system call holds the socket: then the current task is its caller. Softirqs
    /// take another lock and leave this 0 (`sock_owned_by_user`, 5.10 to 7.3).
    #[inline(always)]
    pub(crate) fn is_owned(&self) -> bool {
        self.lock_owned().unwrap_or(0) != 0
    }

    /// `SOCK_DEAD`: closed by its process.
    #[inline(always)]
    pub(crate) fn is_dead(&self) -> bool {
        self.flag(offset!(bit_sock_dead))
    }

    /// `SOCK_LINGER`.
    #[inline(always)]
    pub(crate) fn linger_is_on(&self) -> bool {
        self.flag(offset!(bit_sock_linger))
    }

    #[inline(always)]
    fn flag(&self, bit: Option<usize>) -> bool {
        match (self.flags(), bit) {
            (Some(flags), Some(bit)) => flags >> bit & 1 != 0,
            _ => false,
        }
    }

    /// Address of its `struct net`. By probing: for each typed load of a pointer the verifier
    /// searches all types of the kernel three times, which took a fifth of a start.
    #[inline(always)]
    pub(crate) fn net(&self) -> Option<*const u8> {
        let offset = offset!(skc_net)?;
        // SAFETY: probing; a fault reads as zero.
        Some(unsafe { Probe::read::<*const u8>(self.sk.add(offset)) })
    }

    /// Address of its `struct socket`, 0 once it has none. By probing, as [`Self::net`].
    #[inline(always)]
    pub(crate) fn socket(&self) -> Option<u64> {
        let offset = offset!(sk_socket)?;
        // SAFETY: as above.
        Some(unsafe { Probe::read::<u64>(self.sk.add(offset)) })
    }

    /// Inode number of its network namespace; 0 = not known.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u32 {
        let (Some(net), Some(offset)) = (self.net(), offset!(net_inum)) else {
            return 0;
        };
        // SAFETY: probing; a fault reads as zero.
        unsafe { Probe::read::<u32>(net.add(offset)) }
    }

    /// `net.core.somaxconn` of its namespace.
    #[inline(always)]
    pub(crate) fn somaxconn(&self) -> Option<u32> {
        let (net, offset) = (self.net()?, offset!(net_somaxconn)?);
        // SAFETY: probing; a fault reads as zero.
        Some(unsafe { Probe::read::<u32>(net.add(offset)) })
    }

    /// Inode number of its file, 0 = none.
    #[inline(always)]
    pub(crate) fn inode(&self) -> u64 {
        self.socket().and_then(inode_of).unwrap_or(0)
    }

    /// The listener that a connection is just being cloned from; 0 = not known. At the change to SYN_RECV
    /// the clone's empty queue of sent segments still points to the listener's own, as an empty list
    /// points to itself (`inet_csk_clone_lock` before `tcp_create_openreq_child` sets it up, 6.18).
    #[inline(always)]
    pub(crate) fn cloned_from(&self) -> u64 {
        let at = config!(tcp_sent_queue);
        if at == NO_REASON {
            return 0;
        }
        // SAFETY: probing; a fault reads as zero.
        let next = unsafe { Probe::read::<u64>(self.sk.add(at as usize)) };
        let from = next.wrapping_sub(u64::from(at));
        if from == self.address() { 0 } else { from }
    }

    /// The connection. The local port comes from `inet_sport` where there is one: `skc_num` is 0
    /// at CLOSE already (seen 5.10 to 7.3).
    #[inline(always)]
    pub(crate) fn flow(&self, cookie: u64) -> FlowRecord {
        let mut flow = FlowRecord {
            cookie,
            netns: self.netns(),
            ..FlowRecord::default()
        };
        self.ends_into(&mut flow);
        flow
    }

    /// Both ends, into a flow that is blank but for its cookie and namespace.
    #[inline(always)]
    pub(crate) fn ends_into(&self, flow: &mut FlowRecord) {
        flow.local_port = if self.is_full() {
            u16::from_be(self.inet_sport_be().unwrap_or(0))
        } else {
            self.num().unwrap_or(0)
        };
        flow.remote_port = u16::from_be(self.dport_be().unwrap_or(0));
        self.addresses(flow);
    }

    #[inline(always)]
    fn addresses(&self, flow: &mut FlowRecord) {
        let Some(family) = offset!(skc_family) else {
            return;
        };
        // SAFETY: the offsets are those of `sock_common`, which every kind of socket begins with;
        // IPv6 addresses are read as two words each.
        unsafe {
            flow.family = A::read::<u16>(self.sk.add(family));
            if flow.family == AF_INET6 {
                let (Some(local), Some(remote)) =
                    (offset!(skc_v6_rcv_saddr), offset!(skc_v6_daddr))
                else {
                    return;
                };
                let word = |at: usize| A::read::<u64>(self.sk.add(at));
                store(&mut flow.local_addr, word(local), word(local + 8));
                store(&mut flow.remote_addr, word(remote), word(remote + 8));
            } else {
                flow.family = AF_INET;
                let (Some(local), Some(remote)) = (offset!(skc_rcv_saddr), offset!(skc_daddr))
                else {
                    return;
                };
                let word = |at: usize| u64::from(A::read::<u32>(self.sk.add(at)));
                store(&mut flow.local_addr, word(local), 0);
                store(&mut flow.remote_addr, word(remote), 0);
            }
        }
    }

    /// Written but not sent, sent but not acknowledged. `state` is the one before a change: in
    /// SYN_SENT and SYN_RECV the SYN, after our FIN the FIN takes a sequence number that is no
    /// byte (`tcp_send_fin`, seen 5.10 to 7.3).
    #[inline(always)]
    pub(crate) fn send_queues(&self, state: u8) -> Option<(u32, u32)> {
        let (write_seq, snd_una, snd_nxt) = (self.write_seq()?, self.snd_una()?, self.snd_nxt()?);
        let mut unsent = write_seq.wrapping_sub(snd_nxt);
        let mut unacked = snd_nxt.wrapping_sub(snd_una);
        let has_control = matches!(
            state,
            tcp_state::SYN_SENT
                | tcp_state::SYN_RECV
                | tcp_state::FIN_WAIT1
                | tcp_state::CLOSING
                | tcp_state::LAST_ACK
        );
        if has_control {
            if unsent > 0 {
                unsent -= 1;
            } else {
                unacked = unacked.saturating_sub(1);
            }
        }
        Some((unsent, unacked))
    }

    /// Received but not read. Once the peer's FIN came it takes a sequence number too, until the
    /// reader has seen the end.
    #[inline(always)]
    pub(crate) fn unread(&self, state: u8) -> Option<u32> {
        let waiting = self.rcv_nxt()?.wrapping_sub(self.copied_seq()?);
        let fin_came = matches!(
            state,
            tcp_state::CLOSE_WAIT | tcp_state::LAST_ACK | tcp_state::CLOSING
        );
        Some(if fin_came {
            waiting.saturating_sub(1)
        } else {
            waiting
        })
    }
}

/// Stores two words as 16 bytes, in memory order.
#[inline(always)]
pub(crate) fn store(to: &mut [u8; 16], first: u64, second: u64) {
    let at = to.as_mut_ptr();
    // SAFETY: both words lie inside the 16 bytes; unaligned stores are what is asked for.
    unsafe {
        at.cast::<u64>().write_unaligned(first);
        at.add(8).cast::<u64>().write_unaligned(second);
    }
}
