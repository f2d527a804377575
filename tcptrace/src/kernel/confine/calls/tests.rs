use std::fs::File;
use std::io::ErrorKind;

use rustix::thread::set_no_new_privs;

use super::*;

/// Runs `work` on a thread of its own, which alone is filtered and ends then.
fn filtered(may_write: bool, work: impl FnOnce() + Send + 'static) {
    filtered_with(may_write, None, work);
}

/// The same with a traced command.
fn filtered_with(may_write: bool, command: Option<u32>, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        set_no_new_privs(true).expect("no new privileges");
        apply(may_write, command, 0).expect("filtered");
        work();
    });
    thread.join().expect("every claim holds");
}

/// The error of a system call.
fn errno(answer: impl Into<i64>) -> Option<i32> {
    (answer.into() < 0)
        .then(|| io::Error::last_os_error().raw_os_error())
        .flatten()
}

/// A call of up to three numbers, none of which is the address of anything.
fn call(number: c_long, arguments: [c_long; 3]) -> Option<i32> {
    let [one, two, three] = arguments;
    // SAFETY: the callers pass numbers that the kernel refuses, or that name nothing.
    errno(unsafe { libc::syscall(number, one, two, three, 0, 0, 0) })
}

#[test]
fn what_is_never_needed_is_refused() {
    filtered(true, || {
        for number in NEVER.iter().chain(NEVER_OLD) {
            assert_eq!(call(*number, [-1, -1, -1]), Some(libc::EPERM), "{number}");
        }
        for number in ABSENT {
            assert_eq!(call(*number, [-1, 0, 0]), Some(libc::ENOSYS), "{number}");
        }
    });
}

#[test]
fn only_network_namespaces_can_be_entered() {
    filtered(false, || {
        let enter = |kind: libc::c_int| call(libc::SYS_setns, [-1, kind.into(), 0]);
        assert_eq!(enter(libc::CLONE_NEWNET), Some(libc::EBADF));
        for kind in [
            libc::CLONE_NEWNS,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWUSER,
            0,
        ] {
            assert_eq!(enter(kind), Some(libc::EPERM), "{kind}");
        }
    });
}

#[test]
fn no_socket_but_for_lists_of_sockets() {
    filtered(false, || {
        let open = |family: libc::c_int, protocol: libc::c_int| {
            call(
                libc::SYS_socket,
                [family.into(), libc::SOCK_RAW.into(), protocol.into()],
            )
        };
        assert_eq!(open(libc::AF_NETLINK, libc::NETLINK_SOCK_DIAG), None);
        for (family, protocol) in [
            (libc::AF_NETLINK, libc::NETLINK_ROUTE),
            (libc::AF_INET, libc::IPPROTO_TCP),
            (libc::AF_INET6, libc::NETLINK_SOCK_DIAG),
            (libc::AF_UNIX, 0),
            (libc::AF_PACKET, 0),
        ] {
            assert_eq!(open(family, protocol), Some(libc::EPERM), "{family}");
        }
    });
}

#[test]
fn maps_can_be_used_and_nothing_be_loaded() {
    filtered(false, || {
        let refused = Some(libc::EPERM);
        for command in (0..40).filter(|number| !MAP_COMMANDS.contains(number)) {
            assert_eq!(call(libc::SYS_bpf, [command.into(), 0, 0]), refused);
        }
        let is_root = rustix::process::geteuid().is_root();
        assert!(!is_root || !crate::kernel::confine::maps_are_refused());
    });
}

#[test]
fn signals_reach_nobody_else() {
    filtered(false, || {
        let pid = c_long::from(std::process::id());
        assert_eq!(call(libc::SYS_kill, [pid, 0, 0]), None);
        assert_eq!(call(libc::SYS_kill, [1, 0, 0]), Some(libc::EPERM));
        assert_eq!(call(libc::SYS_kill, [-1, 0, 0]), Some(libc::EPERM));
        assert_eq!(call(libc::SYS_tgkill, [1, 1, 0]), Some(libc::EPERM));
    });
}

#[test]
fn the_traced_command_can_be_asked_to_end_and_no_more() {
    // A number that no process has: what gets through finds nobody.
    let command = libc::pid_t::MAX.cast_unsigned();
    filtered_with(false, Some(command), move || {
        let signal = |pid: u32, signal: libc::c_int| {
            call(libc::SYS_kill, [c_long::from(pid), signal.into(), 0])
        };
        for allowed in [libc::SIGTERM, libc::SIGHUP] {
            assert_eq!(signal(command, allowed), Some(libc::ESRCH));
        }
        for refused in [0, libc::SIGKILL, libc::SIGSTOP, libc::SIGINT] {
            assert_eq!(signal(command, refused), Some(libc::EPERM));
        }
        assert_eq!(signal(1, libc::SIGTERM), Some(libc::EPERM));
        assert_eq!(signal(std::process::id(), 0), None);
    });
}

#[test]
fn threads_can_be_started_and_memory_be_had_but_no_code() {
    filtered(false, || {
        let sum = std::thread::spawn(|| vec![1_u8; 1 << 22].len()).join();
        assert_eq!(sum.expect("no panic"), 1 << 22);
        // SAFETY: the kernel chooses the address of a new mapping, which nobody uses.
        let code = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_eq!(code, libc::MAP_FAILED);
        let flags = c_long::from(libc::SIGCHLD);
        assert_eq!(call(libc::SYS_clone, [flags, 0, 0]), Some(libc::EPERM));
    });
}

#[test]
fn nothing_is_typed_into_the_terminal() {
    filtered(false, || {
        let ask = |request: u64| call(libc::SYS_ioctl, [-1, request.cast_signed(), 0]);
        for request in TYPING {
            assert_eq!(ask(request), Some(libc::EPERM));
        }
        assert_eq!(ask(TYPING[0] + 1), Some(libc::EBADF), "its size");
    });
}

#[test]
fn files_are_written_only_where_that_is_the_task() {
    let directory = std::env::temp_dir().join(format!("tcptrace-calls-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("a directory");
    let (first, second) = (directory.join("first"), directory.join("second"));
    std::fs::write(&first, b"before").expect("a file");
    let (old, new) = (first.clone(), second.clone());
    filtered(false, move || {
        let refused = |answer: io::Result<()>| {
            answer.expect_err("refused").kind() == ErrorKind::PermissionDenied
        };
        assert_eq!(std::fs::read(&old).expect("readable"), b"before");
        assert!(refused(File::create(&new).map(drop)));
        assert!(refused(File::options().append(true).open(&old).map(drop)));
        assert!(refused(
            File::options().read(true).write(true).open(&old).map(drop)
        ));
        assert!(refused(std::fs::rename(&old, &new)));
        assert!(refused(std::fs::remove_file(&old)));
    });
    filtered(true, move || {
        std::fs::rename(&first, &second).expect("renamed");
        File::create(&first).expect("made");
        std::fs::remove_file(&first).expect("removed");
        std::fs::remove_file(&second).expect("removed");
    });
    std::fs::remove_dir(&directory).expect("empty");
}
