use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::*;

/// A child that is ended with the value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn sleep() -> Self {
        Self::start(Command::new("sleep").arg("60"))
    }

    fn facts(&self) -> proc::ProcessFacts {
        proc::read(self.0.id()).unwrap().unwrap()
    }

    /// As the kernel side would hear it.
    fn heard(&self, comm: &str, basis: Basis) -> Heard {
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

pub(in crate::attribute) fn heard(pid: u32, start_ticks: u64, comm: &str, basis: Basis) -> Heard {
    let mut bytes = [0; 16];
    bytes[..comm.len()].copy_from_slice(comm.as_bytes());
    Heard {
        pid,
        tid: pid + 1,
        start_ticks,
        comm: bytes,
        uid: Some(4242),
        basis,
        holders: None,
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
    let owner = Processes::default().owner(&child.heard("older name", Basis::Socket));
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
    let owner = Processes::default().owner(&heard);
    let expected = Process {
        pid: heard.pid,
        start_ticks: Some(heard.start_ticks),
        comm: "was here".to_owned(),
        exe: None,
        uid: Some(4242),
        cgroup: None,
        container: None,
    };
    assert_eq!(*owner.process, expected);
}

#[test]
fn process_known_before_its_death_keeps_what_proc_told() {
    let mut child = Running::sleep();
    let heard = child.heard("sleep", Basis::Task);
    let mut processes = Processes::default();
    let alive = processes.owner(&heard).process;
    child.end();
    assert_eq!(processes.owner(&heard).process, alive);
    // It called itself otherwise just before it ended.
    let renamed = Heard {
        comm: *b"renamed\0\0\0\0\0\0\0\0\0",
        ..heard
    };
    let last = processes.owner(&renamed).process;
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
    let before = processes.owner(&task).process;
    assert_eq!(before.comm, "sh");
    child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let has_changed = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        child.facts().comm == "sleep"
    });
    assert!(has_changed, "the shell never became sleep");
    // A socket remembers the name of back then: no news.
    let socket = child.heard("sh", Basis::Socket);
    assert_eq!(processes.owner(&socket).process, before);
    let old_socket = child.heard("another", Basis::Socket);
    assert_eq!(processes.owner(&old_socket).process, before);
    let own = child.heard("sleep", Basis::Task);
    let after = processes.owner(&own).process;
    assert_eq!(after.comm, "sleep");
    assert_ne!(after.exe, before.exe);
    assert!(!ends_with(&after, "/sh"), "{after:?}");
    assert_eq!(processes.owner(&socket).process, after);
}

#[test]
fn number_given_to_a_new_process_names_no_old_one() {
    let child = Running::sleep();
    let mut older = child.heard("older", Basis::Task);
    older.start_ticks -= 1;
    let mut processes = Processes::default();
    let owner = processes.owner(&older);
    assert_eq!(
        (owner.process.comm.as_str(), &owner.process.exe),
        ("older", &None)
    );
    let younger = processes.owner(&child.heard("sleep", Basis::Task));
    assert_eq!(younger.process.comm, "sleep");
    assert_eq!(processes.owner(&older).process, owner.process);
}

#[test]
fn thread_is_told_only_for_who_called() {
    let child = Running::sleep();
    let mut processes = Processes::default();
    let mut tid = |basis| processes.owner(&child.heard("sleep", basis)).tid;
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
        processes.owner(&Heard { holders, ..heard }).shared_by
    };
    let told = [None, Some(1), Some(2)].map(&mut shared_by);
    assert_eq!(told, [None, None, Some(2)]);
}

#[test]
fn process_found_by_its_files_is_a_snapshot() {
    let mut child = Running::sleep();
    let mut processes = Processes::default();
    let pid = child.0.id();
    let owner = processes.found(pid, 0).unwrap();
    assert_eq!(owner.process.comm, "sleep");
    assert_eq!((owner.basis, owner.tid), (Basis::Snapshot, None));
    child.end();
    // Within a second the answer stands.
    assert_eq!(processes.found(pid, SECOND_NS - 1), Some(owner));
    assert_eq!(processes.found(pid, SECOND_NS), None);
}

#[test]
fn full_table_begins_anew_and_still_answers() {
    let mut processes = Processes::default();
    // Above the highest number Linux gives: nobody there.
    let nobody = 4_194_305;
    for start_ticks in 0..=MOST as u64 {
        processes.owner(&heard(nobody, start_ticks, "gone", Basis::Task));
    }
    assert_eq!(processes.known.len(), 1);
    let owner = processes.owner(&heard(nobody, 0, "gone", Basis::Task));
    assert_eq!(owner.process.comm, "gone");
}
