//! TIME_WAIT: who entered it, when it overflows, is reused, and ends.

use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios};
use std::process::Command;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = scenarios![
        closer_that_exits_at_once_owns_the_time_wait,
        half_closed_connection_ends_in_time_wait,
        server_that_closes_first_owns_the_time_wait,
        simultaneous_close_leaves_two,
        overflow_of_the_bucket_limit,
        port_reused_by_another_process,
        syn_into_time_wait_reuses_it,
        orphan_in_fin_wait2_expires,
    ];
    let slow = Scenario::new(
        "time_wait_expires_after_a_minute",
        time_wait_expires_after_a_minute,
    );
    scenarios.push(slow.slow());
    scenarios
}

fn entered(owner: &Actor, conn: Conn, substate: &str) -> Expect {
    Expect::new("time_wait")
        .is("phase", "enter")
        .is("substate", substate)
        .owner(owner)
        .basis(&["task", "socket"])
        .conn(conn)
}

fn closer_that_exits_at_once_owns_the_time_wait(world: &World) {
    let (tracer, mut pair) = Pair::watched(world, "tw");
    pair.client.write(pair.conn, 1237);
    pair.server
        .order(&format!("read {} 1237", pair.accepted.fd));
    pair.client.exit();
    world.until("the kernel holds it", || world.time_waits() == 1);
    // The server's FIN comes later and changes only the substate, of which nothing can be seen.
    let expected = entered(&pair.client, pair.conn, "FIN_WAIT2")
        .is("timeout_ms", 60_000)
        .state("FIN_WAIT2");
    tracer.expect("the process is gone and still named", expected);
    pair.server.close(pair.accepted);
    let events = tracer.stop();
    events.exactly("one TIME_WAIT", 1, Expect::new("time_wait"));
}

fn half_closed_connection_ends_in_time_wait(world: &World) {
    let (tracer, pair) = Pair::watched(world, "tw");
    pair.client.shutdown(pair.conn);
    world.until("the FIN is acknowledged", || {
        pair.client.state(pair.conn) == 5
    });
    pair.server.close(pair.accepted);
    world.until("the kernel holds it", || world.time_waits() == 1);
    let expected = entered(&pair.client, pair.conn, "TIME_WAIT")
        .is("timeout_ms", 60_000)
        .state("FIN_WAIT2");
    tracer.expect("both FINs are there", expected);
    tracer
        .stop()
        .exactly("one TIME_WAIT", 1, Expect::new("time_wait"));
}

fn server_that_closes_first_owns_the_time_wait(world: &World) {
    let (tracer, pair) = Pair::watched(world, "tw");
    pair.server.close(pair.accepted);
    world.until("the kernel holds it", || world.time_waits() == 1);
    pair.client.close(pair.conn);
    tracer.expect(
        "the server's end",
        entered(&pair.server, pair.accepted, "FIN_WAIT2"),
    );
    tracer
        .stop()
        .exactly("one TIME_WAIT", 1, Expect::new("time_wait"));
}

/// A slow loopback (token bucket, emptied first) lets both FINs be under way at once.
fn simultaneous_close_leaves_two(world: &World) {
    let (tracer, pair) = Pair::watched(world, "sc");
    let slow = "qdisc add dev lo root tbf rate 8kbit burst 300 limit 20000";
    let tc = Command::new("tc").args(slow.split(' ')).status();
    assert!(
        tc.is_ok_and(|status| status.success()),
        "tc (iproute2) makes loopback slow"
    );
    pair.client.order("datagrams 127.0.0.1:9 4 150");
    pair.client.shutdown(pair.conn);
    pair.server.shutdown(pair.accepted);
    world.until("the kernel holds both", || world.time_waits() == 2);
    for (actor, conn) in [(&pair.client, pair.conn), (&pair.server, pair.accepted)] {
        let closing = Expect::new("state")
            .conn(conn)
            .is("old", "FIN_WAIT1")
            .is("new", "CLOSING");
        tracer.expect("both FINs crossed", closing);
        let expected = entered(actor, conn, "TIME_WAIT")
            .is("timeout_ms", 60_000)
            .state("CLOSING");
        tracer.expect("each end has its own", expected);
    }
    tracer.stop().exactly("two", 2, Expect::new("time_wait"));
}

fn overflow_of_the_bucket_limit(world: &World) {
    world.sysctl("ipv4.tcp_max_tw_buckets", 1);
    let (tracer, first) = Pair::watched(world, "ov");
    let second = first.client.connect("127.0.0.3:0", first.listener.local);
    let accepted = first.server.accept(first.listener);
    first.client.close(first.conn);
    world.until("the limit is reached", || world.time_waits() == 1);
    let before = world.counters();
    first.client.close(second);
    world.rose(&before, "TCPTimeWaitOverflow", 1);
    world.claim_eq("TIME_WAITs that the kernel holds", world.time_waits(), 1);
    tracer.expect(
        "the connection that got no TIME_WAIT",
        Expect::new("time_wait")
            .is("phase", "overflow")
            .owner(&first.client)
            .basis(&["task", "socket"])
            .conn(second)
            .state("FIN_WAIT2"),
    );
    tracer.expect(
        "the one that did",
        entered(&first.client, first.conn, "FIN_WAIT2"),
    );
    first.server.close(accepted);
    let events = tracer.stop();
    events.exactly(
        "one enters",
        1,
        Expect::new("time_wait").is("phase", "enter"),
    );
    events.exactly(
        "one overflows",
        1,
        Expect::new("time_wait").is("phase", "overflow"),
    );
}

/// The owner of the event is who held the TIME_WAIT, not who takes its port over.
fn port_reused_by_another_process(world: &World) {
    world.sysctl("ipv4.tcp_tw_reuse", 1);
    let (tracer, pair) = Pair::watched(world, "ru");
    let heir = world.actor_as("ru-heir", 34567);
    pair.client.close(pair.conn);
    pair.server.close(pair.accepted);
    world.until("the kernel holds it", || world.time_waits() == 1);
    let before = world.counters();
    let fd = heir.bound(pair.conn.local);
    // At once, or when tcp_tw_reuse_delay is over.
    world.until("the port can be used again", || {
        heir.try_order(&format!("connect {fd} {}", pair.listener.local))
            .is_ok()
    });
    world.rose(&before, "TWRecycled", 1);
    tracer.expect(
        "the end of the old one",
        Expect::new("time_wait")
            .is("phase", "reuse")
            .owner(&pair.client)
            .basis(&["socket"])
            .conn(pair.conn),
    );
    let new = heir.describe(fd);
    tracer.expect(
        "the new connection is the heir's",
        Expect::new("state")
            .is("new", "ESTABLISHED")
            .owner(&heir)
            .conn(new),
    );
    let events = tracer.stop();
    events.exactly(
        "one enters",
        1,
        Expect::new("time_wait").is("phase", "enter"),
    );
    events.exactly(
        "one is reused",
        1,
        Expect::new("time_wait").is("phase", "reuse"),
    );
}

/// The server holds the TIME_WAIT; the client's new SYN from the same port takes its place.
fn syn_into_time_wait_reuses_it(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ru");
    let heir = world.actor_as("ru-heir", 34567);
    pair.server.close(pair.accepted);
    pair.client.order(&format!("read-end {}", pair.conn.fd));
    pair.client.close(pair.conn);
    world.until("the kernel holds it", || world.time_waits() == 1);
    // Its timestamps must be newer than the last segment's: a millisecond is enough.
    std::thread::sleep(std::time::Duration::from_millis(20));
    heir.connect(pair.conn.local, pair.listener.local);
    world.until("it is gone", || world.time_waits() == 0);
    tracer.expect(
        "the end of the old one",
        Expect::new("time_wait")
            .is("phase", "reuse")
            .owner(&pair.server)
            .basis(&["socket"])
            .conn(pair.accepted),
    );
    tracer.stop().exactly(
        "one enters",
        1,
        Expect::new("time_wait").is("phase", "enter"),
    );
}

fn expired(pair: &Pair) -> Expect {
    Expect::new("time_wait")
        .is("phase", "expire")
        .owner(&pair.client)
        .basis(&["socket"])
        .conn(pair.conn)
}

/// A peer that never closes: FIN_WAIT2 without a process ends after tcp_fin_timeout.
fn orphan_in_fin_wait2_expires(world: &World) {
    world.sysctl("ipv4.tcp_fin_timeout", 1);
    let (tracer, pair) = Pair::watched(world, "ex");
    pair.client.close(pair.conn);
    world.until("the kernel holds it", || world.time_waits() == 1);
    let entered = entered(&pair.client, pair.conn, "FIN_WAIT2");
    tracer.expect(
        "tcp_fin_timeout is its time",
        entered.near("timeout_ms", 1000.0, 50.0),
    );
    world.until("it is gone", || world.time_waits() == 0);
    tracer.expect("its end", expired(&pair).is("substate", "FIN_WAIT2"));
    tracer
        .stop()
        .exactly("enter and expire", 2, Expect::new("time_wait"));
}

fn time_wait_expires_after_a_minute(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ex");
    pair.client.close(pair.conn);
    pair.server.close(pair.accepted);
    world.until("the kernel holds it", || world.time_waits() == 1);
    let minute = std::time::Duration::from_secs(75);
    world.claim(
        "it is gone",
        super::kit::world::poll(minute, || world.time_waits() == 0),
    );
    tracer.expect("its end", expired(&pair).is("substate", "TIME_WAIT"));
    tracer
        .stop()
        .exactly("enter and expire", 2, Expect::new("time_wait"));
}
