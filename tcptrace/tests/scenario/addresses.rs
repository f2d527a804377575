//! Families and namespaces: IPv6, IPv4 in IPv6, and two namespaces at once.

use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        ipv6_both_ends,
        v4_mapped_server_prints_ipv4,
        time_wait_of_a_v4_mapped_server,
        #[own]
        each_namespace_has_its_own_number,
        #[own]
        other_namespaces_are_filtered,
        #[own]
        named_namespace,
    ]
}

fn cast(world: &World) -> (Actor, Actor) {
    (
        world.actor_as("ad-server", 23457),
        world.actor_as("ad-client", 12345),
    )
}

fn linger_zero(owner: &Actor, conn: Conn) -> Expect {
    Expect::new("rst_sent")
        .cause("linger_zero")
        .owner(owner)
        .basis(&["task"])
        .conn(conn)
}

fn ipv6_both_ends(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client) = cast(world);
    let listener = server.listen("[::1]:0", 5);
    let conn = client.connect("[::1]:0", listener.local);
    let accepted = server.accept(listener);
    client.linger(conn, 0);
    client.close(conn);
    tracer.expect(
        "the client's end",
        linger_zero(&client, conn).is("family", "inet6"),
    );
    tracer.expect(
        "the server's end",
        Expect::new("rst_received")
            .owner(&server)
            .conn(accepted)
            .is("local.addr", "::1"),
    );
    let _ = tracer.stop();
}

/// A dual-stack server and an IPv4 client: `(server, client, server's end, client's end)`.
fn mapped(world: &World) -> (Actor, Actor, Conn, Conn) {
    let (server, client) = cast(world);
    let listener = server.listen("[::]:0", 5);
    let to = format!("127.0.7.9:{}", listener.local.port());
    let conn = client.connect("127.0.0.2:0", to);
    let accepted = server.accept(listener);
    world.claim("the server sees a mapped address", accepted.local.is_ipv6());
    (server, client, accepted, conn)
}

fn v4_mapped_server_prints_ipv4(world: &World) {
    let tracer = world.watch(&[]);
    let (server, client, accepted, conn) = mapped(world);
    server.linger(accepted, 0);
    server.close(accepted);
    tracer.expect(
        "IPv4 addresses, family inet6",
        linger_zero(&server, accepted)
            .is("family", "inet6")
            .is("local.addr", "127.0.7.9")
            .is("remote.addr", "127.0.0.2"),
    );
    tracer.expect(
        "the other end",
        Expect::new("rst_received").owner(&client).conn(conn),
    );
    let _ = tracer.stop();
}

/// The kernel keeps such a TIME_WAIT as IPv4.
fn time_wait_of_a_v4_mapped_server(world: &World) {
    let tracer = world.watch(&[]);
    let (server, _client, accepted, _) = mapped(world);
    server.close(accepted);
    world.until("the kernel holds it", || world.time_waits() == 1);
    tracer.expect(
        "IPv4 addresses",
        Expect::new("time_wait")
            .is("phase", "enter")
            .owner(&server)
            .cookie(accepted.cookie)
            .is("local.addr", "127.0.7.9")
            .is("remote.addr", "127.0.0.2"),
    );
    let _ = tracer.stop();
}

/// The same addresses in two namespaces, and one tracer for both.
fn each_namespace_has_its_own_number(world: &World) {
    let (elsewhere, other) = world.elsewhere(|netns| (netns, Pair::connected(world, "o-ns")));
    let one = format!("inode:{}", world.netns);
    let two = format!("inode:{elsewhere}");
    let tracer = world.watch_with(&["--all", "--netns", &one, "--netns", &two]);
    let here = Pair::connected(world, "t-ns");
    for pair in [&here, &other] {
        pair.client.linger(pair.conn, 0);
        pair.client.close(pair.conn);
    }
    tracer.expect(
        "here",
        linger_zero(&here.client, here.conn).is("netns", world.netns),
    );
    tracer.expect(
        "there",
        linger_zero(&other.client, other.conn).is("netns", elsewhere),
    );
    let received = |pair: &Pair| Expect::new("rst_received").owner(&pair.server);
    tracer.expect("received here", received(&here).conn(here.accepted));
    tracer.expect(
        "received there by a socket older than the tracer",
        received(&other)
            .conn(other.accepted)
            .basis(&["snapshot"])
            .is("netns", elsewhere),
    );
    let _ = tracer.stop();
}

fn other_namespaces_are_filtered(world: &World) {
    let tracer = world.watch_alone(&[]);
    let (elsewhere, other) = world.elsewhere(|netns| (netns, Pair::connected(world, "o-ns")));
    let here = Pair::connected(world, "t-ns");
    for pair in [&other, &here] {
        pair.client.linger(pair.conn, 0);
        pair.client.close(pair.conn);
    }
    tracer.expect("here", linger_zero(&here.client, here.conn));
    let events = tracer.stop();
    for event in events.all() {
        let netns = super::kit::expect::field(event, "netns");
        world.claim(
            &format!("{netns} is ours and not {elsewhere}"),
            *netns == world.netns,
        );
    }
}

/// `--netns NAME` is what `ip netns` would call it: a file below /run/netns.
fn named_namespace(world: &World) {
    let name = format!("tcptrace-live-{}", std::process::id());
    let file = format!("/run/netns/{name}");
    std::fs::create_dir_all("/run/netns").expect("the directory of ip netns");
    std::fs::write(&file, "").expect("a file to mount on");
    let mounted = super::kit::sys_ops::mount_own_netns(&file);
    let run = || {
        let tracer = world.watch_with(&["--all", "--netns", &name]);
        let pair = Pair::connected(world, "nm");
        pair.client.linger(pair.conn, 0);
        pair.client.close(pair.conn);
        tracer.expect("found by name", linger_zero(&pair.client, pair.conn));
        drop(tracer.stop());
    };
    let ran = mounted.map(|()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)));
    let _ = super::kit::sys_ops::unmount(&file);
    std::fs::remove_file(&file).expect("remove the name");
    if let Err(panic) = ran.expect("give the namespace a name") {
        std::panic::resume_unwind(panic);
    }
}
