//! Lines that say the same become one with their number, and the numbers add up.

use super::crowd::Cast;
use super::kit::{Scenario, Tracer, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        healthy_connections_print_a_handful_of_lines,
        resets_of_one_cause_are_a_line_a_second,
        one_line_for_each_incident_when_asked,
    ]
}

/// What `name` stands for in all: a line of its own, or as many as a folded line says.
fn counted(lines: &[String], name: &str) -> u64 {
    let of_kind = lines.iter().filter(|line| line.contains(name));
    let count = |line: &String| {
        let folded = line.split('×').nth(1)?;
        folded.split(' ').next()?.parse::<u64>().ok()
    };
    of_kind.map(|line| count(line).unwrap_or(1)).sum()
}

fn lines(tracer: Tracer) -> Option<Vec<String>> {
    let events = tracer.stop();
    (!events.dry()).then(|| events.text().into_iter().map(str::to_owned).collect())
}

fn healthy_connections_print_a_handful_of_lines(world: &World) {
    const CONNECTIONS: usize = 500;
    let tracer = world.watch_as_text(&["--no-header", "--fold", "always"]);
    let cast = Cast::new(world, "fo", 20_021, 20_022);
    cast.begin(CONNECTIONS, "closes", "follows");
    cast.finish();
    world.claim_eq("all are there", world.time_waits(), CONNECTIONS as u32);
    let Some(lines) = lines(tracer) else { return };
    world.note(format!("{} lines: {:?}", lines.len(), lines.first()));
    world.claim("a handful of lines", lines.len() <= 12);
    world.claim_eq(
        "their numbers add up",
        counted(&lines, " enter "),
        CONNECTIONS as u64,
    );
    let is_of_owner = |line: &String| line.contains("fo-") && line.contains("time_wait");
    world.claim("they name the owner", lines.iter().all(is_of_owner));
}

fn resets_of_one_cause_are_a_line_a_second(world: &World) {
    const RESETS: usize = 300;
    let tracer = world.watch_as_text(&["--no-header", "--fold", "always", "--only", "rst_sent"]);
    let cast = Cast::new(world, "fr", 20_023, 20_024);
    let before = world.counters();
    cast.begin(RESETS, "follows", "resets");
    cast.finish();
    world.rose(&before, "TCPAbortOnData", RESETS as i64);
    let Some(lines) = lines(tracer) else { return };
    world.note(format!("{} lines: {:?}", lines.len(), lines.last()));
    world.claim("one at once, then one a second", lines.len() <= 8);
    world.claim_eq(
        "their numbers add up",
        counted(&lines, " rst_sent "),
        RESETS as u64,
    );
    let service = cast.listener.local.to_string();
    world.claim(
        "the first is a line of its own",
        lines
            .first()
            .is_some_and(|line| !line.contains('×') && line.contains(&service)),
    );
    world.claim(
        "the last says how many more, of whom and to where",
        lines.last().is_some_and(|line| {
            line.contains(" more ") && line.contains("fr-client") && line.contains(&service)
        }),
    );
}

fn one_line_for_each_incident_when_asked(world: &World) {
    let tracer = world.watch_as_text(&["--no-header", "--fold", "never"]);
    let cast = Cast::new(world, "fn", 20_025, 20_026);
    cast.begin(20, "closes", "follows");
    cast.finish();
    let Some(lines) = lines(tracer) else { return };
    let entered = lines.iter().filter(|line| line.contains(" enter "));
    world.claim_eq("a line for each", entered.count(), 20);
    world.claim("none folded", lines.iter().all(|line| !line.contains('×')));
}
