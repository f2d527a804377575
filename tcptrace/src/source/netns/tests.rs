use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use proptest::prelude::*;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::*;

/// A process in a network namespace of its own; ends with the value.
pub(in crate::source) struct Sleeper {
    child: Child,
}

impl Sleeper {
    /// `None`, and said so, when this user may not make namespaces.
    pub(in crate::source) fn in_new_netns() -> Option<Self> {
        may_make_namespaces().then(|| Self::start(UnshareFlags::NEWNET))
    }

    fn start(flags: UnshareFlags) -> Self {
        let mut command = Command::new("sleep");
        command.arg("60");
        // SAFETY: between fork and exec the closure makes one system call, which is
        // async-signal-safe, and unshares nothing that Rust code of this child relies on.
        unsafe { command.pre_exec(move || Ok(unshare_unsafe(flags)?)) };
        Self {
            child: command.spawn().unwrap(),
        }
    }

    pub(in crate::source) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(in crate::source) fn netns(&self) -> Netns {
        let reach = Reach::Pid(self.pid());
        Netns {
            inode: link_inode(&reach.path()).unwrap(),
            reach,
            processes: 1,
        }
    }

    pub(in crate::source) fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.end();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub(in crate::source) fn may_make_namespaces() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root to make network namespaces");
    }
    root
}

/// A private mount namespace with an empty directory, for the time of `f`.
fn with_private_mounts<T: Send>(name: &str, f: impl FnOnce(&Path) -> T + Send) -> T {
    let dir = std::env::temp_dir().join(format!("tcptrace-{name}-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let result = std::thread::scope(|scope| {
        let inside = || {
            // SAFETY: this thread alone gets its own file system context, and it ends below.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.unwrap();
            mount(
                Path::new("none"),
                Path::new("/"),
                libc::MS_REC | libc::MS_PRIVATE,
            );
            f(&dir)
        };
        scope.spawn(inside).join()
    });
    std::fs::remove_dir_all(&dir).unwrap();
    result.unwrap()
}

fn mount(source: &Path, target: &Path, flags: libc::c_ulong) {
    let text = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let (source, target) = (text(source), text(target));
    // SAFETY: both paths are zero-terminated and outlive the call; type and data may be null for
    // bind mounts and changes of propagation.
    let status = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            std::ptr::null(),
            flags,
            std::ptr::null(),
        )
    };
    assert_eq!(status, 0, "mount: {}", io::Error::last_os_error());
}

fn bind(source: &Path, target: &Path) {
    std::fs::write(target, "").unwrap();
    mount(source, target, libc::MS_BIND);
}

fn find(inode: u64) -> Option<Netns> {
    scan()
        .unwrap()
        .found
        .into_iter()
        .find(|netns| netns.inode == inode)
}

#[test]
fn own_namespace_is_always_found_and_counts_this_process() {
    let netns = find(own().unwrap()).unwrap();
    assert_eq!(netns.reach, Reach::Own);
    assert!(netns.processes >= 1);
}

#[test]
fn namespace_of_another_process_is_found_through_its_pid() {
    let Some(mut sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let inode = sleeper.netns().inode;
    assert_eq!(find(inode), Some(sleeper.netns()));
    sleeper.end();
    assert_eq!(find(inode), None);
}

#[test]
fn code_runs_inside_while_the_caller_stays_outside() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let before = own().unwrap();
    let inside = with(&sleeper.netns(), || own().unwrap()).unwrap();
    assert_eq!(inside, sleeper.netns().inode);
    assert_ne!(inside, before);
    assert_eq!(own().unwrap(), before);
}

#[test]
fn namespace_that_changed_behind_its_pid_is_gone() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let stale = Netns {
        inode: sleeper.netns().inode + 1_000_000,
        ..sleeper.netns()
    };
    assert!(matches!(with(&stale, || ()), Err(EnterError::Gone { .. })));
    assert!(matches!(stale.confirm(), Err(EnterError::Gone { .. })));
}

#[test]
fn namespace_of_an_ended_process_is_gone() {
    let Some(mut sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    sleeper.end();
    assert!(matches!(with(&netns, || ()), Err(EnterError::Gone { .. })));
}

#[test]
fn another_process_leads_to_a_namespace_when_the_first_has_ended() {
    let (Some(mut first), Some(sleeper)) = (Sleeper::in_new_netns(), Sleeper::in_new_netns())
    else {
        return;
    };
    let netns = Netns {
        reach: first.netns().reach,
        ..sleeper.netns()
    };
    first.end();
    let inside = with(&netns, || own().unwrap()).unwrap();
    assert_eq!(inside, sleeper.netns().inode);
}

#[test]
fn entering_without_the_privilege_is_a_typed_error() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    let file = open_netns(&netns.reach.path()).unwrap();
    let result = std::thread::spawn(move || {
        // Root without capabilities: those of one thread are dropped, and the thread ends.
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        let through_open_file =
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
        assert_eq!(through_open_file, Err(Errno::PERM));
        with(&netns, || ())
    })
    .join()
    .unwrap();
    assert!(
        matches!(result, Err(EnterError::NotPermitted { .. })),
        "{result:?}"
    );
}

#[test]
fn named_namespace_without_processes_is_found_and_entered() {
    let Some(mut sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let inode = sleeper.netns().inode;
    with_private_mounts("named", |dir| {
        let path = dir.join("blue green");
        bind(&sleeper.netns().reach.path(), &path);
        sleeper.end();
        let netns = find(inode).unwrap();
        assert_eq!(
            netns,
            Netns {
                inode,
                reach: Reach::Named(path),
                processes: 0
            }
        );
        assert_eq!(with(&netns, || own().unwrap()).unwrap(), inode);
        assert_eq!(resolve_in("blue green", dir).unwrap(), inode);
    });
}

#[test]
fn other_kinds_of_namespace_do_not_pass_for_a_network_one() {
    if !may_make_namespaces() {
        return;
    }
    with_private_mounts("kinds", |dir| {
        bind(Path::new("/proc/self/ns/uts"), &dir.join("uts"));
        std::fs::write(dir.join("plain"), "").unwrap();
        for name in ["uts", "plain"] {
            assert!(
                matches!(resolve_in(name, dir), Err(ResolveError::NotNetns(_))),
                "{name}"
            );
        }
        assert!(matches!(
            resolve_in("none", dir),
            Err(ResolveError::NoName(_))
        ));
        let uts = std::fs::metadata("/proc/self/ns/uts").unwrap();
        assert_eq!(find(std::os::unix::fs::MetadataExt::ino(&uts)), None);
    });
}

#[test]
fn a_number_is_a_process() {
    assert_eq!(
        resolve(&std::process::id().to_string()).unwrap(),
        own().unwrap()
    );
    // Above the largest pid_max the kernel allows.
    assert!(matches!(
        resolve("4194305"),
        Err(ResolveError::NoProcess(4_194_305))
    ));
}

#[test]
fn inode_is_taken_as_it_is() {
    assert_eq!(resolve("inode:4026531840").unwrap(), 4_026_531_840);
}

#[test]
fn what_is_no_specification_is_refused() {
    for spec in [
        "",
        ".",
        "..",
        "../x",
        "/run/netns/x",
        "inode:",
        "inode:0",
        "inode:+1",
        "inode:x",
        "inode:-1",
        "99999999999999999999",
        "a\0b",
    ] {
        assert!(
            matches!(resolve(spec), Err(ResolveError::Syntax(_))),
            "{spec:?}"
        );
    }
}

#[test]
fn octal_escapes_in_mount_points_are_undone() {
    let line = b"36 35 0:4 net:[4026532208] /run/a\\040b\\134c rw shared:1 - nsfs nsfs rw\n";
    let path = PathBuf::from("/run/a b\\c");
    assert_eq!(
        parse_mounts(line),
        [Mount {
            inode: 4_026_532_208,
            path
        }]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_mount_table(bytes: Vec<u8>) {
        let _ = parse_mounts(&bytes);
        let _ = parse_link(&bytes);
    }

    #[test]
    fn damaged_mount_lines_never_panic(
        at in 0_usize..80,
        byte: u8,
        cut in 0_usize..80,
    ) {
        let mut line = b"36 35 0:4 net:[4026532208] /run/a\\040b\\134c rw shared:1 - nsfs nsfs rw\n".to_vec();
        if let Some(place) = line.get_mut(at) {
            *place = byte;
        }
        line.truncate(cut);
        prop_assert!(parse_mounts(&line).len() <= 2);
    }

    #[test]
    fn any_specification_is_answered(spec: String) {
        let _ = resolve(&spec);
    }

    #[test]
    fn escaping_is_undone_for_every_name(name: Vec<u8>) {
        let mut escaped = Vec::new();
        for byte in &name {
            match byte {
                b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").bytes()),
                other => escaped.push(*other),
            }
        }
        prop_assert_eq!(unescape(&escaped).into_vec(), name);
    }
}
