//! Connections lost because an accept queue is full: at the SYN, and at the handshake's last ACK.

use super::kit::counters::Counters;
use super::kit::expect::kernel_names;
use super::kit::{Actor, Conn, Expect, Scenario, Tracer, World, by_functions, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        full_queue_drops_the_syn,
        #[own]
        next_namespace_of_that_number_drops_nothing,
        full_queue_over_ipv6,
        #[own]
        listener_older_than_the_tracer,
        somaxconn_is_the_limit,
        backlog_given_to_listen_shows_what_binds,
        full_queue_drops_the_last_ack,
        full_queue_resets_the_last_ack,
        late_syn_ack_finds_the_queue_full,
        reuseport_group_names_the_right_listener,
        queue_with_room_drops_nothing,
        socket_filter_drop_is_no_queue_drop,
    ]
}

/// Fills a queue of limit 1: two connections that nobody accepts.
fn fill(client: &Actor, listener: Conn) {
    for local in ["127.0.0.2:0", "127.0.0.3:0"] {
        client.connect(local, listener.local);
    }
}

/// One more client, whose SYN is dropped; it gives up before it would retry.
fn refused_silently(world: &World, client: &Actor, from: &str, listener: Conn) -> Conn {
    let before = world.counters();
    let third = client.connect_start(from, listener.local, None);
    world.rose(&before, "ListenOverflows", 1);
    world.rose(&before, "ListenDrops", 1);
    client.close(third);
    third
}

/// The tracepoint that reports a refused ACK has a reason only where the kernel has one for it.
fn evidence(step: &str) -> &'static str {
    let has_reason = kernel_names("SKB_DROP_REASON_TCP_LISTEN_OVERFLOW");
    if step == "ack" && !has_reason && !by_functions() {
        "inferred"
    } else {
        "seen"
    }
}

fn dropped(step: &str, outcome: &str, server: &Actor, listener: Conn, client: Conn) -> Expect {
    Expect::new("accept_drop")
        .is("step", step)
        .is("outcome", outcome)
        .queue(2, 1)
        .is("limited_by", "backlog")
        .is("count", 1)
        .owner(server)
        .basis(&["socket"])
        .listener(listener, client.local)
        .state("LISTEN")
        .is("evidence", evidence(step))
}

fn cast(world: &World) -> (Actor, Actor) {
    world.on_one_processor();
    (
        world.actor_as("aq-server", 23457),
        world.actor_as("aq-client", 12345),
    )
}

fn full_queue_drops_the_syn(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    fill(&client, listener);
    let third = refused_silently(world, &client, "127.0.0.4:0", listener);
    let expected = dropped("syn", "dropped", &server, listener, third);
    tracer.expect("the listener's owner, the client as remote", expected);
    let events = tracer.stop();
    events.exactly("one drop", 1, Expect::new("accept_drop"));
    events.none("not the SYN queue", Expect::new("syn_drop"));
}

fn full_queue_over_ipv6(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("[::1]:0", 1);
    client.connect("[::1]:0", listener.local);
    client.connect("[::1]:0", listener.local);
    let third = refused_silently(world, &client, "[::1]:0", listener);
    let expected = dropped("syn", "dropped", &server, listener, third);
    tracer.expect("the listener's owner, the client as remote", expected);
    tracer
        .stop()
        .exactly("one drop", 1, Expect::new("accept_drop"));
}

fn listener_older_than_the_tracer(world: &World) {
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    let tracer = world.watch_alone(&[]);
    fill(&client, listener);
    let third = refused_silently(world, &client, "127.0.0.4:0", listener);
    tracer.expect(
        "the owner was found in /proc",
        Expect::new("accept_drop")
            .is("step", "syn")
            .queue(2, 1)
            .owner(&server)
            .basis(&["snapshot"])
            .listener(listener, third.local),
    );
    tracer
        .stop()
        .exactly("one drop", 1, Expect::new("accept_drop"));
}

/// The kernel keeps the smaller of the two limits, so the drop can show that somaxconn binds; a
/// backlog that happens to be equal looks the same.
fn somaxconn_is_the_limit(world: &World) {
    world.sysctl("core.somaxconn", 1);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 511);
    fill(&client, listener);
    let third = refused_silently(world, &client, "127.0.0.4:0", listener);
    tracer.expect(
        "net.core.somaxconn is the limit",
        Expect::new("accept_drop")
            .queue(2, 1)
            .one_of("limited_by", &["somaxconn", "both"])
            .owner(&server)
            .listener(listener, third.local),
    );
    tracer
        .stop()
        .exactly("one drop", 1, Expect::new("accept_drop"));
}

/// Below somaxconn too: it was raised after listen(), which only who saw listen() can know.
fn backlog_given_to_listen_shows_what_binds(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    world.sysctl("core.somaxconn", 1);
    let wanted = |backlog| match (by_functions(), backlog) {
        (true, 1) => "both",
        (false, 511) => "backlog",
        _ => "somaxconn",
    };
    let drop_at = |backlog: u32| {
        let listener = server.listen("127.0.7.9:0", backlog);
        fill(&client, listener);
        if backlog == 511 {
            world.sysctl("core.somaxconn", 4096);
        }
        let third = refused_silently(world, &client, "127.0.0.4:0", listener);
        let drop = Expect::new("accept_drop")
            .queue(2, 1)
            .is("limited_by", wanted(backlog))
            .listener(listener, third.local);
        tracer.expect(&format!("what binds a backlog of {backlog}"), drop);
    };
    drop_at(1);
    drop_at(511);
    tracer
        .stop()
        .exactly("two drops", 2, Expect::new("accept_drop"));
}

/// Two clients that believe to be connected, because the listener was deaf to their last ACK; the
/// queue has room for one of them. Their first data completes the handshake: one too many.
fn last_ack_overflow(world: &World, outcome: &str) -> (Tracer, Actor, Actor, Conn, Conn) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    client.connect("127.0.0.2:0", listener.local);
    server.filter(listener, "ack");
    let fits = client.connect("127.0.0.3:0", listener.local);
    let overflows = client.connect("127.0.0.4:0", listener.local);
    server.unfilter(listener);
    client.write(fits, 1237);
    let before = world.counters();
    client.write(overflows, 511);
    world.rose_at_least(&before, "ListenOverflows", 1);
    let expected = dropped("ack", outcome, &server, listener, overflows);
    tracer.expect("the listener's owner, the client as remote", expected);
    (tracer, server, client, listener, overflows)
}

fn full_queue_drops_the_last_ack(world: &World) {
    if !world.sees("accept_drop", "at the ACK") {
        return;
    }
    let (tracer, _server, client, _, overflows) = last_ack_overflow(world, "dropped");
    client.close(overflows);
    let events = tracer.stop();
    events.none(
        "never the SYN step",
        Expect::new("accept_drop").is("step", "syn"),
    );
    events.none("no reset", Expect::new("rst_sent"));
}

fn full_queue_resets_the_last_ack(world: &World) {
    if !world.sees("accept_drop", "at the ACK") {
        return;
    }
    world.sysctl("ipv4.tcp_abort_on_overflow", 1);
    let before = world.counters();
    let (tracer, server, client, listener, overflows) = last_ack_overflow(world, "reset");
    world.rose(&before, "EmbryonicRsts", 1);
    tracer.expect(
        "tcp_abort_on_overflow resets",
        Expect::new("rst_sent")
            .cause("accept_overflow")
            .owner(&server)
            .basis(&["socket", "listener"])
            .local(listener.local)
            .remote(overflows.local),
    );
    tracer.expect(
        "the client is reset although it was connected",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .owner(&client)
            .conn(overflows),
    );
    let events = tracer.stop();
    events.exactly("one drop", 1, Expect::new("accept_drop"));
    events.exactly("one reset", 1, Expect::new("rst_sent"));
}

/// The realistic way to the same end: the SYN came while there was room, the SYN-ACK was lost, and
/// when it comes again the queue is full.
fn late_syn_ack_finds_the_queue_full(world: &World) {
    if !world.sees("accept_drop", "at the ACK") {
        return;
    }
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    let late = client.connect_start("127.0.0.4:0", listener.local, Some("synack"));
    fill(&client, listener);
    client.unfilter(late);
    let before: Counters = world.counters();
    world.rose_at_least(&before, "ListenOverflows", 1);
    client.close(late);
    tracer.expect(
        "the last ACK",
        dropped("ack", "dropped", &server, listener, late),
    );
    tracer.stop().none(
        "never the SYN step",
        Expect::new("accept_drop").is("step", "syn"),
    );
}

fn reuseport_group_names_the_right_listener(world: &World) {
    let tracer = world.watch(&[]);
    let first = world.actor("rp-first");
    let second = world.actor("rp-second");
    let client = world.actor_as("rp-client", 12345);
    let join = |actor: &Actor, addr: String| {
        let fd: i32 = actor.number("socket v4");
        actor.order(&format!("reuseport {fd}"));
        actor.order(&format!("bind {fd} {addr}"));
        actor.order(&format!("listen {fd} 1"));
        actor.describe(fd)
    };
    let one = join(&first, "127.0.7.9:0".into());
    let two = join(&second, one.local.to_string());
    let before = world.counters();
    let clients: Vec<Conn> = (0..24)
        .map(|_| client.connect_start("127.0.0.2:0", one.local, None))
        .collect();
    // Twenty, and more where clients have the time to try again.
    world.rose_at_least(&before, "ListenDrops", 20);
    clients
        .iter()
        .for_each(|conn| drop(client.order(&format!("close {}", conn.fd))));
    for (actor, listener) in [(&first, one), (&second, two)] {
        let drops: usize = actor.number(&format!("drops {}", listener.fd));
        world.claim(&format!("{} had drops", actor.comm), drops > 0);
        let expected = || {
            Expect::new("accept_drop")
                .owner(actor)
                .cookie(listener.cookie)
                .queue(2, 1)
        };
        tracer.expect("a drop of this listener", expected());
        // A refused ACK counts twice there.
        let seen = tracer.events().matching(&expected()).len();
        world.claim("no more than the kernel counted for it", seen <= drops);
    }
    let dropped = world.counters().value("ListenDrops") - before.value("ListenDrops");
    tracer.stop().exactly(
        "as many as the kernel counted",
        usize::try_from(dropped).expect("it rises"),
        Expect::new("accept_drop"),
    );
}

fn queue_with_room_drops_nothing(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    let before = world.counters();
    fill(&client, listener);
    world.rose(&before, "ListenDrops", 0);
    let events = tracer.stop();
    events.none("both connections fit", Expect::new("accept_drop"));
    events.none("both SYNs fit", Expect::new("syn_drop"));
}

/// A filter raises the listener's drop counter just as a full queue does.
fn socket_filter_drop_is_no_queue_drop(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    server.filter(listener, "syn");
    let conn = client.connect_start("127.0.0.2:0", listener.local, None);
    world.until("the listener's drop counter rises", || {
        server.number::<u32>(&format!("drops {}", listener.fd)) == 1
    });
    server.unfilter(listener);
    client.close(conn);
    let then = client.connect("127.0.0.3:0", listener.local);
    tracer.expect(
        "a later connection",
        Expect::new("state").conn(then).is("new", "ESTABLISHED"),
    );
    let events = tracer.stop();
    events.none("no accept queue was full", Expect::new("accept_drop"));
    events.none("no SYN queue was full", Expect::new("syn_drop"));
}

/// The kernel gives a namespace's number to a later one, whose counters begin at 0 again.
fn next_namespace_of_that_number_drops_nothing(world: &World) {
    // Of every namespace, and therefore only kinds of which there are few beside this scenario.
    let tracer = world.watch_with(&["--only", "accept_drop,rst_sent"]);
    let (first, full) = world.briefly(|inode| {
        let (server, client) = cast(world);
        let listener = server.listen("127.0.7.9:0", 1);
        fill(&client, listener);
        refused_silently(world, &client, "127.0.0.4:0", listener);
        (inode, listener)
    });
    let mut numbers = 0;
    // Scenarios beside this one may be given the number too: only our own listeners count.
    let mut later = Vec::new();
    for _ in 0..50 {
        let (inode, conn) = world.briefly(|inode| {
            let (server, client) = cast(world);
            let listener = server.listen("127.0.7.9:0", 1);
            let conn = client.connect("127.0.0.5:0", listener.local);
            client.linger(conn, 0);
            client.close(conn);
            (inode, conn)
        });
        numbers += 1;
        later.push((inode, conn));
        if inode == first {
            world.note(format!("the number came again after {numbers} namespaces"));
            tracer.expect(
                "the later namespace is observed",
                Expect::new("rst_sent")
                    .is("netns", inode)
                    .cause("linger_zero")
                    .local(conn.local),
            );
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let events = tracer.stop();
    events.exactly(
        "one refusal, in the first",
        1,
        Expect::new("accept_drop")
            .is("netns", first)
            .local(full.local),
    );
    for (inode, conn) in later {
        events.exactly(
            "none in the later ones",
            0,
            Expect::new("accept_drop")
                .is("netns", inode)
                .remote(conn.local),
        );
    }
}
