//! Resets we send because our own process closes: each cause, with its owner and what was lost.

use super::kit::{Actor, Closed, Conn, Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        linger_zero_loses_unsent_and_unacknowledged_bytes,
        unread_data_beats_linger_zero,
        unread_data_resets_without_linger,
        unread_data_is_counted_without_the_fin,
        linger_zero_of_a_killed_process,
        linger_zero_of_an_exiting_process,
        clean_close_sends_no_reset,
        linger2_from_established,
        linger2_from_fin_wait2,
        connect_to_af_unspec,
        listener_closed_over_two_children,
        listener_killed_over_two_children,
    ]
}

fn linger_zero_loses_unsent_and_unacknowledged_bytes(world: &World) {
    let (tracer, pair, written) = Pair::stuffed(world, "lz");
    pair.client.linger(pair.conn, 0);
    let before = world.counters();
    let closed = pair.client.close(pair.conn);
    world.rose(&before, "TCPAbortOnData", 1);
    let received = pair.server.queues(pair.accepted).2;
    let sum = closed.unsent + closed.unacked + received;
    world.claim_eq(
        "unsent + unacknowledged + received is what was written",
        sum,
        written,
    );
    tracer.expect(
        "the reset with its cause, owner and bytes",
        Expect::new("rst_sent")
            .cause("linger_zero")
            .reason("TCP_STATE")
            .owner(&pair.client)
            .basis(&["task"])
            .conn(pair.conn)
            .bytes(closed)
            .is("linger.on", true)
            .is("linger.seconds", 0)
            .state("ESTABLISHED")
            .present("owner.exe"),
    );
    let peer = received_reset("ESTABLISHED", &pair.server, pair.accepted);
    tracer.expect("the peer's view", peer);
    let events = tracer.stop();
    // The client's address may also answer a late window update of the server: no_socket.
    let resets = Expect::new("rst_sent").is("owner.pid", pair.client.pid);
    events.exactly("one reset and no other", 1, resets);
    events.exactly("one reset received", 1, Expect::new("rst_received"));
    events.none("no TIME_WAIT after a reset", Expect::new("time_wait"));
}

fn received_reset(state: &str, owner: &Actor, conn: Conn) -> Expect {
    Expect::new("rst_received")
        .is("meaning", "reset")
        .state(state)
        .owner(owner)
        // It accepted and read nothing yet: found in /proc by its socket.
        .basis(&["task", "socket", "snapshot"])
        .conn(conn)
}

/// The client closes with `waiting` bytes it never read; says what was in its socket then.
fn close_with_unread(world: &World, pair: &Pair, waiting: usize) -> Closed {
    pair.server.write(pair.accepted, waiting);
    world.until("the bytes wait", || {
        pair.client.queues(pair.conn).2 == waiting as i64
    });
    let before = world.counters();
    let closed = pair.client.close(pair.conn);
    world.claim_eq("unread bytes", closed.unread, waiting as i64);
    world.rose(&before, "TCPAbortOnClose", 1);
    world.rose(&before, "TCPAbortOnData", 0);
    closed
}

fn unread_data_reset(pair: &Pair, closed: Closed) -> Expect {
    Expect::new("rst_sent")
        .cause("unread_data")
        .reason("TCP_ABORT_ON_CLOSE")
        .owner(&pair.client)
        .basis(&["task"])
        .conn(pair.conn)
        .bytes(closed)
}

fn unread_data_beats_linger_zero(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    pair.client.linger(pair.conn, 0);
    let closed = close_with_unread(world, &pair, 1237);
    let expected = unread_data_reset(&pair, closed)
        .is("linger.on", true)
        .is("linger.seconds", 0)
        .state("ESTABLISHED");
    tracer.expect("unread data is the cause", expected);
    let events = tracer.stop();
    events.exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn unread_data_resets_without_linger(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    let closed = close_with_unread(world, &pair, 3331);
    let expected = unread_data_reset(&pair, closed)
        .is("linger.on", false)
        .state("ESTABLISHED");
    tracer.expect("unread data is the cause", expected);
    tracer.expect(
        "the peer",
        received_reset("ESTABLISHED", &pair.server, pair.accepted),
    );
    let events = tracer.stop();
    events.exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

/// A FIN takes a sequence number but is no byte anybody could read.
fn unread_data_is_counted_without_the_fin(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    pair.server.write(pair.accepted, 777);
    pair.server.shutdown(pair.accepted);
    world.until("the FIN arrives", || pair.client.state(pair.conn) == 8);
    let before = world.counters();
    let closed = Closed {
        unread: 777,
        ..pair.client.close(pair.conn)
    };
    world.rose(&before, "TCPAbortOnClose", 1);
    let expected = unread_data_reset(&pair, closed)
        .is("linger.on", false)
        .state("CLOSE_WAIT");
    tracer.expect("777 bytes, not 778", expected);
    tracer
        .stop()
        .exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn linger_zero_at_the_end_of_a_process(world: &World, end: impl FnOnce(&mut Actor)) {
    let (tracer, mut pair) = Pair::watched(world, "lz");
    pair.client.linger(pair.conn, 0);
    let before = world.counters();
    end(&mut pair.client);
    world.rose(&before, "TCPAbortOnData", 1);
    tracer.expect(
        "the reset belongs to the process that died",
        Expect::new("rst_sent")
            .cause("linger_zero")
            .owner(&pair.client)
            .basis(&["task"])
            .conn(pair.conn)
            .is("unsent_bytes", 0)
            .is("unacked_bytes", 0)
            .is("unread_bytes", 0)
            .state("ESTABLISHED"),
    );
    tracer
        .stop()
        .exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn linger_zero_of_a_killed_process(world: &World) {
    linger_zero_at_the_end_of_a_process(world, |client| client.kill(libc::SIGKILL));
}

fn linger_zero_of_an_exiting_process(world: &World) {
    linger_zero_at_the_end_of_a_process(world, Actor::exit);
}

fn clean_close_sends_no_reset(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    pair.client.write(pair.conn, 1237);
    pair.server
        .order(&format!("read {} 1237", pair.accepted.fd));
    let before = world.counters();
    pair.client.close(pair.conn);
    pair.server.close(pair.accepted);
    tracer.expect(
        "the close summary of the client's end",
        Expect::new("close")
            .owner(&pair.client)
            .conn(pair.conn)
            .is("bytes_sent", 1237)
            .is("bytes_received", 0)
            .is("closed_by", "local")
            .is("how", "fin")
            .is("retransmits", 0)
            .present("duration_us"),
    );
    tracer.expect(
        "the close summary of the server's end",
        Expect::new("close")
            .owner(&pair.server)
            .conn(pair.accepted)
            .is("bytes_sent", 0)
            .is("bytes_received", 1237)
            .is("closed_by", "remote")
            .is("how", "fin"),
    );
    world.rose(&before, "Tcp.OutRsts", 0);
    let events = tracer.stop();
    events.none("no reset is sent", Expect::new("rst_sent"));
    events.none("no reset is received", Expect::new("rst_received"));
    events.none("nothing lingers", Expect::new("linger_close"));
}

fn linger2_reset(pair: &Pair, reason: &str) -> Expect {
    Expect::new("rst_sent")
        .cause("linger2")
        .reason(reason)
        .owner(&pair.client)
        .conn(pair.conn)
}

/// The FIN goes out first; the reset answers its acknowledgement, in softirq and after the close.
fn linger2_from_established(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    pair.client.set_tcp_option(pair.conn, libc::TCP_LINGER2, -1);
    let before = world.counters();
    pair.client.close(pair.conn);
    world.rose(&before, "TCPAbortOnData", 1);
    let expected = linger2_reset(&pair, "TCP_ABORT_ON_DATA").basis(&["task", "socket"]);
    tracer.expect("TCP_LINGER2 < 0 is the cause", expected);
    tracer.expect(
        "the peer had seen the FIN",
        received_reset("CLOSE_WAIT", &pair.server, pair.accepted),
    );
    tracer
        .stop()
        .exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn linger2_from_fin_wait2(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    pair.client.set_tcp_option(pair.conn, libc::TCP_LINGER2, -1);
    pair.client.shutdown(pair.conn);
    world.until("the FIN is acknowledged", || {
        pair.client.state(pair.conn) == 5
    });
    let before = world.counters();
    pair.client.close(pair.conn);
    world.rose(&before, "TCPAbortOnLinger", 1);
    let expected = linger2_reset(&pair, "TCP_ABORT_ON_LINGER")
        .basis(&["task"])
        .state("FIN_WAIT2");
    tracer.expect("TCP_LINGER2 < 0 is the cause", expected);
    tracer
        .stop()
        .exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn connect_to_af_unspec(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lz");
    let before = world.counters();
    pair.client.order(&format!("disconnect {}", pair.conn.fd));
    world.rose(&before, "Tcp.OutRsts", 1);
    tracer.expect(
        "the disconnect is the cause",
        Expect::new("rst_sent")
            .cause("disconnect")
            .owner(&pair.client)
            .basis(&["task"])
            .conn(pair.conn)
            .state("ESTABLISHED"),
    );
    tracer
        .stop()
        .exactly("one reset and no other", 1, Expect::new("rst_sent"));
}

fn listener_ends_over_two_children(world: &World, end: impl FnOnce(&mut Actor, Conn)) {
    let tracer = world.watch(&[]);
    let mut server = world.actor_as("lc-server", 23457);
    let client = world.actor_as("lc-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let conns = ["127.0.0.2:0", "127.0.0.3:0"].map(|local| client.connect(local, listener.local));
    let before = world.counters();
    end(&mut server, listener);
    world.rose(&before, "Tcp.OutRsts", 2);
    for conn in conns {
        tracer.expect(
            "a child nobody accepted, reset by the end of its listener",
            Expect::new("rst_sent")
                .cause("listener_closed")
                .owner(&server)
                .basis(&["task", "listener"])
                .local(listener.local)
                .remote(conn.local)
                .state("ESTABLISHED"),
        );
        tracer.expect(
            "its client",
            Expect::new("rst_received")
                .is("meaning", "reset")
                .owner(&client)
                .conn(conn),
        );
    }
    tracer
        .stop()
        .exactly("two resets and no other", 2, Expect::new("rst_sent"));
}

fn listener_closed_over_two_children(world: &World) {
    listener_ends_over_two_children(world, |server, listener| {
        server.close(listener);
    });
}

fn listener_killed_over_two_children(world: &World) {
    listener_ends_over_two_children(world, |server, _| server.kill(libc::SIGKILL));
}
