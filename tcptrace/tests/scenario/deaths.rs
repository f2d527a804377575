//! Connections given up because nothing came back, and connect() that came to nothing.

use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        unacknowledged_data_is_given_up,
        idle_connection_is_given_up_with_its_probes,
        limit_of_the_process_comes_first,
        closed_data_is_given_up,
        unanswered_connect_fails,
        connect_closed_before_the_answer,
        connect_without_a_free_port,
        connect_without_a_route,
        bind_of_a_port_in_use,
        bind_of_a_foreign_address_over_v6,
        refused_connect_is_reported_once,
    ]
}

fn given_up(owner: &Actor, conn: Conn, cause: &str) -> Expect {
    Expect::new("timed_out")
        .cause(cause)
        .owner(owner)
        .basis(&["socket"])
        .conn(conn)
        .is("error", "ETIMEDOUT")
        .is("evidence", "seen")
}

fn failed(owner: &Actor) -> Expect {
    Expect::new("connect_failed")
        .owner(owner)
        .is("call", "connect")
        .state("SYN_SENT")
}

fn unacknowledged_data_is_given_up(world: &World) {
    world.sysctl("ipv4.tcp_retries2", 1);
    let (tracer, pair) = Pair::watched(world, "gu");
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client.write(pair.conn, 1237);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    // Else the server sends its FIN again and again once it ends.
    pair.server.unfilter(pair.accepted);
    let expected = given_up(&pair.client, pair.conn, "retransmits")
        .state("ESTABLISHED")
        .is("unacked_bytes", 1237)
        .is("unsent_bytes", 0)
        .at_least("resends", 1)
        .at_least("silent_ms", 300);
    tracer.expect("data that nobody acknowledged", expected);
    tracer
        .stop()
        .exactly("one death", 1, Expect::new("timed_out"));
}

fn idle_connection_is_given_up_with_its_probes(world: &World) {
    let (tracer, pair) = Pair::watched(world, "gk");
    for (name, value) in [
        (libc::TCP_KEEPIDLE, 1),
        (libc::TCP_KEEPINTVL, 1),
        (libc::TCP_KEEPCNT, 2),
    ] {
        pair.client.set_tcp_option(pair.conn, name, value);
    }
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client
        .set_socket_option(pair.conn, libc::SO_KEEPALIVE, 1);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    // Else the server sends its FIN again and again once it ends.
    pair.server.unfilter(pair.accepted);
    let expected = given_up(&pair.client, pair.conn, "keepalive")
        .state("ESTABLISHED")
        .is("unacked_bytes", 0)
        .is("unsent_bytes", 0)
        .is("resends", 2)
        .at_least("silent_ms", 2900);
    tracer.expect("nobody answered the probes", expected);
    tracer.stop().exactly(
        "its RST is a fact of its own",
        1,
        Expect::new("rst_sent").cause("keepalive_timeout"),
    );
}

fn limit_of_the_process_comes_first(world: &World) {
    let (tracer, pair) = Pair::watched(world, "gl");
    pair.client
        .set_tcp_option(pair.conn, libc::TCP_USER_TIMEOUT, 700);
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client.write(pair.conn, 1239);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    // Else the server sends its FIN again and again once it ends.
    pair.server.unfilter(pair.accepted);
    let expected = given_up(&pair.client, pair.conn, "user_timeout")
        .state("ESTABLISHED")
        .is("unacked_bytes", 1239)
        .at_least("silent_ms", 690);
    tracer.expect("TCP_USER_TIMEOUT ended it", expected);
    let _ = tracer.stop();
}

fn closed_data_is_given_up(world: &World) {
    world.sysctl("ipv4.tcp_orphan_retries", 1);
    let (tracer, pair) = Pair::watched(world, "go");
    pair.server.filter(pair.accepted, "all");
    let before = world.counters();
    pair.client.write(pair.conn, 1241);
    pair.client.close(pair.conn);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    // Else the server sends its FIN again and again once it ends.
    pair.server.unfilter(pair.accepted);
    let expected = given_up(&pair.client, pair.conn, "orphan")
        .state("FIN_WAIT1")
        .is("unacked_bytes", 1241)
        .at_least("resends", 1);
    tracer.expect("sent before close(), never acknowledged", expected);
    let _ = tracer.stop();
}

fn unanswered_connect_fails(world: &World) {
    world.sysctl("ipv4.tcp_syn_retries", 1);
    let tracer = world.watch(&[]);
    let server = world.actor_as("cf-server", 23457);
    let client = world.actor_as("cf-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    server.filter(listener, "syn");
    let before = world.counters();
    let conn = client.connect_start("127.0.0.2:0", listener.local, None);
    world.rose(&before, "TCPAbortOnTimeout", 1);
    let expected = failed(&client)
        .conn(conn)
        .basis(&["socket"])
        .is("outcome", "failed")
        .is("error", "ETIMEDOUT")
        .is("evidence", "seen")
        // From 6.5 on more (tcp_syn_linear_timeouts).
        .at_least("syns", 2)
        .at_least("after_ms", 1900);
    tracer.expect("nobody answered the SYNs", expected);
    tracer
        .stop()
        .none("and it is no timed_out as well", Expect::new("timed_out"));
}

fn connect_closed_before_the_answer(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor_as("cc-server", 23457);
    let client = world.actor_as("cc-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    server.filter(listener, "syn");
    let conn = client.connect_start("127.0.0.2:0", listener.local, None);
    client.close(conn);
    let expected = failed(&client)
        .conn(conn)
        .basis(&["task"])
        .is("outcome", "closed")
        .absent("error")
        .is("evidence", "seen")
        .is("syns", 1)
        .at_least("after_ms", 0);
    tracer.expect("the client did not wait", expected);
    let _ = tracer.stop();
}

fn connect_without_a_free_port(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor_as("cp-server", 23457);
    let client = world.actor_as("cp-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let first = client.connect("127.0.0.2:0", listener.local);
    // The same pair of addresses and ports again: the port that bind() chose is in use towards this peer.
    let second = client.bound(first.local);
    let order = format!("connect {second} {}", listener.local);
    world.claim_eq(
        "the kernel's own answer",
        client.try_order(&order).err(),
        Some(libc::EADDRNOTAVAIL),
    );
    // The call's own answer where functions are hooked; else it follows from a call that sent nothing.
    let expected = Expect::new("connect_failed")
        .owner(&client)
        .is("call", "connect")
        .remote(listener.local)
        .one_of("evidence", &["inferred", "seen"])
        .basis(&["task"])
        .is("outcome", "failed")
        .is("error", "EADDRNOTAVAIL")
        .is("syns", 0);
    tracer.expect("no port towards that peer", expected);
    tracer
        .stop()
        .exactly("only one failed", 1, Expect::new("connect_failed"));
}

/// Whether errors of the calls themselves are seen here.
fn sees_calls(world: &World) -> bool {
    world.sees("connect_failed", "errors of the call")
}

fn connect_without_a_route(world: &World) {
    if !sees_calls(world) {
        return;
    }
    let tracer = world.watch(&[]);
    let client = world.actor_as("nr-client", 12345);
    let fd: i32 = client.number("socket");
    let answer = client
        .try_order(&format!("connect {fd} 198.51.100.7:4711"))
        .err();
    world.claim_eq("no route", answer, Some(libc::ENETUNREACH));
    // An IPv4 address on an inet6 socket ends in the same function, once.
    let mapped: i32 = client.number("socket v6");
    let answer = client
        .try_order(&format!("connect {mapped} [::ffff:198.51.100.8]:4712"))
        .err();
    world.claim_eq("nor for it", answer, Some(libc::ENETUNREACH));
    let six: i32 = client.number("socket v6");
    let answer = client
        .try_order(&format!("connect {six} [2001:db8::7]:4713"))
        .err();
    world.claim_eq("nor over IPv6", answer, Some(libc::ENETUNREACH));
    for (family, remote) in [
        ("inet", "198.51.100.7:4711"),
        ("inet6", "198.51.100.8:4712"),
        ("inet6", "[2001:db8::7]:4713"),
    ] {
        let remote: std::net::SocketAddr = remote.parse().expect("an address");
        let expected = Expect::new("connect_failed")
            .owner(&client)
            .basis(&["task"])
            .is("family", family)
            .is("call", "connect")
            .is("outcome", "failed")
            .is("error", "ENETUNREACH")
            .is("evidence", "seen")
            .is("syns", 0)
            .remote(remote);
        tracer.expect("the call's own answer", expected);
    }
    tracer
        .stop()
        .exactly("each once", 3, Expect::new("connect_failed"));
}

fn bind_of_a_port_in_use(world: &World) {
    if !sees_calls(world) {
        return;
    }
    let tracer = world.watch(&[]);
    let server = world.actor_as("bu-server", 23457);
    let client = world.actor_as("bu-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let fd: i32 = client.number("socket");
    let answer = client
        .try_order(&format!("bind {fd} {}", listener.local))
        .err();
    world.claim_eq("in use", answer, Some(libc::EADDRINUSE));
    let expected = Expect::new("connect_failed")
        .owner(&client)
        .basis(&["task"])
        .is("call", "bind")
        .is("outcome", "failed")
        .is("error", "EADDRINUSE")
        .is("evidence", "seen")
        .absent("syns")
        .local(listener.local);
    tracer.expect("with the address that was asked for", expected);
    tracer
        .stop()
        .exactly("once", 1, Expect::new("connect_failed"));
}

fn bind_of_a_foreign_address_over_v6(world: &World) {
    if !sees_calls(world) {
        return;
    }
    let tracer = world.watch(&[]);
    let client = world.actor_as("bf-client", 12345);
    let fd: i32 = client.number("socket v6");
    let answer = client
        .try_order(&format!("bind {fd} [2001:db8::9]:4714"))
        .err();
    world.claim_eq("nobody's here", answer, Some(libc::EADDRNOTAVAIL));
    let foreign: std::net::SocketAddr = "[2001:db8::9]:4714".parse().expect("an address");
    let expected = Expect::new("connect_failed")
        .owner(&client)
        .is("call", "bind")
        .is("error", "EADDRNOTAVAIL")
        .local(foreign);
    tracer.expect("the address of another host", expected);
    tracer
        .stop()
        .exactly("once", 1, Expect::new("connect_failed"));
}

fn refused_connect_is_reported_once(world: &World) {
    let tracer = world.watch(&[]);
    let client = world.actor_as("cr-client", 12345);
    let fd = client.bound("127.0.0.2:0");
    let refused = client.try_order(&format!("connect {fd} 127.0.7.9:9")).err();
    world.claim_eq("refused", refused, Some(libc::ECONNREFUSED));
    let expected = Expect::new("rst_received")
        .is("meaning", "refused")
        .owner(&client);
    tracer.expect("as the RST that came", expected);
    tracer
        .stop()
        .none("and not again", Expect::new("connect_failed"));
}
