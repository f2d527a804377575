//! The system calls that the running phase has no use for, refused by the kernel from now on.
//!
//! Turns lists of calls into two seccomp filters. A list of what is refused, and not of what is
//! allowed: a call that nobody thought of must not end an observation, and what is dangerous with
//! the capabilities that are kept is known. Refused calls fail; nothing is killed. The first filter
//! answers EPERM; the second ENOSYS, by which libraries know that they must use the older call, whose
//! arguments a filter can read.

use std::collections::BTreeMap;
use std::io;

use libc::{c_long, c_ulong};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

/// Refused whatever their arguments are.
const NEVER: &[c_long] = &[
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_kcmp,
    // What the kernel is made of.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Clocks and names of the machine.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Mounts and namespaces, and files by handles, which pass by directories and their rights.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    // Files that are something else afterwards.
    libc::SYS_mknodat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fchmodat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // It makes memory that can be read executable.
    libc::SYS_personality,
];

/// The same by their older names, and what else only this processor has, or libc knows only there.
#[cfg(target_arch = "x86_64")]
const NEVER_OLD: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_mknod,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_creat,
];
/// `kexec_file_load`, which not every C library names there.
#[cfg(not(target_arch = "x86_64"))]
const NEVER_OLD: &[c_long] = &[294];

/// New processes; see `clone` below for how they are made today.
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[c_long] = &[];

/// Refused where no files are written.
const WRITING: &[c_long] = &[
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_truncate,
];
#[cfg(target_arch = "x86_64")]
const WRITING_OLD: &[c_long] = &[libc::SYS_unlink, libc::SYS_rename, libc::SYS_rmdir];
#[cfg(not(target_arch = "x86_64"))]
const WRITING_OLD: &[c_long] = &[];

/// Not there, as far as this process is concerned: their arguments lie in memory.
const ABSENT: &[c_long] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Commands of bpf(2) that work on maps and objects there are.
const MAP_COMMANDS: [libc::c_int; 10] = [1, 2, 3, 4, 15, 21, 24, 25, 26, 27];

/// Requests to a terminal that type into it, for the shell that goes on there.
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// Numbers from here on are the x32 way of calling, a second door to the same calls.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Refuses them from now on, to every thread of this process.
pub(super) fn forbid(may_write: bool, command: Option<u32>) -> io::Result<()> {
    // Without the second flag kernels before 5.16 turn off speculation, which costs time and guards
    // only against code that is not ours.
    apply(
        may_write,
        command,
        libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    )
}

fn apply(may_write: bool, command: Option<u32>, flags: c_ulong) -> io::Result<()> {
    let program = |rules: Result<_, BackendError>, errno| {
        rules
            .and_then(|rules| compiled(rules, errno))
            .map_err(io::Error::other)
    };
    let refused = program(refused(may_write, command), libc::EPERM)?;
    let mut absent = program(
        Ok(ABSENT.iter().map(|call| (*call, Vec::new())).collect()),
        libc::ENOSYS,
    )?;
    absent.splice(0..0, no_second_door());
    install(&absent, flags)?;
    install(&refused, flags)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn refused(may_write: bool, command: Option<u32>) -> Result<Rules, BackendError> {
    let never = NEVER.iter().chain(NEVER_OLD).chain(FORKS);
    let mut rules: Rules = never.map(|call| (*call, Vec::new())).collect();
    if !may_write {
        let writing = WRITING.iter().chain(WRITING_OLD);
        rules.extend(writing.map(|call| (*call, Vec::new())));
        rules.insert(libc::SYS_openat, writing_flags(2)?);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_open, writing_flags(1)?);
    }
    // Threads are made this way too, and stay allowed.
    let no_thread = when(0, MaskedEq(bits(libc::CLONE_THREAD)), 0)?;
    rules.insert(libc::SYS_clone, vec![rule([no_thread])?]);
    let no_network = when(1, Ne, bits(libc::CLONE_NEWNET))?;
    rules.insert(libc::SYS_setns, vec![rule([no_network])?]);
    let other_family = when(0, Ne, bits(libc::AF_NETLINK))?;
    let other_netlink = [
        when(0, Eq, bits(libc::AF_NETLINK))?,
        when(2, Ne, bits(libc::NETLINK_SOCK_DIAG))?,
    ];
    rules.insert(
        libc::SYS_socket,
        vec![rule([other_family])?, rule(other_netlink)?],
    );
    let other_command = MAP_COMMANDS.map(|command| when(0, Ne, bits(command)));
    let other_command = other_command.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_bpf, vec![rule(other_command)?]);
    // The numbers are positive; 0 is our own group.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_kill, signals(own, command.map(u64::from))?);
    rules.insert(libc::SYS_tgkill, vec![rule([when(0, Ne, own)?])?]);
    // It names no process. musl raises signals by it.
    #[cfg(not(target_env = "musl"))]
    rules.insert(libc::SYS_tkill, Vec::new());
    let typing = TYPING.map(|request| rule([when(1, Eq, request)?]));
    let typing = typing.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_ioctl, typing);
    for call in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        let execute = bits(libc::PROT_EXEC);
        rules.insert(call, vec![rule([when(2, MaskedEq(execute), execute)?])?]);
    }
    Ok(rules)
}

/// Signals that are refused: those to others but our own group and the traced command, which may be
/// asked to end.
fn signals(own: u64, command: Option<u64>) -> Result<Vec<SeccompRule>, BackendError> {
    let ours = [when(0, Ne, own)?, when(0, Ne, 0)?];
    let Some(command) = command else {
        return Ok(vec![rule(ours)?]);
    };
    let others = ours.into_iter().chain([when(0, Ne, command)?]);
    let not_to_end = [
        when(0, Eq, command)?,
        when(1, Ne, bits(libc::SIGTERM))?,
        when(1, Ne, bits(libc::SIGHUP))?,
    ];
    Ok(vec![rule(others)?, rule(not_to_end)?])
}

/// Ways of opening by which a file can change.
fn writing_flags(argument: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let ways = [
        (libc::O_ACCMODE, libc::O_WRONLY),
        (libc::O_ACCMODE, libc::O_RDWR),
        (libc::O_CREAT, libc::O_CREAT),
        (libc::O_TRUNC, libc::O_TRUNC),
    ];
    ways.into_iter()
        .map(|(mask, flags)| rule([when(argument, MaskedEq(bits(mask)), bits(flags))?]))
        .collect()
}

/// True of a call whose argument, 32 bits of it, compares so.
fn when(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, how, value)
}

/// True when all conditions are.
fn rule(
    conditions: impl IntoIterator<Item = SeccompCondition>,
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect())
}

/// The bits of a constant of C, in which none is negative.
fn bits(constant: libc::c_int) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn compiled(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, BackendError> {
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, answer, machine)?.try_into()
}

/// Instructions in front of a filter: the x32 way of calling is not there.
#[cfg(target_arch = "x86_64")]
fn no_second_door() -> [sock_filter; 3] {
    let instruction = |code: u32, jf, k| sock_filter {
        // All codes are below 256.
        code: code as u16,
        jt: 0,
        jf,
        k,
    };
    [
        // The number of the call is the first word there is.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn no_second_door() -> [sock_filter; 0] {
    []
}

fn install(program: &[sock_filter], flags: c_ulong) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: both types of an instruction are the kernel's, `repr(C)` with the same members; the
    // kernel copies as many as there are and writes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match answer {
        0 => Ok(()),
        thread if thread > 0 => Err(io::Error::other(format!(
            "thread {thread} has a filter of its own"
        ))),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
