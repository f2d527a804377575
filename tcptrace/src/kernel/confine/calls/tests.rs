use std::collections::BTreeSet;
use std::fmt::Write;

use rustix::thread::set_no_new_privs;

use super::*;

/// Runs `work` on a thread of its own, which alone is filtered and ends then.
fn filtered(phase: Phase, command: Option<u32>, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        set_no_new_privs(true).expect("no new privileges");
        apply(phase, command, false).expect("filtered");
        work();
    });
    thread.join().expect("every claim holds");
}

/// The error of a call of up to three numbers, none of which is the address of anything.
fn call(number: libc::c_long, arguments: [i64; 3]) -> Option<i32> {
    let [one, two, three] = arguments;
    // SAFETY: the callers pass numbers that the kernel refuses, or that name nothing.
    let answer = unsafe { libc::syscall(number, one, two, three, 0, 0, 0) };
    (answer < 0)
        .then(|| io::Error::last_os_error().raw_os_error())
        .flatten()
}

#[test]
fn a_call_stands_once_in_each_phase() {
    for phase in Phase::ALL {
        let mut seen = BTreeSet::new();
        for (name, number) in rows(phase).flat_map(|row| row.calls) {
            assert!(seen.insert(number), "{name} in {phase:?}");
            assert!(*number <= NEWEST.into(), "{name}");
            assert!(!ABSENT.contains(&(name, *number)), "{name}");
        }
        let length = compiled(
            allowed(phase, Some(1)).unwrap(),
            SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        );
        // The kernel takes no more (BPF_MAXINSNS).
        assert!(length.unwrap().len() < 4096 - absent().len());
    }
}

/// Of all numbers there are, only those in the table get past the filter.
#[test]
fn what_is_not_in_the_table_is_refused() {
    for phase in Phase::ALL {
        let listed: BTreeSet<_> = rows(phase)
            .flat_map(|row| row.calls.iter().map(|(_, number)| *number))
            .collect();
        filtered(phase, None, move || {
            // uretprobe and uprobe, which the kernel keeps for probed code (SIGILL or an error for others), do
            // not pass by filters (6.14).
            let kernels_own = 335..=336;
            let is_tried = |number: &i64| !listed.contains(number) && !kernels_own.contains(number);
            for number in (0..=600).filter(is_tried) {
                let refused = call(number, [-1, -1, -1]);
                let is_absent = ABSENT.iter().any(|(_, absent)| *absent == number);
                let expected = if is_absent || number > NEWEST.into() {
                    libc::ENOSYS
                } else {
                    libc::EPERM
                };
                assert_eq!(refused, Some(expected), "{number} in {phase:?}");
            }
            // getpid by the x32 way of calling.
            assert_eq!(call(0x4000_0000 + 39, [0; 3]), Some(libc::ENOSYS));
        });
    }
}

#[test]
fn only_network_namespaces_can_be_entered() {
    filtered(Phase::Run, None, || {
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
    filtered(Phase::Run, None, || {
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
    filtered(Phase::Run, None, || {
        for command in [0, 5, 6, 7, 8, 9, 10, 13, 17, 19, 28, 29, 30, 34, 35, 36] {
            assert_eq!(call(libc::SYS_bpf, [command, 0, 0]), Some(libc::EPERM));
        }
        // A look-up in no map: BPF_MAP_LOOKUP_ELEM is 1.
        assert_ne!(call(libc::SYS_bpf, [1, 0, 0]), Some(libc::EPERM));
    });
}

#[test]
fn signals_reach_nobody_else() {
    filtered(Phase::Run, None, || {
        let ours = i64::from(std::process::id());
        assert_eq!(call(libc::SYS_kill, [ours, 0, 0]), None);
        for other in [0, 1, -1, -ours] {
            assert_eq!(call(libc::SYS_kill, [other, 0, 0]), Some(libc::EPERM));
        }
        assert_eq!(call(libc::SYS_tgkill, [1, 1, 0]), Some(libc::EPERM));
        assert_eq!(call(libc::SYS_tkill, [1, 0, 0]), Some(libc::EPERM));
        // The kernel would send them for the descriptor.
        // F_SETSIG and F_SETOWN_EX (fcntl.h), which libc does not name everywhere.
        for command in [libc::F_SETOWN, 10, 15] {
            let refused = call(libc::SYS_fcntl, [0, i64::from(command), 1]);
            assert_eq!(refused, Some(libc::EPERM));
        }
    });
}

#[test]
fn the_traced_command_can_be_asked_to_end_and_no_more() {
    // A number that no process has: what gets through finds nobody.
    let command = libc::pid_t::MAX.cast_unsigned();
    filtered(Phase::Run, Some(command), move || {
        let signal = |pid: u32, signal: libc::c_int| {
            call(libc::SYS_kill, [i64::from(pid), signal.into(), 0])
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
    for phase in Phase::ALL {
        filtered(phase, None, || {
            let sum = std::thread::spawn(|| vec![1_u8; 1 << 22].len()).join();
            assert_eq!(sum.expect("no panic"), 1 << 22);
            let code = i64::from(libc::PROT_READ | libc::PROT_EXEC);
            for number in [libc::SYS_mmap, libc::SYS_mprotect] {
                assert_eq!(call(number, [0, 4096, code]), Some(libc::EPERM));
            }
            let flags = i64::from(libc::SIGCHLD);
            assert_eq!(call(libc::SYS_clone, [flags, 0, 0]), Some(libc::EPERM));
        });
    }
}

#[test]
fn nothing_is_typed_into_the_terminal() {
    filtered(Phase::Run, None, || {
        let ask = |request: u64| call(libc::SYS_ioctl, [-1, request.cast_signed(), 0]);
        for typing in [0x5412, 0x541c] {
            assert_eq!(ask(typing), Some(libc::EPERM));
        }
        assert_eq!(ask(libc::TIOCGWINSZ), Some(libc::EBADF), "its size");
    });
}

#[test]
fn a_refused_call_names_itself_and_fails_when_that_is_asked_for() {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    let (mut reported, stderr) = io::pipe().expect("a pipe");
    // SAFETY: the child calls nothing but allocation, which glibc and musl allow after a fork, and system
    // calls, and does not return.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let is_reported = set_no_new_privs(true).is_ok()
            // SAFETY: integers only.
            && unsafe { libc::dup2(stderr.as_raw_fd(), libc::STDERR_FILENO) } >= 0
            && apply(Phase::Run, None, true).is_ok()
            && call(libc::SYS_ptrace, [0; 3]) == Some(libc::EPERM);
        // SAFETY: it ends this child.
        unsafe { libc::_exit(i32::from(!is_reported)) };
    }
    drop(stderr);
    let mut text = String::new();
    reported.read_to_string(&mut text).expect("text");
    let mut status = -1;
    // SAFETY: our child, and room for its status.
    let _ = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "{text}");
    let expected = format!("system call {:>5} is refused\n", libc::SYS_ptrace);
    assert!(text.ends_with(&expected), "{text}");
}

/// By interrupt 0x80 the same numbers mean other calls: 11 is execve there.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_32_bit_way_of_calling_ends_the_process() {
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        if set_no_new_privs(true).is_ok() && apply(Phase::Run, None, false).is_ok() {
            let mut answer = 20_i32;
            // SAFETY: getpid(), which 20 is there.
            unsafe { std::arch::asm!("int 0x80", inout("eax") answer) };
            std::hint::black_box(answer);
        }
        // SAFETY: it ends this child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child, and room for its status.
    let _ = unsafe { libc::waitpid(child, &raw mut status, 0) };
    // A kernel without that way of calling answers with SIGSEGV.
    assert!(libc::WIFSIGNALED(status), "{status:#x}");
}

/// `cargo test` prints what should stand there when it does not.
#[test]
fn the_documentation_has_the_table() {
    let mut table =
        String::from("| for | system calls | only | `replay` | `report` | attached | recorder |\n");
    table.push_str("|---|---|---|:-:|:-:|:-:|:-:|\n");
    for row in TABLE.iter().filter(|row| !row.calls.is_empty()) {
        let names: Vec<_> = row.calls.iter().map(|(name, _)| &name[4..]).collect();
        let _ = write!(
            table,
            "| {} | {} | {} |",
            row.why,
            names.join(", "),
            row.in_words
        );
        for phase in Phase::ALL {
            let mark = if row.phases.contains(&phase) { "x" } else { "" };
            let _ = write!(table, " {mark} |");
        }
        table.push('\n');
    }
    let documentation = include_str!("../../../../../docs/privileges.md");
    // Of x86-64; elsewhere the rows of older names are not there.
    let is_there = cfg!(not(target_arch = "x86_64")) || documentation.contains(&table);
    assert!(is_there, "docs/privileges.md is to have:\n{table}");
}
