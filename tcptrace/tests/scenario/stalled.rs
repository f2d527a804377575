//! `states` and `doctor` on connections whose data does not move, and on those whose data moves.

use serde_json::{Value, json};

use super::doctor::asked;
use super::kit::{Pair, Scenario, World, scenarios};
use super::queries::ask;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        shut_window_is_shown_at_both_ends,
        sender_without_acknowledgements_is_shown,
        data_that_was_read_leaves_no_mark,
    ]
}

fn row_of(rows: &[Value], pid: i32) -> Value {
    let is_it = |row: &&Value| row["state"] == "ESTABLISHED" && row["owner"]["pid"] == json!(pid);
    rows.iter().find(is_it).cloned().unwrap_or_default()
}

fn ids(report: &Value) -> Vec<&str> {
    let all = report["findings"].as_array().into_iter().flatten();
    let here = all.filter(|one| !one["netns"].is_null());
    here.filter_map(|one| one["id"].as_str()).collect()
}

fn shut_window_is_shown_at_both_ends(world: &World) {
    let pair = Pair::connected(world, "zw");
    let written: u64 = pair.client.number(&format!("fill {}", pair.conn.fd));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let Some((rows, _)) = ask(world, &["states"]) else {
        return;
    };
    let (writer, reader) = (
        row_of(&rows, pair.client.pid),
        row_of(&rows, pair.server.pid),
    );
    world.claim_eq("the writer", &writer["anomaly"], &json!("peer_window_shut"));
    world.claim_eq("its one window", &writer["window_shut"], &json!(1));
    let shut_ms = writer["window_shut_ms_max"].as_u64().unwrap_or_default();
    world.claim(
        &format!("shut for about 1.5 s: {shut_ms} ms"),
        // The first probe, after 0.2 s, fills what is left of the window.
        (1000..8_000).contains(&shut_ms),
    );
    let unread = reader["unread_bytes"].as_u64().unwrap_or_default();
    let waiting = [&writer["unacked_bytes"], &writer["unsent_bytes"]].map(Value::as_u64);
    world.claim_eq("nothing is on its way", waiting[0], Some(0));
    world.claim_eq(
        "what is not read was not sent",
        waiting[1],
        Some(written - unread),
    );
    if !reader["own_window_shut"].is_null() {
        world.claim_eq("the reader", &reader["anomaly"], &json!("own_window_shut"));
        world.claim_eq("its one window", &reader["own_window_shut"], &json!(1));
    }
    let Some((report, _)) = asked(world) else {
        return;
    };
    world.claim("a finding", ids(&report).contains(&"peer_window_shut"));
}

fn sender_without_acknowledgements_is_shown(world: &World) {
    let pair = Pair::connected(world, "st");
    pair.server.filter(pair.accepted, "all");
    pair.client.write(pair.conn, 1237);
    // Resends after 0.2, 0.6 and 1.4 s; loss probes come before.
    std::thread::sleep(std::time::Duration::from_millis(3500));
    let Some((rows, _)) = ask(world, &["states"]) else {
        return;
    };
    let row = row_of(&rows, pair.client.pid);
    world.claim_eq("marked", &row["anomaly"], &json!("send_stuck"));
    world.claim_eq("the one", &row["stuck"], &json!(1));
    world.claim_eq("sent", &row["unacked_bytes"], &json!(1237));
    world.claim_eq("all of it", &row["unsent_bytes"], &json!(0));
    let resends = row["resends_max"].as_u64().unwrap_or_default();
    world.claim(&format!("{resends} resends"), (3..9).contains(&resends));
    let stuck_ms = row["stuck_ms_max"].as_u64().unwrap_or_default();
    world.claim(
        &format!("{stuck_ms} ms without an answer"),
        (3000..60_000).contains(&stuck_ms),
    );
    if let Some((report, _)) = asked(world) {
        world.claim("a finding", ids(&report).contains(&"send_stuck"));
    }
    // Else the client sends its data again and again once it ends.
    pair.server.unfilter(pair.accepted);
}

fn data_that_was_read_leaves_no_mark(world: &World) {
    let pair = Pair::connected(world, "rd");
    pair.client.write(pair.conn, 1237);
    pair.server
        .order(&format!("read {} 1237", pair.accepted.fd));
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let Some((rows, _)) = ask(world, &["states"]) else {
        return;
    };
    for pid in [pair.client.pid, pair.server.pid] {
        let row = row_of(&rows, pid);
        world.claim_eq("it is there", &row["count"], &json!(1));
        world.claim_eq("no mark", &row["anomaly"], &Value::Null);
        world.claim_eq("no sender stuck", &row["stuck"], &json!(0));
        world.claim_eq("no window shut", &row["window_shut"], &json!(0));
        world.claim_eq("all acknowledged", &row["unacked_bytes"], &json!(0));
    }
    let Some((report, _)) = asked(world) else {
        return;
    };
    world.claim_eq("no finding", ids(&report), Vec::new());
}
