//! Whose socket it was, when that is not simply the process that made it.

use super::kit::{Actor, Conn, Expect, Pair, Scenario, World, by_functions, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        prefork_workers_own_what_they_accept,
        connection_not_accepted_yet_is_the_listeners,
        idle_worker_owns_what_it_accepted,
        socket_passed_to_another_process,
        thread_that_closes_is_not_the_name,
        child_that_closes_last,
        socket_shared_by_parent_and_child,
        exec_keeps_the_process_and_changes_its_name,
        short_lived_processes,
        #[own]
        socket_older_than_the_tracer,
        #[own]
        socket_older_than_the_tracer_closed_by_its_owner,
        pid_namespace_shows_the_outer_pid,
        leader_renamed_after_connecting,
    ]
}

fn linger_zero(owner: &Actor, conn: Conn) -> Expect {
    Expect::new("rst_sent")
        .cause("linger_zero")
        .owner(owner)
        .basis(&["task"])
        .conn(conn)
}

fn got_reset(owner: &Actor, conn: Conn, basis: &[&str]) -> Expect {
    Expect::new("rst_received")
        .is("meaning", "reset")
        .owner(owner)
        .basis(basis)
        .conn(conn)
}

fn resets(actor: &Actor, conn: Conn) {
    actor.linger(conn, 0);
    actor.close(conn);
}

fn prefork_workers_own_what_they_accept(world: &World) {
    let tracer = world.watch(&[]);
    let master = world.actor("pf-master");
    let client = world.actor_as("pf-client", 12345);
    let listener = master.listen("127.0.7.9:0", 5);
    let one = master.fork("pf-worker-1");
    let two = master.fork("pf-worker-2");

    let conn_one = client.connect("127.0.0.2:0", listener.local);
    let accepted_one = one.accept(listener);
    resets(&one, accepted_one);
    let conn_two = client.connect("127.0.0.3:0", listener.local);
    let accepted_two = two.accept(listener);
    two.close(accepted_two);
    client.close(conn_two);
    world.until("worker 2 leaves a TIME_WAIT", || world.time_waits() == 1);

    tracer.expect("worker 1's reset", linger_zero(&one, accepted_one));
    tracer.expect("its client", got_reset(&client, conn_one, &["socket"]));
    tracer.expect(
        "worker 2's TIME_WAIT",
        Expect::new("time_wait")
            .is("phase", "enter")
            .owner(&two)
            .conn(accepted_two),
    );
    let events = tracer.stop();
    for kind in ["rst_sent", "rst_received", "time_wait", "close"] {
        let masters = Expect::new(kind).is("owner.pid", master.pid);
        events.none("the master accepted nothing", masters);
    }
}

fn connection_not_accepted_yet_is_the_listeners(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor_as("na-server", 23457);
    let client = world.actor_as("na-client", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = client.connect("127.0.0.2:0", listener.local);
    resets(&client, conn);
    tracer.expect("the client's reset", linger_zero(&client, conn));
    tracer.expect(
        "received by a connection still in the accept queue",
        Expect::new("rst_received")
            .is("meaning", "reset")
            .owner(&server)
            .basis(&["listener"])
            .local(listener.local)
            .remote(conn.local),
    );
    let _ = tracer.stop();
}

fn idle_worker_owns_what_it_accepted(world: &World) {
    // Without function hooks the acceptor is looked for in /proc, by a tracer that is not busy.
    let tracer = if by_functions() {
        world.watch(&[])
    } else {
        world.watch_alone(&[])
    };
    let master = world.actor("iw-master");
    let client = world.actor_as("iw-client", 12345);
    let listener = master.listen("127.0.7.9:0", 5);
    let worker = master.fork("iw-worker");
    let conn = client.connect("127.0.0.2:0", listener.local);
    let accepted = worker.accept(listener);
    resets(&client, conn);
    let expected = got_reset(&worker, accepted, &["socket", "snapshot"]);
    tracer.expect("it did nothing but accept", expected);
    let events = tracer.stop();
    let masters = Expect::new("rst_received").is("owner.pid", master.pid);
    events.none("the master accepted nothing", masters);
}

fn socket_passed_to_another_process(world: &World) {
    let (tracer, pair) = Pair::watched(world, "fp");
    let worker = world.actor_as("fp-worker", 34567);
    let passed = pair.server.pass(pair.accepted, &worker);
    pair.server.close(pair.accepted);
    resets(&worker, passed);
    tracer.expect(
        "who closes it last owns the reset",
        linger_zero(&worker, passed),
    );
    let events = tracer.stop();
    events.exactly("one reset", 1, Expect::new("rst_sent"));
}

fn thread_that_closes_is_not_the_name(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor("th-server");
    let client = world.actor_as("th-leader", 12345);
    let listener = server.listen("127.0.7.9:0", 5);
    let fd = client.bound("127.0.0.2:0");
    client.order(&format!(
        "thread th-connects connect {fd} {}",
        listener.local
    ));
    let conn = client.describe(fd);
    server.accept(listener);
    client.linger(conn, 0);
    client.order(&format!("thread th-closes close {fd}"));
    tracer.expect("pid and name are the leader's", linger_zero(&client, conn));
    let events = tracer.stop();
    for name in ["th-connects", "th-closes"] {
        for kind in ["rst_sent", "state", "close"] {
            let threads = Expect::new(kind).is("owner.comm", name);
            events.none("no thread is named", threads);
        }
    }
}

fn child_that_closes_last(world: &World) {
    let (tracer, mut pair) = Pair::watched(world, "cl");
    let child = pair.client.fork("cl-child");
    pair.client.linger(pair.conn, 0);
    pair.client.exit();
    world.claim_eq("the child still holds it", child.state(pair.conn), 1);
    child.close(pair.conn);
    tracer.expect(
        "the child's close is the last",
        linger_zero(&child, pair.conn),
    );
    tracer
        .stop()
        .exactly("one reset", 1, Expect::new("rst_sent"));
}

fn socket_shared_by_parent_and_child(world: &World) {
    let (tracer, pair) = Pair::watched(world, "sh");
    let child = pair.client.fork("sh-child");
    pair.server_resets();
    let holders = [pair.client.comm.as_str(), child.comm.as_str()];
    tracer.expect(
        "one of its holders",
        Expect::new("rst_received")
            .conn(pair.conn)
            .one_of("owner.comm", &holders),
    );
    let events = tracer.stop();
    let received = Expect::new("rst_received").conn(pair.conn);
    for event in events.matching(&received) {
        let shared_by = super::kit::expect::field(event, "owner.shared_by");
        let true_or_unknown = shared_by.is_null() || *shared_by == 2;
        world.claim(
            &format!("2 processes hold it, got {shared_by}"),
            true_or_unknown,
        );
    }
}

fn exec_keeps_the_process_and_changes_its_name(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor("ex-server");
    let mut client = world.actor("ex-before");
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = client.connect("127.0.0.2:0", listener.local);
    server.accept(listener);
    tracer.expect(
        "the connection under the old name",
        Expect::new("state")
            .is("new", "ESTABLISHED")
            .owner(&client)
            .conn(conn),
    );
    client.exec("ex-after", conn);
    resets(&client, conn);
    tracer.expect("the reset under the new name", linger_zero(&client, conn));
    tracer
        .stop()
        .exactly("one reset", 1, Expect::new("rst_sent"));
}

fn short_lived_processes(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor("sl-server");
    let listener = server.listen("127.0.7.9:0", 50);
    let mut ended = Vec::new();
    for number in 0..20 {
        let mut client = world.actor_as(&format!("sl-client-{number}"), 12300 + number);
        let conn = client.connect("127.0.0.2:0", listener.local);
        client.linger(conn, 0);
        client.exit();
        ended.push((client, conn));
    }
    for (client, conn) in &ended {
        tracer.expect("each reset has its own process", linger_zero(client, *conn));
    }
    tracer
        .stop()
        .exactly("twenty resets", 20, Expect::new("rst_sent"));
}

fn socket_older_than_the_tracer(world: &World) {
    let pair = Pair::connected(world, "ol");
    let tracer = world.watch_alone(&[]);
    pair.server_resets();
    let expected = got_reset(&pair.client, pair.conn, &["snapshot"]);
    tracer.expect("found in /proc at the start", expected.state("ESTABLISHED"));
    tracer.expect("its peer", linger_zero(&pair.server, pair.accepted));
    let _ = tracer.stop();
}

fn socket_older_than_the_tracer_closed_by_its_owner(world: &World) {
    let pair = Pair::connected(world, "ol");
    let tracer = world.watch_alone(&[]);
    pair.client.close(pair.conn);
    world.until("the kernel holds it", || world.time_waits() == 1);
    tracer.expect(
        "the close itself is the owner's own call",
        Expect::new("state")
            .is("new", "FIN_WAIT1")
            .owner(&pair.client)
            .basis(&["task"])
            .conn(pair.conn),
    );
    tracer.expect(
        "the TIME_WAIT after it",
        Expect::new("time_wait")
            .is("phase", "enter")
            .owner(&pair.client)
            .basis(&["task", "socket", "snapshot"])
            .conn(pair.conn),
    );
    let _ = tracer.stop();
}

fn pid_namespace_shows_the_outer_pid(world: &World) {
    let tracer = world.watch(&[]);
    let server = world.actor("pn-server");
    let outer = world.actor("pn-outer");
    let inner = outer.fork_into_pid_namespace("pn-inner");
    let listener = server.listen("127.0.7.9:0", 5);
    let conn = inner.connect("127.0.0.2:0", listener.local);
    server.accept(listener);
    resets(&inner, conn);
    tracer.expect(
        "process 1 in there is another one out here",
        linger_zero(&inner, conn),
    );
    tracer
        .stop()
        .exactly("one reset", 1, Expect::new("rst_sent"));
}

fn leader_renamed_after_connecting(world: &World) {
    let (tracer, mut pair) = Pair::watched(world, "rn");
    pair.client.rename("rn-renamed");
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    tracer.expect("the name at the time", linger_zero(&pair.client, pair.conn));
    let _ = tracer.stop();
}
