//! Sockets that were inherited, handed on or shared: who holds them now is named, not who made them.

use super::kit::expect::field;
use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, scenarios};
use super::queries::ask;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        #[own]
        listener_of_a_daemon_belongs_to_its_heir,
        #[own]
        listener_passed_on_belongs_to_who_received_it,
        #[own]
        listener_bears_the_name_after_exec,
        #[own]
        any_holder_of_a_listener_passes_the_filters,
        #[own]
        listener_of_a_service_manager_belongs_to_who_serves_it,
        connection_in_a_queue_belongs_to_the_listener_of_its_address,
        connection_in_a_queue_belongs_to_the_listener_that_took_over,
        #[own]
        connection_passed_on_belongs_to_who_received_it,
    ]
}

/// Fills a queue of limit 1, and has one more client refused.
fn overflow(world: &World, client: &Actor, listener: Conn) {
    world.on_one_processor();
    for local in ["127.0.0.2:0", "127.0.0.3:0"] {
        client.connect(local, listener.local);
    }
    let before = world.counters();
    let third = client.connect_start("127.0.0.4:0", listener.local, None);
    world.rose(&before, "ListenOverflows", 1);
    client.close(third);
}

fn refused(owner: &Actor, listener: Conn) -> Expect {
    Expect::new("accept_drop")
        .owner(owner)
        .local(listener.local)
        .cookie(listener.cookie)
        .state("LISTEN")
}

fn listener_of_a_daemon_belongs_to_its_heir(world: &World) {
    let tracer = world.watch_alone(&[]);
    let mut launcher = world.actor("dm-launcher");
    let client = world.actor_as("dm-client", 12345);
    let listener = launcher.listen("127.0.7.9:0", 1);
    let heir = launcher.fork("dm-heir");
    launcher.exit();
    overflow(world, &client, listener);
    let expected = refused(&heir, listener).basis(&["snapshot"]);
    tracer.expect("who holds it", expected.absent("owner.shared_by"));
    let events = tracer.stop();
    let launchers = Expect::new("accept_drop").is("owner.pid", launcher.pid);
    events.none("the launcher is gone", launchers);
}

fn listener_passed_on_belongs_to_who_received_it(world: &World) {
    let tracer = world.watch_alone(&[]);
    let old = world.actor("po-old");
    let new = world.actor_as("po-new", 23457);
    let client = world.actor_as("po-client", 12345);
    let listener = old.listen("127.0.7.9:0", 1);
    old.pass(listener, &new);
    old.close(listener);
    overflow(world, &client, listener);
    let expected = refused(&new, listener).basis(&["snapshot"]);
    tracer.expect("who holds it", expected.absent("owner.shared_by"));
    let events = tracer.stop();
    let olds = Expect::new("accept_drop").is("owner.pid", old.pid);
    events.none("who made it has closed it", olds);
}

fn listener_bears_the_name_after_exec(world: &World) {
    let tracer = world.watch_alone(&[]);
    let mut server = world.actor("ex-before");
    let client = world.actor_as("ex-client", 12345);
    let listener = server.listen("127.0.7.9:0", 1);
    server.exec("ex-after", listener);
    overflow(world, &client, listener);
    let expected = refused(&server, listener).basis(&["socket"]);
    tracer.expect("the name of now", expected);
    let _ = tracer.stop();
}

fn any_holder_of_a_listener_passes_the_filters(world: &World) {
    let master = world.actor("ah-master");
    let client = world.actor_as("ah-client", 12345);
    let stranger = world.actor("ah-stranger");
    let netns = format!("inode:{}", world.netns);
    let started = |filters: &[&str]| {
        let mut args = vec!["--netns", &netns];
        args.extend(filters);
        world.watch_with(&args)
    };
    // listen() is seen, so that the kernel side is certain of the master.
    let by_name = started(&["--comm", "ah-worker"]);
    let listener = master.listen("127.0.7.9:0", 1);
    let worker = master.fork("ah-worker");
    let (worker_pid, stranger_pid) = (worker.pid.to_string(), stranger.pid.to_string());
    let by_pid = started(&["--pid", &worker_pid]);
    let by_stranger = started(&["--pid", &stranger_pid]);
    overflow(world, &client, listener);
    for (name, tracer) in [("name", by_name), ("pid", by_pid)] {
        let expected = refused(&master, listener).is("owner.shared_by", 2);
        tracer.expect(&format!("the worker holds it too, by {name}"), expected);
        let _ = tracer.stop();
    }
    let events = by_stranger.stop();
    events.none("a stranger does not", Expect::new("accept_drop"));
}

fn listener_of_a_service_manager_belongs_to_who_serves_it(world: &World) {
    let tracer = world.watch_alone(&[]);
    let manager = world.actor("sm-manager");
    let service = world.actor_as("sm-service", 23457);
    let client = world.actor_as("sm-client", 12345);
    let listener = manager.listen("127.0.7.9:0", 1);
    let passed = manager.pass(listener, &service);
    let conn = client.connect("127.0.0.5:0", listener.local);
    let accepted = service.accept(passed);
    for command in ["listeners", "states"] {
        let Some((rows, _)) = ask(world, &[command]) else {
            return;
        };
        let row = rows.iter().find(|row| {
            let local = &row["local"]["port"];
            *local == listener.local.port() || row["state"] == "LISTEN"
        });
        let owner = row.map(|row| row["owner"]["pid"].clone());
        world.claim_eq(command, owner, Some(service.pid.into()));
    }
    service.close(accepted);
    client.close(conn);
    tracer.expect(
        "the service closes what it accepted",
        Expect::new("close").owner(&service).conn(accepted),
    );
    overflow(world, &client, listener);
    let expected = refused(&service, listener).basis(&["snapshot"]);
    tracer.expect("who serves it", expected.is("owner.shared_by", 2));
    let _ = tracer.stop();
}

fn reset_in_the_queue(owner: &Actor, conn: Conn) -> Expect {
    Expect::new("rst_received")
        .is("meaning", "reset")
        .owner(owner)
        .basis(&["listener"])
        .local(conn.remote.expect("connected"))
        .remote(conn.local)
}

fn join(actor: &Actor, local: &str) -> Conn {
    let fd: i32 = actor.number("socket v4");
    actor.order(&format!("reuseport {fd}"));
    actor.order(&format!("bind {fd} {local}"));
    actor.order(&format!("listen {fd} 5"));
    actor.describe(fd)
}

fn connect_and_reset(client: &Actor, listener: Conn) -> Conn {
    let conn = client.connect("127.0.0.2:0", listener.local);
    client.linger(conn, 0);
    client.close(conn);
    conn
}

fn connection_in_a_queue_belongs_to_the_listener_of_its_address(world: &World) {
    let tracer = world.watch(&[]);
    let one = world.actor_as("ad-one", 23457);
    let other = world.actor_as("ad-other", 23458);
    let client = world.actor_as("ad-client", 12345);
    let first = one.listen("127.0.7.9:0", 5);
    let port = first.local.port();
    let second = other.listen(format!("127.0.7.10:{port}"), 5);
    for (owner, listener) in [(&one, first), (&other, second)] {
        let conn = connect_and_reset(&client, listener);
        tracer.expect(
            "the listener of the address",
            reset_in_the_queue(owner, conn),
        );
    }
    // Another user's listener has come and gone: it changes nothing for the first.
    other.close(second);
    let conn = connect_and_reset(&client, first);
    tracer.expect("after the other has gone", reset_in_the_queue(&one, conn));
    let _ = tracer.stop();
}

fn connection_in_a_queue_belongs_to_the_listener_that_took_over(world: &World) {
    let tracer = world.watch(&[]);
    // Only processes of one user share a port.
    let old = world.actor("to-old");
    let new = world.actor("to-new");
    let client = world.actor_as("to-client", 12345);
    let first = join(&old, "127.0.7.9:0");
    let second = join(&new, &first.local.to_string());
    old.close(first);
    let conn = connect_and_reset(&client, second);
    tracer.expect("who listens now", reset_in_the_queue(&new, conn));
    let _ = tracer.stop();
}

fn connection_passed_on_belongs_to_who_received_it(world: &World) {
    let tracer = world.watch_alone(&[]);
    let pair = Pair::connected(world, "cp");
    let worker = world.actor_as("cp-worker", 34567);
    pair.client.write(pair.conn, 17);
    pair.server.order(&format!("read {} 17", pair.accepted.fd));
    let passed = pair.server.pass(pair.accepted, &worker);
    pair.server.close(pair.accepted);
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    tracer.expect(
        "who holds it has made no call on it yet",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .owner(&worker)
            .basis(&["snapshot"])
            .conn(passed),
    );
    let events = tracer.stop();
    for event in events.matching(&Expect::new("rst_received")) {
        let is_servers = *field(event, "owner.pid") == pair.server.pid;
        world.claim("the server has given it away", !is_servers);
    }
}
