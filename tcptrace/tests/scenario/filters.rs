//! What is shown: every filter of the contract, each with events that pass and events that do not.

use super::kit::expect::field;
use super::kit::{Conn, Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        pid_shows_one_process,
        pid_with_children_shows_its_workers,
        comm_shows_one_name,
        port_shows_both_ends,
        lport_and_rport_show_one_end,
        cidr_filters_show_matching_addresses,
        ipv4_cidr_matches_a_mapped_address,
        family_flags_show_one_family,
        cgroup_shows_its_processes,
        filters_combine_with_and,
        repeats_and_commas_are_or,
        only_and_except_choose_kinds,
        state_and_close_are_hidden_by_default,
    ]
}

/// Starts a tracer with these filters beside the scenario's own namespace.
fn watch(world: &World, filters: &[&str]) -> super::kit::Tracer {
    let netns = format!("inode:{}", world.netns);
    let mut args = vec!["--netns", &netns];
    args.extend(filters);
    world.watch_with(&args)
}

/// A reset by the client of each pair, once sent and once received.
fn reset_all(world: &World, pairs: &[&Pair]) {
    let before = world.counters();
    for pair in pairs {
        pair.client.linger(pair.conn, 0);
        pair.client.close(pair.conn);
    }
    world.rose(&before, "TCPAbortOnData", pairs.len() as i64);
}

fn two(world: &World) -> (Pair, Pair) {
    (Pair::connected(world, "f1"), Pair::connected(world, "f2"))
}

/// Claims that exactly these ends are shown, as resets sent by clients or received by servers.
fn shows(world: &World, filters: &[&str], pairs: &[&Pair], ends: &[(&str, Conn)]) {
    let tracer = watch(world, filters);
    reset_all(world, pairs);
    for (kind, conn) in ends {
        tracer.expect(
            &format!("{filters:?} shows it"),
            Expect::new(kind).conn(*conn),
        );
    }
    let events = tracer.stop();
    if !events.dry() {
        world.claim_eq(
            &format!("{filters:?} shows no more"),
            events.all().count(),
            ends.len(),
        );
    }
}

fn pid_shows_one_process(world: &World) {
    let (one, other) = two(world);
    let pid = one.client.pid.to_string();
    shows(
        world,
        &["--pid", &pid],
        &[&one, &other],
        &[("rst_sent", one.conn)],
    );
}

fn pid_with_children_shows_its_workers(world: &World) {
    let master = world.actor("ch-master");
    let client = world.actor("ch-client");
    let listener = master.listen("127.0.7.9:0", 5);
    let older = master.fork("ch-older");
    let tracer = watch(world, &["--pid", &master.pid.to_string(), "--children"]);
    let younger = master.fork("ch-younger");
    let youngest = younger.fork("ch-youngest");
    let workers = [&older, &younger, &youngest];
    let accepted = workers.map(|worker| {
        client.connect("127.0.0.2:0", listener.local);
        let accepted = worker.accept(listener);
        worker.linger(accepted, 0);
        worker.close(accepted);
        accepted
    });
    for (worker, conn) in workers.into_iter().zip(accepted) {
        let expected = Expect::new("rst_sent")
            .owner(worker)
            .basis(&["task"])
            .conn(conn);
        tracer.expect("a descendant's reset", expected);
    }
    let events = tracer.stop();
    events.none("nothing of others", Expect::new("rst_received"));
}

fn comm_shows_one_name(world: &World) {
    let (one, other) = two(world);
    shows(
        world,
        &["--comm", "f2-client"],
        &[&one, &other],
        &[("rst_sent", other.conn)],
    );
}

fn port_shows_both_ends(world: &World) {
    let (one, other) = two(world);
    let port = one.listener.local.port().to_string();
    let ends = [("rst_sent", one.conn), ("rst_received", one.accepted)];
    shows(world, &["--port", &port], &[&one, &other], &ends);
}

fn lport_and_rport_show_one_end(world: &World) {
    let (one, other) = two(world);
    let port = one.listener.local.port().to_string();
    shows(
        world,
        &["--lport", &port],
        &[&one, &other],
        &[("rst_received", one.accepted)],
    );
    let (two, other) = two_more(world);
    let port = two.listener.local.port().to_string();
    shows(
        world,
        &["--rport", &port],
        &[&two, &other],
        &[("rst_sent", two.conn)],
    );
}

fn two_more(world: &World) -> (Pair, Pair) {
    (Pair::connected(world, "f3"), Pair::connected(world, "f4"))
}

fn cidr_filters_show_matching_addresses(world: &World) {
    let (one, other) = two(world);
    let ends = [("rst_sent", one.conn), ("rst_received", one.accepted)];
    shows(
        world,
        &["--addr", "127.0.7.8/31", "--pid", &pids(&one)],
        &[&one, &other],
        &ends,
    );
    let (two, other) = two_more(world);
    let ends = [("rst_sent", two.conn)];
    shows(
        world,
        &["--laddr", "127.0.0.2", "--pid", &pids(&two)],
        &[&two, &other],
        &ends,
    );
    let three = Pair::connected(world, "f5");
    shows(
        world,
        &["--raddr", "127.0.0.0/24"],
        &[&three],
        &[("rst_received", three.accepted)],
    );
    let four = Pair::connected(world, "f6");
    shows(world, &["--addr", "10.0.0.0/8"], &[&four], &[]);
}

fn pids(pair: &Pair) -> String {
    format!("{},{}", pair.client.pid, pair.server.pid)
}

fn ipv4_cidr_matches_a_mapped_address(world: &World) {
    let tracer = watch(world, &["--raddr", "127.0.0.2/32"]);
    let server = world.actor("mp-server");
    let client = world.actor("mp-client");
    let listener = server.listen("[::]:0", 5);
    client.connect(
        "127.0.0.2:0",
        format!("127.0.7.9:{}", listener.local.port()),
    );
    let accepted = server.accept(listener);
    server.linger(accepted, 0);
    server.close(accepted);
    let expected = Expect::new("rst_sent")
        .owner(&server)
        .conn(accepted)
        .is("family", "inet6");
    tracer.expect("a v4-mapped connection", expected);
    tracer.stop().none(
        "the other direction does not match",
        Expect::new("rst_received"),
    );
}

fn family_flags_show_one_family(world: &World) {
    for (flag, shown, hidden) in [("-4", "inet", "inet6"), ("-6", "inet6", "inet")] {
        let tracer = watch(world, &[flag]);
        let server = world.actor("fm-server");
        let client = world.actor("fm-client");
        for (at, from) in [("127.0.7.9:0", "127.0.0.2:0"), ("[::1]:0", "[::1]:0")] {
            let listener = server.listen(at, 5);
            let conn = client.connect(from, listener.local);
            client.linger(conn, 0);
            client.close(conn);
        }
        tracer.expect(
            flag,
            Expect::new("rst_sent").owner(&client).is("family", shown),
        );
        tracer
            .stop()
            .none(flag, Expect::new("rst_sent").is("family", hidden));
    }
}

fn cgroup_shows_its_processes(world: &World) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let Some(mount) = mount.and_then(|line| line.split(' ').nth(1)) else {
        world.note("no cgroup2 file system is mounted here: not tried".into());
        return;
    };
    let name = format!("tcptrace-live-{}", std::process::id());
    let group = format!("{mount}/{name}");
    std::fs::create_dir(&group).expect("a control group");
    {
        let (mut one, other) = two(world);
        let joined = std::fs::write(format!("{group}/cgroup.procs"), one.client.pid.to_string());
        world.claim("the client joins the group", joined.is_ok());
        shows(
            world,
            &["--cgroup", &group],
            &[&one, &other],
            &[("rst_sent", one.conn)],
        );
        one.client.exit();
    }
    world.until("the group can be removed", || {
        std::fs::remove_dir(&group).is_ok()
    });
}

fn filters_combine_with_and(world: &World) {
    let (one, other) = two(world);
    let (pid, port) = (
        one.client.pid.to_string(),
        other.listener.local.port().to_string(),
    );
    shows(
        world,
        &["--pid", &pid, "--port", &port],
        &[&one, &other],
        &[],
    );
}

fn repeats_and_commas_are_or(world: &World) {
    let (one, other) = two(world);
    let both = [one.client.pid, other.client.pid].map(|pid| pid.to_string());
    let comma = both.join(",");
    let ends = [("rst_sent", one.conn), ("rst_sent", other.conn)];
    shows(world, &["--pid", &comma], &[&one, &other], &ends);
    let (three, four) = two_more(world);
    let ports = [&three, &four].map(|pair| pair.listener.local.port().to_string());
    let ends = [("rst_sent", three.conn), ("rst_sent", four.conn)];
    shows(
        world,
        &["--rport", &ports[0], "--rport", &ports[1]],
        &[&three, &four],
        &ends,
    );
}

fn kinds_shown(world: &World, choice: &[&str]) -> Option<Vec<String>> {
    let tracer = watch(world, choice);
    let pair = Pair::connected(world, "kd");
    reset_all(world, &[&pair]);
    let events = tracer.stop();
    let mut kinds: Vec<String> = events
        .all()
        .filter_map(|event| field(event, "kind").as_str().map(str::to_owned))
        .collect();
    kinds.sort();
    kinds.dedup();
    (!events.dry()).then_some(kinds)
}

fn only_and_except_choose_kinds(world: &World) {
    for (choice, expected) in [
        (vec!["--only", "rst_sent"], vec!["rst_sent"]),
        (vec!["--only", "rst_sent,close"], vec!["close", "rst_sent"]),
        (vec!["--except", "rst_sent"], vec!["rst_received"]),
        (
            vec!["--all", "--except", "state,close"],
            vec!["rst_received", "rst_sent"],
        ),
    ] {
        if let Some(kinds) = kinds_shown(world, &choice) {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            world.claim_eq(&format!("{choice:?}"), kinds, expected);
        }
    }
}

fn state_and_close_are_hidden_by_default(world: &World) {
    if let Some(kinds) = kinds_shown(world, &[]) {
        let expected = ["rst_received", "rst_sent"].map(str::to_owned).to_vec();
        world.claim_eq("without --all", kinds, expected);
    }
    if let Some(kinds) = kinds_shown(world, &["--all"]) {
        let expected = ["close", "rst_received", "rst_sent", "state"]
            .map(str::to_owned)
            .to_vec();
        world.claim_eq("with --all", kinds, expected);
    }
}
