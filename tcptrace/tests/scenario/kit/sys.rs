//! System calls as safe functions: descriptors, sockets and addresses. It only moves values between
//! Rust and the kernel and decides nothing; every failure is the kernel's errno.

use std::io::{self, Error, Result};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

/// Turns the C convention (-1 and errno) into a `Result`.
pub(crate) fn check(value: i32) -> Result<i32> {
    if value < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(value)
    }
}

/// The same for calls that return a length.
pub(crate) fn check_len(value: isize) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::last_os_error())
}

fn encode(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: sockaddr_storage is plain old data, for which all zeroes is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let target: *mut libc::sockaddr_storage = &raw mut storage;
    let len = match addr {
        SocketAddr::V4(v4) => {
            // SAFETY: as above, and sockaddr_storage is large and aligned enough for it.
            let sin = unsafe { &mut *target.cast::<libc::sockaddr_in>() };
            sin.sin_family = libc::AF_INET as libc::sa_family_t;
            sin.sin_port = v4.port().to_be();
            sin.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let sin6 = unsafe { &mut *target.cast::<libc::sockaddr_in6>() };
            sin6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            sin6.sin6_port = v6.port().to_be();
            sin6.sin6_addr.s6_addr = v6.ip().octets();
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, len as libc::socklen_t)
}

fn decode(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let source: *const libc::sockaddr_storage = storage;
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which of the two layouts the kernel wrote.
            let sin = unsafe { &*source.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(sin.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(sin.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let sin6 = unsafe { &*source.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(sin6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(sin6.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

/// A new TCP socket, not inherited over exec.
pub(crate) fn tcp_socket(v6: bool) -> Result<RawFd> {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: no pointers.
    check(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })
}

/// A new MPTCP socket over IPv4, not inherited over exec.
pub(crate) fn mptcp_socket() -> Result<RawFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    check(unsafe { libc::socket(libc::AF_INET, kind, libc::IPPROTO_MPTCP) })
}

/// A UDP socket connected to `addr`.
pub(crate) fn udp_socket(addr: SocketAddr) -> Result<RawFd> {
    // SAFETY: no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    connect(fd, addr)?;
    Ok(fd)
}

pub(crate) fn bind(fd: RawFd, addr: SocketAddr) -> Result<()> {
    let (storage, len) = encode(addr);
    // SAFETY: the pointer and length describe `storage`.
    check(unsafe { libc::bind(fd, (&raw const storage).cast(), len) }).map(drop)
}

pub(crate) fn connect(fd: RawFd, addr: SocketAddr) -> Result<()> {
    let (storage, len) = encode(addr);
    // SAFETY: the pointer and length describe `storage`.
    check(unsafe { libc::connect(fd, (&raw const storage).cast(), len) }).map(drop)
}

/// `connect(AF_UNSPEC)`: breaks the connection and leaves the socket usable.
pub(crate) fn disconnect(fd: RawFd) -> Result<()> {
    // SAFETY: plain old data.
    let storage: libc::sockaddr_storage = unsafe { zeroed() };
    let len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: AF_UNSPEC is 0, so the zeroed storage is the address asked for.
    check(unsafe { libc::connect(fd, (&raw const storage).cast(), len) }).map(drop)
}

pub(crate) fn listen(fd: RawFd, backlog: i32) -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd, backlog) }).map(drop)
}

pub(crate) fn accept(fd: RawFd) -> Result<RawFd> {
    // SAFETY: null address pointers are allowed and mean "not wanted".
    check(unsafe {
        libc::accept4(
            fd,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        )
    })
}

pub(crate) fn shutdown_write(fd: RawFd) -> Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd, libc::SHUT_WR) }).map(drop)
}

pub(crate) fn close(fd: RawFd) -> Result<()> {
    // SAFETY: no pointers; the callers own the descriptor.
    check(unsafe { libc::close(fd) }).map(drop)
}

pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the pointer and length describe `bytes`; MSG_NOSIGNAL keeps EPIPE an errno.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
}

pub(crate) fn read(fd: RawFd, bytes: &mut [u8]) -> Result<usize> {
    // SAFETY: the pointer and length describe `bytes`.
    check_len(unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0) })
}

pub(crate) fn local_addr(fd: RawFd) -> Result<Option<SocketAddr>> {
    // SAFETY: plain old data.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the pointers describe `storage` and its length.
    check(unsafe { libc::getsockname(fd, (&raw mut storage).cast(), &raw mut len) })?;
    Ok(decode(&storage))
}

/// `None` for a socket that has no peer.
pub(crate) fn peer_addr(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: plain old data.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the pointers describe `storage` and its length.
    check(unsafe { libc::getpeername(fd, (&raw mut storage).cast(), &raw mut len) }).ok()?;
    decode(&storage)
}

/// Sets an option whose value is any plain C type.
pub(crate) fn set_option<T: Copy>(fd: RawFd, level: i32, name: i32, value: &T) -> Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and length describe `value`.
    check(unsafe { libc::setsockopt(fd, level, name, std::ptr::from_ref(value).cast(), len) })
        .map(drop)
}

/// Reads an option into `value` and says how many bytes the kernel wrote.
pub(crate) fn option_into(fd: RawFd, level: i32, name: i32, value: &mut [u8]) -> Result<usize> {
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the pointers describe `value` and its length.
    check(unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut len) })?;
    Ok(len as usize)
}

pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> Result<()> {
    // SAFETY: F_GETFL takes no pointer.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    let wanted = if nonblocking {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    // SAFETY: F_SETFL takes an integer.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) }).map(drop)
}

pub(crate) fn set_inherited_over_exec(fd: RawFd) -> Result<()> {
    // SAFETY: F_SETFD takes an integer.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

/// A further descriptor of the same file, close-on-exec.
pub(crate) fn duplicate(fd: RawFd) -> Result<RawFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

/// A pair of connected packet sockets, close-on-exec.
pub(crate) fn socket_pair() -> Result<(RawFd, RawFd)> {
    let mut fds = [0i32; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for the two descriptors the kernel writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    Ok((fds[0], fds[1]))
}

const CONTROL_LEN: usize = 64;

#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

/// Sends one packet and, beside it, a descriptor (SCM_RIGHTS).
pub(crate) fn send_packet(channel: RawFd, bytes: &[u8], fd: Option<RawFd>) -> Result<()> {
    let mut iov = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; CONTROL_LEN]);
    // SAFETY: plain old data.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    if let Some(fd) = fd {
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: CMSG_* only compute within `control`, which is aligned and large enough for one
        // descriptor.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        }
    }
    // SAFETY: every pointer in `message` points to a local that outlives the call.
    check_len(unsafe { libc::sendmsg(channel, &raw const message, libc::MSG_NOSIGNAL) }).map(drop)
}

/// Receives one packet and the descriptor sent beside it. An empty packet means end of stream.
pub(crate) fn receive_packet(channel: RawFd) -> Result<(Vec<u8>, Option<RawFd>)> {
    let mut bytes = vec![0u8; 4096];
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; CONTROL_LEN]);
    // SAFETY: plain old data.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_LEN;
    let len = loop {
        // SAFETY: every pointer in `message` points to a local that outlives the call.
        let got =
            check_len(unsafe { libc::recvmsg(channel, &raw mut message, libc::MSG_CMSG_CLOEXEC) });
        match got {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    bytes.truncate(len);
    // SAFETY: the kernel filled the header it reports; CMSG_* stay within `control`.
    let fd = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let carries_fd = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS;
        carries_fd.then(|| libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())
    };
    Ok((bytes, fd))
}
