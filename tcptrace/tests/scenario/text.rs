//! The output for people: one line an incident, and nothing in it that a terminal would obey.

use super::kit::{Pair, Scenario, Tracer, World, scenarios};

/// IPv4 lines fit this width.
const COLUMNS: usize = 100;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        line_names_the_incident,
        header_comes_once,
        hostile_name_never_reaches_the_terminal_raw,
        unknown_owner_is_a_question_mark,
        banner_and_summary_are_not_data,
    ]
}

fn client_resets(world: &World, pair: &Pair) {
    let before = world.counters();
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    world.rose(&before, "TCPAbortOnData", 1);
}

/// The lines about incidents, after the tracer ended well.
fn lines(tracer: Tracer) -> Option<Vec<String>> {
    let events = tracer.stop();
    (!events.dry()).then(|| events.text().into_iter().map(str::to_owned).collect())
}

fn line_names_the_incident(world: &World) {
    let tracer = world.watch_as_text(&["--no-header", "--only", "rst_sent"]);
    let pair = Pair::connected(world, "tx");
    client_resets(world, &pair);
    let Some(lines) = lines(tracer) else { return };
    world.claim_eq("one line", lines.len(), 1);
    for line in lines {
        let pid = pair.client.pid.to_string();
        let (local, remote) = (pair.conn.local.to_string(), pair.listener.local.to_string());
        for word in ["rst_sent", "tx-client", &pid, &local, &remote] {
            world.claim(&format!("{word} is in: {line}"), line.contains(word));
        }
        let width = line.chars().count();
        world.claim(&format!("{width} columns: {line}"), width <= COLUMNS);
        world.claim("no colour outside a terminal", !line.contains('\u{1b}'));
    }
}

fn header_comes_once(world: &World) {
    let tracer = world.watch_as_text(&["--only", "rst_sent"]);
    for _ in 0..3 {
        client_resets(world, &Pair::connected(world, "tx"));
    }
    let Some(lines) = lines(tracer) else { return };
    world.claim_eq("a header and three lines", lines.len(), 4);
    let headers = lines
        .iter()
        .filter(|line| line.contains("KIND") && line.contains("PID"));
    world.claim_eq("headers", headers.count(), 1);
}

fn hostile_name_never_reaches_the_terminal_raw(world: &World) {
    let tracer = world.watch_as_text(&["--only", "rst_sent"]);
    let mut pair = Pair::connected(world, "hn");
    pair.client.rename("\u{1b}]0;own\u{7}\u{9b}2J\r");
    client_resets(world, &pair);
    let Some(lines) = lines(tracer) else { return };
    for line in lines {
        let raw = line.chars().any(char::is_control);
        world.claim(&format!("no control character in {line:?}"), !raw);
    }
}

fn unknown_owner_is_a_question_mark(world: &World) {
    let tracer = world.watch_as_text(&["--no-header", "--only", "rst_sent"]);
    let server = world.actor("uo-server");
    let refusing = server.describe(server.bound("127.0.7.9:0"));
    server.close(refusing);
    let fd = server.bound("127.0.0.2:0");
    let refused = server.try_order(&format!("connect {fd} {}", refusing.local));
    world.claim_eq("connect fails", refused, Err(libc::ECONNREFUSED));
    let Some(lines) = lines(tracer) else { return };
    world.claim_eq("one line", lines.len(), 1);
    for line in lines {
        let unknown = line.split_whitespace().any(|word| word == "?");
        world.claim(
            &format!("a question mark stands for the owner: {line}"),
            unknown,
        );
    }
}

fn banner_and_summary_are_not_data(world: &World) {
    let tracer = world.watch_as_text(&["--no-header"]);
    let Some(lines) = lines(tracer) else { return };
    world.claim_eq("nothing happened, nothing is printed", lines, Vec::new());
}
