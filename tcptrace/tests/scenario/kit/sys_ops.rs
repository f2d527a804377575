//! System calls as safe functions, second half: processes and namespaces, and what is special to
//! TCP (queue lengths, repair mode, SOCK_DESTROY). Same rules as `sys`.

use std::ffi::CString;
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use super::sys::{check, check_len, option_into, set_option};

const SO_MEMINFO: i32 = 55;
const SK_MEMINFO_DROPS: usize = 8;
const SO_COOKIE: i32 = 57;
const SIOCINQ: libc::c_ulong = 0x541b;
const SIOCOUTQ: libc::c_ulong = 0x5411;
const SIOCOUTQNSD: libc::c_ulong = 0x894b;
const TCP_REPAIR_OFF_WITHOUT_PROBE: i32 = -1;
const TCP_SEND_QUEUE: i32 = 2;

/// Names the calling thread; `ps` and the kernel show it for the process if this is its leader.
pub(crate) fn set_comm(name: &str) -> Result<()> {
    let name = CString::new(name)?;
    // SAFETY: the pointer is a NUL-terminated string that outlives the call.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// Kills this process when the thread that started it ends: no actor outlives its scenario.
pub(crate) fn die_with_parent() -> Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

/// Becomes another user for good but keeps the capabilities, which some kernels ask for before they
/// attach a socket filter, and every kernel before TCP repair mode.
pub(crate) fn become_user(uid: u32) -> Result<()> {
    const CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    const SETS: usize = 6; // effective, permitted and inheritable, two words of each
    // SAFETY: integers only.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1) })?;
    // SAFETY: integers only.
    check(unsafe { libc::setresgid(uid, uid, uid) })?;
    // SAFETY: an empty list of groups needs no pointer.
    check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: integers only.
    check(unsafe { libc::setresuid(uid, uid, uid) })?;
    let header = [CAPABILITY_VERSION_3, 0];
    let mut sets = [0u32; SETS];
    // SAFETY: version 3 reads two words of header and writes six of capabilities.
    check_call(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    (sets[0], sets[3]) = (sets[1], sets[4]);
    // SAFETY: as above, and it only reads.
    check_call(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}

fn check_call(value: libc::c_long) -> Result<()> {
    check_len(value as isize).map(drop)
}

pub(crate) fn effective_uid() -> u32 {
    // SAFETY: always succeeds.
    unsafe { libc::geteuid() }
}

/// `fork()`: 0 in the child. Only for single-threaded callers.
pub(crate) fn fork() -> Result<i32> {
    // SAFETY: actors are single-threaded when they fork, so no lock can be left held.
    check(unsafe { libc::fork() })
}

pub(crate) fn unshare(flags: i32) -> Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

/// Moves the calling thread into the namespace `fd` refers to.
pub(crate) fn set_netns(fd: RawFd) -> Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) }).map(drop)
}

/// Gives the calling thread's network namespace a name: a file that exists already.
pub(crate) fn mount_own_netns(file: &str) -> Result<()> {
    let file = CString::new(file)?;
    let source = c"/proc/thread-self/ns/net";
    let (no_type, no_data) = (std::ptr::null(), std::ptr::null());
    // SAFETY: the paths are NUL-terminated and outlive the call; a bind mount reads no more.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            file.as_ptr(),
            no_type,
            libc::MS_BIND,
            no_data,
        )
    })
    .map(drop)
}

pub(crate) fn unmount(file: &str) -> Result<()> {
    let file = CString::new(file)?;
    // SAFETY: the path is NUL-terminated and outlives the call.
    check(unsafe { libc::umount2(file.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Nanoseconds on the kernel's boot clock.
pub(crate) fn boot_time_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec, which the kernel fills; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Ends the process as `_exit` does: no destructors, descriptors closed by the kernel.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

extern "C" fn do_nothing(_: libc::c_int) {}

/// SIGUSR1 interrupts blocking calls instead of killing (no SA_RESTART).
pub(crate) fn let_sigusr1_interrupt() -> Result<()> {
    // SAFETY: plain old data.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = do_nothing as *const () as usize;
    // SAFETY: the handler does nothing and is therefore async-signal-safe.
    check(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) })
        .map(drop)
}

/// Children that end are gone at once, and waited for by nobody.
pub(crate) fn ignore_children() -> Result<()> {
    // SAFETY: SIG_IGN is no function of ours.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    if before == libc::SIG_ERR {
        return Err(Error::last_os_error());
    }
    Ok(())
}

/// Brings the loopback device of the calling thread's namespace up.
pub(crate) fn loopback_up() -> Result<()> {
    // SAFETY: no pointers.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: plain old data.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the ifreq it is given.
    let done = check(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw const request) });
    super::sys::close(fd)?;
    done.map(drop)
}

/// The kernel's cookie of a socket, as `ss -e` prints it.
pub(crate) fn cookie(fd: RawFd) -> Result<u64> {
    let mut bytes = [0u8; 8];
    option_into(fd, libc::SOL_SOCKET, SO_COOKIE, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The drop counter of a socket (`ss -m`, the `d` column).
pub(crate) fn drops(fd: RawFd) -> Result<u32> {
    let mut bytes = [0u8; 64];
    option_into(fd, libc::SOL_SOCKET, SO_MEMINFO, &mut bytes)?;
    let start = SK_MEMINFO_DROPS * 4;
    Ok(u32::from_ne_bytes([
        bytes[start],
        bytes[start + 1],
        bytes[start + 2],
        bytes[start + 3],
    ]))
}

/// `(written and not acknowledged, of which never sent, received and not read)`.
pub(crate) fn queues(fd: RawFd) -> Result<(i32, i32, i32)> {
    let read = |request: libc::c_ulong| -> Result<i32> {
        let mut value = 0i32;
        // SAFETY: these requests write one int.
        check(unsafe { libc::ioctl(fd, request as _, &raw mut value) })?;
        Ok(value)
    };
    Ok((read(SIOCOUTQ)?, read(SIOCOUTQNSD)?, read(SIOCINQ)?))
}

/// The kernel's number of the TCP state of `fd` (1 is ESTABLISHED).
pub(crate) fn tcp_state(fd: RawFd) -> Result<u8> {
    let mut bytes = [0u8; 8];
    option_into(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes)?;
    Ok(bytes[0])
}

fn in_repair<T>(fd: RawFd, work: impl FnOnce() -> Result<T>) -> Result<T> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_REPAIR, &1i32)?;
    let done = work();
    set_option(
        fd,
        libc::IPPROTO_TCP,
        libc::TCP_REPAIR,
        &TCP_REPAIR_OFF_WITHOUT_PROBE,
    )?;
    done
}

/// The sequence number the next written byte will get.
pub(crate) fn next_sequence(fd: RawFd) -> Result<u32> {
    in_repair(fd, || {
        set_option(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_REPAIR_QUEUE,
            &TCP_SEND_QUEUE,
        )?;
        let mut bytes = [0u8; 4];
        option_into(fd, libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ, &mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    })
}

/// Turns the socket's timestamp clock back by `by`, so that its peer sees segments from the past.
pub(crate) fn turn_timestamps_back(fd: RawFd, by: u32) -> Result<()> {
    in_repair(fd, || {
        let mut bytes = [0u8; 4];
        option_into(fd, libc::IPPROTO_TCP, libc::TCP_TIMESTAMP, &mut bytes)?;
        let old = u32::from_ne_bytes(bytes).wrapping_sub(by);
        set_option(fd, libc::IPPROTO_TCP, libc::TCP_TIMESTAMP, &old)
    })
}

fn diag_addr(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => {
            let mut bytes = [0u8; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// SOCK_DESTROY over sock_diag, what `ss -K` does: aborts the socket with these two ends.
pub(crate) fn destroy_socket(local: SocketAddr, remote: SocketAddr) -> Result<()> {
    const SOCK_DESTROY: u16 = 21;
    const NETLINK_SOCK_DIAG: i32 = 4;
    const REQUEST_AND_ACK: u16 = 5;
    const LEN: u32 = 16 + 56;
    let family = if local.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut message = Vec::with_capacity(LEN as usize);
    message.extend_from_slice(&LEN.to_ne_bytes());
    message.extend_from_slice(&SOCK_DESTROY.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
    message.extend_from_slice(&1u32.to_ne_bytes()); // sequence
    message.extend_from_slice(&0u32.to_ne_bytes()); // port id: the kernel chooses
    message.extend_from_slice(&[family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend_from_slice(&u32::MAX.to_ne_bytes()); // every state
    message.extend_from_slice(&local.port().to_be_bytes());
    message.extend_from_slice(&remote.port().to_be_bytes());
    message.extend_from_slice(&diag_addr(local.ip()));
    message.extend_from_slice(&diag_addr(remote.ip()));
    message.extend_from_slice(&0u32.to_ne_bytes()); // any interface
    message.extend_from_slice(&[0xff; 8]); // any cookie

    // SAFETY: no pointers.
    let fd = check(unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            NETLINK_SOCK_DIAG,
        )
    })?;
    // SAFETY: the pointer and length describe `message`.
    check_len(unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) })?;
    let mut reply = [0u8; 512];
    // SAFETY: the pointer and length describe `reply`.
    let len = check_len(unsafe { libc::recv(fd, reply.as_mut_ptr().cast(), reply.len(), 0) })?;
    super::sys::close(fd)?;
    if len < 20 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    match i32::from_ne_bytes([reply[16], reply[17], reply[18], reply[19]]) {
        0 => Ok(()),
        errno => Err(Error::from_raw_os_error(-errno)),
    }
}

/// The ids of every BPF program in the kernel.
pub(crate) fn bpf_program_ids() -> Result<Vec<u32>> {
    const BPF_PROG_GET_NEXT_ID: i32 = 11;
    let mut ids = Vec::new();
    let mut attr = [0u32; 4];
    loop {
        attr[0] = ids.last().copied().unwrap_or(0);
        // SAFETY: the pointer and length describe `attr`, whose layout (start id, next id, open
        // flags) is the one this command reads and writes.
        let done = check_len(unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_PROG_GET_NEXT_ID,
                attr.as_mut_ptr(),
                size_of::<[u32; 4]>(),
            )
        } as isize);
        match done {
            Ok(_) => ids.push(attr[1]),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(ids),
            Err(error) => return Err(error),
        }
    }
}

/// Lets the calling thread, and what it starts, run on one processor only.
pub(crate) fn pin_to(processor: usize) -> Result<()> {
    // SAFETY: an all-zero set is a valid one, and the call reads only it.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(processor, &mut set);
        check(libc::sched_setaffinity(
            0,
            size_of::<libc::cpu_set_t>(),
            &raw const set,
        ))
        .map(drop)
    }
}
