//! Why accept() is late: each cause from plain data, and what must not be taken for one.

use std::sync::Arc;

use super::{found, listener, with_listener};
use crate::model::activity::{Activity, Call, Cgroup, Holder, Thread, Throttled, Tracer};
use crate::model::finding::Finding;
use crate::model::incident::LimitedBy;
use crate::model::rows::{AcceptWaits, Group, ListenerRow};
use crate::model::survey::WayIn;
use crate::model::{Endpoint, Process};

fn thread(tid: u32, state: char) -> Thread {
    Thread {
        tid,
        comm: format!("worker-{tid}"),
        state,
        cpu_ms: Some(3),
        runnable_ms: Some(2),
        has_run: Some(true),
        kernel_function: None,
        call: None,
    }
}

fn call(name: &'static str, descriptor: Option<u32>, file: Option<&str>) -> Call {
    Call {
        name: Some(name),
        number: 77,
        descriptor,
        file: file.map(str::to_owned),
        peer: None,
    }
}

/// A thread that has been in a call all the time.
fn asleep(tid: u32, in_call: Call) -> Thread {
    Thread {
        call: Some(in_call),
        cpu_ms: Some(0),
        has_run: Some(false),
        ..thread(tid, 'S')
    }
}

fn activity(pid: u32, threads: Vec<Thread>) -> Activity {
    Activity {
        process: Arc::new(Process {
            pid,
            comm: "payments".to_owned(),
            ..listener(0, 0, None).owner.unwrap().process.as_ref().clone()
        }),
        parent: 1,
        looked_ms: 2000,
        tracer: None,
        thread_count: u32::try_from(threads.len()).unwrap(),
        threads,
        cpu_ms: Some(10),
        open_files: Some(17),
        open_files_limit: Some(1024),
        cgroup: Cgroup::default(),
        watched: None,
    }
}

fn holder(activity: Activity) -> Holder {
    Holder {
        activity: Arc::new(activity),
        is_watching: None,
        is_accepting: false,
    }
}

fn held_by(holders: Vec<Holder>) -> ListenerRow {
    ListenerRow {
        pids: holders.iter().map(|one| one.activity.process.pid).collect(),
        holders,
        ..listener(129, 128, Some(LimitedBy::Somaxconn))
    }
}

fn finding(row: ListenerRow) -> Finding {
    let mut found = found(&with_listener(row, WayIn::Own));
    assert_eq!(found[0].id, "accept_queue_full");
    found.remove(0)
}

/// The finding on a listener that this process alone holds.
fn finding_of(activity: Activity) -> Finding {
    finding(held_by(vec![holder(activity)]))
}

/// What the finding says, and the evidence that comes behind that of the queue and the counters.
#[track_caller]
fn says(finding: &Finding, why: &str, do_first: &str, evidence: &str, source: &str) {
    assert!(finding.why.contains(why), "{}", finding.why);
    assert!(finding.do_first.contains(do_first), "{}", finding.do_first);
    let proof = finding.evidence.iter().find(|proof| proof.source == source);
    let text = proof.map_or("", |proof| proof.text.as_str());
    assert!(text.contains(evidence), "{:?}", finding.evidence);
}

#[test]
fn without_a_cause_the_finding_is_as_before() {
    for row in [
        held_by(Vec::new()),
        // It runs, it waits now and then, it has descriptors enough: nothing explains the queue.
        held_by(vec![holder(Activity {
            cpu_ms: Some(900),
            ..activity(42, vec![thread(42, 'R')])
        })]),
    ] {
        let finding = finding(row);
        assert!(
            finding
                .why
                .starts_with("The process does not call accept()")
        );
        assert_eq!(finding.evidence.len(), 1);
        assert!(finding.do_then.is_some());
    }
}

#[test]
fn stopped_traced_and_frozen_processes_need_no_longer_queue() {
    let stopped = activity(42, vec![thread(42, 'T'), thread(43, 'T')]);
    let finding = finding_of(stopped.clone());
    says(
        &finding,
        "payments (42) is stopped by a signal",
        "kill -CONT 42",
        "all 2 threads are in state T",
        "/proc/42/stat",
    );
    assert_eq!(finding.do_then, None);
    let traced = Activity {
        tracer: Some(Tracer {
            pid: 99,
            comm: Some("gdb".to_owned()),
        }),
        ..activity(42, vec![thread(42, 't')])
    };
    says(
        &finding_of(traced.clone()),
        "payments (42) is stopped by gdb (process 99), which traces it",
        "end process 99",
        "its only thread is in state t",
        "/proc/42/stat",
    );
    // strace does not stop it permanently: it is only reported as evidence.
    let watched = Activity {
        threads: vec![asleep(42, call("futex", None, None))],
        ..traced
    };
    says(
        &finding_of(watched),
        "blocked in futex()",
        "lock",
        "gdb (99) traces it",
        "/proc/42/status",
    );
    let frozen = Activity {
        cgroup: Cgroup {
            frozen: Some("/docker/abc".to_owned()),
            ..Cgroup::default()
        },
        ..activity(42, vec![thread(42, 'S')])
    };
    says(
        &finding_of(frozen),
        "frozen with its control group /docker/abc",
        "docker unpause",
        "/docker/abc is frozen",
        "cgroup",
    );
    // One thread that is stopped alone says nothing of the others.
    let one = finding_of(activity(42, vec![thread(42, 'R'), thread(43, 'T')]));
    assert!(!one.why.contains("stopped"), "{}", one.why);
}

#[test]
fn descriptors_count_against_their_limit() {
    let open = |open_files, limit| {
        finding_of(Activity {
            open_files: Some(open_files),
            open_files_limit: Some(limit),
            ..activity(42, vec![thread(42, 'S')])
        })
    };
    says(
        &open(24, 24),
        "payments (42) has 24 of 24 file descriptors open",
        "prlimit --pid 42 --nofile=1024",
        "it may open 24",
        "/proc/42/limits",
    );
    assert!(open(23, 24).why.contains("23 of 24"));
    assert!(!open(22, 24).why.contains("descriptors"));
}

#[test]
fn waiting_in_the_kernel_for_a_disk() {
    let stuck = Thread {
        kernel_function: Some("rpc_wait_bit_killable".to_owned()),
        has_run: Some(false),
        ..thread(42, 'D')
    };
    says(
        &finding_of(activity(42, vec![stuck.clone()])),
        "payments (42) waits inside the kernel in rpc_wait_bit_killable",
        "cat /proc/42/stack",
        "state D in rpc_wait_bit_killable",
        "/proc/42/stat",
    );
    // A moment in D is a page that is read.
    let passing = Thread {
        has_run: Some(true),
        ..stuck
    };
    assert!(
        !finding_of(activity(42, vec![passing]))
            .why
            .contains("state D")
    );
}

#[test]
fn who_has_no_time_and_who_gets_none() {
    let computing = |cpu_ms, runnable_ms| Thread {
        cpu_ms: Some(cpu_ms),
        runnable_ms: Some(runnable_ms),
        ..thread(43, 'R')
    };
    let with = |one: Thread| activity(42, vec![thread(42, 'S'), one]);
    let busy = finding_of(with(computing(1900, 60)));
    says(
        &busy,
        "payments (42) is busy: thread worker-43 (43) used a CPU for 95 % of the time",
        "perf top -p 42",
        "1900 ms on a CPU and 60 ms waiting for one, within 2.0 s",
        "/proc/42/schedstat",
    );
    assert!(busy.do_then.is_some(), "a longer queue bridges a peak");
    says(
        &finding_of(with(computing(400, 1500))),
        "gets too little CPU: thread worker-43 (43) was ready to run but waited for a CPU for 75 %",
        "top",
        "400 ms on a CPU and 1500 ms",
        "/proc/42/schedstat",
    );
    // One interpreter lock, many threads.
    let together = Activity {
        cpu_ms: Some(1950),
        ..activity(42, vec![thread(42, 'S'), thread(43, 'R'), thread(44, 'R')])
    };
    says(
        &finding_of(together),
        "its threads together used 97 % of a CPU",
        "perf top",
        "1950 ms on CPUs",
        "/proc/42/stat",
    );
    let quota = |throttled| {
        finding_of(Activity {
            cgroup: Cgroup {
                throttled: Some(Throttled {
                    path: "/kubepods/a".to_owned(),
                    periods: 20,
                    throttled,
                }),
                ..Cgroup::default()
            },
            ..activity(42, vec![thread(42, 'R')])
        })
    };
    says(
        &quota(18),
        "used up the CPU quota of its control group /kubepods/a in 18 of 20 periods",
        "limits.cpu",
        "throttled in 18 of 20 periods within 2.0 s",
        "cpu.stat",
    );
    assert!(!quota(2).why.contains("quota"));
    let short = Activity {
        cgroup: Cgroup {
            memory_stalled_ms: Some(900),
            ..Cgroup::default()
        },
        ..activity(42, vec![thread(42, 'S')])
    };
    says(
        &finding_of(short),
        "probably waits for memory",
        "memory.max",
        "900 ms of 2.0 s",
        "memory.pressure",
    );
}

#[test]
fn a_blocked_call_is_named_with_what_it_waits_for() {
    let mut query = call("recvfrom", Some(12), Some("socket:[8181]"));
    let blocked = |call: &Call| finding_of(activity(42, vec![asleep(42, call.clone())]));
    says(
        &blocked(&query),
        "payments (42) is blocked in recvfrom() on descriptor 12 (socket:[8181]), and none calls accept()",
        "Set a timeout",
        "its only thread is in recvfrom() and has not run within 2.0 s",
        "/proc/42/syscall",
    );
    query.peer = Some(Endpoint {
        addr: [10, 0, 0, 5].into(),
        port: 5432,
    });
    assert!(
        blocked(&query)
            .why
            .contains("on descriptor 12 (TCP to 10.0.0.5:5432)")
    );
    let nap = blocked(&call("clock_nanosleep", None, None));
    assert!(nap.why.contains("clock_nanosleep()") && nap.do_first.contains("sleeps"));
    let threads = |calls: &[&'static str]| {
        let numbers = 42..;
        let all = calls.iter().zip(numbers);
        finding_of(activity(
            42,
            all.map(|(name, tid)| asleep(tid, call(name, None, None)))
                .collect(),
        ))
    };
    let all = threads(&["futex", "futex", "flock"]);
    assert!(
        all.why.starts_with(
            "all 3 threads of payments (42) are blocked, thread worker-44 (44) in flock()"
        ),
        "{}",
        all.why
    );
    // What one thread does is hidden: it may be about to accept.
    let mut hidden = activity(
        42,
        vec![asleep(42, call("futex", None, None)), thread(43, 'S')],
    );
    assert!(
        finding_of(hidden.clone())
            .why
            .starts_with("The process does not")
    );
    hidden.threads.truncate(1);
    assert!(
        finding_of(hidden).why.starts_with("The process does not"),
        "64 of more threads"
    );
}

#[test]
fn a_process_that_waits_for_events_and_not_for_this_listener() {
    let waiting = |is_watching| {
        let epoll = call("epoll_wait", Some(5), Some("anon_inode:[eventpoll]"));
        let activity = activity(
            42,
            vec![asleep(42, epoll), asleep(43, call("futex", None, None))],
        );
        finding(held_by(vec![Holder {
            is_watching,
            ..holder(activity)
        }]))
    };
    says(
        &waiting(Some(false)),
        "waits in epoll_wait() and does not watch this listener any more",
        "worker_connections",
        "used 10 ms of CPU within 2.0 s",
        "/proc/42/syscall",
    );
    assert!(waiting(Some(true)).why.contains("it watches this listener"));
    assert!(
        waiting(None)
            .why
            .contains("and does not accept, although clients wait")
    );
    // About to take the next one.
    let accepting = Holder {
        is_accepting: true,
        ..holder(activity(
            42,
            vec![asleep(42, call("accept4", Some(3), None))],
        ))
    };
    assert!(
        finding(held_by(vec![accepting]))
            .why
            .starts_with("The process does not")
    );
}

#[test]
fn of_several_holders_those_speak_that_serve_the_listener() {
    let sleeping = |pid, name| holder(activity(pid, vec![asleep(pid, call(name, None, None))]));
    let child = |mut one: Holder| {
        Arc::make_mut(&mut one.activity).parent = 42;
        one
    };
    // A master that only waits, and two workers that are blocked.
    let prefork = finding(held_by(vec![
        sleeping(42, "select"),
        child(sleeping(50, "clock_nanosleep")),
        child(sleeping(51, "clock_nanosleep")),
    ]));
    assert!(
        prefork
            .why
            .contains("payments (51) is blocked in clock_nanosleep()"),
        "{}",
        prefork.why
    );
    assert!(
        prefork
            .why
            .contains("3 processes hold this listener; 2 of them serve it."),
        "{}",
        prefork.why
    );
    // Each worker holds every socket of the group, and one of them watches this one: it is stopped.
    let stopped = Holder {
        is_watching: Some(true),
        ..holder(activity(50, vec![thread(50, 'T')]))
    };
    let other = Holder {
        is_watching: Some(false),
        ..sleeping(51, "epoll_wait")
    };
    let mut row = held_by(vec![sleeping(42, "select"), stopped, other]);
    row.group = Some(Group {
        size: 4,
        length: 131,
        skew: Some(3.5),
    });
    row.accepts = Some(AcceptWaits {
        last_ms: Some(12_300),
        ..AcceptWaits::default()
    });
    let group = finding(row);
    says(
        &group,
        "payments (50) is stopped by a signal",
        "kill -CONT 50",
        "the last accept() was 12.3 s ago",
        "accept()",
    );
    assert!(
        group
            .why
            .contains("3 processes hold this listener; 1 of them serves it."),
        "{}",
        group.why
    );
    assert!(
        group
            .why
            .contains("one of 4 sockets that share this address"),
        "{}",
        group.why
    );
    assert!(
        group.why.contains("although only 2 wait at the others"),
        "{}",
        group.why
    );
    // Both serve it, one of them is stopped: the finding shows for how many that holds.
    let half = finding(held_by(vec![
        holder(activity(50, vec![thread(50, 'T')])),
        holder(activity(51, vec![thread(51, 'R')])),
    ]));
    assert!(
        half.why.contains("That holds for 1 of the 2 processes"),
        "{}",
        half.why
    );
}
