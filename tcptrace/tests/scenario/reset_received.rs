//! Resets that arrive, and resets the kernel sends without any process closing anything.

use super::kit::{Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        refused_connection_seen_from_both_ends,
        refused_connection_over_ipv6,
        handshake_that_the_client_resets,
        reset_received_in_established,
        reset_received_in_close_wait,
        reset_received_after_close,
        late_data_for_an_orphan_is_no_reset_received,
        late_data_for_a_closed_socket,
        socket_destroyed_by_another_process,
        keepalive_timeout,
        user_timeout_of_an_idle_connection,
        user_timeout_of_unacknowledged_data_sends_no_reset,
    ]
}

fn refused(world: &World, from: &str, to: &str) {
    let tracer = world.watch(&[]);
    let server = world.actor("rf-server");
    let client = world.actor_as("rf-client", 12345);
    // A port that was just free: bound, known, and closed again.
    let closed_port = server.describe(server.bound(to));
    server.close(closed_port);
    let fd = client.bound(from);
    let conn = client.describe(fd);
    let before = world.counters();
    let refused = client.try_order(&format!("connect {fd} {}", closed_port.local));
    world.claim_eq("connect fails", refused, Err(libc::ECONNREFUSED));
    world.rose(&before, "Tcp.OutRsts", 1);
    world.rose(&before, "Tcp.AttemptFails", 1);
    tracer.expect(
        "the host that refuses has no socket and therefore no owner",
        Expect::new("rst_sent")
            .cause("no_socket")
            .reason("NO_SOCKET")
            .no_owner()
            .absent("cookie")
            .local(closed_port.local)
            .remote(conn.local),
    );
    tracer.expect(
        "the client that is refused",
        Expect::new("rst_received")
            .is("meaning", "refused")
            .owner(&client)
            .basis(&["task", "socket"])
            .cookie(conn.cookie)
            .local(conn.local)
            .remote(closed_port.local)
            .state("SYN_SENT"),
    );
    let events = tracer.stop();
    events.exactly("one reset sent", 1, Expect::new("rst_sent"));
    events.exactly("one reset received", 1, Expect::new("rst_received"));
}

fn refused_connection_seen_from_both_ends(world: &World) {
    if !world.sees("rst_sent", "without a socket") {
        return;
    }
    refused(world, "127.0.0.2:0", "127.0.7.9:0");
}

fn refused_connection_over_ipv6(world: &World) {
    if !world.sees("rst_sent", "without a socket") {
        return;
    }
    refused(world, "[::1]:0", "[::1]:0");
}

fn client_got_reset(pair: &Pair, meaning: &str, state: &str) -> Expect {
    Expect::new("rst_received")
        .is("meaning", meaning)
        .state(state)
        .owner(&pair.client)
        .conn(pair.conn)
}

fn reset_received_in_established(world: &World) {
    let (tracer, pair) = Pair::watched(world, "rr");
    let before = world.counters();
    pair.server_resets();
    world.rose(&before, "Tcp.EstabResets", 2);
    let expected = client_got_reset(&pair, "reset", "ESTABLISHED").basis(&["socket"]);
    tracer.expect("the client did nothing when it came", expected);
    tracer.expect(
        "the client's close summary",
        Expect::new("close")
            .conn(pair.conn)
            .owner(&pair.client)
            .is("how", "rst_received"),
    );
    tracer.expect(
        "the server's close summary",
        Expect::new("close")
            .conn(pair.accepted)
            .owner(&pair.server)
            .is("how", "rst_sent"),
    );
    tracer
        .stop()
        .exactly("one reset received", 1, Expect::new("rst_received"));
}

fn reset_received_in_close_wait(world: &World) {
    let (tracer, pair) = Pair::watched(world, "rr");
    pair.server.shutdown(pair.accepted);
    world.until("the FIN arrives", || pair.client.state(pair.conn) == 8);
    world.until("the FIN is acknowledged", || {
        pair.server.state(pair.accepted) == 5
    });
    pair.server_resets();
    let expected = client_got_reset(&pair, "reset", "CLOSE_WAIT").basis(&["socket"]);
    tracer.expect("the client did nothing when it came", expected);
    let sent = Expect::new("rst_sent")
        .cause("linger_zero")
        .state("FIN_WAIT2");
    tracer.expect(
        "the server's end",
        sent.owner(&pair.server).conn(pair.accepted),
    );
    tracer
        .stop()
        .exactly("one reset received", 1, Expect::new("rst_received"));
}

fn reset_received_after_close(world: &World) {
    let (tracer, pair) = Pair::watched(world, "rr");
    // The server never receives the FIN, so the client's closed socket waits in FIN_WAIT1.
    pair.server.filter(pair.accepted, "fin");
    pair.client.close(pair.conn);
    pair.server_resets();
    let expected = client_got_reset(&pair, "after_close", "FIN_WAIT1").basis(&["socket"]);
    tracer.expect("the socket was closed, its owner is remembered", expected);
    tracer
        .stop()
        .exactly("one reset received", 1, Expect::new("rst_received"));
}

/// The kernel resets its own orphan and answers the data with a reset; none arrives.
fn late_data_for_an_orphan_is_no_reset_received(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ld");
    pair.server.filter(pair.accepted, "fin");
    pair.client.close(pair.conn);
    let before = world.counters();
    pair.server.write(pair.accepted, 1237);
    world.rose(&before, "TCPAbortOnData", 1);
    tracer.expect(
        "the orphan answers with a reset",
        Expect::new("rst_sent")
            .reason("TCP_ABORT_ON_DATA")
            .cause("late_data")
            .owner(&pair.client)
            .basis(&["socket"])
            .conn(pair.conn),
    );
    tracer.expect(
        "the writer receives it",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .state("ESTABLISHED")
            .owner(&pair.server)
            .conn(pair.accepted),
    );
    let events = tracer.stop();
    events.exactly(
        "only the writer received one",
        1,
        Expect::new("rst_received"),
    );
    events.exactly("one reset sent", 1, Expect::new("rst_sent"));
}

/// The client is gone when the SYN-ACK comes again, and its kernel answers that with a RST.
fn handshake_that_the_client_resets(world: &World) {
    if !world.sees("rst_received", "of handshakes") {
        return;
    }
    let tracer = world.watch(&[]);
    let server = world.actor_as("hr-server", 23457);
    let client = world.actor_as("hr-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = client.connect_start("127.0.0.2:0", listener.local, Some("synack"));
    let before = world.counters();
    client.close(conn);
    world.rose(&before, "EmbryonicRsts", 1);
    tracer.expect(
        "the listener's handshake ends",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .state("SYN_RECV")
            .owner(&server)
            .basis(&["listener"])
            .listener(listener, conn.local),
    );
    tracer.stop().exactly("one", 1, Expect::new("rst_received"));
}

fn late_data_for_a_closed_socket(world: &World) {
    if !world.sees("rst_sent", "of TIME_WAIT sockets") {
        return;
    }
    let (tracer, mut pair) = Pair::watched(world, "ld");
    pair.client.exit();
    world.until("the closed socket is a minisock", || {
        world.time_waits() == 1
    });
    let before = world.counters();
    pair.server.write(pair.accepted, 1237);
    world.rose(&before, "Tcp.OutRsts", 1);
    tracer.expect(
        "the answer of the minisock, whose process is gone",
        Expect::new("rst_sent")
            .cause("late_data")
            .owner(&pair.client)
            .basis(&["socket"])
            .conn(pair.conn)
            .state("FIN_WAIT2"),
    );
    tracer.expect(
        "the writer receives it",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .state("CLOSE_WAIT")
            .owner(&pair.server)
            .conn(pair.accepted),
    );
    tracer
        .stop()
        .exactly("one reset sent", 1, Expect::new("rst_sent"));
}

fn socket_destroyed_by_another_process(world: &World) {
    let (tracer, pair) = Pair::watched(world, "kk");
    let killer = world.actor("kk-killer");
    let before = world.counters();
    let (local, remote) = (pair.conn.local, pair.accepted.local);
    killer.order(&format!("destroy {local} {remote}"));
    world.rose(&before, "Tcp.OutRsts", 1);
    tracer.expect(
        "the owner is the socket's, not the killer",
        Expect::new("rst_sent")
            .cause("aborted")
            .owner(&pair.client)
            .basis(&["socket"])
            .conn(pair.conn)
            .state("ESTABLISHED"),
    );
    let events = tracer.stop();
    events.exactly("one reset sent", 1, Expect::new("rst_sent"));
    for event in ["rst_sent", "rst_received", "close", "state"] {
        let killers = Expect::new(event).is("owner.pid", killer.pid);
        events.none("the killer owns nothing", killers);
    }
}

/// An idle connection whose keepalive probes nobody answers.
fn idle_and_deaf(world: &World, pair: &Pair, user_timeout_ms: i32) {
    for (name, value) in [
        (libc::TCP_KEEPIDLE, 1),
        (libc::TCP_KEEPINTVL, 1),
        (libc::TCP_KEEPCNT, 1),
        (libc::TCP_USER_TIMEOUT, user_timeout_ms),
    ] {
        pair.client.set_tcp_option(pair.conn, name, value);
    }
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client
        .set_socket_option(pair.conn, libc::SO_KEEPALIVE, 1);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    world.rose(&before, "Tcp.OutRsts", 1);
}

fn timed_out(pair: &Pair, cause: &str) -> Expect {
    Expect::new("rst_sent")
        .cause(cause)
        .owner(&pair.client)
        .basis(&["socket"])
        .conn(pair.conn)
        .state("ESTABLISHED")
}

fn keepalive_timeout(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ka");
    idle_and_deaf(world, &pair, 0);
    let expected = timed_out(&pair, "keepalive_timeout").reason("TCP_KEEPALIVE_TIMEOUT");
    tracer.expect("from a timer, with the owner remembered", expected);
    tracer.expect(
        "the close summary says why",
        Expect::new("close")
            .conn(pair.conn)
            .owner(&pair.client)
            .is("how", "timeout"),
    );
    tracer
        .stop()
        .exactly("one reset sent", 1, Expect::new("rst_sent"));
}

fn user_timeout_of_an_idle_connection(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ut");
    idle_and_deaf(world, &pair, 1500);
    tracer.expect(
        "TCP_USER_TIMEOUT ended it",
        timed_out(&pair, "user_timeout"),
    );
    tracer
        .stop()
        .exactly("one reset sent", 1, Expect::new("rst_sent"));
}

/// The retransmit timer gives up silently: nothing is sent, the connection just ends.
fn user_timeout_of_unacknowledged_data_sends_no_reset(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ut");
    pair.client
        .set_tcp_option(pair.conn, libc::TCP_USER_TIMEOUT, 700);
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client.write(pair.conn, 1237);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    world.rose(&before, "Tcp.OutRsts", 0);
    tracer.expect(
        "the close summary says why",
        Expect::new("close")
            .conn(pair.conn)
            .owner(&pair.client)
            .is("how", "timeout"),
    );
    tracer.stop().none("no reset", Expect::new("rst_sent"));
}
