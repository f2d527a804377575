//! Headers of a received packet, read where there is no socket to ask.

use core::marker::PhantomData;

use tcptrace_common::flow::{AF_INET, AF_INET6, FlowRecord};

use crate::offsets::offset;
use crate::sock::{Access, Direct, Probe, store};

/// `ETH_P_IP` and `ETH_P_IPV6` as `sk_buff.protocol` holds them.
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// Lowest bit of `_skb_refdst`: not reference-counted.
const DST_NOREF: u64 = 1;

/// A packet whose network and transport headers are set (everything past IP input).
pub(crate) struct Packet<A: Access> {
    skb: *const u8,
    head: *const u8,
    is_v6: bool,
    access: PhantomData<A>,
}

impl Packet<Direct> {
    /// A packet from a trusted argument.
    #[inline(always)]
    pub(crate) fn of(skb: *const u8) -> Option<Self> {
        Self::read(skb)
    }
}

impl Packet<Probe> {
    /// A packet at an address that is alive now.
    #[inline(always)]
    pub(crate) fn at(skb: u64) -> Option<Self> {
        Self::read(skb as *const u8)
    }
}

impl<A: Access> Packet<A> {
    /// `None` for NULL and for what is not IP.
    #[inline(always)]
    fn read(skb: *const u8) -> Option<Self> {
        if skb.is_null() {
            return None;
        }
        let (protocol_at, head_at) = (offset!(skb_protocol)?, offset!(skb_head)?);
        // SAFETY: offsets of `sk_buff`, a trusted argument.
        let (protocol, head) = unsafe {
            (
                u16::from_be(A::read::<u16>(skb.add(protocol_at))),
                // By probing, as `SockRef::net`.
                Probe::read::<u64>(skb.add(head_at)) as *const u8,
            )
        };
        match protocol {
            ETH_P_IP => Some(Self {
                skb,
                head,
                is_v6: false,
                access: PhantomData,
            }),
            ETH_P_IPV6 => Some(Self {
                skb,
                head,
                is_v6: true,
                access: PhantomData,
            }),
            _ => None,
        }
    }

    #[inline(always)]
    fn header(&self, field: Option<usize>) -> Option<*const u8> {
        // SAFETY: offset of a 16-bit field of `sk_buff`.
        let at = unsafe { A::read::<u16>(self.skb.add(field?)) };
        // SAFETY: only an address; it is read by probing.
        Some(unsafe { self.head.add(usize::from(at)) })
    }

    /// First 16 bytes of the TCP header.
    #[inline(always)]
    fn tcp(&self) -> Option<[u8; 16]> {
        let at = self.header(offset!(skb_transport_header))?;
        // SAFETY: probing.
        Some(unsafe { Probe::read::<[u8; 16]>(at) })
    }

    /// Whether it is a SYN without ACK, RST, FIN, by the header itself.
    #[inline(always)]
    pub(crate) fn is_pure_syn(&self) -> bool {
        self.tcp().is_some_and(|tcp| tcp[13] & 0x17 == 0x02)
    }

    /// Whether it is a RST.
    #[inline(always)]
    pub(crate) fn is_reset(&self) -> bool {
        self.tcp().is_some_and(|tcp| tcp[13] & 0x04 != 0)
    }

    /// Both ends of a packet that came in: local is the destination. A function of its own (as is
    /// [`Self::net`]): inlined into large programs it makes the compiler spill values it never
    /// wrote, which the verifier refuses.
    #[inline(never)]
    pub(crate) fn ends_into(&self, flow: &mut FlowRecord) {
        let (Some(tcp), Some(network)) = (self.tcp(), self.header(offset!(skb_network_header)))
        else {
            return;
        };
        flow.remote_port = u16::from_be_bytes([tcp[0], tcp[1]]);
        flow.local_port = u16::from_be_bytes([tcp[2], tcp[3]]);
        // A v4 packet for an inet6 socket is reported v4-mapped, as the socket would. SAFETY:
        // probing.
        unsafe {
            if self.is_v6 {
                let addrs = Probe::read::<[u64; 4]>(network.add(8));
                flow.family = AF_INET6;
                store(&mut flow.remote_addr, addrs[0], addrs[1]);
                store(&mut flow.local_addr, addrs[2], addrs[3]);
            } else {
                let addrs = Probe::read::<[u32; 2]>(network.add(12));
                let is_mapped = flow.family == AF_INET6;
                flow.family = AF_INET;
                store(&mut flow.remote_addr, u64::from(addrs[0]), 0);
                store(&mut flow.local_addr, u64::from(addrs[1]), 0);
                if is_mapped {
                    flow.as_v4_mapped();
                }
            }
        }
    }

    /// The flow of a packet that came in and found no socket.
    #[inline(always)]
    pub(crate) fn received_flow(&self) -> FlowRecord {
        let mut flow = FlowRecord {
            netns: self.netns(),
            ..FlowRecord::default()
        };
        self.ends_into(&mut flow);
        flow
    }

    /// Address of the `struct net` it is routed in; null = not known. Taken from the route:
    /// `skb->dev` is cleared by `tcp_v4_rcv` before a listener sees the packet.
    #[inline(never)]
    pub(crate) fn net(&self) -> *const u8 {
        let null = core::ptr::null();
        let (Some(dst_at), Some(dev_at), Some(net_at)) =
            (offset!(skb_refdst), offset!(dst_dev), offset!(dev_net))
        else {
            return null;
        };
        // SAFETY: `_skb_refdst` is an integer field; what it points to is probed.
        unsafe {
            let dst = A::read::<u64>(self.skb.add(dst_at)) & !DST_NOREF;
            if dst == 0 {
                return null;
            }
            let dev = Probe::read::<*const u8>((dst as *const u8).add(dev_at));
            if dev.is_null() {
                return null;
            }
            Probe::read::<*const u8>(dev.add(net_at))
        }
    }

    /// Inode number of its network namespace; 0 = not known.
    #[inline(always)]
    pub(crate) fn netns(&self) -> u32 {
        netns_of(self.net())
    }
}

/// Inode number of a network namespace; 0 = not known.
#[inline(always)]
pub(crate) fn netns_of(net: *const u8) -> u32 {
    let Some(inum) = offset!(net_inum) else {
        return 0;
    };
    if net.is_null() {
        return 0;
    }
    // SAFETY: probing.
    unsafe { Probe::read::<u32>(net.add(inum)) }
}
