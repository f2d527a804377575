//! Why accept() is late: servers that are stopped, busy, blocked, out of descriptors, frozen or
//! throttled, and what `doctor` and `listeners PORT` say of each.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::doctor::asked;
use super::kit::{Actor, Conn, Scenario, World, scenarios};
use super::queries::crowd;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        each_cause_is_named_with_its_evidence,
        frozen_and_throttled_groups_are_named,
        stuck_socket_of_a_group_is_named,
        shared_listener_is_judged_by_those_that_serve_it,
        stopped_server_with_room_is_no_finding,
    ]
}

const LIMIT: u32 = 2;

/// A server whose accept queue is full.
fn full(world: &World, client: &Actor, comm: &str) -> (Actor, Conn) {
    let server = world.actor(comm);
    let listener = server.listen("127.0.0.1:0", LIMIT);
    crowd(client, listener, 3);
    (server, listener)
}

/// The finding about the full queue of a listener.
fn finding(report: &Value, listener: Conn) -> &Value {
    let place = format!("{} ", listener.local);
    let mut all = report["findings"].as_array().into_iter().flatten();
    let is_it = |one: &&Value| {
        let title = one["title"].as_str().unwrap_or_default();
        one["id"] == "accept_queue_full" && title.contains(&place)
    };
    all.find(is_it).unwrap_or(&Value::Null)
}

fn text<'a>(finding: &'a Value, of: &str) -> &'a str {
    finding[of].as_str().unwrap_or_default()
}

/// Whether a finding has a proof of that source with those words.
fn proves(world: &World, finding: &Value, source: &str, words: &str) {
    let mut proofs = finding["evidence"].as_array().into_iter().flatten();
    let is_it = |proof: &Value| proof["source"] == source && text(proof, "text").contains(words);
    world.claim(
        &format!("{words:?} of {source} in {}", finding["evidence"]),
        proofs.any(is_it),
    );
}

fn says(world: &World, finding: &Value, of: &str, words: &str) {
    let found = text(finding, of);
    world.claim(
        &format!("{words:?} is in {of}: {found}"),
        found.contains(words),
    );
}

fn each_cause_is_named_with_its_evidence(world: &World) {
    let client = world.actor("la-client");
    let (stopped, at_stopped) = full(world, &client, "la-stopped");
    let (spinning, at_spinning) = full(world, &client, "la-spinning");
    let (asleep, at_asleep) = full(world, &client, "la-asleep");
    let (locked, at_locked) = full(world, &client, "la-locked");
    let (reading, at_reading) = full(world, &client, "la-reading");
    let (polling, at_polling) = full(world, &client, "la-polling");
    let (crammed, at_crammed) = full(world, &client, "la-crammed");
    send(&stopped, libc::SIGSTOP);
    spinning.begin("hang spin");
    asleep.begin("hang sleep");
    locked.begin("hang lock");
    reading.begin("hang pipe");
    polling.begin("hang epoll");
    crammed.order("open-all 19");
    world.until("they wait", || {
        locked.waits_in(libc::SYS_futex) && reading.waits_in(libc::SYS_read)
    });
    let answer = asked(world);
    send(&stopped, libc::SIGCONT);
    let Some((report, code)) = answer else { return };
    world.claim_eq("exit code", code, Some(5));
    let about = |server: &Actor, listener| {
        let found = finding(&report, listener);
        let who = format!("{} ({})", server.comm, server.pid);
        says(world, found, "why", &who);
        found
    };
    let found = about(&stopped, at_stopped);
    says(world, found, "why", "is stopped by a signal");
    says(
        world,
        found,
        "do_first",
        &format!("kill -CONT {}", stopped.pid),
    );
    proves(
        world,
        found,
        &format!("/proc/{}/stat", stopped.pid),
        "state T",
    );
    world.claim_eq("no longer queue helps", &found["do_then"], &Value::Null);

    // On a machine with more work than processors, the finding is that it gets too little.
    let found = about(&spinning, at_spinning);
    let why = text(found, "why");
    world.claim(
        why,
        why.contains("is busy: its only thread") || why.contains("too little CPU"),
    );
    proves(
        world,
        found,
        &format!("/proc/{}/schedstat", spinning.pid),
        "ms on a CPU",
    );

    let blocked = [
        (&asleep, at_asleep, "clock_nanosleep()"),
        (&locked, at_locked, "futex()"),
        (&reading, at_reading, "read() on descriptor"),
    ];
    for (server, listener, call) in blocked {
        let found = about(server, listener);
        says(world, found, "why", &format!("is blocked in {call}"));
        says(world, found, "why", "none calls accept()");
        proves(
            world,
            found,
            &format!("/proc/{}/syscall", server.pid),
            "has not run within",
        );
    }
    says(world, finding(&report, at_reading), "why", "(pipe:[");
    let found = about(&polling, at_polling);
    says(world, found, "why", "waits in epoll_");
    says(world, found, "why", "does not watch this listener any more");

    let found = about(&crammed, at_crammed);
    says(world, found, "why", "of 19 file descriptors open");
    proves(
        world,
        found,
        &format!("/proc/{}/limits", crammed.pid),
        "it may open 19",
    );
}

fn send(server: &Actor, signal: i32) {
    super::kit::sys_ops::kill(server.pid, signal).expect("a signal");
}

fn stopped_server_with_room_is_no_finding(world: &World) {
    let (server, client) = (world.actor("lr-server"), world.actor("lr-client"));
    let listener = server.listen("127.0.0.1:0", 7);
    crowd(&client, listener, 7);
    send(&server, libc::SIGSTOP);
    let answer = asked(world);
    send(&server, libc::SIGCONT);
    let Some((report, _)) = answer else { return };
    world.claim_eq("no finding", finding(&report, listener), &Value::Null);
}

/// A control group of this scenario's own, which goes with it.
struct Group(PathBuf);

impl Group {
    /// Below a hierarchy with that file; `None`: there is none, or no group may be made in it.
    fn with(controller: &str, file: &str, name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        mounts.lines().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let (at, kind, options) = (words.get(1)?, words.get(2)?, words.get(3)?);
            let is_it = *kind == "cgroup2"
                || (*kind == "cgroup" && options.split(',').any(|one| one == controller));
            let path = Path::new(at).join(format!("tcptrace-{name}-{}", std::process::id()));
            if !is_it || fs::create_dir(&path).is_err() {
                return None;
            }
            let group = Self(path);
            group.0.join(file).exists().then_some(group)
        })
    }

    fn set(&self, file: &str, value: &str) -> bool {
        fs::write(self.0.join(file), value).is_ok()
    }

    fn join(&self, server: &Actor) -> bool {
        self.set("cgroup.procs", &server.pid.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (file, value) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
            if self.0.join(file).exists() {
                self.set(file, value);
            }
        }
        let members = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines() {
            let _ = fs::write(self.0.with_file_name("cgroup.procs"), pid);
        }
        let _ = fs::remove_dir(&self.0);
    }
}

fn frozen_and_throttled_groups_are_named(world: &World) {
    let client = world.actor("lg-client");
    let mut cases = Vec::new();
    for (controller, file, value) in [
        ("", "cgroup.freeze", "1"),
        ("freezer", "freezer.state", "FROZEN"),
        ("", "cpu.max", "2000 100000"),
        ("cpu", "cpu.cfs_quota_us", "2000"),
    ] {
        let Some(group) = Group::with(controller, file, file) else {
            world.note(format!("no group with {file} can be made here: not tried"));
            continue;
        };
        let (server, listener) = full(world, &client, &format!("lg-{}", cases.len()));
        let is_quota = file.starts_with("cpu");
        if is_quota {
            server.begin("hang spin");
        }
        if group.join(&server) && group.set(file, value) {
            cases.push((group, server, listener, is_quota, file));
        } else {
            world.note(format!("{file} cannot be set here: not tried"));
        }
    }
    let Some((report, _)) = asked(world) else {
        return;
    };
    for (group, server, listener, is_quota, file) in &cases {
        let found = finding(&report, *listener);
        let name = group.0.file_name().unwrap_or_default().to_string_lossy();
        says(
            world,
            found,
            "why",
            &format!("{} ({})", server.comm, server.pid),
        );
        says(world, found, "why", &format!("control group /{name}"));
        if *is_quota {
            says(
                world,
                found,
                "why",
                "is throttled: it used up the CPU quota",
            );
            proves(world, found, "cpu.stat", "throttled in");
        } else {
            says(world, found, "why", "is frozen");
            proves(world, found, "cgroup", "is frozen");
        }
        world.note(format!("{file}: reported"));
    }
}

/// One of three servers of one address is stopped: it is named, and the others are not.
fn stuck_socket_of_a_group_is_named(world: &World) {
    let client = world.actor("lu-client");
    let mut servers = Vec::new();
    let mut address = "127.0.0.1:0".to_owned();
    for number in 0..3 {
        let server = world.actor(&format!("lu-server{number}"));
        let fd: i32 = server.number("socket v4");
        server.order(&format!("reuseport {fd}"));
        server.order(&format!("bind {fd} {address}"));
        server.order(&format!("listen {fd} {LIMIT}"));
        let listener = server.describe(fd);
        address = listener.local.to_string();
        servers.push((server, listener));
    }
    let (stuck, at_stuck) = &servers[1];
    send(stuck, libc::SIGSTOP);
    // The others take what they get.
    for (server, listener) in [&servers[0], &servers[2]] {
        server.begin(&format!("serve {} 1000 closes", listener.fd));
    }
    for _ in 0..40 {
        client.connect_start("127.0.0.1:0", at_stuck.local, None);
    }
    let answer = asked(world);
    send(stuck, libc::SIGCONT);
    let Some((report, _)) = answer else { return };
    let all: Vec<&Value> = report["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["id"] == "accept_queue_full" && one["severity"] == "broken")
        .collect();
    let found = all
        .iter()
        .find(|one| one["who"][0]["pid"] == stuck.pid)
        .copied()
        .unwrap_or(&Value::Null);
    says(
        world,
        found,
        "why",
        &format!("lu-server1 ({}) is stopped", stuck.pid),
    );
    says(
        world,
        found,
        "why",
        "one of 3 sockets that share this address by SO_REUSEPORT",
    );
}

/// A parent that only waits shares its listener with two workers, which sleep.
fn shared_listener_is_judged_by_those_that_serve_it(world: &World) {
    let client = world.actor("ls-client");
    let (parent, listener) = full(world, &client, "ls-parent");
    let workers = [parent.fork("ls-worker1"), parent.fork("ls-worker2")];
    for worker in &workers {
        worker.begin("hang sleep");
    }
    world.until("they sleep", || {
        workers
            .iter()
            .all(|one| one.waits_in(libc::SYS_clock_nanosleep))
    });
    let answer = asked(world);
    // They would outlive their parent.
    for worker in &workers {
        send(worker, libc::SIGKILL);
    }
    let Some((report, _)) = answer else {
        return;
    };
    let found = finding(&report, listener);
    says(world, found, "why", "ls-worker");
    says(world, found, "why", "is blocked in clock_nanosleep()");
    says(
        world,
        found,
        "why",
        "3 processes hold this listener; 2 of them serve it.",
    );
}
