//! The full-screen view in a real terminal: what it shows, and that the terminal is afterwards as it
//! was, however it ended.

use std::path::Path;
use std::process::ExitCode;

use super::kit::tracer::START_PATIENCE;
use super::kit::world::poll;
use super::kit::{Pair, Scenario, Tmux, World, scenarios, sys_ops};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        reset_is_shown_with_its_process_and_cause,
        listener_is_shown_with_its_queue_and_its_refusals,
        screen_follows_the_size_of_the_terminal,
        sigterm_gives_the_terminal_back,
        ctrl_c_gives_the_terminal_back_and_shows_the_summary,
        ctrl_z_gives_the_terminal_back_until_fg,
        panic_gives_the_terminal_back,
        recording_is_shown_as_the_run_was,
    ]
}

/// Takes the terminal, then panics; what would be dropped is not, as where a panic aborts.
pub(crate) fn panicking_screen() -> ExitCode {
    let taken = tcptrace::tui::term::take().expect("a terminal");
    std::mem::forget(taken);
    panic!("on purpose");
}

const SIZE: (u16, u16) = (80, 24);

/// `before`, the modes of the terminal; then `program`; then its exit code and the modes again, each
/// into a file.
fn script(program: &str) -> String {
    format!("stty -a > $D/before; {program}; echo $? > $D/code; stty -a > $D/after; exec sleep 600")
}

/// `tcptrace top` on the scenario's namespace, ready.
fn started<'a>(world: &'a World, extra: &str) -> Option<Tmux<'a>> {
    let binary = world.binary()?;
    let top = format!(
        "bash -c 'echo $$ > $D/pid; exec {} top --netns inode:{} --ready-file $D/ready {extra}'",
        quoted(binary),
        world.netns
    );
    in_terminal(world, &script(&top))
}

fn in_terminal<'a>(world: &'a World, script: &str) -> Option<Tmux<'a>> {
    let tmux = Tmux::start(world, SIZE, script)?;
    let ready = tmux.directory.join("ready");
    let is_ready = poll(START_PATIENCE, || ready.exists());
    world.claim(&format!("top is ready:\n{}", tmux.screen()), is_ready);
    tmux.shows("the picture", &["tcptrace top", "1 Find", "? help"]);
    Some(tmux)
}

fn quoted(path: &Path) -> String {
    let path = path.canonicalize().expect("the binary");
    format!("\"{}\"", path.display())
}

/// Ended with `code`, and the terminal is as it was: its modes, its screen, its cursor.
fn restored(world: &World, tmux: &Tmux<'_>, code: &str) {
    let (after, before) = (tmux.left("after"), tmux.left("before"));
    world.claim_eq("exit code", tmux.left("code").trim(), code);
    world.claim_eq("modes of the terminal", after, before);
    let screen = tmux.screen();
    let is_left = !screen.contains("1 Find");
    world.claim(&format!("the other screen is left:\n{screen}"), is_left);
    let modes = tmux.modes();
    world.claim_eq("cursor, mouse, other screen", modes.trim(), "1 0 0");
}

fn reset_is_shown_with_its_process_and_cause(world: &World) {
    let Some(tmux) = started(world, "") else {
        return;
    };
    let pair = Pair::connected(world, "tp");
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    let pid = pair.client.pid.to_string();
    tmux.shows(
        "what is wrong, first",
        &["SEVERITY", "broken", "tp-client", "SO_LINGER"],
    );
    tmux.hit("Enter");
    tmux.shows("why", &["evidence", "do first", "linger_zero_resets"]);
    tmux.hit("2");
    tmux.shows("by process", &[&pid, "tp-client", "rst_sent 1"]);
    tmux.hit("5");
    tmux.shows("by cause", &["linger_zero", &pid, "tp-client", "rcvd"]);
    tmux.hit("/");
    for letter in ["l", "i", "n", "g", "Enter", "Enter"] {
        tmux.hit(letter);
    }
    tmux.shows(
        "details",
        &["SO_LINGER{1,0}", "127.0.0.2", "last incidents"],
    );
    tmux.hit("q");
    tmux.said("the summary", &["watched", "rst_sent 1"]);
    restored(world, &tmux, "0");
}

fn listener_is_shown_with_its_queue_and_its_refusals(world: &World) {
    let Some(tmux) = started(world, "") else {
        return;
    };
    world.on_one_processor();
    let (server, client) = (world.actor("lq-server"), world.actor("lq-client"));
    let listener = server.listen("127.0.0.9:0", 1);
    for local in ["127.0.0.2:0", "127.0.0.3:0"] {
        client.connect(local, listener.local);
    }
    let before = world.counters();
    let third = client.connect_start("127.0.0.4:0", listener.local, None);
    world.rose(&before, "ListenOverflows", 1);
    client.close(third);
    tmux.hit("3");
    let (local, pid) = (listener.local.to_string(), server.pid.to_string());
    tmux.shows("the queue", &[&local, " 2/1", &pid, "lq-server"]);
    tmux.hit("Enter");
    tmux.shows("its refusals", &["accept queue full 1", "accept_drop"]);
    tmux.hit("q");
    restored(world, &tmux, "0");
}

fn screen_follows_the_size_of_the_terminal(world: &World) {
    let Some(tmux) = started(world, "") else {
        return;
    };
    let widest = || {
        let screen = tmux.screen();
        screen.lines().map(|line| line.chars().count()).max()
    };
    tmux.resize(150, 40);
    world.until("150 columns are used", || widest() == Some(150));
    tmux.resize(40, 10);
    tmux.shows("a small picture", &["0/s", "1 Find"]);
    tmux.resize(10, 3);
    tmux.shows("too small", &["too small"]);
    tmux.resize(SIZE.0, SIZE.1);
    tmux.shows("as before", &["1 Find", "7 Inc", "q quit"]);
    tmux.hit("q");
    restored(world, &tmux, "0");
}

fn sigterm_gives_the_terminal_back(world: &World) {
    let Some(tmux) = started(world, "") else {
        return;
    };
    let pid = tmux.left("pid").trim().parse().expect("a number");
    sys_ops::kill(pid, libc::SIGTERM).expect("kill");
    tmux.said("the summary", &["watched"]);
    restored(world, &tmux, "0");
}

fn ctrl_c_gives_the_terminal_back_and_shows_the_summary(world: &World) {
    let Some(tmux) = started(world, "") else {
        return;
    };
    tmux.hit("C-c");
    tmux.said("the summary", &["watched"]);
    restored(world, &tmux, "0");
}

fn ctrl_z_gives_the_terminal_back_until_fg(world: &World) {
    let Some(binary) = world.binary() else { return };
    let top = format!(
        "{} top --netns inode:{} --ready-file $D/ready",
        quoted(binary),
        world.netns
    );
    // A shell with jobs: without one nothing could be stopped.
    let jobs = format!(
        "set -m; stty -a > $D/before; {top}; stty -a > $D/stopped; read go; fg > /dev/null; \
         echo $? > $D/code; stty -a > $D/after; exec sleep 600"
    );
    let Some(tmux) = in_terminal(world, &jobs) else {
        return;
    };
    tmux.hit("C-z");
    let (stopped, before) = (tmux.left("stopped"), tmux.left("before"));
    world.claim_eq("modes while it is stopped", stopped, before);
    world.claim_eq("screen while it is stopped", tmux.modes().trim(), "1 0 0");
    tmux.hit("Enter");
    tmux.shows("the picture again", &["1 Find", "q quit"]);
    tmux.hit("q");
    restored(world, &tmux, "0");
}

fn panic_gives_the_terminal_back(world: &World) {
    let this = quoted(&std::env::current_exe().expect("own path"));
    let script = script(&format!("{this} --panicking-screen"));
    let Some(tmux) = Tmux::start(world, SIZE, &script) else {
        return;
    };
    restored(world, &tmux, "101");
    tmux.shows("what went wrong", &["panicked", "on purpose"]);
}

fn recording_is_shown_as_the_run_was(world: &World) {
    let Some(binary) = world.binary() else { return };
    let file = std::env::temp_dir().join(format!("tcptrace-top-{}.rec", world.netns));
    let path = file.display().to_string();
    let tracer = world.watch_alone(&["--record", &path]);
    let pair = Pair::connected(world, "rp");
    pair.client.linger(pair.conn, 0);
    pair.client.close(pair.conn);
    let pid = pair.client.pid.to_string();
    tracer.stop();
    let top = format!("{} top --replay {path}", quoted(binary));
    if let Some(tmux) = Tmux::start(world, SIZE, &script(&top)) {
        tmux.hit("2");
        tmux.shows(
            "by process",
            &[&pid, "rp-client", "rst_sent 1", "recording"],
        );
        tmux.hit("q");
        restored(world, &tmux, "0");
    }
    let _ = std::fs::remove_file(&file);
}
