//! Maps of the kernel side that are full: what is not remembered is counted, and what is said stays right.

use std::process::Stdio;

use super::kit::expect::field;
use super::kit::tracer::attaches;
use super::kit::{Expect, Pair, Scenario, World, scenarios, sys_ops, verdict};
use super::robustness::spawned;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        #[own]
        what_full_maps_do_not_remember_is_counted,
    ]
}

/// Every map has room for one entry.
fn what_full_maps_do_not_remember_is_counted(world: &World) {
    let netns = format!("inode:{}", world.netns);
    let ready_file = std::env::temp_dir().join(format!("tcptrace-full-{}.ready", world.netns));
    let ready = ready_file.to_str().expect("a path in UTF-8");
    let words = [
        "watch",
        "--all",
        "--json",
        "--netns",
        &netns,
        "--ready-file",
        ready,
    ];
    let Some(mut command) = world.command(&words) else {
        return;
    };
    command.env("TCPTRACE_MAP_ENTRIES", "1");
    let mut child = spawned(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    world.claim("it attaches", attaches(&mut child, &ready_file));
    let pairs = ["fa", "fb", "fc"].map(|name| Pair::connected(world, name));
    for pair in &pairs {
        pair.client.linger(pair.conn, 0);
        pair.client.close(pair.conn);
    }
    sys_ops::kill(child.id() as i32, libc::SIGINT).expect("interrupt it");
    let output = child.wait_with_output().expect("its output");
    let objects = verdict::objects(&output.stdout);
    let summary = objects.iter().find(|object| object["kind"] == "summary");
    let not_remembered = summary.and_then(|summary| field(summary, "not_remembered").as_array());
    let count = |what: &str| {
        let of = not_remembered?.iter().find(|one| one["what"] == what)?;
        of["count"].as_u64()
    };
    for what in [
        "sockets whose owner was not remembered",
        "ports whose listeners were not remembered",
    ] {
        let count = count(what);
        world.claim(&format!("{what}: {count:?}"), count.is_some_and(|n| n >= 2));
    }
    for pair in &pairs {
        let expected = Expect::new("rst_sent")
            .cause("linger_zero")
            .owner(&pair.client)
            .conn(pair.conn);
        let is_there = objects.iter().any(|object| expected.matches(object));
        world.claim("a reset by its own call has its owner", is_there);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    world.claim(
        "people read it too",
        text.contains("a map in the kernel was full"),
    );
}
