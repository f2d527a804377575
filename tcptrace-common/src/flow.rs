//! Which connection: addresses, ports, namespace, cookie.

/// `AF_INET`.
pub const AF_INET: u16 = 2;
/// `AF_INET6`.
pub const AF_INET6: u16 = 10;

/// One end-to-end flow as the local host sees it. An unknown port, namespace or cookie is 0 here
/// (none of the three is ever 0 in the kernel) and becomes `None` when decoded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowRecord {
    /// Socket cookie, 0 when there is no full socket or nobody asked for one.
    pub cookie: u64,
    /// IPv4 in the first four bytes, or IPv6, in network order.
    pub local_addr: [u8; 16],
    /// As `local_addr`; all zero for a listener.
    pub remote_addr: [u8; 16],
    /// Inode number of the network namespace.
    pub netns: u32,
    /// [`AF_INET`] or [`AF_INET6`].
    pub family: u16,
    /// Host order.
    pub local_port: u16,
    /// Host order; 0 for a listener.
    pub remote_port: u16,
    /// Spelled-out padding.
    pub pad: [u8; 6],
}

impl FlowRecord {
    /// Tells an IPv4 flow as an inet6 socket holds it: v4-mapped. Does nothing to an inet6 flow.
    #[inline(always)]
    pub fn as_v4_mapped(&mut self) {
        if self.family == AF_INET6 {
            return;
        }
        self.family = AF_INET6;
        for addr in [&mut self.local_addr, &mut self.remote_addr] {
            let [a, b, c, d, ..] = *addr;
            *addr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        }
    }
}

const _: () = assert!(size_of::<FlowRecord>() == 56);
