//! What the tracer may still do once it has attached, and that this is enough for everything that
//! comes later.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kit::world::{poll, slowness};
use super::kit::{Expect, Pair, Scenario, World, confine, scenarios, sys_ops, verdict};

/// Numbers of capabilities.
const DAC_OVERRIDE: u8 = 1;
const DAC_READ_SEARCH: u8 = 2;
const SYS_PTRACE: u8 = 19;
const SYS_ADMIN: u8 = 21;
const SYSLOG: u8 = 34;
const PERFMON: u8 = 38;
const BPF: u8 = 39;

/// Of the systemd unit.
const OF_THE_SERVICE: &[u8] = &[DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN, SYSLOG, PERFMON, BPF];

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        after_attaching_few_privileges_are_left,
        owners_are_found_in_proc_after_that,
        a_namespace_that_appears_later_is_reconciled,
        live_listeners_are_seen_in_namespaces_that_appear_later,
        a_traced_command_keeps_every_privilege,
        capabilities_without_root_are_enough_and_are_dropped_too,
        a_service_manager_is_reported_when_all_is_attached,
        a_recorder_goes_on_to_the_next_file_in_another_users_directory,
    ]
}

fn set(numbers: &[u8]) -> u64 {
    numbers.iter().fold(0, |set, number| set | 1 << number)
}

/// A line of a status file.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let of = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(of).unwrap_or_default().trim()
}

fn bits(status: &str, name: &str) -> Option<u64> {
    u64::from_str_radix(field(status, name), 16).ok()
}

/// The status of every thread of a process, once its main thread has a filter on its system calls.
fn confined(world: &World, pid: i32) -> Vec<String> {
    let status = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    world.until("it confines itself", || {
        field(&status(format!("/proc/{pid}/status").into()), "Seccomp") == "2"
    });
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    tasks
        .map(|task| status(task.expect("a thread").path().join("status")))
        .filter(|status| !status.is_empty())
        .collect()
}

/// Claims that every thread has given up what it does not need.
fn is_confined(world: &World, pid: i32) {
    is_confined_to(world, pid, &[], &[]);
}

/// The same; the thread that records has `writing` and nothing else. Without CAP_SETPCAP the bounding set
/// stays as it was.
fn is_confined_to(world: &World, pid: i32, writing: &[u8], bounding: &[u8]) {
    let always = set(&[SYS_PTRACE, DAC_READ_SEARCH]);
    // Kernels before 5.19 want it for reading maps; `raised` only where a thread enters a namespace.
    let (may_be, raised) = (set(&[BPF]), set(&[SYS_ADMIN]));
    for status in confined(world, pid) {
        let (effective, permitted) = (bits(&status, "CapEff"), bits(&status, "CapPrm"));
        let is_right = |held: Option<u64>, more: u64| {
            held.is_some_and(|held| {
                held & always == always && held & !(always | may_be | more) == 0
            })
        };
        let is_entering = field(&status, "Name") == "netns";
        let more = if is_entering { raised } else { 0 };
        if field(&status, "Name") == "recorder" {
            world.claim_eq("the recorder's", effective, Some(set(writing)));
            world.claim_eq("the recorder's", permitted, Some(set(writing)));
        } else {
            world.claim(&format!("in effect: {status}"), is_right(effective, more));
            world.claim(&format!("permitted: {status}"), is_right(permitted, raised));
        }
        for (name, expected) in [("CapInh", 0), ("CapBnd", set(bounding)), ("CapAmb", 0)] {
            world.claim_eq(name, bits(&status, name), Some(expected));
        }
        world.claim_eq("no new privileges", field(&status, "NoNewPrivs"), "1");
        world.claim_eq("system calls", field(&status, "Seccomp"), "2");
    }
}

fn after_attaching_few_privileges_are_left(world: &World) {
    let tracer = world.watch_alone(&[]);
    let Some(pid) = tracer.pid() else { return };
    is_confined(world, pid);
    let pair = Pair::connected(world, "cf");
    pair.server_resets();
    let expected = Expect::new("rst_received")
        .owner(&pair.client)
        .conn(pair.conn);
    tracer.expect("it continues", expected);
    // It detaches and prints the summary.
    let _ = tracer.stop();
}

fn owners_are_found_in_proc_after_that(world: &World) {
    let tracer = world.watch_alone(&[]);
    if let Some(pid) = tracer.pid() {
        is_confined(world, pid);
    }
    let (server, client) = (
        world.actor_as("cf-server", 12_321),
        world.actor_as("cf-client", 12_322),
    );
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = client.connect("127.0.0.2:0", listener.local);
    // Never used: without function hooks only /proc knows who has it.
    let accepted = server.accept(listener);
    client.linger(conn, 0);
    client.close(conn);
    tracer.expect(
        "the one that accepted",
        Expect::new("rst_received")
            .owner(&server)
            .basis(&["socket", "snapshot"])
            .conn(accepted),
    );
    let _ = tracer.stop();
}

/// A network namespace that only a file refers to, while `work` runs with its inode.
fn named<T>(world: &World, work: impl FnOnce(u64) -> T) -> T {
    let name = format!("tcptrace-confined-{}", world.netns);
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, b"").expect("a file to mount on");
    let path = file.to_str().expect("a path in UTF-8");
    let inode = world.elsewhere(|inode| {
        sys_ops::mount_own_netns(path).expect("mounted");
        inode
    });
    let result = work(inode);
    sys_ops::unmount(path).expect("unmounted");
    std::fs::remove_file(&file).expect("removed");
    result
}

fn a_namespace_that_appears_later_is_reconciled(world: &World) {
    const REFUSED: u64 = 5;
    let tracer = world.watch_with(&["--only", "accept_drop"]);
    if let Some(pid) = tracer.pid() {
        is_confined(world, pid);
    }
    let (server, client, netns) = world.elsewhere(|inode| {
        (
            world.actor_as("cl-server", 12_331),
            world.actor_as("cl-client", 12_332),
            inode,
        )
    });
    let listener = server.listen("127.0.0.1:0", 1);
    for _ in 0..2 {
        client.connect("127.0.0.1:0", listener.local);
    }
    for _ in 0..REFUSED {
        client.connect_start("127.0.0.1:0", listener.local, None);
    }
    let refusal = Expect::new("accept_drop").is("netns", netns).owner(&server);
    tracer.expect("refusals there", refusal);
    named(world, |_| {
        let events = tracer.stop();
        if events.dry() {
            return;
        }
        let rows = events.summary().map(|end| end["reconciliation"].clone());
        let rows = rows.as_ref().and_then(Value::as_array);
        let overflows = rows
            .into_iter()
            .flatten()
            .find(|row| row["counter"] == "TcpExt.ListenOverflows");
        let kernel = overflows.and_then(|row| row["kernel"].as_u64());
        world.claim(&format!("its counter: {rows:?}"), kernel >= Some(REFUSED));
        let unread =
            overflows.is_some_and(|row| row["note"].to_string().contains("could not be read"));
        world.claim(&format!("every namespace is read: {rows:?}"), !unread);
    });
}

/// The objects that a command prints, as they come.
fn objects(out: impl std::io::Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(verdict::object(&line)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn live_listeners_are_seen_in_namespaces_that_appear_later(world: &World) {
    let Some(mut command) = world.command(&["listeners", "--watch", "0.2", "--json"]) else {
        return;
    };
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("start the tracer");
    let objects = objects(child.stdout.take().expect("piped"));
    is_confined(world, child.id() as i32);
    // Through a process of another user, and through a file that no process stands behind.
    let (server, lived_in) = world.elsewhere(|inode| (world.actor_as("nl-server", 12_341), inode));
    let listener = server.listen("127.0.0.1:0", 9);
    named(world, |mounted| {
        let file = std::fs::File::open(
            std::env::temp_dir().join(format!("tcptrace-confined-{}", world.netns)),
        )
        .expect("the mounted file");
        let bound = std::thread::spawn(move || {
            sys_ops::set_netns(std::os::fd::AsRawFd::as_raw_fd(&file)).expect("entered");
            TcpListener::bind("127.0.0.1:0").expect("a listener")
        })
        .join()
        .expect("no panic");
        let port = bound.local_addr().expect("bound").port();
        let mut missing = vec![
            (lived_in, listener.local.port(), json!(server.pid)),
            (mounted, port, json!(std::process::id())),
        ];
        let deadline = Instant::now() + PATIENCE * slowness();
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            match objects.recv_timeout(left) {
                Ok(row) => missing.retain(|(netns, port, owner)| {
                    row["netns"] != json!(netns)
                        || row["local"]["port"] != json!(port)
                        || row["owner"]["pid"] != *owner
                }),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        world.claim(&format!("never seen: {missing:?}"), missing.is_empty());
    });
    sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt");
    world.claim_eq("0", child.wait().expect("it ends").code(), Some(0));
}

fn a_traced_command_keeps_every_privilege(world: &World) {
    let own = std::fs::read_to_string("/proc/self/status").expect("own status");
    let words = ["watch", "--quiet", "--", "cat", "/proc/self/status"];
    let Some(mut command) = world.command_here(&words) else {
        return;
    };
    let output = command.output().expect("run the tracer");
    let its = String::from_utf8_lossy(&output.stdout).into_owned();
    world.claim_eq("it ends well", output.status.code(), Some(0));
    for name in [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Uid",
        "Gid",
    ] {
        world.claim_eq(name, field(&its, name), field(&own, name));
    }
}

fn capabilities_without_root_are_enough_and_are_dropped_too(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let Some(mut command) = world.command(&["watch", "--json", "--netns", &netns]) else {
        return;
    };
    // SAFETY: the changes are system calls that allocate nothing.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut command, || {
            confine::lock_any_memory();
            confine::become_user_with(12_351, OF_THE_SERVICE)
        });
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        world.note("the tracer's file may not be run by that user".into());
        return;
    };
    let objects = objects(child.stdout.take().expect("piped"));
    let pid = child.id() as i32;
    let has_begun = poll(PATIENCE, || {
        std::fs::read_to_string(format!("/proc/{pid}/status"))
            .is_ok_and(|status| field(&status, "Seccomp") == "2")
    });
    if !has_begun {
        let _ = child.kill();
        let output = child.wait_with_output().expect("its output");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        world.claim(&format!("it begins: {errors}"), false);
        return;
    }
    is_confined_to(world, pid, &[], OF_THE_SERVICE);
    let pair = Pair::connected(world, "am");
    pair.server_resets();
    let expected = Expect::new("rst_received")
        .owner(&pair.client)
        .conn(pair.conn);
    let deadline = Instant::now() + PATIENCE * slowness();
    let mut seen = Vec::new();
    while !seen.iter().any(|object| expected.matches(object)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(object) = objects.recv_timeout(left) else {
            break;
        };
        seen.push(object);
    }
    let is_reported = seen.iter().any(|object| expected.matches(object));
    world.claim(&format!("it is reported: {seen:?}"), is_reported);
    sys_ops::kill(pid, libc::SIGINT).expect("interrupt");
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    world.claim_eq(&errors, output.status.code(), Some(0));
    world.claim(&errors, !errors.contains("more privileges are kept"));
}

fn a_service_manager_is_reported_when_all_is_attached(world: &World) {
    let socket = std::env::temp_dir().join(format!("tcptrace-notify-{}", world.netns));
    let manager = UnixDatagram::bind(&socket).expect("a socket of the manager");
    manager
        .set_read_timeout(Some(PATIENCE * slowness()))
        .expect("a time limit");
    let words = ["watch", "--quiet", "--count", "1", "--only", "rst_sent"];
    let started = world.command(&words).map(|mut command| {
        command.env("NOTIFY_SOCKET", &socket);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("start the tracer")
    });
    if let Some(mut child) = started {
        let mut text = [0; 64];
        let length = manager.recv(&mut text).unwrap_or(0);
        let said = String::from_utf8_lossy(&text[..length]).into_owned();
        world.claim_eq("what it receives", said.trim(), "READY=1");
        sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt");
        world.claim_eq("0", child.wait().expect("it ends").code(), Some(0));
    }
    std::fs::remove_file(&socket).expect("removed");
}

fn a_recorder_goes_on_to_the_next_file_in_another_users_directory(world: &World) {
    let directory = std::env::temp_dir().join(format!("tcptrace-record-{}", world.netns));
    std::fs::create_dir(&directory).expect("a directory");
    std::os::unix::fs::chown(&directory, Some(12_361), Some(12_361)).expect("of another user");
    let file = directory.join("flight.rec");
    let path = file.to_str().expect("a path in UTF-8");
    let words = [
        "record", "--quiet", "-o", path, "--rotate", "1s", "--keep", "3",
    ];
    if let Some(mut command) = world.command(&words) {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("start the tracer");
        let third = directory.join("flight.rec.2");
        let is_there = poll(PATIENCE, || third.exists());
        world.claim("the third file is begun", is_there);
        is_confined_to(world, child.id() as i32, &[DAC_OVERRIDE], &[]);
        sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt");
        let output = child.wait_with_output().expect("it ends");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        world.claim_eq(&errors, output.status.code(), Some(0));
        world.claim_eq("nothing to complain of", errors.as_str(), "");
    }
    std::fs::remove_dir_all(&directory).expect("removed");
}
