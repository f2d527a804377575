//! Names of the system calls that a thread may be blocked in for long, by the numbers of this
//! machine's architecture.

macro_rules! names {
    ($($call:ident: $name:literal,)*) => {
        /// The name; `None` for a call that is not listed.
        pub(super) fn name(number: u64) -> Option<&'static str> {
            match libc::c_long::try_from(number).ok()? {
                $(libc::$call => Some($name),)*
                other => name_of_this_architecture(other),
            }
        }
    };
}

names! {
    SYS_accept: "accept",
    SYS_accept4: "accept4",
    SYS_clock_nanosleep: "clock_nanosleep",
    SYS_close: "close",
    SYS_connect: "connect",
    SYS_epoll_pwait: "epoll_pwait",
    SYS_epoll_pwait2: "epoll_pwait2",
    SYS_exit_group: "exit_group",
    SYS_fallocate: "fallocate",
    SYS_fcntl: "fcntl",
    SYS_fdatasync: "fdatasync",
    SYS_flock: "flock",
    SYS_fsync: "fsync",
    SYS_ftruncate: "ftruncate",
    SYS_futex: "futex",
    SYS_futex_waitv: "futex_waitv",
    SYS_getdents64: "getdents64",
    SYS_io_getevents: "io_getevents",
    SYS_io_uring_enter: "io_uring_enter",
    SYS_ioctl: "ioctl",
    SYS_madvise: "madvise",
    SYS_mmap: "mmap",
    SYS_msgrcv: "msgrcv",
    SYS_msgsnd: "msgsnd",
    SYS_munmap: "munmap",
    SYS_nanosleep: "nanosleep",
    SYS_openat: "openat",
    SYS_ppoll: "ppoll",
    SYS_pread64: "pread64",
    SYS_preadv: "preadv",
    SYS_pselect6: "pselect6",
    SYS_pwrite64: "pwrite64",
    SYS_pwritev: "pwritev",
    SYS_read: "read",
    SYS_readv: "readv",
    SYS_recvfrom: "recvfrom",
    SYS_recvmmsg: "recvmmsg",
    SYS_recvmsg: "recvmsg",
    SYS_rt_sigsuspend: "rt_sigsuspend",
    SYS_rt_sigtimedwait: "rt_sigtimedwait",
    SYS_semtimedop: "semtimedop",
    SYS_sendfile: "sendfile",
    SYS_sendmmsg: "sendmmsg",
    SYS_sendmsg: "sendmsg",
    SYS_sendto: "sendto",
    SYS_splice: "splice",
    SYS_sync: "sync",
    SYS_wait4: "wait4",
    SYS_waitid: "waitid",
    SYS_write: "write",
    SYS_writev: "writev",
}

#[cfg(target_arch = "x86_64")]
fn name_of_this_architecture(number: libc::c_long) -> Option<&'static str> {
    Some(match number {
        libc::SYS_epoll_wait => "epoll_wait",
        libc::SYS_open => "open",
        libc::SYS_pause => "pause",
        libc::SYS_poll => "poll",
        libc::SYS_select => "select",
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn name_of_this_architecture(_: libc::c_long) -> Option<&'static str> {
    None
}

/// Whether the first argument of such a call is a descriptor.
pub(super) fn has_descriptor(name: &str) -> bool {
    !matches!(
        name,
        "clock_nanosleep"
            | "exit_group"
            | "futex"
            | "futex_waitv"
            | "io_getevents"
            | "madvise"
            | "mmap"
            | "msgrcv"
            | "msgsnd"
            | "munmap"
            | "nanosleep"
            | "open"
            | "openat"
            | "pause"
            | "poll"
            | "ppoll"
            | "pselect6"
            | "rt_sigsuspend"
            | "rt_sigtimedwait"
            | "select"
            | "semtimedop"
            | "sync"
            | "wait4"
            | "waitid"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_their_names_and_others_none() {
        let number = |call: libc::c_long| u64::try_from(call).unwrap();
        assert_eq!(name(number(libc::SYS_futex)), Some("futex"));
        assert_eq!(name(number(libc::SYS_accept4)), Some("accept4"));
        assert_eq!(name(number(libc::SYS_getpid)), None);
        assert_eq!(name(u64::MAX), None);
        assert!(has_descriptor("recvfrom") && !has_descriptor("futex"));
    }
}
