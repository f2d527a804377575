//! `listeners`, `states` and `timewait` against real sockets: what the kernel holds, by whom.

use std::process::Stdio;

use serde_json::{Value, json};

use super::kit::{Actor, Conn, Scenario, World, scenarios, verdict};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        full_accept_queue_is_marked_with_length_above_limit,
        somaxconn_below_the_backlog_binds,
        reuseport_group_is_counted_with_its_skew,
        half_open_handshakes_are_counted_at_their_listener,
        shared_listener_names_every_holder,
        thirty_time_waits_of_one_process_are_counted_per_remote,
        time_wait_of_a_service_is_inferred_from_its_listener,
        close_wait_leak_names_its_owner,
        v6_and_v4_mapped_connections_are_reported_apart_by_address,
        foreign_namespace_is_looked_into,
        port_is_explained_in_sentences,
        filters_leave_others_out,
        unprivileged_snapshot_says_what_it_cannot_see,
    ]
}

/// What the command prints as JSON for the scenario's namespace: rows, then the closing object.
pub(super) fn ask(world: &World, args: &[&str]) -> Option<(Vec<Value>, Value)> {
    let netns = format!("inode:{}", world.netns);
    let mut command = world.command(&[args, &["--json", "--netns", &netns]].concat())?;
    let output = command.output().expect("run the tracer");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    world.claim_eq(
        &format!("{args:?} ends well: {errors}"),
        output.status.code(),
        Some(0),
    );
    let mut objects = verdict::objects(&output.stdout);
    objects.retain(|object| object["kind"] != "summary");
    let end = objects.pop().unwrap_or_default();
    world.claim_eq("a snapshot is closed", &end["kind"], &json!("snapshot"));
    Some((objects, end))
}

/// Clients of a listener, none of which is accepted.
pub(crate) fn crowd(client: &Actor, listener: Conn, count: usize) -> Vec<Conn> {
    (0..count)
        .map(|_| client.connect("127.0.0.1:0", listener.local))
        .collect()
}

/// `count` connections that both ends close, `first` first; they end in TIME_WAIT there.
pub(crate) fn closed(
    client: &Actor,
    server: &Actor,
    listener: Conn,
    count: usize,
    client_first: bool,
) {
    for _ in 0..count {
        let conn = client.connect("127.0.0.2:0", listener.local);
        let accepted = server.accept(listener);
        if client_first {
            client.close(conn);
            server.close(accepted);
        } else {
            server.close(accepted);
            client.close(conn);
        }
    }
}

fn full_accept_queue_is_marked_with_length_above_limit(world: &World) {
    let (server, client) = (world.actor("fq-server"), world.actor("fq-client"));
    let listener = server.listen("127.0.0.1:0", 7);
    crowd(&client, listener, 8);
    let Some((rows, end)) = ask(world, &["listeners"]) else {
        return;
    };
    world.claim_eq("one listener", rows.len(), 1);
    let row = &rows[0];
    world.claim_eq(
        "N+1 wait in a queue of N",
        &row["accept_queue"],
        &json!({ "length": 8, "limit": 7 }),
    );
    world.claim_eq("it is full", &row["full"], &json!(true));
    world.claim_eq("backlog binds", &row["limited_by"], &json!("backlog"));
    world.claim_eq("the backlog is known", &row["backlog"], &json!(7));
    world.claim_eq("its cookie", &row["cookie"], &json!(listener.cookie));
    world.claim_eq("its owner", &row["owner"]["pid"], &json!(server.pid));
    let started = json!(server.start_ticks);
    world.claim_eq("started then", &row["owner"]["start_ticks"], &started);
    world.claim_eq("found in /proc", &row["owner"]["basis"], &json!("snapshot"));
    world.claim_eq("no hook was asked", &row["refusals"], &Value::Null);
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("somaxconn");
    let reported = &end["namespaces"][0]["settings"]["somaxconn"];
    world.claim_eq(
        "the namespace's own somaxconn",
        reported.to_string(),
        somaxconn.trim().into(),
    );
}

fn somaxconn_below_the_backlog_binds(world: &World) {
    world.sysctl("core.somaxconn", 23);
    let server = world.actor("sm-server");
    server.listen("127.0.0.1:0", 511);
    let Some((rows, _)) = ask(world, &["listeners"]) else {
        return;
    };
    world.claim_eq(
        "somaxconn binds",
        &rows[0]["limited_by"],
        &json!("somaxconn"),
    );
    world.claim_eq("its limit", &rows[0]["accept_queue"]["limit"], &json!(23));
    world.claim_eq(
        "the backlog is not known",
        &rows[0]["backlog"],
        &Value::Null,
    );
    world.sysctl("core.somaxconn", 11);
    let Some((rows, _)) = ask(world, &["listeners"]) else {
        return;
    };
    world.claim_eq(
        "lowered since: not known",
        &rows[0]["limited_by"],
        &Value::Null,
    );
}

fn reuseport_group_is_counted_with_its_skew(world: &World) {
    let (server, client) = (world.actor("rp-server"), world.actor("rp-client"));
    let mut local = "127.0.0.1:0".to_owned();
    let mut listener = None;
    for _ in 0..3 {
        let fd: i32 = server.number("socket v4");
        server.order(&format!("reuseport {fd}"));
        server.order(&format!("bind {fd} {local}"));
        server.order(&format!("listen {fd} 50"));
        let conn = server.describe(fd);
        local = conn.local.to_string();
        listener = Some(conn);
    }
    crowd(&client, listener.expect("three listeners"), 9);
    let Some((rows, _)) = ask(world, &["listeners"]) else {
        return;
    };
    world.claim_eq("three rows", rows.len(), 3);
    let lengths: Vec<u64> = rows
        .iter()
        .filter_map(|row| row["accept_queue"]["length"].as_u64())
        .collect();
    let longest = lengths.iter().max().copied().unwrap_or(0) as f64;
    world.claim_eq("together they hold all", lengths.iter().sum::<u64>(), 9);
    for row in &rows {
        world.claim_eq("the group", &row["group"]["size"], &json!(3));
        world.claim_eq("waiting in all", &row["group"]["length"], &json!(9));
        let skew = row["group"]["skew"].as_f64().unwrap_or(0.0);
        world.claim("the skew", (skew - longest / 3.0).abs() < 0.01);
    }
}

fn half_open_handshakes_are_counted_at_their_listener(world: &World) {
    let (server, client) = (world.actor("ho-server"), world.actor("ho-client"));
    let listener = server.listen("127.0.0.1:0", 20);
    server.listen("127.0.0.3:0", 20);
    for _ in 0..5 {
        client.connect_start("127.0.0.1:0", listener.local, Some("synack"));
    }
    let mut length = Value::Null;
    world.until("five are half open", || {
        let Some((rows, _)) = ask(world, &["listeners"]) else {
            return true;
        };
        let own = |row: &&Value| row["cookie"] == json!(listener.cookie);
        length = rows
            .iter()
            .find(own)
            .map_or(Value::Null, |row| row["syn_queue"].clone());
        let others: Vec<_> = rows.iter().filter(|row| !own(row)).collect();
        length == json!({ "length": 5, "limit": 20 })
            && others
                .iter()
                .all(|row| row["syn_queue"]["length"] == json!(0))
    });
}

fn shared_listener_names_every_holder(world: &World) {
    let server = world.actor("sh-server");
    server.listen("127.0.0.1:0", 20);
    let worker = server.fork("sh-worker");
    let Some((rows, _)) = ask(world, &["listeners"]) else {
        return;
    };
    let mut pids = [server.pid, worker.pid];
    pids.sort_unstable();
    world.claim_eq("both hold it", &rows[0]["pids"], &json!(pids));
    world.claim_eq("two share it", &rows[0]["owner"]["shared_by"], &json!(2));
}

fn thirty_time_waits_of_one_process_are_counted_per_remote(world: &World) {
    let (server, client) = (world.actor("tw-server"), world.actor("tw-client"));
    // The server's port is no listener's any more, so that they are connections made from here.
    let listener = server.listen("127.0.7.9:0", 50);
    closed(&client, &server, listener, 30, true);
    let live = client.connect("127.0.0.2:0", listener.local);
    let accepted = server.accept(listener);
    world.until("the kernel holds them", || world.time_waits() == 30);
    let Some((rows, end)) = ask(world, &["timewait"]) else {
        return;
    };
    world.claim_eq("one row", rows.len(), 1);
    let row = &rows[0];
    world.claim_eq("thirty", &row["time_wait"], &json!(30));
    world.claim_eq("none in FIN_WAIT2", &row["fin_wait2"], &json!(0));
    let remote = json!({ "addr": "127.0.7.9", "port": listener.local.port() });
    world.claim_eq("the remote end", &row["remote"], &remote);
    world.claim_eq("nobody knows who", &row["left_by"], &json!("none"));
    world.claim_eq("no service of ours", &row["service"], &Value::Null);
    world.claim_eq("ports, the live one too", &row["ports"]["used"], &json!(31));
    world.claim_eq("of the range", &row["ports"]["range"], &json!(28_232));
    let left = row["left_ms_min"].as_u64().unwrap_or(0);
    world.claim(
        &format!("a minute is left: {left}"),
        (40_000..=60_000).contains(&left),
    );
    let entries = &end["namespaces"][0]["counters"]["time_wait_entries"];
    world.claim_eq("buckets used", entries, &json!(30));
    client.close(live);
    server.close(accepted);
}

fn time_wait_of_a_service_is_inferred_from_its_listener(world: &World) {
    let (server, client) = (world.actor("ti-server"), world.actor("ti-client"));
    let listener = server.listen("127.0.0.1:0", 50);
    closed(&client, &server, listener, 6, false);
    world.until("the kernel holds them", || world.time_waits() == 6);
    let Some((rows, _)) = ask(world, &["timewait"]) else {
        return;
    };
    world.claim_eq("one row", rows.len(), 1);
    world.claim_eq("six", &rows[0]["time_wait"], &json!(6));
    let service = json!(listener.local.port());
    world.claim_eq("the service", &rows[0]["service"], &service);
    world.claim_eq("inferred", &rows[0]["left_by"], &json!("inferred"));
    world.claim_eq("its owner", &rows[0]["owner"]["pid"], &json!(server.pid));
    world.claim_eq(
        "clients have many ports",
        &rows[0]["remote"]["port"],
        &Value::Null,
    );
}

fn close_wait_leak_names_its_owner(world: &World) {
    let (server, client) = (world.actor("cw-server"), world.actor("cw-client"));
    let listener = server.listen("127.0.0.1:0", 50);
    for _ in 0..12 {
        let conn = client.connect("127.0.0.2:0", listener.local);
        server.accept(listener);
        client.close(conn);
    }
    let Some((rows, _)) = ask(world, &["states"]) else {
        return;
    };
    let leaks: Vec<_> = rows
        .iter()
        .filter(|row| row["state"] == "CLOSE_WAIT")
        .collect();
    world.claim_eq("one row", leaks.len(), 1);
    let row = leaks[0];
    world.claim_eq("it comes first", &rows[0], row);
    world.claim_eq("twelve", &row["count"], &json!(12));
    world.claim_eq("its owner", &row["owner"]["pid"], &json!(server.pid));
    world.claim_eq("held by a process", &row["held_by"], &json!("process"));
    world.claim_eq("a leak", &row["anomaly"], &json!("close_wait_piling"));
    world.claim("its silence is known", row["silent_ms_max"].is_u64());
    let minisocks = rows.iter().find(|row| row["held_by"] == "minisock");
    let fin_wait2 = minisocks.map(|row| (&row["state"], &row["count"]));
    world.claim_eq(
        "the other ends",
        fin_wait2,
        Some((&json!("FIN_WAIT2"), &json!(12))),
    );
}

fn v6_and_v4_mapped_connections_are_reported_apart_by_address(world: &World) {
    let (server, client) = (world.actor("v6-server"), world.actor("v6-client"));
    let listener = server.listen("[::]:0", 17);
    let port = listener.local.port();
    client.connect("127.0.0.1:0", format!("127.0.0.1:{port}"));
    client.connect("[::1]:0", format!("[::1]:{port}"));
    let Some((rows, _)) = ask(world, &["listeners"]) else {
        return;
    };
    let local = json!({ "addr": "::", "port": port });
    world.claim_eq("the wildcard", &rows[0]["local"], &local);
    world.claim_eq("its family", &rows[0]["family"], &json!("inet6"));
    world.claim_eq("it takes IPv4 too", &rows[0]["v6only"], &json!(false));
    world.claim_eq("both wait", &rows[0]["accept_queue"]["length"], &json!(2));
    for (family, addr) in [("-4", "127.0.0.1"), ("-6", "::1")] {
        let Some((rows, _)) = ask(world, &["states", family]) else {
            return;
        };
        let waiting = rows.iter().find(|row| row["held_by"] == "accept_queue");
        let remote = waiting.map(|row| (&row["top_remote"]["addr"], &row["count"]));
        world.claim_eq(family, remote, Some((&json!(addr), &json!(1))));
    }
}

fn foreign_namespace_is_looked_into(world: &World) {
    world.elsewhere(|inode| {
        let server = world.actor("ns-server");
        let listener = server.listen("127.0.0.1:0", 31);
        let Some(mut command) = world.command(&["listeners", "--json"]) else {
            return;
        };
        let output = command.output().expect("run the tracer");
        let rows = verdict::objects(&output.stdout);
        let row = rows
            .iter()
            .find(|row| row["cookie"] == json!(listener.cookie) && row["netns"] == json!(inode));
        let owner = row.map(|row| row["owner"]["pid"].clone());
        world.claim_eq("found without being named", owner, Some(json!(server.pid)));
    });
}

fn port_is_explained_in_sentences(world: &World) {
    let (server, client) = (world.actor("ex-server"), world.actor("ex-client"));
    let listener = server.listen("127.0.0.1:0", 3);
    crowd(&client, listener, 4);
    let port = listener.local.port().to_string();
    let netns = format!("inode:{}", world.netns);
    let Some(mut command) = world.command(&["listeners", &port, "--netns", &netns]) else {
        return;
    };
    let output = command.output().expect("run the tracer");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "ex-server",
        "4 connections wait for accept(), the limit is 3",
        "listen() was given 3",
        "tcp_abort_on_overflow=0",
        &format!("ss -ltnm 'sport = :{port}'"),
    ] {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        world.claim(&format!("{words:?} is in: {text}"), flat.contains(words));
    }
    world.claim(
        "a hundred columns",
        text.lines().all(|line| line.chars().count() <= 100),
    );
}

fn filters_leave_others_out(world: &World) {
    let (one, other) = (world.actor("fl-one"), world.actor("fl-other"));
    let listener = one.listen("127.0.0.1:0", 9);
    other.listen("127.0.0.3:0", 9);
    let (pid, port) = (one.pid.to_string(), listener.local.port().to_string());
    for filter in [
        ["--pid", &pid],
        ["--comm", "fl-one"],
        ["--lport", &port],
        ["--laddr", "127.0.0.1/32"],
    ] {
        let Some((rows, _)) = ask(world, &[&["listeners"][..], &filter].concat()) else {
            return;
        };
        let cookies: Vec<_> = rows.iter().map(|row| row["cookie"].clone()).collect();
        world.claim_eq(
            &format!("{filter:?}"),
            cookies,
            vec![json!(listener.cookie)],
        );
    }
    let Some(mut command) = world.command(&["listeners", "--rport", "5"]) else {
        return;
    };
    let status = command.stderr(Stdio::null()).status().expect("run");
    world.claim_eq("a listener has no remote end", status.code(), Some(2));
}

fn unprivileged_snapshot_says_what_it_cannot_see(world: &World) {
    use std::os::unix::process::CommandExt;
    let server = world.actor("up-server");
    let listener = server.listen("127.0.0.1:0", 9);
    let Some(mut command) = world.command_here(&["listeners", "--json"]) else {
        return;
    };
    let Ok(output) = command.uid(65_534).gid(65_534).output() else {
        world.note("the tracer's file may not be run by nobody".into());
        return;
    };
    let objects = verdict::objects(&output.stdout);
    let row = objects
        .iter()
        .find(|row| row["cookie"] == json!(listener.cookie));
    world.claim("the listener is seen", row.is_some());
    let owner = row.map(|row| row["owner"]["pid"].clone());
    world.claim_eq("its owner is not known", owner, Some(Value::Null));
    let unseen = objects.last().map(|end| end["unseen"].to_string());
    let says = unseen.is_some_and(|unseen| unseen.contains("CAP_SYS_PTRACE"));
    world.claim("and it says why", says);
}
