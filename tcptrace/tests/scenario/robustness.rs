//! How a watch ends: by itself, by a signal, by a command, by a mistake, by force. The exit codes of
//! the contract, and nothing left behind in the kernel.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::kit::expect::field;
use super::kit::world::poll;
use super::kit::{Expect, Pair, Scenario, World, scenarios, sys_ops, verdict};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        count_ends_the_watch,
        duration_ends_the_watch,
        sigterm_ends_the_watch,
        sighup_ends_the_watch_in_order,
        a_watch_under_nohup_outlives_the_hangup,
        sigterm_ends_the_command_too,
        second_interrupt_ends_it_at_once,
        command_is_traced_and_its_code_returned,
        fail_on_a_kind_that_was_seen,
        fail_on_a_kind_that_was_not_seen,
        closed_pipe_ends_quietly,
        full_disk_is_a_failure,
        mistakes_are_usage_errors,
        without_privilege,
        killed_tracer_leaves_nothing_in_the_kernel,
        quiet_prints_no_summary_on_stderr,
        rate_limit_counts_what_it_hides,
        times_are_those_of_the_hook,
    ]
}

fn reset(world: &World) -> Pair {
    let pair = Pair::connected(world, "rb");
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    pair
}

/// Waits for a tracer that is expected to end by itself; `None` if it had to be killed.
fn ends(mut child: Child) -> Option<Output> {
    let ended = poll(Duration::from_secs(15), || {
        child.try_wait().is_ok_and(|s| s.is_some())
    });
    if !ended {
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("the tracer's output");
    ended.then_some(output)
}

/// Starts a program that may just have been copied: a scenario that forks meanwhile keeps the copy
/// open for writing until it execs.
pub(super) fn spawned(command: &mut Command) -> Child {
    for _ in 0..100 {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other.expect("start the tracer"),
        }
    }
    panic!("the copied tracer stays busy");
}

/// Runs `tcptrace ARGS...` to its end and claims its exit code; `None` without a tracer.
fn code_of(world: &World, command: Option<Command>, code: i32, label: &str) -> Option<Output> {
    let mut command = command?;
    let output = ends(spawned(
        command.stdout(Stdio::piped()).stderr(Stdio::piped()),
    ));
    let got = output.as_ref().and_then(|output| output.status.code());
    if got != Some(code) {
        let reported = output
            .as_ref()
            .map(|output| String::from_utf8_lossy(&output.stderr));
        world.claim(
            &format!("{label}: exit code {code}, got {got:?}, {reported:?}"),
            false,
        );
    }
    output
}

fn count_ends_the_watch(world: &World) {
    let tracer = world.watch(&["--only", "rst_sent", "--count", "3"]);
    for _ in 0..3 {
        reset(world);
    }
    let events = tracer.wait(0);
    events.exactly("three and no more", 3, Expect::new("rst_sent"));
}

fn duration_ends_the_watch(world: &World) {
    let tracer = world.watch(&["--duration", "1s"]);
    let events = tracer.wait(0);
    if let Some(summary) = events.summary() {
        let duration = field(summary, "duration_ms").as_f64().unwrap_or(0.0);
        world.claim(
            &format!("about a second: {duration}"),
            (900.0..2500.0).contains(&duration),
        );
    }
}

fn sigterm_ends_the_watch(world: &World) {
    ends_by(world, libc::SIGTERM);
}

fn sighup_ends_the_watch_in_order(world: &World) {
    ends_by(world, libc::SIGHUP);
}

fn ends_by(world: &World, signal: i32) {
    let tracer = world.watch_alone(&[]);
    let pair = reset(world);
    tracer.expect(
        "it works until then",
        Expect::new("rst_sent").conn(pair.conn),
    );
    let is_there = tracer.pid().is_some();
    if let Some(pid) = tracer.pid() {
        sys_ops::kill(pid, signal).expect("end the tracer");
    }
    let events = tracer.wait(0);
    world.claim(
        "a summary is printed",
        !is_there || events.summary().is_some(),
    );
}

/// What nohup does: SIGHUP is ignored when the tracer starts.
fn a_watch_under_nohup_outlives_the_hangup(world: &World) {
    let Some(mut command) = world.command(&["watch", "--quiet", "--duration", "4s"]) else {
        return;
    };
    // SAFETY: one system call that allocates nothing.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let begin = std::time::Instant::now();
    let child = spawned(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let pid = child.id() as i32;
    // By then it listens to signals, attached or not.
    std::thread::sleep(Duration::from_secs(1));
    sys_ops::kill(pid, libc::SIGHUP).expect("hang up");
    let output = ends(child);
    world.claim_eq(
        "exit code",
        output.and_then(|output| output.status.code()),
        Some(0),
    );
    let lasted = begin.elapsed();
    world.claim(
        &format!("it runs for its time: {lasted:?}"),
        lasted >= Duration::from_secs(4),
    );
}

fn sigterm_ends_the_command_too(world: &World) {
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let file = std::env::temp_dir().join(format!("tcptrace-ended-{}-{signal}", world.netns));
        let script = format!(
            "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300",
            file.display()
        );
        let words = ["watch", "--quiet", "--", "sh", "-c", &script];
        let Some(mut command) = world.command(&words) else {
            return;
        };
        let child = spawned(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let begun = || std::fs::read_to_string(&file).is_ok();
        world.claim("the command runs", poll(Duration::from_secs(20), begun));
        let traced = std::fs::read_to_string(&file).unwrap_or_default();
        let traced: i32 = traced.trim().parse().unwrap_or(0);
        // The tracer confines itself after it has started the command.
        std::thread::sleep(Duration::from_millis(500));
        sys_ops::kill(child.id() as i32, signal).expect("end the tracer");
        let output = ends(child);
        let code = output.and_then(|output| output.status.code());
        world.claim_eq(&format!("exit code after signal {signal}"), code, Some(0));
        let is_gone = poll(Duration::from_secs(5), || {
            super::kit::command::stat_field(traced, 3).is_none_or(|state| state == "Z")
        });
        world.claim(&format!("signal {signal} ends the command"), is_gone);
        if !is_gone && traced > 1 {
            drop(sys_ops::kill(traced, libc::SIGKILL));
        }
        std::fs::remove_file(&file).expect("removed");
    }
}

/// Whether the second comes in time to matter is up to the scheduler; that it ends is not.
fn second_interrupt_ends_it_at_once(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let Some(mut command) = world.command(&["watch", "--json", "--netns", &netns]) else {
        return;
    };
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start");
    let pid = child.id() as i32;
    std::thread::sleep(Duration::from_millis(500)); // until its handler is there
    for _ in 0..2 {
        let _ = sys_ops::kill(pid, libc::SIGINT);
        std::thread::sleep(Duration::from_millis(1));
    }
    let code = ends(child).and_then(|output| output.status.code());
    world.claim(
        &format!("0 or 130, got {code:?}"),
        matches!(code, Some(0 | 130)),
    );
}

/// The command connects to a port that refuses it, and leaves with code 7.
fn command_is_traced_and_its_code_returned(world: &World) {
    let server = world.actor("cm-server");
    let refusing = server.describe(server.bound("127.0.7.9:0"));
    server.close(refusing);
    let own = std::env::current_exe().expect("own path");
    let own = own.to_str().expect("a path in UTF-8");
    let to = refusing.local.to_string();
    let args = [
        "watch",
        "--json",
        "--",
        own,
        "--actor-once",
        "cm-command",
        &to,
        "7",
    ];
    let command = world.command_here(&args);
    let Some(output) = code_of(world, command, 7, "the command's own code") else {
        return;
    };
    let events = verdict::objects(&output.stdout);
    let expected = Expect::new("rst_received")
        .is("meaning", "refused")
        .is("owner.comm", "cm-command")
        .remote(refusing.local)
        .is("netns", world.netns);
    let reported = events.iter().any(|event| expected.matches(event));
    world.claim(
        &format!("its refused connection is reported: {events:?}"),
        reported,
    );
}

fn fail_on(world: &World, kind: &str, code: i32) {
    let tracer = world.watch(&["--fail-on", kind]);
    let pair = reset(world);
    tracer.expect(
        "the reset is reported",
        Expect::new("rst_sent").conn(pair.conn),
    );
    if let Some(pid) = tracer.pid() {
        sys_ops::kill(pid, libc::SIGINT).expect("interrupt the tracer");
    }
    tracer.wait(code);
}

fn fail_on_a_kind_that_was_seen(world: &World) {
    fail_on(world, "rst_sent", 5);
}

fn fail_on_a_kind_that_was_not_seen(world: &World) {
    fail_on(world, "paws_drop", 0);
}

/// `tcptrace watch | head -1`
fn closed_pipe_ends_quietly(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let args = ["watch", "--json", "--netns", &netns, "--only", "rst_sent"];
    let Some(mut command) = world.command(&args) else {
        return;
    };
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("start the tracer");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        out.read_line(&mut line).map(|_| line)
    });
    world.until("the first line comes", || {
        reset(world);
        reader.is_finished()
    });
    let line = reader.join().expect("no panic").expect("a line");
    world.claim(
        &format!("it is an event: {line}"),
        line.contains("rst_sent"),
    );
    world.until("it ends with the pipe", || {
        reset(world);
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    let code = ends(child).and_then(|output| output.status.code());
    world.claim_eq("exit code", code, Some(0));
}

fn full_disk_is_a_failure(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let Some(mut command) = world.command(&["watch", "--json", "--netns", &netns]) else {
        return;
    };
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let child = command.stdout(full).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("start the tracer");
    world.until("it gives up", || {
        reset(world);
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    let output = ends(child);
    world.claim_eq(
        "exit code",
        output.as_ref().and_then(|o| o.status.code()),
        Some(1),
    );
    let says_why = output.is_some_and(|output| {
        String::from_utf8_lossy(&output.stderr)
            .to_lowercase()
            .contains("no space left")
    });
    world.claim("it says why", says_why);
}

fn mistakes_are_usage_errors(world: &World) {
    for args in [
        &["watch", "--pid", "2147483646"][..],
        &["watch", "--pid", "none"],
        &["watch", "--addr", "127.0.0.1/33"],
        &["watch", "--raddr", "example"],
        &["watch", "--netns", "inode:1"],
        &["watch", "--netns", "no-such-name"],
        &["watch", "--only", "no_such_kind"],
        &["watch", "--port", "65536"],
        &["watch", "--duration", "soon"],
        &["watch", "--children"],
        &["watch", "-4", "-6", "--no-such-option"],
        &["no-such-command"],
    ] {
        let output = code_of(world, world.command(args), 2, &format!("{args:?}"));
        if let Some(output) = output {
            world.claim(&format!("{args:?} is explained"), !output.stderr.is_empty());
            world.claim(
                &format!("{args:?} prints no data"),
                output.stdout.is_empty(),
            );
        }
    }
}

fn without_privilege(world: &World) {
    let Some(binary) = world.binary() else { return };
    // The build directory may not be open to others.
    let copy = std::env::temp_dir().join(format!("tcptrace-live-{}", std::process::id()));
    std::fs::copy(binary, &copy).expect("copy the tracer");
    let mut command = Command::new(&copy);
    command
        .args(["watch", "--json", "--duration", "1s"])
        .uid(12345)
        .gid(12345);
    let output = code_of(world, Some(command), 3, "missing privilege");
    std::fs::remove_file(&copy).expect("remove the copy");
    let says_what = output.is_some_and(|output| {
        let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
        text.contains("root") || text.contains("cap_")
    });
    world.claim("it says which privilege", says_what);
}

/// The ids of the BPF programs a process holds, from its descriptors.
fn programs_of(pid: i32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return Vec::new();
    };
    let texts = entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let id = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        line.and_then(|id| id.trim().parse().ok())
    };
    texts.filter_map(id).collect()
}

fn killed_tracer_leaves_nothing_in_the_kernel(world: &World) {
    let tracer = world.watch_alone(&[]);
    let Some(pid) = tracer.pid() else { return };
    let programs = programs_of(pid);
    world.claim("it had programs in the kernel", !programs.is_empty());
    tracer.kill();
    world.until("all of them are gone", || {
        let left = sys_ops::bpf_program_ids().expect("the kernel's programs");
        !programs.iter().any(|id| left.contains(id))
    });
}

fn quiet_prints_no_summary_on_stderr(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let args = ["watch", "--quiet", "--duration", "1s", "--netns", &netns];
    if let Some(output) = code_of(world, world.command(&args), 0, "quiet") {
        let reported = String::from_utf8_lossy(&output.stderr);
        world.claim(&format!("nothing is said: {reported}"), reported.is_empty());
    }
}

fn rate_limit_counts_what_it_hides(world: &World) {
    let tracer = world.watch(&["--only", "rst_sent", "--rate-limit", "5"]);
    for _ in 0..60 {
        reset(world);
    }
    let events = tracer.stop(); // which judges the identity
    let Some(summary) = events.summary() else {
        return;
    };
    let hidden = field(summary, "loss.rate_limited").as_u64().unwrap_or(0);
    let shown = events.all().count() as u64;
    world.claim_eq("shown and hidden are all", shown + hidden, 60);
    world.claim(&format!("most are hidden: {hidden}"), hidden >= 30);
}

/// Both clocks, read by the runner before and after, must enclose the event.
fn times_are_those_of_the_hook(world: &World) {
    let tracer = world.watch_alone(&[]);
    let pair = Pair::connected(world, "tm");
    pair.client.linger(pair.conn, 0);
    let (boot_before, wall_before) = (sys_ops::boot_time_ns(), jiff::Timestamp::now());
    pair.client.close(pair.conn);
    let (boot_after, wall_after) = (sys_ops::boot_time_ns(), jiff::Timestamp::now());
    tracer.expect("the reset", Expect::new("rst_sent").conn(pair.conn));
    let events = tracer.stop();
    for event in events.matching_kind("rst_sent") {
        let boot = field(event, "mono_ns").as_u64().unwrap_or(0);
        let holds = (boot_before..=boot_after).contains(&boot);
        world.claim(&format!("{boot_before} <= {boot} <= {boot_after}"), holds);
        let wall: Option<jiff::Timestamp> = field(event, "ts")
            .as_str()
            .and_then(|text| text.parse().ok());
        // The tracer maps one clock to the other once; a clock that is being slewed moves a little.
        let slack = jiff::SignedDuration::from_millis(5);
        let holds = wall.is_some_and(|wall| {
            wall.duration_since(wall_before) >= -slack && wall_after.duration_since(wall) >= -slack
        });
        world.claim(&format!("{wall_before} <= {wall:?} <= {wall_after}"), holds);
    }
}
