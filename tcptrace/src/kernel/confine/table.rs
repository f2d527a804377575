//! The one table of the system calls that are allowed: which, in which phase, with which arguments,
//! and why. The filters are made from it, and so is the table in docs/privileges.md.

use libc::c_long;

/// What a thread does from now on. Each has a filter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reads files that the user names, and prints: `replay`, `explain`, `top --replay`.
    Read,
    /// The same, and writes one page: `report`.
    Page,
    /// Reads rings, /proc and socket lists, and prints: everything that has attached.
    Run,
    /// The thread that writes a recording.
    Record,
}

impl Phase {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Phase; 4] = [Read, Page, Run, Record];
}

/// Calls that are allowed for the same reason.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "words for the table in the documentation")
)]
pub(super) struct Row {
    pub(super) why: &'static str,
    pub(super) phases: &'static [Phase],
    /// Each with its name in libc.
    pub(super) calls: &'static [(&'static str, c_long)],
    /// What must hold of the arguments: one of these lists, and all in it. Empty: anything will do.
    pub(super) when: &'static [&'static [Condition]],
    /// The same in words.
    pub(super) in_words: &'static str,
}

/// Of one argument, counted from 0. Its low 32 bits are compared, since the kernel takes no more of
/// these arguments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    Is(u8, u32),
    /// None of these bits.
    Lacks(u8, u32),
    /// All of these bits.
    Has(u8, u32),
    /// A null pointer, all 64 bits.
    IsNull(u8),
    /// The number of this process.
    IsOurs(u8),
    /// The number of the traced command; without one, never.
    IsCommand(u8),
}

use Condition::{Has, Is, IsCommand, IsNull, IsOurs, Lacks};
use Phase::{Page, Read, Record, Run};

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// One argument that is one of these.
macro_rules! one_of {
    ($argument:literal: $($value:expr),* $(,)?) => { &[$(&[Is($argument, $value as u32)]),*] };
}

const EVERY: &[Phase] = &[Read, Page, Run, Record];
const READERS: &[Phase] = &[Read, Page, Run];

/// Of `open`: whatever lets a file change or come into being.
const OPEN_TO_WRITE: u32 =
    (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY))
        as u32;

/// `PERF_EVENT_IOC_DISABLE`, which aya sends before it closes an event.
const PERF_DISABLE: u32 = 0x2401;
/// `TCGETS2` and `TCSETS2` to `TCSETSF2`, which newer C libraries use.
const TERMINAL_2: [u32; 4] = [0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d];

/// Of bpf(2), what works on maps there are: look up, update, delete, next key, information, and the
/// same in batches.
const MAP_COMMANDS: &[&[Condition]] = one_of![0: 1, 2, 3, 4, 15, 21, 24, 25, 26, 27];

/// Numbers that the old processor calls have and others do not.
macro_rules! old {
    ($($name:ident)*) => {{
        #[cfg(target_arch = "x86_64")]
        const CALLS: &[(&str, c_long)] = calls![$($name)*];
        #[cfg(not(target_arch = "x86_64"))]
        const CALLS: &[(&str, c_long)] = &[];
        CALLS
    }};
}

const fn row(
    phases: &'static [Phase],
    why: &'static str,
    calls: &'static [(&'static str, c_long)],
) -> Row {
    Row {
        why,
        phases,
        calls,
        when: &[],
        in_words: "",
    }
}

impl Row {
    const fn only(self, in_words: &'static str, when: &'static [&'static [Condition]]) -> Row {
        Row {
            when,
            in_words,
            ..self
        }
    }
}

pub(super) const TABLE: &[Row] = &[
    row(
        EVERY,
        "memory",
        calls![SYS_brk SYS_munmap SYS_mremap SYS_madvise],
    ),
    row(
        EVERY,
        "memory without code",
        calls![SYS_mmap SYS_mprotect],
    )
    .only(
        "not executable",
        &[&[Lacks(2, libc::PROT_EXEC as u32)]],
    ),
    row(EVERY, "threads", calls![SYS_clone]).only(
        "threads of this process",
        &[&[Has(
            0,
            (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u32,
        )]],
    ),
    row(
        EVERY,
        "threads",
        calls![
            SYS_futex SYS_set_robust_list SYS_rseq SYS_set_tid_address SYS_gettid
            SYS_sched_yield SYS_sched_getaffinity SYS_exit SYS_exit_group
        ],
    ),
    row(
        EVERY,
        "signals of this process",
        calls![SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_restart_syscall],
    ),
    row(EVERY, "raise and abort", calls![SYS_tgkill])
        .only("to this process", &[&[IsOurs(0)]]),
    row(
        EVERY,
        "clocks and waiting",
        calls![
            SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday
            SYS_timerfd_create SYS_timerfd_settime
        ],
    ),
    row(EVERY, "clocks before the vDSO", old![SYS_time]),
    row(
        EVERY,
        "facts about this process and machine",
        calls![
            SYS_getpid SYS_getppid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getrandom SYS_uname
            SYS_sysinfo SYS_getrusage SYS_getcwd SYS_capget
        ],
    ),
    row(EVERY, "limits", calls![SYS_prlimit64])
        .only("read only", &[&[IsNull(2)]]),
    row(EVERY, "names of threads and of memory", calls![SYS_prctl]).only(
        "PR_SET_NAME, PR_GET_NAME, PR_SET_VMA",
        one_of![0: libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA],
    ),
    row(
        EVERY,
        "open descriptors",
        calls![
            SYS_read SYS_readv SYS_pread64 SYS_write SYS_writev SYS_lseek SYS_close SYS_fstat
            SYS_dup SYS_dup3 SYS_ppoll SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_pipe2
        ],
    ),
    row(
        EVERY,
        "open descriptors by older names",
        old![SYS_poll SYS_epoll_wait SYS_pipe SYS_dup2],
    ),
    row(EVERY, "flags and copies of descriptors", calls![SYS_fcntl]).only(
        "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL",
        one_of![
            1: libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL
        ],
    ),
    row(
        EVERY,
        "facts about files",
        calls![SYS_newfstatat SYS_statx SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_getdents64 SYS_statfs SYS_fstatfs],
    ),
    row(
        EVERY,
        "facts about files by older names",
        old![SYS_stat SYS_lstat SYS_access SYS_readlink],
    ),
    row(READERS, "the terminal, and what kind a descriptor is", calls![SYS_ioctl]).only(
        "size and modes of a terminal, FIONBIO, FIOCLEX, FIONREAD, NS_GET_NSTYPE, PERF_EVENT_IOC_DISABLE",
        one_of![
            1: libc::TCGETS, libc::TCSETS, libc::TCSETSW, libc::TCSETSF, TERMINAL_2[0], TERMINAL_2[1],
            TERMINAL_2[2], TERMINAL_2[3], libc::TIOCGWINSZ, libc::TIOCGPGRP, libc::FIONBIO, libc::FIOCLEX,
            libc::FIONREAD, libc::NS_GET_NSTYPE, PERF_DISABLE,
        ],
    ),
    row(&[Read, Run], "files to read", calls![SYS_openat]).only(
        "not to write or create",
        &[&[Lacks(2, OPEN_TO_WRITE)]],
    ),
    row(&[Read, Run], "files to read by the older name", old![SYS_open]).only(
        "not to write or create",
        &[&[Lacks(1, OPEN_TO_WRITE)]],
    ),
    row(&[Read, Page], "notice of signals", calls![SYS_socketpair])
        .only("AF_UNIX", one_of![0: libc::AF_UNIX]),
    row(READERS, "what a socket has", calls![SYS_recvfrom]),
    // A handler notifies the runtime of its signal this way, on whatever thread it arrived.
    row(EVERY, "notice of signals, lists of sockets", calls![SYS_sendto])
        .only("on a connected socket", &[&[IsNull(4)]]),
    row(
        &[Page],
        "one page, as its user",
        calls![SYS_openat SYS_fsync SYS_renameat SYS_renameat2 SYS_unlinkat],
    ),
    row(
        &[Page],
        "one page by older names",
        old![SYS_open SYS_rename SYS_unlink],
    ),
    row(
        &[Run],
        "maps that exist",
        calls![SYS_bpf],
    )
    .only("commands on maps and information", MAP_COMMANDS),
    row(
        &[Run],
        "lists of sockets",
        calls![SYS_socket],
    )
    .only(
        "netlink of socket lists",
        &[&[Is(0, libc::AF_NETLINK as u32), Is(2, libc::NETLINK_SOCK_DIAG as u32)]],
    ),
    // There is no other socket to connect than one of those.
    row(
        &[Run],
        "lists of sockets",
        calls![SYS_connect SYS_setsockopt SYS_getsockopt],
    ),
    row(&[Run], "other network namespaces", calls![SYS_setns]).only(
        "network namespaces",
        one_of![1: libc::CLONE_NEWNET],
    ),
    row(
        &[Run],
        "raising and dropping a capability that is permitted",
        calls![SYS_capset],
    ),
    row(
        &[Run],
        "the end of the traced command",
        calls![SYS_wait4 SYS_waitid SYS_pidfd_open],
    ),
    row(&[Read], "stopping for the shell", calls![SYS_kill])
        .only("to this process", &[&[IsOurs(0)]]),
    row(&[Run], "stopping for the shell, ending the traced command", calls![SYS_kill]).only(
        "to this process; SIGTERM and SIGHUP to the traced command",
        &[
            &[IsOurs(0)],
            &[IsCommand(0), Is(1, libc::SIGTERM as u32)],
            &[IsCommand(0), Is(1, libc::SIGHUP as u32)],
        ],
    ),
    row(
        &[Record],
        "files of the recording",
        calls![SYS_openat SYS_unlinkat],
    )
    .only("by names in its directory", one_of![0: libc::AT_FDCWD]),
    row(&[Record], "files of the recording", calls![SYS_renameat]).only(
        "by names in its directory",
        &[&[Is(0, libc::AT_FDCWD as u32), Is(2, libc::AT_FDCWD as u32)]],
    ),
    row(
        &[Record],
        "the open file of the recording",
        calls![SYS_fsync SYS_fdatasync SYS_ftruncate SYS_flock],
    ),
];

/// Calls that fail as if the kernel did not know them, by which libraries know that they must use an
/// older one. The arguments of the first ones are in memory, where a filter cannot read them.
pub(super) const ABSENT: &[(&str, c_long)] = calls![
    SYS_clone3 SYS_openat2 SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_fchmodat2
];

/// Calls with a higher number are newer than this table and fail as if the kernel did not know them. So
/// is, on x86-64, everything by the x32 way of calling, a second door to the same calls.
pub(super) const NEWEST: u32 = 470;
