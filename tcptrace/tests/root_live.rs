//! Ground truth: real sockets and real child processes in network namespaces of their own, and
//! what `tcptrace watch --json` says about them. See `scenario/README.md`.
//!
//! This target has no libtest harness, because the same executable is also the actor: started as
//! `root_live --actor COMM ...` it takes orders over a socket instead of running scenarios.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test runner reports on its standard streams"
)]

mod checker;
mod oracle;
mod scenario;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--actor") {
        return scenario::kit::actor::run(&args[1..]);
    }
    if args.first().is_some_and(|arg| arg == "--actor-after-exec") {
        return scenario::kit::actor::go_on(&args[1..]);
    }
    if args.first().is_some_and(|arg| arg == "--actor-once") {
        return scenario::kit::actor::run_once(&args[1..]);
    }
    if args.first().is_some_and(|arg| arg == "--in-pid-namespace") {
        return scenario::kit::pid_namespace::run(&args[1..]);
    }
    if args.first().is_some_and(|arg| arg == "--panicking-screen") {
        return scenario::top::panicking_screen();
    }
    if args.first().is_some_and(|arg| arg == "--oracle") {
        return oracle::run(&args[1..]);
    }
    scenario::kit::runner::run(scenario::families(), &args)
}
