//! The judge itself, on fixed output: a kit that accepts anything proves nothing.

use serde_json::{Value, json};

use super::kit::{Expect, Scenario, Space, World, scenarios, verdict};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        well_formed_output_is_accepted,
        every_wrong_field_is_named,
        malformed_events_are_refused,
        broken_identity_is_refused,
        zero_in_the_place_of_null_is_refused,
        a_claim_that_does_not_hold_is_reported,
        the_kernel_makes_a_world_of_its_own,
    ]
}

fn event() -> Value {
    json!({
        "v": 1,
        "ts": "2026-11-22T16:59:01.123456789Z",
        "mono_ns": 4_711,
        "kind": "rst_sent",
        "netns": 4_026_531_840_u64,
        "cookie": 17,
        "family": "inet",
        "local": {"addr": "127.0.0.2", "port": 1237},
        "remote": {"addr": "127.0.7.9", "port": 511},
        "state": "ESTABLISHED",
        "owner": {
            "pid": 42, "start_ticks": 99, "comm": "lz-client", "exe": null, "uid": 12345,
            "cgroup": null, "container": null, "basis": "task", "shared_by": null,
            "stale": false,
        },
        "hook": "tp_btf/tcp_send_reset",
        "evidence": "seen",
        "cause": "linger_zero",
        "reason": null,
        "unsent_bytes": 503,
        "unacked_bytes": null,
        "unread_bytes": null,
        "linger": {"on": true, "seconds": 0},
    })
}

fn summary(lost: u64) -> Value {
    let loss = json!({"seen": 5, "shown": 1, "filtered": 3, "rate_limited": 1, "lost": lost});
    summary_of(&loss)
}

fn summary_of(loss: &Value) -> Value {
    json!({
        "v": 1,
        "ts": "2026-11-22T16:59:02.123456789Z",
        "mono_ns": 4_712,
        "kind": "summary",
        "duration_ms": 1000,
        "by_kind": {"rst_sent": 1},
        "by_owner": [],
        "owners_left_out": 0,
        "loss": loss,
        "reconciliation": [],
    })
}

/// The event with one field replaced.
fn with(path: &str, value: Value) -> Value {
    let mut event = event();
    *event.pointer_mut(path).expect("a field of the event") = value;
    event
}

fn well_formed_output_is_accepted(world: &World) {
    let wrong = verdict::on_output(&[event(), summary(0)], 0, false);
    world.claim_eq("nothing is wrong", wrong, Vec::new());
}

fn every_wrong_field_is_named(world: &World) {
    let expected = || {
        Expect::new("rst_sent")
            .cause("linger_zero")
            .is("owner.comm", "lz-client")
            .basis(&["task", "socket"])
            .is("local.addr", "127.0.0.2")
            .is("local.port", 1237)
            .is("unsent_bytes", 503)
            .present("owner.uid")
            .absent("unread_bytes")
            .near("mono_ns", 4_700.0, 50.0)
            .at_least("owner.pid", 42)
    };
    world.claim("the event itself matches", expected().matches(&event()));
    for (path, value) in [
        ("/cause", json!("unread_data")),
        ("/owner/comm", json!("lz-server")),
        ("/owner/basis", json!("snapshot")),
        ("/local/addr", json!("127.0.0.3")),
        ("/local/port", json!(1238)),
        ("/unsent_bytes", json!("503")),
        ("/owner/uid", json!(0)),
        ("/mono_ns", json!(4_800)),
        ("/owner/pid", json!(41)),
    ] {
        let name = path.trim_start_matches('/').replace('/', ".");
        let mismatches = expected().mismatches(&with(path, value));
        world.claim_eq(&format!("{name} is the only mismatch"), mismatches.len(), 1);
        world.claim(
            &name,
            mismatches
                .iter()
                .all(|line| line.starts_with(&format!("{name}:"))),
        );
    }
    world.claim(
        "another kind never matches",
        !expected().matches(&with("/kind", json!("close"))),
    );
}

fn malformed_events_are_refused(world: &World) {
    for (path, value) in [
        ("/v", json!(2)),
        ("/ts", json!("2026-11-22T16:59:01Z")),
        ("/kind", json!("no_such_kind")),
        ("/cause", json!("boredom")),
        ("/linger", json!({"on": true})),
        ("/unread_bytes", json!("7")),
        ("/netns", Value::Null),
        ("/family", json!("ipv4")),
        ("/local/addr", json!("")),
        ("/remote/port", json!(0)),
        ("/hook", json!("")),
        ("/evidence", json!("guessed")),
        ("/owner/basis", json!("current")),
        ("/owner/start_ticks", Value::Null),
    ] {
        let wrong = verdict::on_output(&[with(path, value), summary(0)], 0, false);
        world.claim(&format!("{path} is refused"), !wrong.is_empty());
    }
    let not_json = verdict::on_output(&[json!("tcptrace 0.1"), event(), summary(0)], 0, false);
    world.claim("a banner on stdout is refused", !not_json.is_empty());
}

fn broken_identity_is_refused(world: &World) {
    let refused = |label: &str, objects: &[Value], beyond: usize, loses: bool| {
        let wrong = verdict::on_output(objects, beyond, loses);
        world.claim(label, !wrong.is_empty());
    };
    refused("seen is not the sum", &[event(), summary(1)], 0, true);
    refused(
        "more was printed than the summary says",
        &[event(), event(), summary(0)],
        0,
        false,
    );
    refused(
        "more was printed beyond the bound",
        &[event(), summary(0)],
        1,
        false,
    );
    refused("no summary", &[event()], 0, false);
    refused("the summary is not last", &[summary(0), event()], 0, false);
    let loss = json!({"seen": 5, "shown": 1, "filtered": 2, "rate_limited": 1, "lost": 1});
    let losing = summary_of(&loss);
    refused("a loss", &[event(), losing.clone()], 0, false);
    let skip = |count: u64| {
        json!({
            "v": 1,
            "ts": "2026-11-22T16:59:02.123456789Z",
            "mono_ns": 4_712,
            "kind": "lost",
            "where": "kernel",
            "of_kind": null,
            "count": count,
        })
    };
    let skipped = verdict::on_output(&[event(), skip(1), losing.clone()], 0, false);
    world.claim_eq("runs that the kernel skipped", skipped, Vec::new());
    refused(
        "more than was skipped",
        &[event(), skip(0), losing.clone()],
        0,
        false,
    );
    let allowed = verdict::on_output(&[event(), losing], 0, true);
    world.claim_eq("a loss that is allowed", allowed, Vec::new());
}

fn zero_in_the_place_of_null_is_refused(world: &World) {
    for (path, value) in [
        ("/cookie", json!(0)),
        ("/owner/pid", json!(0)),
        ("/remote", json!({"addr": "", "port": 0})),
    ] {
        let wrong = verdict::on_output(&[with(path, value), summary(0)], 0, false);
        world.claim(&format!("{path} is refused"), !wrong.is_empty());
        let null = verdict::on_output(&[with("/remote", Value::Null), summary(0)], 0, false);
        world.claim_eq("null is accepted", null, Vec::new());
    }
}

fn a_claim_that_does_not_hold_is_reported(world: &World) {
    let other = World::new(None, &Space::make(), None);
    other.claim("a claim that holds", true);
    other.claim("a claim that does not", false);
    other.claim_eq("two numbers", 1237, 1238);
    let problems = other.into_report().problems;
    world.claim_eq("both problems and no other", problems.len(), 2);
}

fn the_kernel_makes_a_world_of_its_own(world: &World) {
    let inside = world.actor("jd-inside");
    let path = format!("/proc/{}/ns/net", inside.pid);
    let theirs = std::fs::metadata(path).expect("the actor's namespace");
    let theirs = std::os::linux::fs::MetadataExt::st_ino(&theirs);
    world.claim_eq("the actor lives in it", theirs, world.netns);
    let host = std::fs::metadata("/proc/self/ns/net").expect("the runner's namespace");
    let host = std::os::linux::fs::MetadataExt::st_ino(&host);
    world.claim("it is not the host's", host != world.netns);
    world.claim_eq(
        "nothing has happened in it",
        world.counters().value("Tcp.ActiveOpens"),
        0,
    );
}
