use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

const ID: &str = "4f3c2b1a0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a";

/// A child that is ended with the value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
    }
}

/// The name is read from a real interpreter; `read` keeps the shell waiting for its input.
#[test]
fn a_script_is_called_by_its_own_name() {
    let path = std::env::temp_dir().join(format!("named-{}.sh", std::process::id()));
    std::fs::write(&path, "read line\n").unwrap();
    let mut command = Command::new("sh");
    command.arg(&path).arg("secret");
    let script = Running::start(command.stdin(std::process::Stdio::piped()));
    // exec() sets its parts one after the other.
    let begin = std::time::Instant::now();
    let (comm, name) = loop {
        let comm = read(script.pid()).unwrap().unwrap().comm;
        let name = display_name(script.pid(), &comm, None);
        if name.is_some() || begin.elapsed().as_secs() > 5 {
            break (comm, name);
        }
    };
    std::fs::remove_file(&path).unwrap();
    let expected = format!("sh named-{}.sh", std::process::id());
    assert_eq!((comm.as_str(), name), ("sh", Some(expected)));
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub(in crate::attribute) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root to become another user");
    }
    root
}

fn facts(pid: u32) -> Option<ProcessFacts> {
    read(pid).unwrap()
}

fn sleep() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60");
    command
}

fn renamed(name: &[u8]) -> ProcessFacts {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("tcptrace-comm-{}-{call}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    // The kernel takes the name from the file that is executed.
    let program = dir.join(std::ffi::OsStr::from_bytes(name));
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let child = Running::start(Command::new(&program).arg("60"));
    let facts = facts(child.pid()).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    facts
}

#[test]
fn facts_of_this_process_are_those_the_system_tells() {
    let facts = facts(std::process::id()).unwrap();
    assert_eq!(facts.pid, std::process::id());
    assert_eq!(Some(facts.ppid), std::os::unix::process::parent_id().into());
    assert_eq!(facts.exe, Some(std::env::current_exe().unwrap()));
    assert_eq!(facts.uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(
        facts.threads as usize,
        std::fs::read_dir("/proc/self/task").unwrap().count()
    );
    assert!(facts.start_ticks > 0);
    assert!(facts.cgroup.is_some_and(|path| path.starts_with('/')));
}

#[test]
fn later_process_starts_later() {
    let child = Running::start(&mut sleep());
    let (ours, theirs) = (
        facts(std::process::id()).unwrap(),
        facts(child.pid()).unwrap(),
    );
    assert!(theirs.start_ticks >= ours.start_ticks);
    assert_eq!(theirs.ppid, ours.pid);
    assert_eq!(theirs.comm, "sleep");
}

#[test]
fn parentheses_blanks_and_line_feeds_stay_in_the_name() {
    let names: [&[u8]; 5] = [
        b"a) R 1 (b",
        b") Z 9",
        b"x\ny",
        b"back\\slash",
        b"tab\there ",
    ];
    for name in names {
        let facts = renamed(name);
        assert_eq!(facts.comm.as_bytes(), name);
        assert_eq!(
            (facts.ppid, facts.threads),
            (std::process::id(), 1),
            "{name:?}"
        );
    }
}

#[test]
fn name_that_is_not_utf8_is_marked_and_not_dropped() {
    assert_eq!(renamed(b"\xff\x1b[31m").comm, "\u{fffd}\u{1b}[31m");
}

#[test]
fn other_user_is_seen_by_its_effective_id() {
    if !is_root() {
        return;
    }
    let child = Running::start(sleep().uid(12345));
    assert_eq!(facts(child.pid()).unwrap().uid, Some(12345));
}

#[test]
fn zombie_has_a_name_but_no_executable() {
    let mut child = Running::start(&mut sleep());
    child.kill();
    let became_zombie = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        let text = std::fs::read(format!("/proc/{}/stat", child.pid())).unwrap();
        parse_stat(&text).unwrap().state == 'Z'
    });
    assert!(became_zombie);
    let facts = facts(child.pid()).unwrap();
    assert_eq!((facts.comm.as_str(), facts.exe), ("sleep", None));
}

#[test]
fn ended_process_is_none() {
    let child = Running::start(&mut sleep());
    let pid = child.pid();
    assert!(facts(pid).is_some());
    drop(child);
    assert_eq!(facts(pid), None);
    assert_eq!(facts(0), None);
}

#[test]
fn process_that_ends_while_being_read_is_whole_or_none() {
    for _ in 0..200 {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        let reader = std::thread::spawn(move || {
            while let Some(facts) = facts(pid) {
                assert!(facts.uid.is_some() && facts.cgroup.is_some(), "{facts:?}");
            }
        });
        child.wait().unwrap();
        reader.join().unwrap();
    }
}

#[test]
fn kernel_thread_has_no_executable() {
    // kthreadd is always process 2, except where a PID namespace hides the kernel's threads.
    if let Some(facts) = facts(2).filter(|facts| facts.comm == "kthreadd") {
        assert_eq!((facts.exe, facts.ppid), (None, 0));
    }
}

#[test]
fn descendants_of_a_shell_are_found_and_strangers_are_not() {
    let stranger = Running::start(&mut sleep());
    // Two levels; `wait` keeps the shells alive.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "sh -c 'sleep 60 & wait' & wait"])
        .process_group(0);
    let shell = Running::start(&mut shell);
    let family = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        let found = children_closure(&[identity(shell.pid())]).unwrap();
        let is_asleep = |(pid, _): &(u32, u64)| facts(*pid).is_some_and(|f| f.comm == "sleep");
        found.iter().any(is_asleep).then_some(found)
    });
    let group = rustix::process::Pid::from_raw(shell.pid().cast_signed()).unwrap();
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let family = family.unwrap();
    assert_eq!(family.len(), 3, "{family:?}");
    let pids: Vec<u32> = family.iter().map(|(pid, _)| *pid).collect();
    assert!(pids.contains(&shell.pid()));
    assert!(!pids.contains(&stranger.pid()) && !pids.contains(&std::process::id()));
}

#[test]
fn a_process_that_was_given_the_number_of_a_root_has_no_children_for_it() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 60 & wait"]).process_group(0);
    let shell = Running::start(&mut shell);
    let (pid, start) = identity(shell.pid());
    let has_child = |root| children_closure(&[root]).unwrap().len() > 1;
    let is_there = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        has_child((pid, start))
    });
    let is_strangers = has_child((pid, start - 1));
    let group = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    assert!(is_there && !is_strangers);
}

fn identity(pid: u32) -> (u32, u64) {
    (pid, facts(pid).unwrap().start_ticks)
}

#[test]
fn circle_of_parents_does_not_hang() {
    assert_eq!(
        descendants(&[1], [(2, 1), (1, 2), (3, 3)]),
        HashSet::from([1, 2])
    );
}

#[test]
fn every_process_of_the_system_can_be_read() {
    let pids = all_pids().unwrap();
    assert!(pids.contains(&std::process::id()));
    let broken: Vec<u32> = pids
        .into_iter()
        .filter(|pid| facts(*pid).is_none() && Path::new(&format!("/proc/{pid}/stat")).exists())
        // One that ended between the two looks is not broken.
        .filter(|pid| std::fs::read(format!("/proc/{pid}/stat")).is_ok())
        .collect();
    assert_eq!(broken, Vec::<u32>::new());
}

#[test]
fn a_container_is_found_in_any_hierarchy() {
    let text = format!("4:memory:/docker/{ID}\n0::/system.slice/a.service\n");
    let found = container(text.as_bytes()).unwrap();
    assert_eq!(found.id.as_deref(), Some(ID));
    assert_eq!(container(b"0::/system.slice/a.service\n"), None);
}

#[test]
fn most_telling_hierarchy_is_chosen() {
    let docker = format!("/docker/{ID}");
    let v1 = format!("4:memory:{docker}\n2:cpu:/x\n1:name=systemd:/system.slice/a\n0::/\n");
    assert_eq!(cgroup_path(v1.as_bytes()), Some(docker));
    let path = |text: &str| cgroup_path(text.as_bytes());
    let systemd = path("4:memory:/m\n1:name=systemd:/system.slice/a:b\n0::/\n");
    assert_eq!(systemd.as_deref(), Some("/system.slice/a:b"));
    assert_eq!(path("4:memory:/m\n0::/v2\n").as_deref(), Some("/v2"));
    assert_eq!(
        path("9:name=systemd:/\n4:memory:/m\n0::/\n").as_deref(),
        Some("/m")
    );
    assert_eq!(path("0::/\n").as_deref(), Some("/"));
    assert_eq!(path(""), None);
}

proptest! {
    #[test]
    fn any_bytes_are_proc_text(bytes: Vec<u8>) {
        let _ = (parse_stat(&bytes), parse_effective_uid(&bytes));
        let _ = (cgroup_path(&bytes), container(&bytes));
    }

    #[test]
    fn damaged_real_text_never_panics(
        name in prop::sample::select(vec!["stat", "status", "cgroup"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut: prop::sample::Index,
    ) {
        let mut text = std::fs::read(format!("/proc/self/{name}")).unwrap();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(cut.index(text.len() + 1));
        let _ = (parse_stat(&text), parse_effective_uid(&text));
        let _ = (cgroup_path(&text), container(&text));
    }

    #[test]
    fn every_name_leaves_the_numbers_readable(name: String, ppid: u32, threads: u32, ticks: u64) {
        let text = format!("7 ({name}) S {ppid}{} {threads} 0 {ticks} 1 2\n", " 5".repeat(15));
        let stat = parse_stat(text.as_bytes()).unwrap();
        prop_assert_eq!((stat.ppid, stat.threads, stat.start_ticks), (ppid, threads, ticks));
        prop_assert_eq!(stat.comm, name);
    }
}
