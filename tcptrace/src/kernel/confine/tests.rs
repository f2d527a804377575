//! What code that an attacker got into a confined thread could try: each of these is refused by the kernel.
//!
//! The tests do it themselves, on a thread that has given up what its phase gives up, with the same functions
//! that the program calls. As root they show more than as anybody else.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use super::*;

/// A call with an error, if it has one. Strings are handed over as their addresses.
fn errno(number: libc::c_long, arguments: &[i64]) -> Option<i32> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: every address among them is that of a buffer or string that outlives the call, and all of the
    // calls are expected to be refused; what gets through fails the test.
    let answer = unsafe {
        libc::syscall(
            number,
            argument(0),
            argument(1),
            argument(2),
            argument(3),
            argument(4),
            argument(5),
        )
    };
    (answer < 0)
        .then(|| io::Error::last_os_error().raw_os_error())
        .flatten()
}

/// Runs `work` on a thread that confines itself first and ends then.
fn on_a_confined_thread(
    confine: impl FnOnce() -> Vec<String> + Send + 'static,
    work: impl FnOnce() + Send + 'static,
) {
    let thread = std::thread::spawn(move || {
        assert_eq!(confine(), Vec::<String>::new(), "everything is given up");
        work();
    });
    thread.join().expect("every claim holds");
}

/// [`confine`] without what belongs to the whole process.
fn as_running() -> Vec<String> {
    let mut kept = Kept::default();
    kept.note("capabilities", capabilities::lower());
    kept.lock(Phase::Run, None);
    kept.0
}

/// Refused whatever a thread's phase is.
fn tries_everything(phase: Phase) {
    let buffer = [0_u64; 64];
    let memory = buffer.as_ptr() as i64;
    let text = |text: &str| CString::new(text).expect("no NUL");
    let (shell, passwd, fresh) = (
        text("/bin/sh"),
        text("/etc/passwd"),
        text("/tmp/tcptrace-made"),
    );
    let (shell, passwd, fresh) = (
        shell.as_ptr() as i64,
        passwd.as_ptr() as i64,
        fresh.as_ptr() as i64,
    );
    let here = i64::from(libc::AT_FDCWD);
    // The parent is a process that is there and not ours.
    let other = i64::from(std::os::unix::process::parent_id());
    let tries: &[(&str, libc::c_long, &[i64])] = &[
        ("another program", libc::SYS_execve, &[shell, 0, 0]),
        (
            "another program",
            libc::SYS_execveat,
            &[here, shell, 0, 0, 0],
        ),
        ("another process", libc::SYS_clone, &[libc::SIGCHLD.into()]),
        (
            "another process",
            libc::SYS_clone,
            &[i64::from(libc::CLONE_VM | libc::CLONE_VFORK)],
        ),
        ("another process", libc::SYS_clone3, &[memory, 64]),
        ("debugging", libc::SYS_ptrace, &[16, other]),
        (
            "memory of others",
            libc::SYS_process_vm_readv,
            &[other, memory, 1, memory, 1, 0],
        ),
        (
            "memory of others",
            libc::SYS_process_vm_writev,
            &[other, memory, 1, memory, 1, 0],
        ),
        (
            "memory of others",
            libc::SYS_process_madvise,
            &[0, memory, 1, 21, 0],
        ),
        ("descriptors of others", libc::SYS_pidfd_getfd, &[0, 0, 0]),
        ("signals", libc::SYS_pidfd_send_signal, &[0, 0, 0, 0]),
        ("signals", libc::SYS_kill, &[other, 0]),
        ("signals", libc::SYS_kill, &[-1, 0]),
        ("signals", libc::SYS_tkill, &[other, 0]),
        ("signals", libc::SYS_tgkill, &[other, other, 0]),
        ("signals", libc::SYS_rt_sigqueueinfo, &[other, 0, memory]),
        (
            "signals",
            libc::SYS_rt_tgsigqueueinfo,
            &[other, other, 0, memory],
        ),
        (
            "signals",
            libc::SYS_fcntl,
            &[0, libc::F_SETOWN.into(), other],
        ),
        (
            "comparing processes",
            libc::SYS_kcmp,
            &[other, other, 0, 0, 0],
        ),
        (
            "limits of others",
            libc::SYS_prlimit64,
            &[other, 7, memory, 0],
        ),
        ("modules", libc::SYS_init_module, &[memory, 1, passwd]),
        ("modules", libc::SYS_finit_module, &[0, passwd, 0]),
        ("modules", libc::SYS_delete_module, &[passwd, 0]),
        ("kernels", libc::SYS_kexec_load, &[0, 0, 0, 0]),
        ("restart", libc::SYS_reboot, &[0, 0, 0, 0]),
        ("programs of the kernel", libc::SYS_bpf, &[5, memory, 48]),
        ("programs of the kernel", libc::SYS_bpf, &[17, memory, 48]),
        (
            "performance events",
            libc::SYS_perf_event_open,
            &[memory, -1, 0, -1, 0],
        ),
        ("page faults", libc::SYS_userfaultfd, &[0]),
        ("file events", libc::SYS_fanotify_init, &[0, 0]),
        ("the kernel's log", libc::SYS_syslog, &[5, 0, 0]),
        ("accounts", libc::SYS_acct, &[0]),
        ("swap", libc::SYS_swapon, &[passwd, 0]),
        ("quotas", libc::SYS_quotactl, &[0, 0, 0, 0]),
        ("keys", libc::SYS_add_key, &[passwd, passwd, 0, 0, -2]),
        ("keys", libc::SYS_keyctl, &[0, -2, 0, 0, 0]),
        ("clocks", libc::SYS_settimeofday, &[0, memory]),
        ("clocks", libc::SYS_clock_settime, &[0, memory]),
        ("clocks", libc::SYS_adjtimex, &[memory]),
        ("names of the machine", libc::SYS_sethostname, &[passwd, 1]),
        ("mounts", libc::SYS_mount, &[passwd, passwd, 0, 0, 0]),
        ("mounts", libc::SYS_umount2, &[passwd, 0]),
        ("mounts", libc::SYS_open_tree, &[here, passwd, 0]),
        ("mounts", libc::SYS_move_mount, &[-1, passwd, -1, passwd, 0]),
        ("mounts", libc::SYS_pivot_root, &[passwd, passwd]),
        ("another root", libc::SYS_chroot, &[passwd]),
        ("another directory", libc::SYS_fchdir, &[0]),
        (
            "namespaces",
            libc::SYS_unshare,
            &[libc::CLONE_NEWUSER.into()],
        ),
        (
            "namespaces",
            libc::SYS_setns,
            &[0, libc::CLONE_NEWNS.into()],
        ),
        (
            "files by handles",
            libc::SYS_open_by_handle_at,
            &[here, memory, 0],
        ),
        (
            "files by memory",
            libc::SYS_openat2,
            &[here, passwd, memory, 24],
        ),
        ("files by rings", libc::SYS_io_uring_setup, &[8, memory]),
        ("files by memory", libc::SYS_memfd_create, &[passwd, 0]),
        ("devices", libc::SYS_mknodat, &[here, fresh, 0o20666, 0x101]),
        ("directories", libc::SYS_mkdirat, &[here, fresh, 0o777]),
        ("links", libc::SYS_linkat, &[here, passwd, here, fresh, 0]),
        ("links", libc::SYS_symlinkat, &[passwd, here, fresh]),
        ("modes", libc::SYS_fchmod, &[0, 0o777]),
        ("modes", libc::SYS_fchmodat, &[here, passwd, 0o666]),
        ("modes", libc::SYS_fchmodat2, &[here, passwd, 0o666, 0]),
        ("owners", libc::SYS_fchown, &[0, 0, 0]),
        ("owners", libc::SYS_fchownat, &[here, passwd, 0, 0, 0]),
        ("times", libc::SYS_utimensat, &[here, passwd, 0, 0]),
        (
            "attributes",
            libc::SYS_setxattr,
            &[passwd, passwd, memory, 0, 0],
        ),
        (
            "attributes",
            libc::SYS_fsetxattr,
            &[0, passwd, memory, 0, 0],
        ),
        ("lengths", libc::SYS_truncate, &[passwd, 0]),
        ("holes", libc::SYS_fallocate, &[0, 0, 0, 1]),
        (
            "names",
            libc::SYS_renameat2,
            &[here, passwd, here, fresh, 0],
        ),
        (
            "the network",
            libc::SYS_socket,
            &[libc::AF_INET.into(), 1, 0],
        ),
        (
            "the network",
            libc::SYS_socket,
            &[libc::AF_UNIX.into(), 1, 0],
        ),
        (
            "the network",
            libc::SYS_socket,
            &[libc::AF_PACKET.into(), 3, 0],
        ),
        ("the network", libc::SYS_sendmsg, &[0, memory, 0]),
        ("the network", libc::SYS_bind, &[0, memory, 16]),
        ("the network", libc::SYS_listen, &[0, 1]),
        ("the network", libc::SYS_accept4, &[0, 0, 0, 0]),
        ("code", libc::SYS_mmap, &[0, 4096, 5, 0x22, -1, 0]),
        ("code", libc::SYS_mprotect, &[0, 4096, 5]),
        ("code", libc::SYS_personality, &[0x0400_0000]),
        ("typing", libc::SYS_ioctl, &[0, 0x5412, memory]),
        ("users", libc::SYS_setuid, &[0]),
        ("filters", libc::SYS_seccomp, &[1, 0, 0]),
        (
            "processors",
            libc::SYS_sched_setaffinity,
            &[other, 8, memory],
        ),
        ("x32", 0x4000_0000 + 39, &[]),
    ];
    assert!(tries.len() >= 60, "{} tries", tries.len());
    // A page is put in its place by renaming it.
    let is_refused_by = |what: &str| phase != Phase::Page || what != "names";
    for (what, number, arguments) in tries.iter().filter(|(what, ..)| is_refused_by(what)) {
        let refused = errno(*number, arguments);
        let is_refused = matches!(refused, Some(libc::EPERM | libc::ENOSYS));
        assert!(is_refused, "{what}: call {number} answers {refused:?}");
    }
}

/// Paths that no phase may write, and what to expect where they are.
const PRECIOUS: [&str; 6] = [
    "/proc/1/mem",
    "/proc/self/mem",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/net/ipv4/tcp_syncookies",
    "/etc/passwd",
    "/dev/null",
];

/// All ways to open a file so that it can change.
const WAYS: [libc::c_int; 6] = [
    libc::O_WRONLY,
    libc::O_RDWR,
    libc::O_WRONLY | libc::O_APPEND,
    libc::O_RDONLY | libc::O_TRUNC,
    libc::O_WRONLY | libc::O_CREAT,
    libc::O_ACCMODE,
];

fn open(directory: i32, path: &Path, flags: libc::c_int) -> Option<i32> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    let arguments = [directory.into(), path.as_ptr() as i64, flags.into(), 0o600];
    errno(libc::SYS_openat, &arguments)
}

/// A directory with a file outside of the one that is recorded into.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tcptrace-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("inside")).expect("a directory");
        std::fs::write(path.join("outside"), b"precious").expect("a file");
        Self(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let left = std::fs::read(self.0.join("outside"));
        let files = std::fs::read_dir(&self.0).map(Iterator::count);
        drop(std::fs::remove_dir_all(&self.0));
        assert_eq!(left.expect("still there"), b"precious");
        assert_eq!(files.expect("still there"), 2, "nothing was made beside it");
        assert!(!std::env::temp_dir().join("tcptrace-made").exists());
    }
}

#[test]
fn a_thread_that_has_attached_can_do_nothing_else() {
    on_a_confined_thread(as_running, || {
        tries_everything(Phase::Run);
        for path in PRECIOUS {
            for flags in WAYS {
                let refused = open(libc::AT_FDCWD, Path::new(path), flags);
                assert_eq!(refused, Some(libc::EPERM), "{path} by {flags:o}");
            }
        }
        let temporary = libc::O_TMPFILE | libc::O_RDWR;
        let refused = open(libc::AT_FDCWD, Path::new("/tmp"), temporary);
        assert_eq!(refused, Some(libc::EPERM));
        // What it does need.
        let read = std::fs::read_to_string("/proc/thread-self/status").expect("readable");
        assert!(read.contains("Seccomp:\t2"));
    });
}

#[test]
fn a_recorder_writes_in_its_directory_and_nowhere_else() {
    is_held("injected", confine_recorder);
}

/// As root: nobody else can have a root directory of its own.
#[test]
fn a_recorder_of_root_is_held_without_landlock_too() {
    if rustix::process::geteuid().is_root() {
        is_held("injected-root", |directory| {
            hold_recorder(directory, beneath::stay_without_landlock(directory))
        });
    }
}

fn is_held(name: &str, confine: impl FnOnce(BorrowedFd<'_>) -> Recorder + Send + 'static) {
    let room = Room::new(name);
    let (inside, outside) = (room.0.join("inside"), room.0.join("outside"));
    let directory = File::open(&inside).expect("a directory");
    // As another thread could open one later.
    let above = File::open(&room.0).expect("a directory");
    let root = File::open("/").expect("a directory");
    let confine = move || {
        let confined = confine(directory.as_fd());
        assert!(confined.is_inside);
        confined.kept
    };
    on_a_confined_thread(confine, move || {
        tries_everything(Phase::Record);
        let by_name = |name: &str, flags| open(libc::AT_FDCWD, Path::new(name), flags);
        let make = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        assert_eq!(by_name("made", make), None, "its own file");
        let is_refused =
            |refused| matches!(refused, Some(libc::EPERM | libc::EACCES | libc::ENOENT));
        for path in PRECIOUS.iter().map(Path::new).chain([outside.as_path()]) {
            // A descriptor opened by all bits of O_ACCMODE can neither be read nor written.
            for flags in WAYS.into_iter().filter(|flags| *flags != libc::O_ACCMODE) {
                let refused = open(libc::AT_FDCWD, path, flags);
                assert!(is_refused(refused), "{path:?} by {flags:o}: {refused:?}");
            }
        }
        for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR | libc::O_TRUNC] {
            for name in ["../outside", "../inside/../outside"] {
                let refused = by_name(name, flags);
                assert!(is_refused(refused), "{name} by {flags:o}: {refused:?}");
            }
        }
        for (directory, name) in [(&above, "outside"), (&root, "etc/passwd"), (&root, "made")] {
            let flags = libc::O_WRONLY | libc::O_CREAT;
            let refused = open(directory.as_raw_fd(), Path::new(name), flags);
            assert_eq!(refused, Some(libc::EPERM), "{name} by a descriptor");
        }
        let sock_diag = [libc::AF_NETLINK.into(), 3, libc::NETLINK_SOCK_DIAG.into()];
        assert_eq!(errno(libc::SYS_socket, &sock_diag), Some(libc::EPERM));
        assert_eq!(errno(libc::SYS_bpf, &[1, 0, 0]), Some(libc::EPERM));
        let to_network = [0, libc::CLONE_NEWNET.into()];
        assert_eq!(errno(libc::SYS_setns, &to_network), Some(libc::EPERM));
        let name = |text: &str| CString::new(text).expect("no NUL");
        let (theirs, made) = (name("../outside"), name("made"));
        let (theirs, made) = (theirs.as_ptr() as i64, made.as_ptr() as i64);
        let here = i64::from(libc::AT_FDCWD);
        // A thread whose root is the directory finds itself there by `..` too; what counts is what became of
        // the files outside, which `Room` looks at.
        for _ in 0..2 {
            let _ = errno(libc::SYS_unlinkat, &[here, theirs, 0]);
            let _ = errno(libc::SYS_renameat, &[here, theirs, here, made]);
            let _ = errno(libc::SYS_renameat, &[here, made, here, theirs]);
            by_name("../made", libc::O_WRONLY | libc::O_CREAT);
            by_name("../../tcptrace-made", libc::O_WRONLY | libc::O_CREAT);
            by_name("made", libc::O_WRONLY | libc::O_CREAT);
        }
        assert_eq!(errno(libc::SYS_unlinkat, &[here, made, 0]), None);
    });
}

#[test]
fn a_reader_of_foreign_files_cannot_write_one() {
    let confine = || {
        let mut kept = Kept::default();
        kept.lock(Phase::Read, None);
        kept.0
    };
    on_a_confined_thread(confine, || {
        tries_everything(Phase::Read);
        for path in PRECIOUS {
            for flags in WAYS {
                let refused = open(libc::AT_FDCWD, Path::new(path), flags);
                assert_eq!(refused, Some(libc::EPERM), "{path} by {flags:o}");
            }
        }
    });
}

/// A page may be written wherever its user may; that is all that is more than in other phases. As root this
/// looks with the rights of nobody.
#[test]
fn the_writer_of_a_page_has_the_rights_of_its_user_and_no_more() {
    /// Of nobody.
    const NOBODY: libc::c_long = 65_534;
    let confine = || {
        if rustix::process::geteuid().is_root() {
            // SAFETY: integers only. The raw call changes this thread alone, which ends soon; the
            // capabilities go with the user.
            let became = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            assert_eq!(became, 0);
        }
        let mut kept = Kept::default();
        kept.lock(Phase::Page, None);
        kept.0
    };
    on_a_confined_thread(confine, || {
        tries_everything(Phase::Page);
        let of_others = |path: &&&str| !["/dev/null", "/proc/self/mem"].contains(*path);
        for path in PRECIOUS.iter().filter(of_others) {
            for flags in WAYS {
                let refused = open(libc::AT_FDCWD, Path::new(path), flags);
                assert!(
                    matches!(refused, Some(libc::EACCES | libc::EPERM)),
                    "{path} by {flags:o}: {refused:?}"
                );
            }
        }
    });
}
