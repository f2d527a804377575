//! Runs in files: a replay says what the live run said, whatever became of the recorder and its disk.

mod disks;
mod failing;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::kit::expect::field;
use super::kit::tracer::{START_PATIENCE, forced_tier};
use super::kit::world::poll;
use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios, sys_ops, verdict};
use disks::{a_limit_on_file_sizes_is_reported_and_counted, full_disk_is_reported_and_counted};
use failing::{
    a_directory_that_vanishes_is_reported, a_disk_that_becomes_read_only_costs_the_next_files,
    a_disk_that_cannot_keep_what_it_took_is_no_success,
    a_disk_that_hangs_does_not_hold_up_the_summary,
    a_disk_that_refuses_writing_is_reported_with_its_error,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        replay_prints_what_the_live_run_printed,
        filtered_run_is_replayed_as_it_was_shown,
        replay_filters_what_was_recorded,
        replay_needs_no_privilege,
        killed_recorder_loses_a_second_at_most,
        full_disk_is_reported_and_counted,
        a_limit_on_file_sizes_is_reported_and_counted,
        a_disk_that_refuses_writing_is_reported_with_its_error,
        a_disk_that_cannot_keep_what_it_took_is_no_success,
        a_disk_that_becomes_read_only_costs_the_next_files,
        a_disk_that_hangs_does_not_hold_up_the_summary,
        a_directory_that_vanishes_is_reported,
        flight_recorder_keeps_its_budget,
        recorded_queues_have_their_holders,
        what_cannot_be_replayed_is_refused,
    ]
}

/// A directory that goes with the scenario.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tcptrace-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A tracer that writes into files.
struct Run {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Run {
    /// Starts `tcptrace ARGS...` for this namespace and waits until it is attached; `None` without a
    /// tracer.
    fn start(world: &World, room: &Room, args: &[&str]) -> Option<Self> {
        let create = |name| File::create_new(room.0.join(name)).expect("a file");
        let (stdout, stderr) = (create("stdout"), create("stderr"));
        let netns = format!("inode:{}", world.netns);
        let ready = room.file("ready");
        let mut command = world.command(args)?;
        command
            .args(["--netns", &netns, "--ready-file", &ready])
            .args(forced_tier())
            .stdout(stdout)
            .stderr(stderr);
        let mut child = command.spawn().expect("start the tracer");
        let is_ready = poll(START_PATIENCE, || {
            Path::new(&ready).exists() || child.try_wait().is_ok_and(|code| code.is_some())
        });
        let open = |name| File::open(room.0.join(name)).expect("a file");
        let mut run = Self {
            child,
            stdout: open("stdout"),
            stderr: open("stderr"),
        };
        let attached = is_ready && Path::new(&ready).exists();
        assert!(attached, "the tracer is not ready: {}", run.errors());
        Some(run)
    }

    fn errors(&mut self) -> String {
        text_of(&mut self.stderr)
    }

    /// Ends it by a signal; its exit code.
    fn end(&mut self, signal: i32) -> Option<i32> {
        sys_ops::kill(self.child.id() as i32, signal).expect("end the tracer");
        let child = &mut self.child;
        let has_ended = || child.try_wait().is_ok_and(|code| code.is_some());
        if !poll(Duration::from_secs(20), has_ended) {
            drop(self.child.kill());
        }
        self.child.wait().expect("its code").code()
    }

    /// Waits until it printed a line with that text.
    fn until_printed(&mut self, world: &World, text: &str) {
        let stdout = &mut self.stdout;
        world.until(&format!("{text} is printed"), || {
            text_of(stdout).contains(text)
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().expect("a plain file");
    file.read_to_end(&mut bytes).expect("a plain file");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `tcptrace replay ARGS...`
fn replay(world: &World, args: &[&str]) -> Option<Output> {
    let mut command = world.command(&["replay"])?;
    Some(command.args(args).output().expect("replay"))
}

fn events(output: &Output) -> Vec<serde_json::Value> {
    verdict::objects(&output.stdout)
}

fn matching(output: &Output, expected: &Expect) -> usize {
    let events = events(output);
    events
        .iter()
        .filter(|event| expected.matches(event))
        .count()
}

/// An abortive close with bytes unsent; the connection.
fn reset(world: &World, prefix: &str) -> (Pair, Conn) {
    let pair = Pair::connected(world, prefix);
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    let conn = pair.conn;
    (pair, conn)
}

/// A bit of everything.
fn trouble(world: &World) -> (Actor, Conn) {
    reset(world, "rl");
    let unread = Pair::connected(world, "ru");
    unread.server.write(unread.accepted, 777);
    unread.client.close(unread.conn);
    let orderly = Pair::connected(world, "rt");
    orderly.client.close(orderly.conn);
    orderly.server.close(orderly.accepted);
    let server = world.actor("rq-server");
    let listener = server.listen("127.0.0.9:0", 1);
    let client = world.actor("rq-client");
    for _ in 0..2 {
        client.connect("127.0.0.3:0", listener.local);
    }
    let before = world.counters();
    client.connect_start("127.0.0.3:0", listener.local, None);
    world.rose_at_least(&before, "ListenOverflows", 1);
    (server, listener)
}

/// Records such a run by `watch`; whether the replay printed the same bytes.
fn is_the_same(world: &World, name: &str, filters: &[&str]) {
    let room = Room::new(name);
    let file = room.file("a.rec");
    let args = [&["watch", "--json", "--record", &file], filters].concat();
    let Some(mut run) = Run::start(world, &room, &args) else {
        return;
    };
    let (_server, _listener) = trouble(world);
    run.until_printed(world, "accept_drop");
    world.claim_eq("exit code", run.end(libc::SIGINT), Some(0));
    let live = text_of(&mut run.stdout);
    world.claim("there is a summary", live.contains("\"kind\":\"summary\""));
    let Some(again) = replay(world, &["--json", &file]) else {
        return;
    };
    let replayed = String::from_utf8_lossy(&again.stdout);
    let difference = live.lines().zip(replayed.lines()).find(|(a, b)| a != b);
    world.claim_eq("the first line that differs", difference, None);
    world.claim_eq("as many bytes", replayed.len(), live.len());
    world.claim_eq("the replay's exit code", again.status.code(), Some(0));
    // Lines that were kept instead. When the run began they do not say, so the summary has another
    // time.
    let Some(lines) = replay(world, &["--json", &room.file("stdout")]) else {
        return;
    };
    let timeless = |text: &str| {
        let ends = |line: &str| line.split_once("\"kind\"").map(|(_, end)| end.to_owned());
        text.lines().filter_map(ends).collect::<Vec<_>>()
    };
    let imported = String::from_utf8_lossy(&lines.stdout);
    let summary = live.lines().count().saturating_sub(1);
    let same = live
        .lines()
        .take(summary)
        .eq(imported.lines().take(summary));
    world.claim("events from lines are the same bytes", same);
    world.claim_eq(
        "the summary too",
        timeless(&imported).last(),
        timeless(&live).last(),
    );
}

fn replay_prints_what_the_live_run_printed(world: &World) {
    is_the_same(world, "same", &["--all"]);
}

/// With a filter by owner the books count what was left out.
fn filtered_run_is_replayed_as_it_was_shown(world: &World) {
    let only = ["--only", "accept_drop,rst_sent", "--laddr", "127.0.0.9"];
    is_the_same(world, "same-filtered", &only);
}

fn replay_filters_what_was_recorded(world: &World) {
    let room = Room::new("refiltered");
    let file = room.file("a.rec");
    let Some(mut run) = Run::start(world, &room, &["record", "--all", "-o", &file]) else {
        return;
    };
    let (pair, conn) = reset(world, "ra");
    let (other, _) = reset(world, "rb");
    std::thread::sleep(Duration::from_millis(300));
    world.claim_eq("exit code", run.end(libc::SIGINT), Some(0));
    let pid = pair.client.pid.to_string();
    let port = conn.local.port().to_string();
    for filter in [["--pid", pid.as_str()], ["--lport", port.as_str()]] {
        let args = [&["--json", "--only", "rst_sent", &file], &filter[..]].concat();
        let Some(shown) = replay(world, &args) else {
            return;
        };
        let resets = Expect::new("rst_sent");
        world.claim_eq(
            &format!("resets by {filter:?}"),
            matching(&shown, &resets),
            1,
        );
        let expected = resets.owner(&pair.client).conn(conn).cause("linger_zero");
        world.claim_eq(
            &format!("that of {filter:?}"),
            matching(&shown, &expected),
            1,
        );
    }
    let comm = other.client.comm.clone();
    let args = ["--json", "--comm", &comm, "--fail-on", "rst_sent", &file];
    let failed = replay(world, &args).and_then(|output| output.status.code());
    world.claim_eq("a kind that is an error", failed, Some(5));
}

fn replay_needs_no_privilege(world: &World) {
    let room = Room::new("unprivileged");
    let file = room.file("a.rec");
    let Some(mut run) = Run::start(world, &room, &["record", "-o", &file]) else {
        return;
    };
    let (_pair, conn) = reset(world, "rn");
    std::thread::sleep(Duration::from_millis(300));
    run.end(libc::SIGTERM);
    let copy = room.file("tcptrace");
    let binary = world.binary().expect("it ran");
    fs::copy(binary, &copy).expect("copy the tracer");
    std::os::unix::fs::chown(&file, Some(12_345), None).expect("give the file away");
    let mut command = Command::new(&copy);
    command.args(["replay", "--json", &file]);
    let output = command.uid(12_345).gid(12_345).output().expect("replay");
    world.claim_eq("exit code", output.status.code(), Some(0));
    let expected = Expect::new("rst_sent").conn(conn);
    world.claim_eq("the reset is reported", matching(&output, &expected), 1);
}

fn killed_recorder_loses_a_second_at_most(world: &World) {
    let room = Room::new("killed");
    let file = room.file("a.rec");
    let Some(mut run) = Run::start(world, &room, &["record", "-o", &file]) else {
        return;
    };
    let conns: Vec<_> = (0..5).map(|n| reset(world, &format!("k{n}")).1).collect();
    let length = || fs::metadata(&file).map_or(0, |found| found.len());
    let before = length();
    world.until("a block is written", || length() > before);
    run.end(libc::SIGKILL);
    let Some(output) = replay(world, &["--json", &file]) else {
        return;
    };
    world.claim_eq("exit code", output.status.code(), Some(0));
    for conn in conns {
        let expected = Expect::new("rst_sent").conn(conn);
        world.claim_eq("each reset is reported", matching(&output, &expected), 1);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    world.claim(
        &format!("it is errors: {errors}"),
        errors.contains("it has no end"),
    );
    let strict = replay(world, &["--json", "--strict", &file]).and_then(|o| o.status.code());
    world.claim_eq("with --strict", strict, Some(6));
}

fn flight_recorder_keeps_its_budget(world: &World) {
    let room = Room::new("budget");
    let file = room.file("a.rec");
    let args = [
        "record",
        "--all",
        "-o",
        &file,
        "--rotate",
        "--max-size",
        "64K",
        "--keep",
        "3",
    ];
    let Some(mut run) = Run::start(world, &room, &args) else {
        return;
    };
    let server = world.actor("fl-server");
    let client = world.actor("fl-client");
    let listener = server.listen("127.0.7.9:0", 64);
    server.begin(&format!("serve {} 1200 follows", listener.fd));
    client.begin(&format!("churn {} 1200 resets", listener.local));
    client.finish().expect("the client got through");
    server.finish().expect("the server got through");
    world.claim_eq("exit code", run.end(libc::SIGTERM), Some(0));
    let errors = run.errors();
    world.claim(
        &format!("files are errors: {errors}"),
        errors.contains(" files"),
    );
    let files = [file.clone(), format!("{file}.1"), format!("{file}.2")];
    for path in &files {
        let length = fs::metadata(path).map_or(0, |found| found.len());
        world.claim(&format!("{length} bytes"), (1..=64 << 10).contains(&length));
    }
    world.claim(
        "no more than three",
        !Path::new(&format!("{file}.3")).exists(),
    );
    let args: Vec<&str> = ["--json"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let Some(output) = replay(world, &args) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    world.claim(
        &format!("nothing is missing: {errors}"),
        !errors.contains("missing"),
    );
    let last = events(&output).pop().unwrap_or_default();
    let is_balanced = |loss: &serde_json::Value| {
        let count = |name: &str| loss[name].as_u64().unwrap_or(u64::MAX);
        count("seen") == count("shown") + count("filtered") && count("shown") > 500
    };
    world.claim(
        &format!("its books: {last}"),
        is_balanced(field(&last, "loss")),
    );
}

fn recorded_queues_have_their_holders(world: &World) {
    let room = Room::new("queues");
    // A namespace without a process in it is not found.
    let _resident = world.actor("rq-resident");
    let file = room.file("a.rec");
    let Some(mut run) = Run::start(world, &room, &["record", "-o", &file, "--sample", "100ms"])
    else {
        return;
    };
    let (_server, listener) = trouble(world);
    std::thread::sleep(Duration::from_millis(300));
    world.claim_eq("exit code", run.end(libc::SIGINT), Some(0));
    let mut queues = Vec::new();
    let path = PathBuf::from(&file);
    let mut reader = tcptrace::recording::Reader::open(&[path]).expect("a recording");
    let mut take = |piece| {
        if let tcptrace::recording::Piece::Item(tcptrace::recording::Item::Sample(sample)) = piece {
            let spaces = sample.spaces.into_iter();
            let spaces = spaces.filter(|space| u64::from(space.netns) == world.netns);
            queues.extend(spaces.flat_map(|space| space.listeners));
        }
        std::ops::ControlFlow::Continue(())
    };
    while reader.step(&mut take).expect("a sound disk") {}
    let full = queues
        .iter()
        .find(|queue| queue.local.port == listener.local.port() && queue.accept_queue.length == 2);
    let Some(full) = full else {
        return world.claim(&format!("the full queue is there: {queues:?}"), false);
    };
    world.claim_eq("its limit", full.accept_queue.limit, 1);
    world.claim_eq("its cookie", full.cookie, listener.cookie);
    let holder = full.holder.as_ref().map(|holder| holder.comm.as_str());
    world.claim_eq("its holder", holder, Some("rq-server"));
}

fn what_cannot_be_replayed_is_refused(world: &World) {
    let room = Room::new("refused");
    let file = room.file("a.rec");
    let Some(mut run) = Run::start(world, &room, &["record", "-o", &file]) else {
        return;
    };
    world.claim_eq("exit code", run.end(libc::SIGINT), Some(0));
    let noise = room.file("noise");
    fs::write(&noise, [7; 100]).expect("a file");
    for (args, code, says) in [
        (&["--only", "state", &file][..], 4, "was not recorded"),
        (&["--netns", "blue", &file], 2, "inode:N"),
        (&["--pid", "1", "--children", &file], 2, "--children"),
        (&["--speed", "0", &file], 2, "is not a speed"),
        (&[&noise], 1, "not a recording"),
        (&["/nowhere/a.rec"], 1, "No such file"),
    ] {
        let Some(output) = replay(world, args) else {
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        world.claim_eq(&format!("{args:?}"), output.status.code(), Some(code));
        world.claim(
            &format!("{args:?} is explained: {errors}"),
            errors.contains(says),
        );
    }
    let second = world
        .command(&["record", "-o", &file])
        .map(|mut command| command.stdout(Stdio::null()).output().expect("record"));
    if let Some(second) = second {
        let errors = String::from_utf8_lossy(&second.stderr);
        world.claim_eq("an existing file", second.status.code(), Some(1));
        world.claim(&format!("is kept: {errors}"), errors.contains("--force"));
    }
}
