//! Closes that block because SO_LINGER has a time: how long, how it ended, with how many bytes.

use super::kit::{Closed, Expect, Pair, Scenario, Tracer, World, scenarios};

/// How far the tracer's duration may lie from the actor's own, which includes a system call more.
const CLOCK_TOLERANCE_MS: f64 = 50.0;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        lingering_close_that_drains,
        lingering_close_that_times_out,
        lingering_close_that_times_out_with_unsent_bytes,
        lingering_close_ended_by_a_reset,
        lingering_close_interrupted_by_a_signal,
        exit_does_not_linger,
        close_without_linger_does_not_block,
    ]
}

/// A client with 1237 bytes in flight, which its deaf server does not acknowledge.
fn with_bytes_in_flight(world: &World, linger_seconds: u32) -> (Tracer, Pair) {
    let (tracer, pair) = Pair::watched(world, "lg");
    pair.server.filter(pair.accepted, "all");
    pair.client.write(pair.conn, 1237);
    pair.client.linger(pair.conn, linger_seconds);
    (tracer, pair)
}

fn closes_blocked(world: &World, pair: &Pair) {
    pair.client.begin_close(pair.conn);
    world.until("the close blocks", || pair.client.waits_in(libc::SYS_close));
}

fn lingered(pair: &Pair, outcome: &str, seconds: u32, closed: Closed) -> Expect {
    Expect::new("linger_close")
        .is("outcome", outcome)
        .is("linger_seconds", seconds)
        .near("blocked_ms", closed.elapsed_ms, CLOCK_TOLERANCE_MS)
        .is("unsent_bytes", closed.unsent)
        .is("unacked_bytes", closed.unacked)
        .owner(&pair.client)
        .basis(&["task", "socket"])
        .conn(pair.conn)
        .state("FIN_WAIT1")
}

fn lingering_close_that_drains(world: &World) {
    let (tracer, pair) = with_bytes_in_flight(world, 5);
    let before = world.counters();
    closes_blocked(world, &pair);
    world.rose_at_least(&before, "Tcp.RetransSegs", 2);
    pair.server.unfilter(pair.accepted);
    let closed = pair.client.finish_close();
    world.claim_eq("in flight at the start", closed.unacked, 1237);
    world.claim("it blocked for a while", closed.elapsed_ms > 100.0);
    world.claim("it ended before its time", closed.elapsed_ms < 4900.0);
    let expected = lingered(&pair, "drained", 5, closed).is("remaining_bytes", 0);
    tracer.expect("the close that drained", expected);
    let events = tracer.stop();
    events.exactly("one lingering close", 1, Expect::new("linger_close"));
    events.none("no reset", Expect::new("rst_sent"));
}

fn lingering_close_that_times_out(world: &World) {
    let (tracer, pair) = with_bytes_in_flight(world, 1);
    closes_blocked(world, &pair);
    let closed = pair.client.finish_close();
    world.claim("it blocked for its second", closed.elapsed_ms >= 990.0);
    let expected = lingered(&pair, "timed_out", 1, closed).is("remaining_bytes", 1237);
    tracer.expect("the close that timed out", expected);
    let events = tracer.stop();
    events.exactly("one lingering close", 1, Expect::new("linger_close"));
    events.none("no reset", Expect::new("rst_sent"));
}

fn lingering_close_that_times_out_with_unsent_bytes(world: &World) {
    let (tracer, pair, written) = Pair::stuffed(world, "lg");
    pair.client.linger(pair.conn, 1);
    closes_blocked(world, &pair);
    let closed = pair.client.finish_close();
    world.claim("it blocked for its second", closed.elapsed_ms >= 990.0);
    let remaining = written - pair.server.queues(pair.accepted).2;
    world.claim_eq("nothing moved", closed.unsent + closed.unacked, remaining);
    let expected = lingered(&pair, "timed_out", 1, closed).is("remaining_bytes", remaining);
    tracer.expect("the close that timed out", expected);
    tracer
        .stop()
        .exactly("one lingering close", 1, Expect::new("linger_close"));
}

fn lingering_close_ended_by_a_reset(world: &World) {
    let (tracer, pair) = with_bytes_in_flight(world, 5);
    closes_blocked(world, &pair);
    pair.server_resets();
    let closed = pair.client.finish_close();
    world.claim("it ended before its time", closed.elapsed_ms < 4000.0);
    tracer.expect(
        "the close that was reset",
        lingered(&pair, "reset", 5, closed),
    );
    tracer.expect(
        "the reset itself",
        Expect::new("rst_received").conn(pair.conn),
    );
    tracer
        .stop()
        .exactly("one lingering close", 1, Expect::new("linger_close"));
}

fn lingering_close_interrupted_by_a_signal(world: &World) {
    let (tracer, pair) = with_bytes_in_flight(world, 5);
    closes_blocked(world, &pair);
    super::kit::sys_ops::kill(pair.client.pid, libc::SIGUSR1).expect("signal the client");
    let closed = pair.client.finish_close();
    world.claim("it ended before its time", closed.elapsed_ms < 4000.0);
    let expected = lingered(&pair, "interrupted", 5, closed).is("remaining_bytes", 1237);
    tracer.expect("the close that was interrupted", expected);
    tracer
        .stop()
        .exactly("one lingering close", 1, Expect::new("linger_close"));
}

fn exit_does_not_linger(world: &World) {
    let (tracer, mut pair) = with_bytes_in_flight(world, 5);
    pair.client.exit();
    tracer.expect(
        "the exit begins the close",
        Expect::new("state")
            .conn(pair.conn)
            .is("new", "FIN_WAIT1")
            .owner(&pair.client),
    );
    tracer
        .stop()
        .none("and does not block", Expect::new("linger_close"));
}

fn close_without_linger_does_not_block(world: &World) {
    let (tracer, pair) = Pair::watched(world, "lg");
    pair.server.filter(pair.accepted, "all");
    pair.client.write(pair.conn, 1237);
    let closed = pair.client.close(pair.conn);
    world.claim("the close returns at once", closed.elapsed_ms < 500.0);
    tracer
        .stop()
        .none("nothing lingers", Expect::new("linger_close"));
}
