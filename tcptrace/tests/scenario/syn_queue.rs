//! SYN queues that are full: the SYN is dropped, or answered with a cookie.

use super::kit::{Actor, Conn, Expect, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        full_syn_queue_drops_without_cookies,
        full_syn_queue_answers_with_a_cookie,
        tcp_max_syn_backlog_refuses_below_the_listeners_limit,
        cookies_for_every_syn,
        the_first_cookie_of_each_processor_is_reported,
        half_open_connections_that_fit_are_no_drop,
    ]
}

/// A SYN queue of limit 1 holds two half-open connections; both clients are deaf to the SYN-ACK.
fn half_open(client: &Actor, listener: Conn) {
    for local in ["127.0.0.2:0", "127.0.0.3:0"] {
        client.connect_start(local, listener.local, Some("synack"));
    }
}

fn cast(world: &World) -> (Actor, Actor) {
    world.on_one_processor();
    (
        world.actor_as("sq-server", 23457),
        world.actor_as("sq-client", 12345),
    )
}

fn refused(outcome: &str, server: &Actor, listener: Conn) -> Expect {
    Expect::new("syn_drop")
        .is("outcome", outcome)
        .is("count", 1)
        .owner(server)
        .basis(&["socket"])
        .cookie(listener.cookie)
        .local(listener.local)
        .state("LISTEN")
}

fn full_syn_queue_drops_without_cookies(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 0);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    half_open(&client, listener);
    let before = world.counters();
    let third = client.connect_start("127.0.0.4:0", listener.local, None);
    world.rose(&before, "TCPReqQFullDrop", 1);
    world.rose(&before, "ListenDrops", 1);
    world.rose(&before, "ListenOverflows", 0);
    client.close(third);
    let expected = refused("dropped", &server, listener)
        .queue(2, 1)
        .is("limited_by", "backlog")
        .remote(third.local);
    tracer.expect("the listener's owner, the client as remote", expected);
    let events = tracer.stop();
    events.exactly("one drop", 1, Expect::new("syn_drop"));
    events.none("not the accept queue", Expect::new("accept_drop"));
}

fn full_syn_queue_answers_with_a_cookie(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 1);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    half_open(&client, listener);
    let before = world.counters();
    let third = client.connect("127.0.0.4:0", listener.local);
    world.rose(&before, "TCPReqQFullDoCookies", 1);
    world.rose(&before, "SyncookiesSent", 1);
    world.rose(&before, "SyncookiesRecv", 1);
    world.rose(&before, "ListenDrops", 0);
    tracer.expect("the listener's owner", refused("cookie", &server, listener));
    client.close(third);
    let events = tracer.stop();
    events.exactly("one cookie", 1, Expect::new("syn_drop"));
    events.none(
        "nothing was dropped",
        Expect::new("syn_drop").is("outcome", "dropped"),
    );
}

/// Without cookies the SYNs of unknown clients are refused once three quarters of the sysctl are half
/// open, whatever the listener allows; only ListenDrops counts it.
fn tcp_max_syn_backlog_refuses_below_the_listeners_limit(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 0);
    world.sysctl("ipv4.tcp_max_syn_backlog", 6);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 77);
    // 6 less a quarter of it, rounded down: five fit, and the next but one is refused.
    let before = world.counters();
    for last in 20..26 {
        let local = format!("127.0.0.{last}:0");
        client.connect_start(local, listener.local, Some("synack"));
    }
    world.rose(&before, "ListenDrops", 0);
    let refused_one = client.connect_start("127.0.0.4:0", listener.local, None);
    world.rose(&before, "ListenDrops", 1);
    world.rose(&before, "TCPReqQFullDrop", 0);
    world.rose(&before, "ListenOverflows", 0);
    client.close(refused_one);
    let expected = refused("dropped", &server, listener)
        .is("limited_by", "max_syn_backlog")
        .is("evidence", "inferred")
        .queue(6, 5)
        .remote(refused_one.local);
    tracer.expect("the listener's owner, the client as remote", expected);
    let events = tracer.stop();
    events.exactly("one drop", 1, Expect::new("syn_drop"));
    events.none("not the accept queue", Expect::new("accept_drop"));
}

/// `tcp_syncookies=2` sends cookies though no queue is full: only the kernel's counter shows it.
fn cookies_for_every_syn(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 2);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 5);
    let before = world.counters();
    client.connect("127.0.0.4:0", listener.local);
    world.rose(&before, "SyncookiesSent", 1);
    world.rose(&before, "SyncookiesRecv", 1);
    tracer.stop().none(
        "nothing was dropped",
        Expect::new("syn_drop").is("outcome", "dropped"),
    );
}

/// Each processor counts for itself: its first cookie has no earlier one to be compared with, in a namespace
/// that is younger than the tracer and in one that has counted before.
fn the_first_cookie_of_each_processor_is_reported(world: &World) {
    let everywhere = world.watch_with(&["--only", "syn_drop,accept_drop"]);
    world.elsewhere(|young| {
        let cookies = cookies_on_each_processor(world, 1);
        let events = everywhere.stop();
        let cookie = Expect::new("syn_drop").is("outcome", "cookie");
        let cookie = cookie.is("evidence", "seen").is("netns", young);
        events.exactly("all cookies of a young namespace", cookies, cookie);
        events.none(
            "nothing else",
            Expect::new("accept_drop").is("netns", young),
        );
    });
    let before = cookies_on_each_processor(world, 2);
    let tracer = world.watch_alone(&[]);
    let cookies = cookies_on_each_processor(world, 1);
    let events = tracer.stop();
    let cookie = Expect::new("syn_drop").is("outcome", "cookie");
    let label = format!("all cookies after {before} others");
    events.exactly(&label, cookies, cookie.is("evidence", "seen"));
    events.none("nothing was dropped", Expect::new("accept_drop"));
}

/// Connections that are answered with a cookie, `of_first` from the first processor and one from each other; how
/// many they were.
fn cookies_on_each_processor(world: &World, of_first: usize) -> usize {
    world.sysctl("ipv4.tcp_syncookies", 2);
    let server = world.actor_as("sq-server", 23457);
    let listener = server.listen("127.0.7.9:0", 77);
    let before = world.counters();
    let mut cookies = 0;
    for processor in 0..world.processors {
        world.on_processor(processor);
        let client = world.actor_as("sq-client", 12345);
        for _ in 0..if processor == 0 { of_first } else { 1 } {
            client.connect("127.0.0.4:0", listener.local);
            cookies += 1;
        }
    }
    world.rose(&before, "TCPReqQFullDoCookies", cookies);
    usize::try_from(cookies).expect("few")
}

fn half_open_connections_that_fit_are_no_drop(world: &World) {
    world.sysctl("ipv4.tcp_syncookies", 0);
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("127.0.7.9:0", 1);
    let before = world.counters();
    half_open(&client, listener);
    world.rose(&before, "ListenDrops", 0);
    tracer.stop().none("both SYNs fit", Expect::new("syn_drop"));
}
