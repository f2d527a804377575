use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::*;

/// A child that is ended with the value.
pub(in crate::attribute) struct Running(Child);

impl Running {
    pub(in crate::attribute) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn sleep() -> Self {
        Self::start(Command::new("sleep").arg("60"))
    }

    fn facts(&self) -> proc::ProcessFacts {
        proc::read(self.0.id()).unwrap().unwrap()
    }

    /// As the kernel side would report it.
    pub(in crate::attribute) fn heard(&self, comm: &str, basis: Basis) -> ReportedOwner {
        heard(self.0.id(), self.facts().start_ticks, comm, basis)
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

pub(in crate::attribute) fn heard(
    pid: u32,
    start_ticks: u64,
    comm: &str,
    basis: Basis,
) -> ReportedOwner {
    let mut bytes = [0; 16];
    bytes[..comm.len()].copy_from_slice(comm.as_bytes());
    ReportedOwner {
        pid,
        tid: pid + 1,
        start_ticks,
        comm: bytes,
        uid: Some(4242),
        basis,
        holders: None,
        is_followed: false,
        has_listener_file: false,
        holds: false,
        is_current: false,
        is_discarded: false,
    }
}

fn ends_with(process: &Process, name: &str) -> bool {
    process
        .exe
        .as_deref()
        .is_some_and(|exe| exe.ends_with(name))
}

#[test]
fn living_process_is_named_by_proc() {
    let child = Running::sleep();
    let facts = child.facts();
    let owner = Processes::default().owner(&child.heard("older name", Basis::Socket), 0);
    assert_eq!(*owner.process, from_facts(facts));
    assert_eq!(owner.process.comm, "sleep");
    assert!(owner.process.exe.is_some());
    assert_ne!(owner.process.uid, Some(4242));
}

#[test]
fn dead_process_keeps_its_heard_name() {
    let mut child = Running::sleep();
    let heard = child.heard("was here", Basis::Task);
    child.end();
    let owner = Processes::default().owner(&heard, 0);
    let expected = Process {
        pid: heard.pid,
        start_ticks: Some(heard.start_ticks),
        comm: "was here".to_owned(),
        exe: None,
        uid: Some(4242),
        cgroup: None,
        container: None,
        ..Process::default()
    };
    assert_eq!(*owner.process, expected);
}

#[test]
fn process_known_before_its_death_keeps_what_proc_told() {
    let mut child = Running::sleep();
    let heard = child.heard("sleep", Basis::Task);
    let mut processes = Processes::default();
    let alive = processes.owner(&heard, 0).process;
    child.end();
    assert_eq!(processes.owner(&heard, 0).process, alive);
    // It called itself otherwise just before it ended.
    let renamed = ReportedOwner {
        comm: *b"renamed\0\0\0\0\0\0\0\0\0",
        ..heard
    };
    let last = processes.owner(&renamed, 0).process;
    assert_eq!(last.comm, "renamed");
    assert_eq!((&last.exe, &last.cgroup), (&alive.exe, &alive.cgroup));
}

#[test]
fn exec_replaces_the_name_when_the_process_itself_calls() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "read go; exec sleep 60"]);
    let mut child = Running::start(shell.stdin(Stdio::piped()));
    let mut processes = Processes::default();
    let task = child.heard("sh", Basis::Task);
    let before = processes.owner(&task, 0).process;
    assert_eq!(before.comm, "sh");
    child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let has_changed = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        child.facts().comm == "sleep"
    });
    assert!(has_changed, "the shell never became sleep");
    // What the process itself said at the event stands, whatever it became since.
    let own = child.heard("sh", Basis::Task);
    assert_eq!(processes.owner(&own, 1).process, before);
    // A socket remembers the name of back then: the name of now is asked for, now and then.
    let socket = child.heard("sh", Basis::Socket);
    assert_eq!(processes.owner(&socket, 2).process, before);
    let after = processes.owner(&socket, FRESH_NS + 2).process;
    assert_eq!(after.comm, "sleep");
    assert_ne!(after.exe, before.exe);
    assert!(!ends_with(&after, "/sh"), "{after:?}");
    let own = child.heard("sleep", Basis::Task);
    assert_eq!(processes.owner(&own, FRESH_NS + 3).process.comm, "sleep");
}

#[test]
fn what_was_heard_at_the_event_wins_over_what_proc_says_later() {
    let child = Running::sleep();
    let mut processes = Processes::default();
    let earlier = processes.owner(&child.heard("python3", Basis::Task), 0);
    assert_eq!(earlier.process.comm, "python3");
    assert_eq!(earlier.process.uid, Some(4242));
    // Whose executable it was then is not known any more.
    assert_eq!(earlier.process.exe, None);
    assert_eq!(earlier.process.cgroup, child.facts().cgroup);
    let later = processes.owner(&child.heard("sleep", Basis::Task), 0);
    assert!(ends_with(&later.process, "/sleep") || later.process.exe.is_some());
    let user = ReportedOwner {
        uid: Some(4243),
        ..child.heard("sleep", Basis::Task)
    };
    assert_eq!(processes.owner(&user, 0).process.uid, Some(4243));
}

#[test]
fn process_found_by_its_files_bears_the_name_just_read() {
    let child = Running::sleep();
    let mut processes = Processes::default();
    processes.owner(&child.heard("python3", Basis::Task), 0);
    assert_eq!(processes.found(child.0.id(), 0).unwrap().comm, "sleep");
}

#[test]
fn number_given_to_a_new_process_names_no_old_one() {
    let child = Running::sleep();
    let mut older = child.heard("older", Basis::Task);
    older.start_ticks -= 1;
    let mut processes = Processes::default();
    let owner = processes.owner(&older, 0);
    assert_eq!(
        (owner.process.comm.as_str(), &owner.process.exe),
        ("older", &None)
    );
    let younger = processes.owner(&child.heard("sleep", Basis::Task), 0);
    assert_eq!(younger.process.comm, "sleep");
    assert_eq!(processes.owner(&older, 0).process, owner.process);
}

#[test]
fn thread_is_told_only_for_who_called() {
    let child = Running::sleep();
    let mut processes = Processes::default();
    let mut tid = |basis| processes.owner(&child.heard("sleep", basis), 0).tid;
    let thread = Some(child.0.id() + 1);
    assert_eq!([tid(Basis::Task), tid(Basis::Socket)], [thread; 2]);
    assert_eq!([tid(Basis::Listener), tid(Basis::Snapshot)], [None; 2]);
}

#[test]
fn one_holder_is_no_sharing() {
    let child = Running::sleep();
    let mut processes = Processes::default();
    let mut shared_by = |holders| {
        let heard = child.heard("sleep", Basis::Snapshot);
        processes
            .owner(&ReportedOwner { holders, ..heard }, 0)
            .shared_by
    };
    let told = [None, Some(1), Some(2)].map(&mut shared_by);
    assert_eq!(told, [None, None, Some(2)]);
}

#[test]
fn process_found_by_its_files_is_read_again_after_a_moment() {
    let mut child = Running::sleep();
    let mut processes = Processes::default();
    let pid = child.0.id();
    let process = processes.found(pid, 0).unwrap();
    assert_eq!(process.comm, "sleep");
    child.end();
    // For a moment the answer stands.
    assert_eq!(processes.found(pid, FRESH_NS - 1), Some(process));
    assert_eq!(processes.found(pid, FRESH_NS), None);
}

#[test]
fn a_full_table_forgets_the_longest_unasked_and_still_answers() {
    let mut processes = Processes::default();
    // Above the highest number Linux gives: nobody there.
    let nobody = 4_194_305;
    let most = MOST as u64;
    for start_ticks in 0..most * 3 {
        processes.owner(&heard(nobody, start_ticks, "gone", Basis::Task), 0);
        processes.owner(&heard(nobody, 7, "busy", Basis::Task), 0);
    }
    assert_eq!(processes.known.len(), MOST);
    assert!(processes.known.peek(&(nobody, 7)).is_some());
    assert!(processes.known.peek(&(nobody, most)).is_none());
    assert!(processes.known.peek(&(nobody, most * 3 - 1)).is_some());
    let owner = processes.owner(&heard(nobody, 0, "gone", Basis::Task), 0);
    assert_eq!(owner.process.comm, "gone");
}

#[test]
fn a_name_that_comes_late_is_given_to_the_program_it_was_read_of() {
    let dir = std::env::temp_dir().join(format!("tcptrace-names-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // A program that looks like an interpreter.
    let program = dir.join("python3");
    let sleep = ["/bin/sleep", "/usr/bin/sleep"]
        .into_iter()
        .find(|path| std::fs::copy(path, &program).is_ok());
    assert!(sleep.is_some());
    let child = Running::start(Command::new(&program).arg("60"));
    let named = (0..5_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        child.facts().comm == "python3"
    });
    assert!(named, "it does not start");
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let mut processes = Processes::named_by(move |process| {
        wait.recv().ok()?;
        Some(format!("app-{}", process.pid))
    });
    processes.names.moment = Duration::from_millis(1);
    let heard = child.heard("python3", Basis::Task);
    assert_eq!(processes.owner(&heard, 0).process.name, None);
    assert_eq!(processes.owner(&heard, 1).process.name, None);
    let_go.send(()).unwrap();
    let comes = (0..5_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        processes.take_late();
        processes.waiting(Instant::now()) == Duration::ZERO
    });
    assert!(comes);
    let name = processes.owner(&heard, 2).process.name.clone();
    assert_eq!(name, Some(format!("app-{}", heard.pid)));
    drop(child);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// 100 new processes a second, one of which is asked about all the time.
#[test]
fn the_table_is_no_larger_than_a_minute_of_short_processes() {
    let mut processes = Processes::default();
    let nobody = 4_194_305;
    let mut largest_after_a_minute = 0;
    for number in 0..30_000_u64 {
        let now_ns = number * 10_000_000;
        processes.owner(&heard(nobody, 1_000 + number, "gone", Basis::Task), now_ns);
        processes.owner(&heard(nobody, 7, "busy", Basis::Task), now_ns);
        if now_ns > REMEMBERED_NS {
            largest_after_a_minute = largest_after_a_minute.max(processes.known.len());
        }
    }
    assert!(
        (6_000..6_010).contains(&largest_after_a_minute),
        "{largest_after_a_minute}"
    );
    assert!(processes.known.peek(&(nobody, 7)).is_some());
    assert!(processes.known.peek(&(nobody, 1_000 + 24_500)).is_some());
    assert!(processes.known.peek(&(nobody, 1_000 + 23_500)).is_none());
}
