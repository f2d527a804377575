//! `listeners`, `states` and `timewait` with `--watch`: what only hooks can report, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::kit::{Scenario, World, scenarios, sys_ops, verdict};
use super::queries::{closed, crowd};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        time_wait_owner_is_learnt_while_watching,
        refusals_are_reported_by_step_while_watching,
        waits_for_accept_are_measured_where_functions_can_be_hooked,
        closed_pipe_ends_quietly,
        interrupted_watch_ends_with_success,
    ]
}

/// Starts a live command, lets `work` happen once it is ready, and returns the first snapshot that
/// has what is `wished`, or the last one.
fn ask_live(
    world: &World,
    args: &[&str],
    work: impl FnOnce(),
    wished: impl Fn(&Value) -> bool,
) -> Option<Vec<Value>> {
    let ready = std::env::temp_dir().join(format!(
        "tcptrace-query-{}-{}",
        std::process::id(),
        world.netns
    ));
    let netns = format!("inode:{}", world.netns);
    let path = ready.to_string_lossy().into_owned();
    let duration = format!("{}s", 20 * super::kit::world::slowness());
    let live = ["--watch", "0.2", "--duration", &duration, "--json"];
    let place = ["--netns", &netns, "--ready-file", &path];
    let mut command = world.command(&[args, &live, &place].concat())?;
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("start the tracer");
    let patience = Duration::from_secs(20);
    let is_ready = super::kit::world::poll(patience, || ready.exists());
    let _ = std::fs::remove_file(&ready);
    world.claim("the hooks are attached", is_ready);
    work();
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (mut rows, mut found, mut last) = (Vec::new(), None, Value::Null);
    for line in lines.map_while(Result::ok) {
        let object = verdict::object(&line);
        last = object["kind"].clone();
        if last == "snapshot" {
            world.claim("hooks watch", object["watched_ms"].is_u64());
            if found.is_none() && rows.iter().any(&wished) {
                found = Some(std::mem::take(&mut rows));
                sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt");
            }
            rows.clear();
        } else {
            rows.push(object);
        }
    }
    world.claim_eq("the summary comes last", last, json!("summary"));
    let status = child.wait().expect("it ends");
    world.claim_eq("SIGINT ends it with 0", status.code(), Some(0));
    world.claim("what was wished for was seen", found.is_some());
    found
}

fn time_wait_owner_is_learnt_while_watching(world: &World) {
    let (server, client) = (world.actor("tl-server"), world.actor("tl-client"));
    let listener = server.listen("127.0.7.9:0", 50);
    let work = || closed(&client, &server, listener, 4, true);
    let wished = |row: &Value| row["left_by"] == "learnt" && row["time_wait"] == json!(4);
    let Some(rows) = ask_live(world, &["timewait"], work, wished) else {
        return;
    };
    let learnt: Vec<_> = rows
        .iter()
        .filter(|row| row["left_by"] == "learnt")
        .collect();
    world.claim_eq("one row is learnt", learnt.len(), 1);
    for row in learnt {
        world.claim_eq("four", &row["time_wait"], &json!(4));
        world.claim_eq("its owner", &row["owner"]["pid"], &json!(client.pid));
        world.claim_eq("its name", &row["owner"]["comm"], &json!("tl-client"));
    }
}

fn refusals_are_reported_by_step_while_watching(world: &World) {
    let (server, client) = (world.actor("rf-server"), world.actor("rf-client"));
    let listener = server.listen("127.0.0.1:0", 1);
    crowd(&client, listener, 2);
    let before = world.counters();
    let work = || {
        for _ in 0..3 {
            client.connect_start("127.0.0.1:0", listener.local, None);
        }
        world.rose_at_least(&before, "ListenOverflows", 3);
    };
    let refused = |row: &Value| {
        let count = |step: &str| row["refusals"][step].as_u64().unwrap_or(0);
        // Refusals may come while the sockets are being listed: then the next snapshot has their drops.
        count("accept_syn") + count("accept_counted") >= 3
            && row["drops_since_watch"].as_u64() >= Some(3)
    };
    let Some(rows) = ask_live(world, &["listeners"], work, refused) else {
        return;
    };
    let own = rows
        .iter()
        .find(|row| row["cookie"] == json!(listener.cookie));
    let Some(row) = own else {
        world.claim("the listener is there", false);
        return;
    };
    let refusals = &row["refusals"];
    let count = |step: &str| refusals[step].as_u64().unwrap_or(0);
    world.claim_eq("no third ACK", count("accept_ack"), 0);
    let risen = row["drops_since_watch"].as_u64();
    world.claim(&format!("its counter rose: {risen:?}"), risen >= Some(3));
}

fn waits_for_accept_are_measured_where_functions_can_be_hooked(world: &World) {
    const PAUSE: Duration = Duration::from_millis(700);
    let (server, client) = (world.actor("wa-server"), world.actor("wa-client"));
    let listener = server.listen("127.0.0.1:0", 9);
    crowd(&client, listener, 1);
    let work = || {
        // Only this one's listen() is seen.
        server.listen("127.0.0.2:0", 99);
        server.accept(listener);
        crowd(&client, listener, 3);
        std::thread::sleep(PAUSE);
        for _ in 0..3 {
            server.accept(listener);
        }
    };
    let has_functions = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    let wished = |row: &Value| {
        if has_functions {
            row["accepts"]["measured"] == 3
        } else {
            row["local"]["addr"] == "127.0.0.2"
        }
    };
    let Some(rows) = ask_live(world, &["listeners"], work, wished) else {
        return;
    };
    let row = |addr: &str| rows.iter().find(|row| row["local"]["addr"] == addr);
    let (Some(older), Some(newer)) = (row("127.0.0.1"), row("127.0.0.2")) else {
        world.claim("both listeners are there", false);
        return;
    };
    world.claim_eq("inferred", &older["backlog_seen"], &json!(false));
    world.claim_eq("what it has", &newer["backlog"], &json!(99));
    world.claim_eq("seen", &newer["backlog_seen"], &json!(has_functions));
    if !has_functions {
        world.claim_eq("not measured", &older["accepts"], &Value::Null);
        return;
    }
    let accepts = &older["accepts"];
    world.claim_eq("one waited before", &accepts["older"], &json!(1));
    let paused = u64::try_from(PAUSE.as_micros()).expect("short");
    for name in ["wait_us_p50", "wait_us_p99", "wait_us_max"] {
        let wait = accepts[name].as_u64();
        let is_right = wait.is_some_and(|wait| (paused..30 * paused).contains(&wait));
        world.claim(&format!("{name} is what it was: {wait:?}"), is_right);
    }
    world.claim(
        "accepted lately",
        accepts["last_ms"].as_u64() < Some(20_000),
    );
    let nobody = json!({ "measured": 0, "older": 0, "wait_us_p50": null, "wait_us_p99": null,
        "wait_us_max": null, "last_ms": null });
    world.claim_eq("nothing is no wait of 0", &newer["accepts"], &nobody);
}

fn closed_pipe_ends_quietly(world: &World) {
    let Some(mut command) = world.command(&["listeners", "--watch", "0.1", "--json"]) else {
        return;
    };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start the tracer");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    out.read_line(&mut line).expect("a line");
    drop(out);
    let output = child.wait_with_output().expect("it ends");
    world.claim_eq("it ends with the pipe", output.status.code(), Some(0));
}

fn interrupted_watch_ends_with_success(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let args = ["states", "--watch", "0.1", "--quiet", "--netns", &netns];
    let Some(mut command) = world.command(&args) else {
        return;
    };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start the tracer");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    // The second heading: it looked twice.
    let mut headings = 0;
    let mut line = String::new();
    while headings < 2 && out.read_line(&mut line).is_ok_and(|length| length > 0) {
        headings += usize::from(line.contains("every 0.1 s"));
        world.claim("nothing of a terminal in a pipe", !line.contains('\u{1b}'));
        line.clear();
    }
    world.claim_eq("it looks again", headings, 2);
    sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt");
    std::io::copy(&mut out, &mut std::io::sink()).expect("its rest");
    world.claim_eq("0", child.wait().expect("it ends").code(), Some(0));
}
