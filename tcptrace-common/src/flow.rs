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
    /// The family on the wire: an inet6 socket may speak IPv4. The remote end decides where there is
    /// one, since a listener on `[::]` may talk to an IPv4 client; then the local one.
    #[inline(always)]
    pub fn spoken_family(&self) -> u16 {
        let addr = if self.remote_port != 0 {
            &self.remote_addr
        } else {
            &self.local_addr
        };
        let has_end = self.remote_port != 0 || self.local_port != 0;
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *addr;
        let zeros = a | b | c | d | e | f | g | h | i | j;
        if self.family == AF_INET6 && has_end && zeros == 0 && k & l == 0xff {
            AF_INET
        } else {
            self.family
        }
    }

    /// Turns an IPv4 flow into the form that an inet6 socket has: v4-mapped. Does nothing to an inet6 flow.
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

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7];
    const NATIVE: [u8; 16] = [
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7,
    ];

    fn spoken(family: u16, local: ([u8; 16], u16), remote: ([u8; 16], u16)) -> u16 {
        let flow = FlowRecord {
            family,
            local_addr: local.0,
            local_port: local.1,
            remote_addr: remote.0,
            remote_port: remote.1,
            ..FlowRecord::default()
        };
        flow.spoken_family()
    }

    #[test]
    fn a_mapped_remote_end_is_ipv4_whatever_the_socket() {
        assert_eq!(spoken(AF_INET6, (NATIVE, 80), (MAPPED, 9)), AF_INET);
        assert_eq!(spoken(AF_INET6, ([0; 16], 80), (NATIVE, 9)), AF_INET6);
        assert_eq!(spoken(AF_INET, ([10; 16], 80), ([0; 16], 9)), AF_INET);
    }

    #[test]
    fn without_a_remote_end_the_local_one_decides_and_without_any_the_socket() {
        assert_eq!(spoken(AF_INET6, (MAPPED, 80), ([0; 16], 0)), AF_INET);
        assert_eq!(spoken(AF_INET6, ([0; 16], 80), ([0; 16], 0)), AF_INET6);
        assert_eq!(spoken(AF_INET6, (MAPPED, 0), (MAPPED, 0)), AF_INET6);
        assert_eq!(spoken(AF_INET, ([0; 16], 0), ([0; 16], 0)), AF_INET);
    }
}
