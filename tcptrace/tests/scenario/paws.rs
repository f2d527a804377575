//! Segments refused because their timestamp is older than one seen before.

use super::kit::expect::kernel_names;
use super::kit::{Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        old_timestamp_on_an_established_connection,
        old_timestamp_on_an_old_ack,
        old_timestamp_for_a_time_wait,
        current_timestamps_are_no_paws_drop,
    ]
}

fn old_timestamp_on_an_established_connection(world: &World) {
    if !world.sees("paws_drop", "whose connection it was") {
        return;
    }
    let (tracer, pair) = Pair::watched(world, "pw");
    pair.client.write(pair.conn, 511);
    pair.server.order(&format!("read {} 511", pair.accepted.fd));
    pair.client
        .order(&format!("timestamps-back {} 1000000", pair.conn.fd));
    let before = world.counters();
    pair.client.write(pair.conn, 1237);
    world.rose_at_least(&before, "PAWSEstab", 1);
    tracer.expect(
        "the receiver refuses the segment",
        Expect::new("paws_drop")
            .is("where", "established")
            .reason("TCP_RFC7323_PAWS")
            .owner(&pair.server)
            .basis(&["socket"])
            .conn(pair.accepted)
            .state("ESTABLISHED"),
    );
    let events = tracer.stop();
    events.none(
        "the sender drops nothing",
        Expect::new("paws_drop").is("owner.pid", pair.client.pid),
    );
}

/// Exchanges some bytes, so that both ends have seen timestamps, and turns the client's back.
fn with_an_old_clock(pair: &Pair) {
    pair.client.write(pair.conn, 511);
    pair.server.order(&format!("read {} 511", pair.accepted.fd));
    pair.client
        .order(&format!("timestamps-back {} 1000000", pair.conn.fd));
}

/// A keepalive probe repeats a sequence number that was acknowledged long ago.
fn old_timestamp_on_an_old_ack(world: &World) {
    if !world.sees("paws_drop", "whose connection it was") {
        return;
    }
    let (tracer, pair) = Pair::watched(world, "pa");
    with_an_old_clock(&pair);
    pair.client.set_tcp_option(pair.conn, libc::TCP_KEEPIDLE, 1);
    let before = world.counters();
    pair.client
        .set_socket_option(pair.conn, libc::SO_KEEPALIVE, 1);
    // Kernels without a reason of its own for it (before 6.16) take it for any other segment.
    let (counter, place, reason) = if kernel_names("SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK") {
        ("PAWSOldAck", "ack", "TCP_RFC7323_PAWS_ACK")
    } else {
        ("PAWSEstab", "established", "TCP_RFC7323_PAWS")
    };
    world.rose_at_least(&before, counter, 1);
    tracer.expect(
        "the receiver refuses the probe",
        Expect::new("paws_drop")
            .is("where", place)
            .reason(reason)
            .owner(&pair.server)
            .basis(&["socket"])
            .conn(pair.accepted)
            .state("ESTABLISHED"),
    );
    let _ = tracer.stop();
}

/// The client never receives the ACK of its FIN and sends it again, with a clock from the past, to
/// what is a TIME_WAIT by then.
fn old_timestamp_for_a_time_wait(world: &World) {
    if !world.sees("paws_drop", "by TIME_WAIT sockets") {
        return;
    }
    let (tracer, pair) = Pair::watched(world, "pt");
    pair.server.shutdown(pair.accepted);
    world.until("the FIN arrives", || pair.client.state(pair.conn) == 8);
    world.until("and is acknowledged", || {
        pair.server.state(pair.accepted) == 5
    });
    pair.client.filter(pair.conn, "all");
    let before = world.counters();
    pair.client.shutdown(pair.conn);
    world.until("the server's end is a TIME_WAIT", || {
        world.time_waits() == 1
    });
    pair.client
        .order(&format!("timestamps-back {} 1000000", pair.conn.fd));
    let has_own_counter = kernel_names("LINUX_MIB_PAWS_TW_REJECTED");
    let counter = if has_own_counter {
        "PAWSTimewait"
    } else {
        "PAWSEstab"
    };
    world.rose_at_least(&before, counter, 1);
    tracer.expect(
        "the TIME_WAIT refuses the segment",
        Expect::new("paws_drop")
            .is("where", "time_wait")
            .reason("TCP_RFC7323_TW_PAWS")
            .owner(&pair.server)
            .basis(&["socket"])
            .conn(pair.accepted)
            .state("TIME_WAIT"),
    );
    let _ = tracer.stop();
}

fn current_timestamps_are_no_paws_drop(world: &World) {
    let (tracer, pair) = Pair::watched(world, "pw");
    let before = world.counters();
    pair.client.write(pair.conn, 1237);
    pair.server
        .order(&format!("read {} 1237", pair.accepted.fd));
    world.rose(&before, "PAWSEstab", 0);
    tracer
        .stop()
        .none("nothing is refused", Expect::new("paws_drop"));
}
