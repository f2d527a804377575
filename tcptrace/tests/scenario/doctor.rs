//! `doctor` on namespaces with real trouble in them: what it finds, what it advises, and `--fail`.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::kit::{Pair, Scenario, World, scenarios, verdict};
use super::queries::crowd;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        defaults_are_those_of_a_fresh_namespace,
        quiet_namespace_is_fine,
        full_accept_queue_is_wrong_with_its_owner_and_a_command,
        backlog_that_binds_gets_no_sysctl,
        refusals_of_long_ago_are_reported_but_not_wrong,
        rising_drops_are_wrong_though_the_queue_has_room,
        changed_setting_is_reported_with_its_effect,
        setting_that_resets_clients_is_advised_against_with_its_evidence,
        rejected_timestamps_are_reported,
        resets_by_linger_are_reported_and_not_wrong,
        time_wait_limit_that_is_reached_is_wrong,
        ports_that_are_used_up_are_wrong_with_their_holder,
        cookies_for_every_syn_are_no_full_queue,
        nobody_looks_at_the_own_namespace_and_says_so,
    ]
}

/// What doctor says of the scenario's namespace alone, as JSON, and its exit code with `--fail`.
pub(super) fn asked(world: &World) -> Option<(Value, Option<i32>)> {
    let netns = format!("inode:{}", world.netns);
    let args = ["doctor", "--json", "--fail", "--netns", &netns];
    let output = world.command(&args)?.output().expect("run the doctor");
    Some((object(world, &output), output.status.code()))
}

pub(super) fn object(world: &World, output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = verdict::objects(&output.stdout).pop().unwrap_or_default();
    world.claim(&format!("an object: {errors}"), report != Value::Null);
    report
}

/// The page about the scenario's namespace, its words divided by single blanks.
fn page(world: &World) -> Option<String> {
    let netns = format!("inode:{}", world.netns);
    let args = ["doctor", "--netns", &netns];
    let output = world.command(&args)?.output().expect("run the doctor");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    world.claim(
        "a hundred columns",
        text.lines().all(|line| line.chars().count() <= 100),
    );
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn says(world: &World, page: &str, words: &str) {
    world.claim(&format!("{words:?} is in: {page}"), page.contains(words));
}

fn setting<'a>(report: &'a Value, name: &str) -> &'a Value {
    let values = report["settings"][0]["values"].as_array();
    let mut values = values.into_iter().flatten();
    values
        .find(|row| row["name"] == name)
        .unwrap_or(&Value::Null)
}

fn counter<'a>(report: &'a Value, name: &str) -> &'a Value {
    let counters = report["namespaces"][0]["counters"].as_array();
    let mut counters = counters.into_iter().flatten();
    counters
        .find(|row| row["counter"] == name)
        .unwrap_or(&Value::Null)
}

/// A finding of the scenario's namespace.
pub(super) fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut findings = report["findings"].as_array().into_iter().flatten();
    findings
        .find(|finding| finding["id"] == id && !finding["netns"].is_null())
        .unwrap_or(&Value::Null)
}

fn is_wrong(finding: &&Value) -> bool {
    finding["severity"] == "broken" || finding["severity"] == "degraded"
}

/// What is wrong now in the scenario's namespace.
pub(super) fn wrong(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().into_iter().flatten();
    let here = all.filter(|one| !one["netns"].is_null());
    here.filter(is_wrong)
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn defaults_are_those_of_a_fresh_namespace(world: &World) {
    let Some((report, _)) = asked(world) else {
        return;
    };
    let values = report["settings"][0]["values"].as_array().cloned();
    let values = values.unwrap_or_default();
    world.claim(&format!("the settings: {report}"), values.len() >= 19);
    for row in values {
        let name = &row["name"];
        world.claim(&format!("{name} is there"), row["value"].is_string());
        if !row["default"].is_null() {
            world.claim_eq(
                &format!("default of {name}"),
                &row["default"],
                &row["value"],
            );
            world.claim_eq(
                &format!("{name} is not changed"),
                &row["changed"],
                &json!(false),
            );
        }
        world.claim(&format!("effect of {name}"), row["effect"].is_string());
    }
    let names = ["tcp_max_orphans", "tcp_mem"].map(|name| format!("net.ipv4.{name}"));
    let host = report["host"]["settings"].as_array().cloned();
    let shown: Vec<_> = host
        .into_iter()
        .flatten()
        .map(|row| row["name"].clone())
        .collect();
    world.claim_eq("of the host", shown, names.map(Value::from).to_vec());
}

fn quiet_namespace_is_fine(world: &World) {
    let (server, client) = (world.actor("qu-server"), world.actor("qu-client"));
    let listener = server.listen("127.0.0.1:0", 7);
    crowd(&client, listener, 7);
    let Some((report, _)) = asked(world) else {
        return;
    };
    world.claim_eq("nothing is wrong", wrong(&report), Vec::new());
    let none = finding(&report, "accept_queue_full");
    world.claim_eq("no finding", none, &Value::Null);
    world.claim_eq("no listener is named", &report["listeners"], &json!([]));
    let overflows = counter(&report, "TcpExt.ListenOverflows");
    world.claim_eq("JSON has the zeros", &overflows["value"], &json!(0));
    let Some(page) = page(world) else { return };
    world.claim(
        "but not to people",
        !page.contains("TcpExt.ListenOverflows"),
    );
}

/// A namespace of its own, so that nothing else of the host makes it 5.
fn fails(world: &World, report: &Value, code: Option<i32>) {
    world.claim(
        &format!("5, got {code:?}: {}", report["findings"]),
        code == Some(5),
    );
}

/// 0, unless the host as a whole is in trouble.
fn passes(world: &World, report: &Value, code: Option<i32>) {
    world.claim_eq("nothing is wrong here", wrong(report), Vec::new());
    let all = report["findings"].as_array();
    let is_host = all.into_iter().flatten().any(|one| is_wrong(&one));
    let expected = if is_host { 5 } else { 0 };
    world.claim_eq("exit code", code, Some(expected));
}

fn full_accept_queue_is_wrong_with_its_owner_and_a_command(world: &World) {
    world.sysctl("core.somaxconn", 3);
    let (server, client) = (world.actor("df-server"), world.actor("df-client"));
    let listener = server.listen("127.0.0.1:0", 511);
    crowd(&client, listener, 4);
    client.connect_start("127.0.0.1:0", listener.local, None);
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    world.claim(
        "for the queue",
        wrong(&report).contains(&"accept_queue_full".to_owned()),
    );
    let row = &report["listeners"][0];
    world.claim_eq("its cookie", &row["cookie"], &json!(listener.cookie));
    world.claim_eq("its owner", &row["pids"], &json!([server.pid]));
    world.claim_eq("its name", &row["comm"], &json!("df-server"));
    let queue = json!({ "length": 4, "limit": 3 });
    world.claim_eq("its queue", &row["accept_queue"], &queue);
    let found = finding(&report, "accept_queue_full");
    world.claim_eq("its severity", &found["severity"], &json!("broken"));
    world.claim_eq("whose it is", &found["who"][0]["pid"], &json!(server.pid));
    world.claim_eq("its count", &found["evidence"][0]["value"], &json!(4));
    let pid = report["namespaces"][0]["pid"].clone();
    let command = format!("nsenter -t {pid} -n sysctl -w net.core.somaxconn=1024");
    let change = &found["do_then"];
    world.claim_eq("the command", &change["command"], &json!(command));
    world.claim("the risk is reported", change["risk"].is_string());
    let Some(page) = page(world) else { return };
    says(world, &page, "FULL df-server");
    says(
        world,
        &page,
        "4 wait for accept(), limit 3, which comes from somaxconn",
    );
    says(world, &page, &format!("then {command}"));
    // The test runs the printed command, and it has the printed effect: the next listen() gets more.
    let done = Command::new("sh").args(["-c", &command]).output();
    if done.is_ok_and(|done| done.status.success()) {
        let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("somaxconn");
        world.claim_eq("it acts in that namespace", text.trim(), "1024");
    } else {
        world.note("nsenter or sysctl is missing: the command was not tried".into());
    }
}

fn backlog_that_binds_gets_no_sysctl(world: &World) {
    let (server, client) = (world.actor("db-server"), world.actor("db-client"));
    let listener = server.listen("127.0.0.1:0", 2);
    crowd(&client, listener, 3);
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    let found = finding(&report, "accept_queue_full");
    world.claim_eq("no command", &found["do_then"], &Value::Null);
    let why = found["why"].as_str().unwrap_or_default();
    // The doctor did not see the call: somaxconn of that time may have been the limit.
    world.claim(
        &format!("and why: {why}"),
        why.contains("listen() was given 2, or net.core.somaxconn was 2"),
    );
}

fn refusals_of_long_ago_are_reported_but_not_wrong(world: &World) {
    let (server, mut client) = (world.actor("da-server"), world.actor("da-client"));
    let listener = server.listen("127.0.0.1:0", 2);
    let before = world.counters();
    crowd(&client, listener, 3);
    client.connect_start("127.0.0.1:0", listener.local, None);
    world.rose_at_least(&before, "ListenOverflows", 1);
    // Nobody tries again, and the queue is emptied.
    client.kill(libc::SIGKILL);
    for _ in 0..3 {
        server.accept(listener);
    }
    let Some((report, code)) = asked(world) else {
        return;
    };
    passes(world, &report, code);
    let reported = counter(&report, "TcpExt.ListenOverflows");
    world.claim(
        "it is counted",
        reported["value"].as_u64().is_some_and(|value| value >= 1),
    );
    world.claim_eq("it does not rise", &reported["rose"], &json!(0));
    let row = &report["listeners"][0];
    world.claim_eq(
        "its listener is named",
        &row["cookie"],
        &json!(listener.cookie),
    );
    world.claim_eq("it is not full", &row["full"], &json!(false));
    world.claim(
        "it is a risk",
        finding(&report, "accept_queue_full")["severity"] == "risk",
    );
    let Some(page) = page(world) else { return };
    says(world, &page, "dropped da-server");
    says(world, &page, "refusals because an accept queue was full");
}

fn rising_drops_are_wrong_though_the_queue_has_room(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 0);
    let (server, client) = (world.actor("dr-server"), world.actor("dr-client"));
    let listener = server.listen("127.0.0.1:0", 1);
    // The SYN queue is full of handshakes that never end, so a client's SYN is dropped again and
    // again; the accept queue stays empty.
    for _ in 0..6 {
        client.connect_start("127.0.0.1:0", listener.local, Some("synack"));
    }
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    // The clients' SYNs that are sent again are its effects, and come behind it.
    let comes_first = wrong(&report)
        .first()
        .is_some_and(|id| id == "syn_queue_full");
    world.claim("the cause comes first", comes_first);
    let rose = counter(&report, "TcpExt.TCPReqQFullDrop")["rose"].as_u64();
    world.claim("it rises", rose.is_some_and(|rose| rose > 0));
    let found = finding(&report, "syn_queue_full");
    let command = found["do_then"]["command"].as_str().unwrap_or_default();
    world.claim(
        command,
        command.ends_with("sysctl -w net.ipv4.tcp_syncookies=1"),
    );
}

fn changed_setting_is_reported_with_its_effect(world: &World) {
    world.sysctl("core.somaxconn", 23);
    world.sysctl("ipv4.tcp_timestamps", 0);
    let _resident = world.actor("dc-resident");
    let Some((report, _)) = asked(world) else {
        return;
    };
    let row = setting(&report, "net.core.somaxconn");
    world.claim_eq("value", &row["value"], &json!("23"));
    world.claim_eq("default", &row["default"], &json!("4096"));
    world.claim_eq("changed", &row["changed"], &json!(true));
    let effect = row["effect"].as_str().unwrap_or_default();
    world.claim(effect, effect.contains("24 connections"));
    let effect = setting(&report, "net.ipv4.tcp_tw_reuse")["effect"].clone();
    world.claim_eq(
        "it knows of the other",
        &effect,
        &json!("no effect while tcp_timestamps=0"),
    );
    world.claim_eq("a setting alone is not wrong", wrong(&report), Vec::new());
}

fn setting_that_resets_clients_is_advised_against_with_its_evidence(world: &World) {
    world.sysctl("ipv4.tcp_abort_on_overflow", 1);
    let (server, client) = (world.actor("do-server"), world.actor("do-client"));
    let listener = server.listen("127.0.0.1:0", 1);
    let Some((report, _)) = asked(world) else {
        return;
    };
    let none = finding(&report, "abort_on_overflow");
    world.claim_eq("not without evidence", none, &Value::Null);
    crowd(&client, listener, 2);
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    let change = &finding(&report, "abort_on_overflow")["do_then"];
    let command = change["command"].as_str().unwrap_or_default();
    world.claim(
        command,
        command.ends_with("sysctl -w net.ipv4.tcp_abort_on_overflow=0"),
    );
}

fn rejected_timestamps_are_reported(world: &World) {
    let pair = Pair::connected(world, "dp");
    pair.client.write(pair.conn, 511);
    pair.server.order(&format!("read {} 511", pair.accepted.fd));
    pair.client
        .order(&format!("timestamps-back {} 1000000", pair.conn.fd));
    let before = world.counters();
    pair.client.write(pair.conn, 1237);
    world.rose_at_least(&before, "PAWSEstab", 1);
    let Some((report, _)) = asked(world) else {
        return;
    };
    let value = counter(&report, "TcpExt.PAWSEstab")["value"].as_u64();
    world.claim("it is counted", value.is_some_and(|value| value >= 1));
    let found = finding(&report, "paws");
    let is_its = |proof: &Value| proof["source"] == "TcpExt.PAWSEstab";
    let evidence = found["evidence"].as_array();
    world.claim(
        "its counter",
        evidence.is_some_and(|all| all.iter().any(is_its)),
    );
    world.claim_eq("no sysctl cures it", &found["do_then"], &Value::Null);
    let Some(page) = page(world) else { return };
    says(world, &page, "tcptrace explain paws_drop/established");
}

fn resets_by_linger_are_reported_and_not_wrong(world: &World) {
    let pair = Pair::connected(world, "dl");
    pair.client.write(pair.conn, 511);
    let before = world.counters();
    pair.server_resets();
    // With data unread the other path of close() wins.
    world.rose(&before, "TCPAbortOnClose", 1);
    let Some((report, code)) = asked(world) else {
        return;
    };
    passes(world, &report, code);
    let reported = counter(&report, "TcpExt.TCPAbortOnClose");
    world.claim_eq("it is counted", &reported["value"], &json!(1));
    world.claim_eq("of all", &reported["of_total"], &json!(2));
    let found = finding(&report, "unread_data_resets");
    world.claim_eq(
        "what explains it",
        &found["explain"],
        &json!("rst_sent/unread_data"),
    );
    world.claim_eq("no verdict", &found["severity"], &json!("risk"));
    let Some(page) = page(world) else { return };
    says(world, &page, "50.0 per 100 connections opened (2)");
}

fn time_wait_limit_that_is_reached_is_wrong(world: &World) {
    world.sysctl("ipv4.tcp_max_tw_buckets", 1);
    let (server, client) = (world.actor("dt-server"), world.actor("dt-client"));
    let listener = server.listen("127.0.0.1:0", 9);
    let before = world.counters();
    super::queries::closed(&client, &server, listener, 3, true);
    world.rose_at_least(&before, "TCPTimeWaitOverflow", 1);
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    let kinds = wrong(&report);
    world.claim(
        &format!("{kinds:?}"),
        kinds.contains(&"time_wait_bucket_overflow".to_owned()),
    );
    let change = &finding(&report, "time_wait_bucket_overflow")["do_then"];
    let command = change["command"].as_str().unwrap_or_default();
    world.claim(
        command,
        command.ends_with("net.ipv4.tcp_max_tw_buckets=1024"),
    );
}

fn ports_that_are_used_up_are_wrong_with_their_holder(world: &World) {
    let range = "/proc/sys/net/ipv4/ip_local_port_range";
    // The kernel looks through an even number of ports: of an odd range one may not be found.
    std::fs::write(range, "40000 40007").expect("a range of eight ports");
    let (server, client) = (world.actor("dx-server"), world.actor("dx-client"));
    let listener = server.listen("127.0.0.1:39000", 63);
    crowd(&client, listener, 7);
    let Some((report, code)) = asked(world) else {
        return;
    };
    passes(world, &report, code);
    client.connect_start("127.0.0.1:0", listener.local, None);
    let Some((report, code)) = asked(world) else {
        return;
    };
    fails(world, &report, code);
    let found = finding(&report, "ports_exhausted");
    world.claim_eq("all of them", &found["severity"], &json!("broken"));
    world.claim_eq("so many", &found["evidence"][0]["value"], &json!(8));
    world.claim_eq("whose", &found["who"][0]["pid"], &json!(client.pid));
    let command = found["do_then"]["command"].as_str().unwrap_or_default();
    world.claim(
        command,
        command.ends_with("net.ipv4.ip_local_port_range='1024 65535'"),
    );
    let Some(page) = page(world) else { return };
    says(world, &page, "BROKEN all local ports of 127.0.0.1");
}

fn cookies_for_every_syn_are_no_full_queue(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 2);
    let (server, client) = (world.actor("dk-server"), world.actor("dk-client"));
    let listener = server.listen("127.0.0.1:0", 63);
    let before = world.counters();
    crowd(&client, listener, 3);
    world.rose_at_least(&before, "TCPReqQFullDoCookies", 3);
    let Some((report, code)) = asked(world) else {
        return;
    };
    passes(world, &report, code);
    let none = finding(&report, "syn_cookies");
    world.claim_eq("no queue was full", none, &Value::Null);
}

fn nobody_looks_at_the_own_namespace_and_says_so(world: &World) {
    use std::os::unix::process::CommandExt;
    let (server, client) = (world.actor("dn-server"), world.actor("dn-client"));
    let listener = server.listen("127.0.0.1:0", 1);
    crowd(&client, listener, 2);
    for (words, expected) in [
        (&["doctor", "--json"][..], 3),
        (&["doctor", "--json", "--fail"], 5),
    ] {
        let Some(mut command) = world.command_here(words) else {
            return;
        };
        let Ok(output) = command.uid(65_534).gid(65_534).output() else {
            world.note("the tracer's file may not be run by nobody".into());
            return;
        };
        let report = object(world, &output);
        world.claim_eq(&format!("{words:?}"), output.status.code(), Some(expected));
        let netns: Vec<_> = report["namespaces"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let own = netns
            .iter()
            .map(|row| (&row["netns"], &row["own"]))
            .collect::<Vec<_>>();
        world.claim_eq("its own", own, vec![(&json!(world.netns), &json!(true))]);
        let row = &report["listeners"][0];
        world.claim_eq("the queue is seen", &row["full"], &json!(true));
        world.claim_eq("its owner is not", &row["comm"], &Value::Null);
        let unseen = report["unseen"].to_string();
        world.claim(&unseen, unseen.contains("CAP_SYS_PTRACE"));
        world.claim(&unseen, unseen.contains("tcp_mem"));
    }
}
