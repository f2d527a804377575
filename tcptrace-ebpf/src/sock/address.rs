//! What system calls are given: `struct sockaddr` in a copy of the kernel's, and the socket behind a file.

use tcptrace_common::flow::{AF_INET, AF_INET6};

use super::{Access, Probe, store};
use crate::offsets::offset;

/// An address as a program passed it to the kernel.
pub(crate) struct Address {
    /// `AF_INET` or `AF_INET6`.
    pub(crate) family: u16,
    /// Host order.
    pub(crate) port: u16,
    /// IPv4 in the first four bytes, or IPv6, in network order.
    pub(crate) bytes: [u8; 16],
}

impl Address {
    /// Reads `struct sockaddr_in` or `sockaddr_in6`, whose layouts are part of the kernel's promise to
    /// programs; `None` for another family, or no address.
    #[inline(always)]
    pub(crate) fn read(address: u64) -> Option<Self> {
        if address == 0 {
            return None;
        }
        let at = address as *const u8;
        // SAFETY: probing; a fault reads as zero, which is no family.
        let family = unsafe { Probe::read::<u16>(at) };
        // SAFETY: as above.
        let port = u16::from_be(unsafe { Probe::read::<u16>(at.add(2)) });
        let mut bytes = [0; 16];
        match family {
            // SAFETY: as above.
            AF_INET => unsafe { store(&mut bytes, u64::from(Probe::read::<u32>(at.add(4))), 0) },
            // SAFETY: as above; the address lies behind port and flow label.
            AF_INET6 => unsafe {
                let word = |offset: usize| Probe::read::<u64>(at.add(offset));
                store(&mut bytes, word(8), word(16));
            },
            _ => return None,
        }
        Some(Self {
            family,
            port,
            bytes,
        })
    }

    /// Whether it is an IPv4 address in the form of an inet6 socket.
    #[inline(always)]
    pub(crate) fn is_v4_mapped(&self) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = self.bytes;
        let zeros = a | b | c | d | e | f | g | h | i | j;
        self.family == AF_INET6 && zeros == 0 && k & l == 0xff
    }

    /// Its bytes as a socket of that family has them.
    #[inline(always)]
    pub(crate) fn bytes_for(&self, family: u16) -> [u8; 16] {
        if family == AF_INET6 && self.family == AF_INET {
            let [a, b, c, d, ..] = self.bytes;
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
        } else {
            self.bytes
        }
    }
}

/// Address of the `struct sock` of a `struct socket`; 0 = not known. By probing.
#[inline(always)]
pub(crate) fn sock_of(socket: u64) -> u64 {
    let Some(offset) = offset!(socket_sk) else {
        return 0;
    };
    if socket == 0 {
        return 0;
    }
    // SAFETY: probing; a fault reads as zero.
    unsafe { Probe::read::<u64>((socket as *const u8).add(offset)) }
}
