//! `report --live`: the page of a run that nobody recorded.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::crowd::Cast;
use super::kit::{Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![a_page_of_a_run_has_what_happened_in_it]
}

fn a_page_of_a_run_has_what_happened_in_it(world: &World) {
    const RESETS: usize = 37;
    let path = std::env::temp_dir().join(format!("tcptrace-live-{}.html", world.netns));
    let (page, netns) = (path.to_string_lossy(), format!("inode:{}", world.netns));
    let words = ["report", "--live", "6s", "--netns", &netns, "-o", &page];
    let Some(mut command) = world.command(&words) else {
        return;
    };
    let mut child = command.stderr(Stdio::piped()).spawn().expect("run it");
    let mut said = BufReader::new(child.stderr.take().expect("its stderr")).lines();
    let mut said_so_far = Vec::new();
    let is_watching = said.by_ref().map_while(Result::ok).any(|line| {
        said_so_far.push(line);
        said_so_far
            .last()
            .is_some_and(|line| line.starts_with("watching "))
    });
    world.claim(&format!("it watches: {said_so_far:?}"), is_watching);
    world.claim("no page yet", !path.exists());
    let cast = Cast::new(world, "rl", 20_041, 20_042);
    let before = world.counters();
    cast.begin(RESETS, "follows", "resets");
    cast.finish();
    world.rose(&before, "TCPAbortOnData", RESETS as i64);
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let code = child.wait().expect("it ends").code();
    world.claim_eq(&format!("it ends well: {rest:?}"), code, Some(0));
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    drop(std::fs::remove_file(&path));
    for what in ["rl-client", "linger_zero", ">37<"] {
        world.claim(&format!("the page has {what}"), written.contains(what));
    }
    world.claim("it is whole", written.ends_with("</html>\n"));
    world.claim("and names no file", !written.contains(".rec"));
}
