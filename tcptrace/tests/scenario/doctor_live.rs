//! `doctor` while it happens: what the hooks report becomes a finding with its process, and its twin that must not.

use std::process::Stdio;

use serde_json::{Value, json};

use super::doctor::{finding, object, wrong};
use super::kit::{Pair, Scenario, World, attaches, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        resets_while_it_observes_are_found_with_their_process,
        orderly_closes_while_it_observes_are_fine,
    ]
}

/// What doctor says of the scenario's namespace, in which `act` happens once its hooks are attached.
fn observing(world: &World, act: impl FnOnce()) -> Option<(Value, Option<i32>)> {
    let name = format!("tcptrace-doctor-{}-{}", std::process::id(), world.netns);
    let ready_file = std::env::temp_dir().join(name);
    let netns = format!("inode:{}", world.netns);
    let args = [
        "doctor", "--json", "--fail", "--for", "3s", "--netns", &netns,
    ];
    let mut child = world
        .command(&args)?
        .arg("--ready-file")
        .arg(&ready_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the doctor");
    let is_attached = attaches(&mut child, &ready_file);
    act();
    let output = child.wait_with_output().expect("the doctor ends");
    world.claim("its hooks were attached", is_attached);
    Some((object(world, &output), output.status.code()))
}

fn resets_while_it_observes_are_found_with_their_process(world: &World) {
    let pair = Pair::connected(world, "dr");
    pair.server.write(pair.accepted, 733);
    world.until("the bytes wait", || pair.client.queues(pair.conn).2 == 733);
    let looked = observing(world, || {
        pair.client.close(pair.conn);
    });
    let Some((report, code)) = looked else { return };
    let found = finding(&report, "unread_data_resets");
    world.claim_eq("it is wrong now", &found["severity"], &json!("broken"));
    world.claim_eq("who", &found["who"][0]["comm"], &json!("dr-client"));
    world.claim_eq("once", &found["count"], &json!(1));
    let evidence = found["evidence"].as_array().cloned().unwrap_or_default();
    world.claim(
        &format!("the bytes that were never read: {found}"),
        evidence.iter().any(|proof| proof["value"] == 733),
    );
    world.claim_eq("--fail", code, Some(5));
}

fn orderly_closes_while_it_observes_are_fine(world: &World) {
    let pair = Pair::connected(world, "do");
    let looked = observing(world, || {
        pair.client.close(pair.conn);
        pair.server.close(pair.accepted);
    });
    let Some((report, _)) = looked else { return };
    world.claim_eq("nothing is wrong", wrong(&report), Vec::new());
    let none = finding(&report, "unread_data_resets");
    world.claim_eq("no finding", none, &Value::Null);
}
