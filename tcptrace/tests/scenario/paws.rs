//! Segments refused because their timestamp is older than one seen before.

use super::kit::{Expect, Pair, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        old_timestamp_on_an_established_connection,
        current_timestamps_are_no_paws_drop
    ]
}

fn old_timestamp_on_an_established_connection(world: &World) {
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
