//! A tracer that is stopped and continued, one that is killed, and a wall clock that is set meanwhile: what it
//! reports stays in order, complete and right.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use serde_json::Value;

use super::crowd::Cast;
use super::kit::command::stat_field;
use super::kit::events::Events;
use super::kit::expect::field;
use super::kit::world::poll;
use super::kit::{Conn, Expect, Pair, Scenario, World, scenarios, sys_ops, verdict};
use super::robustness::spawned;

/// Set where the scenarios have a machine to themselves: `cargo xtask test vm`.
const OWN_MACHINE: &str = "TCPTRACE_TEST_OWN_MACHINE";
/// What a clock may be read late by.
const SLACK_MS: i64 = 3_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let slow = scenarios![stopped_for_twenty_seconds_it_keeps_order_and_books];
    let alone = scenarios![
        a_wall_clock_that_is_set_is_followed,
        a_machine_that_sleeps_takes_nothing_along
    ];
    scenarios![
        stopped_for_three_seconds_it_keeps_order_and_books,
        a_suspended_watch_goes_on,
        a_killed_tracer_leaves_its_command_alone,
    ]
    .into_iter()
    .chain(slow.into_iter().map(Scenario::slow))
    .chain(alone.into_iter().map(Scenario::alone))
    .collect()
}

fn stopped_for_three_seconds_it_keeps_order_and_books(world: &World) {
    stopped_by(world, libc::SIGSTOP, Duration::from_secs(3));
}

fn stopped_for_twenty_seconds_it_keeps_order_and_books(world: &World) {
    stopped_by(world, libc::SIGSTOP, Duration::from_secs(20));
}

/// By Ctrl-Z. A tracer whose process group nobody controls is not stopped by it; it continues then too.
fn a_suspended_watch_goes_on(world: &World) {
    stopped_by(world, libc::SIGTSTP, Duration::from_secs(1));
}

/// Resets before, while and after the tracer is paused: each is reported, by the order of their times, with
/// the owner and the books right.
fn stopped_by(world: &World, signal: i32, lasting: Duration) {
    const AT_ONCE: usize = 300;
    let netns = format!("inode:{}", world.netns);
    let tracer = world.watch_with(&[
        "--only",
        "rst_sent",
        "--ring-size",
        "16777216",
        "--netns",
        &netns,
    ]);
    let Some(pid) = tracer.pid() else { return };
    let cast = Cast::new(world, "st", 20_051, 20_052);
    let mut resets = 0;
    let mut some = || {
        cast.begin(AT_ONCE, "follows", "resets");
        cast.finish();
        resets += AT_ONCE;
    };
    some();
    sys_ops::kill(pid, signal).expect("stop the tracer");
    let is_stopped = || stat_field(pid, 3).as_deref() == Some("T");
    if signal == libc::SIGSTOP {
        world.until("it is stopped", is_stopped);
    } else if !poll(Duration::from_secs(1), is_stopped) {
        world.note("nobody controls the process group: it is not stopped".to_owned());
    }
    let begin = Instant::now();
    while begin.elapsed() < lasting {
        some();
        std::thread::sleep(lasting / 20);
    }
    sys_ops::kill(pid, libc::SIGCONT).expect("continue the tracer");
    some();
    // Which judges the books.
    let events = tracer.stop();
    let by_client = Expect::new("rst_sent")
        .cause("linger_zero")
        .owner(&cast.client);
    events.exactly("every reset, with its owner", resets, by_client);
    let times: Vec<u64> = events
        .matching_kind("rst_sent")
        .iter()
        .filter_map(|event| field(event, "mono_ns").as_u64())
        .collect();
    let early = |pair: &[u64]| pair[0].saturating_sub(pair[1]);
    let earliest = times.windows(2).map(early).max().unwrap_or(0);
    // Two processors may reserve room and read the clock in another order.
    world.claim(
        &format!("in the order of their times, but for {earliest} ns"),
        earliest < 1_000_000,
    );
    let lost = events.summary().map(|end| field(end, "loss.lost").clone());
    world.claim_eq("lost", lost.and_then(|lost| lost.as_u64()), Some(0));
}

/// The kernel may kill the tracer for lack of memory: what it observes must not end with it. SIGTERM and
/// SIGHUP, which ask it to end, reach the command too (`robustness::`).
fn a_killed_tracer_leaves_its_command_alone(world: &World) {
    if !std::path::Path::new("/bin/sh").exists() {
        return world.cannot("there is no shell here to be the command");
    }
    let file = std::env::temp_dir().join(format!("tcptrace-left-{}", world.netns));
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300",
        file.display()
    );
    let words = ["watch", "--quiet", "--", "sh", "-c", &script];
    let Some(mut command) = world.command(&words) else {
        return;
    };
    let mut child = spawned(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let begun = poll(Duration::from_secs(20), || file.exists());
    world.claim("the command runs", begun);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    child.kill().expect("kill the tracer");
    child.wait().expect("its end");
    let traced: i32 = text.trim().parse().unwrap_or(0);
    if traced > 1 {
        std::thread::sleep(Duration::from_millis(300));
        let state = stat_field(traced, 3);
        world.claim(
            &format!("it keeps running: {state:?}"),
            state.as_deref() == Some("S"),
        );
        sys_ops::kill(traced, libc::SIGKILL).expect("end the command");
    }
    drop(std::fs::remove_file(&file));
}

fn wall_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// Moves the wall clock of the whole machine.
fn move_wall_clock(seconds: i64) {
    let now = clock_gettime(ClockId::Realtime);
    let then = Timespec {
        tv_sec: now.tv_sec + seconds,
        ..now
    };
    clock_settime(ClockId::Realtime, then).expect("root sets the clock");
}

fn reset(world: &World, name: &str) -> (Conn, i64) {
    let pair = Pair::connected(world, name);
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    (pair.conn, wall_ms())
}

/// The time on an event, milliseconds since 1970.
fn ts(event: &Value) -> Option<i64> {
    let ts = field(event, "ts").as_str()?.parse::<jiff::Timestamp>();
    Some(ts.ok()?.as_millisecond())
}

/// Claims that the reset of this connection bears the time of the wall clock as it stood; returns what it bears.
fn has_right_time(world: &World, events: &Events, conn: Conn, wall_ms: i64) -> Option<i64> {
    let expected = Expect::new("rst_sent").conn(conn);
    let live = events
        .matching(&expected)
        .first()
        .and_then(|event| ts(event));
    let late = live.map(|live| wall_ms - live);
    let is_right = late.is_some_and(|late| (-SLACK_MS..=SLACK_MS).contains(&late));
    world.claim(
        &format!("its time is that of the clock as it stood: {late:?} ms"),
        events.dry() || is_right,
    );
    live
}

/// How long the machine has slept since it booted, ms.
fn slept_ms() -> i64 {
    let read = |clock| {
        let now = clock_gettime(clock);
        now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    };
    read(ClockId::Boottime) - read(ClockId::Monotonic)
}

/// Suspends the machine to memory until its clock wakes it.
fn sleep_of_the_machine(seconds: u32) -> std::io::Result<()> {
    std::fs::write("/sys/class/rtc/rtc0/wakealarm", "0")?;
    std::fs::write("/sys/class/rtc/rtc0/wakealarm", format!("+{seconds}"))?;
    std::fs::write("/sys/power/state", "mem")
}

/// Resets before and after it have the times of the wall clock, nothing is lost, and the books hold.
fn a_machine_that_sleeps_takes_nothing_along(world: &World) {
    const SLEEP_MS: i64 = 5_000;
    if std::env::var_os(OWN_MACHINE).is_none() {
        return world.cannot("would suspend this machine");
    }
    let tracer = world.watch_alone(&["--duration", "300s"]);
    let before = reset(world, "s0");
    let slept = slept_ms();
    if let Err(why) = sleep_of_the_machine((SLEEP_MS / 1000) as u32) {
        tracer.stop();
        return world.cannot(&format!("this machine does not sleep: {why}"));
    }
    let slept = slept_ms() - slept;
    world.claim(
        &format!("the machine slept: {slept} ms"),
        slept > SLEEP_MS / 2,
    );
    let after = reset(world, "s1");
    for (conn, _) in [before, after] {
        tracer.expect("each reset", Expect::new("rst_sent").conn(conn));
    }
    let events = tracer.stop();
    for (conn, wall_ms) in [before, after] {
        has_right_time(world, &events, conn, wall_ms);
    }
    let lost = events.summary().map(|end| field(end, "loss.lost").clone());
    world.claim_eq("lost", lost.and_then(|lost| lost.as_u64()), Some(0));
}

fn a_wall_clock_that_is_set_is_followed(world: &World) {
    if std::env::var_os(OWN_MACHINE).is_none() {
        return world.cannot("would set this machine's clock");
    }
    let file = std::env::temp_dir().join(format!("tcptrace-clock-{}.rec", world.netns));
    let path = file.to_str().expect("a path in UTF-8");
    let tracer = world.watch_alone(&["--record", path]);
    let mut made = vec![reset(world, "c0")];
    let mut moved = 0;
    for (at, seconds) in [3_600, -7_200, 86_400 * 400].into_iter().enumerate() {
        move_wall_clock(seconds);
        moved += seconds;
        // A slow machine takes its time to notice; what comes in between has the time of before.
        let is_noticed = || {
            let times = tracer.has_written("the wall clock was set");
            times.is_none_or(|times| times == at + 1)
        };
        world.until("it is noticed", is_noticed);
        made.push(reset(world, &format!("c{}", at + 1)));
    }
    for (conn, _) in &made {
        tracer.expect("each reset", Expect::new("rst_sent").conn(*conn));
    }
    let events = tracer.stop();
    move_wall_clock(-moved);
    let replayed = world.command(&["replay", "--json", path]);
    let replayed = replayed.map(|mut command| command.output().expect("replay"));
    let again = replayed.map_or_else(Vec::new, |output| verdict::objects(&output.stdout));
    for (conn, wall_ms) in made {
        let expected = Expect::new("rst_sent").conn(conn);
        let live = has_right_time(world, &events, conn, wall_ms);
        let recorded = again.iter().find(|event| expected.matches(event));
        world.claim_eq("the recording says the same", recorded.and_then(ts), live);
    }
    drop(std::fs::remove_file(&file));
}
