//! Segments sent again: which kind, whose, how many bytes.

use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        syn_is_retransmitted,
        syn_ack_is_retransmitted_by_the_listener,
        unanswered_syn_ack_is_given_up,
        data_is_retransmitted_by_timeout,
        tail_loss_probe,
        fin_is_retransmitted_by_an_orphan,
        lost_segment_is_retransmitted_fast,
        delivered_data_is_not_retransmitted,
    ]
}

fn again(kind: &str, owner: &Actor, conn: Conn) -> Expect {
    Expect::new("retransmit")
        .is("type", kind)
        .owner(owner)
        // An ACK that waited for the owner's system call to end is answered in its task.
        .basis(&["task", "socket"])
        .conn(conn)
}

fn syn_is_retransmitted(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor_as("rx-server", 23457);
    let client = world.actor_as("rx-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    server.filter(listener, "syn");
    let before = world.counters();
    let conn = client.connect_start("127.0.0.2:0", listener.local, None);
    world.rose_at_least(&before, "TCPSynRetrans", 1);
    let expected = again("syn", &client, conn)
        // Not always the first: while a copy of the SYN waits to be freed, the kernel sends none.
        .at_least("attempt", 1)
        .is("bytes", 0)
        .state("SYN_SENT");
    tracer.expect("the client's SYN", expected);
    tracer.stop().none(
        "nobody else's",
        Expect::new("retransmit").is("owner.pid", server.pid),
    );
}

fn syn_ack_is_retransmitted_by_the_listener(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor_as("rx-server", 23457);
    let client = world.actor_as("rx-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let before = world.counters();
    let conn = client.connect_start("127.0.0.2:0", listener.local, Some("synack"));
    // The client's SYN and the listener's SYN-ACK, both after a second.
    world.rose_at_least(&before, "TCPSynRetrans", 2);
    tracer.expect(
        "the listener's SYN-ACK, whose connection nobody has yet",
        Expect::new("retransmit")
            .is("type", "syn_ack")
            .owner(&server)
            .basis(&["socket", "listener"])
            .local(listener.local)
            .remote(conn.local)
            .one_of("state", &["LISTEN", "SYN_RECV", "NEW_SYN_RECV"]),
    );
    tracer.expect("the client's own SYN", again("syn", &client, conn));
    let _ = tracer.stop();
}

fn unanswered_syn_ack_is_given_up(world: &World) {
    if !world.sees("retransmit", "SYN-ACKs given up") {
        return;
    }
    world.sysctl("ipv4.tcp_synack_retries", 1);
    world.sysctl("ipv4.tcp_syn_retries", 1);
    let tracer = world.watch(&[]);
    let server = world.actor_as("gu-server", 23457);
    let client = world.actor_as("gu-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = client.connect_start("127.0.0.2:0", listener.local, Some("synack"));
    tracer.expect(
        "after one repetition the handshake is dropped",
        Expect::new("retransmit")
            .is("type", "syn_ack")
            .is("gave_up", true)
            // One by the timer, and one for the client's own repetition.
            .at_least("attempt", 1)
            .owner(&server)
            .basis(&["socket", "listener"])
            .local(listener.local)
            .remote(conn.local)
            .state("SYN_RECV"),
    );
    tracer
        .stop()
        .exactly("once", 1, Expect::new("retransmit").is("gave_up", true));
}

/// 1237 bytes that a deaf server does not acknowledge; says which sequence number they begin with.
fn unheard(pair: &Pair) -> u32 {
    pair.server.filter(pair.accepted, "all");
    let sequence = pair.client.number(&format!("sequence {}", pair.conn.fd));
    pair.client.write(pair.conn, 1237);
    sequence
}

fn data_is_retransmitted_by_timeout(world: &World) {
    world.sysctl("ipv4.tcp_early_retrans", 0); // no loss probes
    let (tracer, pair) = Pair::watched(world, "rx");
    let before = world.counters();
    let sequence = unheard(&pair);
    world.rose_at_least(&before, "TCPTimeouts", 2);
    for attempt in [1, 2] {
        tracer.expect(
            "the same bytes again",
            again("rto", &pair.client, pair.conn)
                .is("attempt", attempt)
                .is("bytes", 1237)
                .is("sequence", sequence)
                .state("ESTABLISHED"),
        );
    }
    let events = tracer.stop();
    events.none(
        "nobody else's",
        Expect::new("retransmit").is("owner.pid", pair.server.pid),
    );
    events.none(
        "no probe",
        Expect::new("retransmit").is("type", "loss_probe"),
    );
}

fn tail_loss_probe(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lp");
    let before = world.counters();
    let sequence = unheard(&pair);
    world.rose(&before, "TCPLossProbes", 1);
    pair.server.unfilter(pair.accepted);
    tracer.expect(
        "the tail again, before any timeout",
        again("loss_probe", &pair.client, pair.conn)
            .is("bytes", 1237)
            .is("sequence", sequence)
            .state("ESTABLISHED"),
    );
    let _ = tracer.stop();
}

fn fin_is_retransmitted_by_an_orphan(world: &World) {
    world.sysctl("ipv4.tcp_early_retrans", 0);
    let (tracer, pair) = Pair::watched(world, "fr");
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client.close(pair.conn);
    world.rose_at_least(&before, "TCPTimeouts", 1);
    let expected = again("fin", &pair.client, pair.conn)
        .is("bytes", 0)
        .state("FIN_WAIT1");
    tracer.expect(
        "the socket has no process any more, its owner is remembered",
        expected,
    );
    let _ = tracer.stop();
}

/// The second of many segments is lost, the others make the receiver say so.
fn lost_segment_is_retransmitted_fast(world: &World) {
    let (tracer, pair) = Pair::watched(world, "fa");
    pair.client.set_tcp_option(pair.conn, libc::TCP_NODELAY, 1);
    pair.server.filter(pair.accepted, "payload=1001");
    let before = world.counters();
    for len in [1237, 1001, 503, 505, 507, 509, 511, 513] {
        pair.client.write(pair.conn, len);
    }
    world.rose_at_least(&before, "TCPFastRetrans", 1);
    pair.server.unfilter(pair.accepted);
    tracer.expect(
        "the lost segment again",
        again("fast", &pair.client, pair.conn)
            .basis(&["task", "socket"])
            .is("bytes", 1001)
            .state("ESTABLISHED"),
    );
    let _ = tracer.stop();
}

fn delivered_data_is_not_retransmitted(world: &World) {
    let (tracer, pair) = Pair::watched(world, "ok");
    let before = world.counters();
    pair.client.write(pair.conn, 123_457);
    pair.server
        .order(&format!("read {} 123457", pair.accepted.fd));
    let events = tracer.stop();
    // A slow machine may still repeat something: then as often as the kernel counts.
    let counter = "Tcp.RetransSegs";
    let repeated = world.counters().value(counter) - before.value(counter);
    events.exactly(
        "nothing was lost",
        usize::try_from(repeated).expect("it rises"),
        Expect::new("retransmit"),
    );
}
