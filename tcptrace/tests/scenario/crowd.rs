//! The wrong task on the CPU, on purpose: clients and servers on one host, where softirq runs in
//! the middle of the other side's system calls. And a flood, for the identity of loss.

use std::time::Instant;

use super::kit::expect::field;
use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios, sys_ops};

const FLOOD: usize = 200_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        no_wrong_owner_in_a_thousand_connections,
        identity_of_loss_holds_in_a_flood,
        small_ring_loses_and_strict_says_so,
        incidents_outlive_a_flood_of_states,
    ]
    .into_iter()
    .map(Scenario::alone)
    .collect()
}

/// Who is at which end: an event belongs to the server when its local port is the server's.
pub(super) struct Cast {
    pub(super) server: Actor,
    pub(super) client: Actor,
    pub(super) listener: Conn,
}

impl Cast {
    pub(super) fn new(world: &World, name: &str, server_uid: u32, client_uid: u32) -> Self {
        let server = world.actor_as(&format!("{name}-server"), server_uid);
        let client = world.actor_as(&format!("{name}-client"), client_uid);
        let listener = server.listen("127.0.7.9:0", 64);
        Self {
            server,
            client,
            listener,
        }
    }

    pub(super) fn begin(&self, count: usize, serving: &str, churning: &str) {
        self.server
            .begin(&format!("serve {} {count} {serving}", self.listener.fd));
        self.client
            .begin(&format!("churn {} {count} {churning}", self.listener.local));
    }

    pub(super) fn finish(&self) {
        self.client.finish().expect("the client got through");
        self.server.finish().expect("the server got through");
    }

    fn true_owner(&self, local_port: u64, remote_port: u64) -> Option<&Actor> {
        let port = u64::from(self.listener.local.port());
        if local_port == port {
            return Some(&self.server);
        }
        (remote_port == port).then_some(&self.client)
    }
}

fn no_wrong_owner_in_a_thousand_connections(world: &World) {
    let tracer = world.watch(&[]);
    // In turn the client resets and the server closes first; and beside that a server that resets.
    let mixed = Cast::new(world, "mx", 20_001, 20_002);
    let resetting = Cast::new(world, "rs", 20_003, 20_004);
    // Retransmits from timers, in the middle of everything.
    let silent: Vec<Pair> = (0..8)
        .map(|n| Pair::connected(world, &format!("q{n}")))
        .collect();
    for pair in &silent {
        pair.server.filter(pair.accepted, "all");
        pair.client.write(pair.conn, 1237);
    }
    let before = world.counters();
    mixed.begin(600, "mixed", "mixed");
    resetting.begin(400, "resets", "follows");
    mixed.finish();
    resetting.finish();
    world.rose(&before, "TCPAbortOnData", 300 + 400);
    world.until("the servers' TIME_WAITs", || world.time_waits() == 300);
    world.rose_at_least(&before, "Tcp.RetransSegs", 8);

    let last = Pair::connected(world, "zz");
    last.client.linger(last.conn, 0);
    last.client.close(last.conn);
    tracer.expect(
        "the last event",
        Expect::new("rst_sent").owner(&last.client).conn(last.conn),
    );
    let events = tracer.stop();
    let resets = |owner: &Actor| Expect::new("rst_sent").cause("linger_zero").owner(owner);
    events.exactly("resets of the mixed client", 300, resets(&mixed.client));
    events.exactly(
        "resets of the resetting server",
        400,
        resets(&resetting.server),
    );
    events.exactly("none of the mixed server", 0, resets(&mixed.server));
    events.exactly("none of the other client", 0, resets(&resetting.client));
    let entered = Expect::new("time_wait")
        .is("phase", "enter")
        .owner(&mixed.server);
    events.exactly("TIME_WAITs of the mixed server", 300, entered);
    events.exactly(
        "and of nobody else",
        300,
        Expect::new("time_wait").is("phase", "enter"),
    );

    let (mut judged, mut wrong, mut unknown) = (0, Vec::new(), 0);
    for event in events.all() {
        let port = |end: &str| field(event, &format!("{end}.port")).as_u64().unwrap_or(0);
        let (local, remote) = (port("local"), port("remote"));
        let of_cast = [&mixed, &resetting]
            .into_iter()
            .find_map(|c| c.true_owner(local, remote));
        let of_pair = || {
            let ends = silent.iter().flat_map(|pair| {
                [
                    (pair.conn.local, &pair.client),
                    (pair.listener.local, &pair.server),
                ]
            });
            ends.into_iter()
                .find(|(end, _)| u64::from(end.port()) == local)
                .map(|(_, who)| who)
        };
        let Some(owner) = of_cast.or_else(of_pair) else {
            continue;
        };
        judged += 1;
        match field(event, "owner.pid").as_i64() {
            Some(pid) if pid == i64::from(owner.pid) => {}
            Some(_) => wrong.push(event.to_string()),
            // A handshake has no process yet; an incident has one.
            None if field(event, "kind") == "state" => {}
            None => unknown += 1,
        }
    }
    world.note(format!(
        "{judged} events judged, {} wrong, {unknown} unknown",
        wrong.len()
    ));
    wrong.truncate(5);
    world.claim(&format!("no wrong owner: {wrong:#?}"), wrong.is_empty());
    world.claim_eq("incidents without an owner", unknown, 0);
    world.claim("something was judged", events.dry() || judged > 2000);
}

fn identity_of_loss_holds_in_a_flood(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let tracer = world.watch_with(&["--netns", &netns]).may_lose();
    // Each connection waits for its server's reset, so no accept queue fills and nothing sleeps;
    // two at a time keep two cores busy.
    let casts = ["fl1", "fl2"].map(|name| Cast::new(world, name, 20_005, 20_006));
    let before = world.counters();
    let started = Instant::now();
    casts
        .iter()
        .for_each(|cast| cast.begin(FLOOD / 2, "resets", "follows"));
    casts.iter().for_each(Cast::finish);
    let seconds = started.elapsed().as_secs_f64();
    world.rose(&before, "TCPAbortOnData", FLOOD as i64);
    // `stop` judges the identity.
    let events = tracer.stop();
    let rate = FLOOD as f64 / seconds;
    world.note(format!(
        "{FLOOD} connections in {seconds:.1} s, {rate:.0} each second"
    ));
    let Some(summary) = events.summary() else {
        world.claim("there is a summary", events.dry());
        return;
    };
    world.note(format!("loss: {}", field(summary, "loss")));
    world.note(format!("by kind: {}", field(summary, "by_kind")));
    world.note(format!(
        "reconciliation: {}",
        field(summary, "reconciliation")
    ));
    let seen = field(summary, "loss.seen").as_u64().unwrap_or(0);
    world.claim("at least each reset was seen", seen >= FLOOD as u64);
    world.claim(
        "the summary reconciles",
        field(summary, "reconciliation").is_array(),
    );
}

/// Whether a ring of one page overflows is up to the machine; that a loss is reported is not.
fn small_ring_loses_and_strict_says_so(world: &World) {
    let tracer = world.watch(&["--ring-size", "4096", "--strict"]).may_lose();
    let casts = ["sr1", "sr2"].map(|name| Cast::new(world, name, 20_007, 20_008));
    casts
        .iter()
        .for_each(|cast| cast.begin(10_000, "resets", "follows"));
    casts.iter().for_each(Cast::finish);
    let (events, code) = tracer.interrupt();
    let Some(summary) = events.summary() else {
        world.claim("there is a summary", events.dry());
        return;
    };
    let lost = field(summary, "loss.lost").as_u64().unwrap_or(0);
    world.note(format!("{lost} lost of {}", field(summary, "loss.seen")));
    world.claim_eq("exit code", code, Some(if lost > 0 { 6 } else { 0 }));
    let reported = events.matching_kind("lost");
    let reported: u64 = reported
        .iter()
        .filter_map(|event| field(event, "count").as_u64())
        .sum();
    world.claim_eq("lost objects report the same number", reported, lost);
}

/// A reader that is stopped while its ring fills: the last eighth is reserved for rare events.
fn incidents_outlive_a_flood_of_states(world: &World) {
    const RESETS: usize = 20;
    let netns = format!("inode:{}", world.netns);
    let kinds = ["--only", "state,close,time_wait,rst_sent"];
    let sizes = ["--ring-size", "65536", "--netns", &netns];
    let tracer = world
        .watch_with(&[&kinds[..], &sizes[..]].concat())
        .may_lose();
    let Some(pid) = tracer.pid() else { return };
    let many = Cast::new(world, "many", 20_009, 20_010);
    let few = Cast::new(world, "few", 20_011, 20_012);
    sys_ops::kill(pid, libc::SIGSTOP).expect("stop the tracer");
    many.begin(500, "closes", "follows");
    many.finish();
    few.begin(RESETS, "follows", "resets");
    few.finish();
    sys_ops::kill(pid, libc::SIGCONT).expect("continue the tracer");
    let events = tracer.stop();
    let resets = Expect::new("rst_sent")
        .cause("linger_zero")
        .owner(&few.client);
    events.exactly("every reset", RESETS, resets);
    let mut lost = 0;
    for event in events.matching_kind("lost") {
        let kind = field(event, "of_kind").as_str().unwrap_or_default();
        world.claim(
            &format!("only what comes in masses is lost, not {kind}"),
            matches!(kind, "state" | "close" | "time_wait"),
        );
        lost += field(event, "count").as_u64().unwrap_or(0);
    }
    world.note(format!("{lost} of the masses lost"));
    world.claim("the ring was crowded", events.dry() || lost > 1000);
}
