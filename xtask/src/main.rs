//! Everything around the build: `cargo xtask setup | build | run | test | fuzz | verifier | bench | soak | vm |
//! kernels | lint | dist`.
//!
//! Each subcommand is a short script over cargo, rustc and the system's package manager. Tools go
//! to `target/tools` of the workspace and nowhere else; the toolchain and the package manager's own
//! state stay as they are. A failure says what was tried, why it did not work and what to do.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the terminal it was started from"
)]

mod apt;
mod bench;
mod browser;
mod build;
mod debian;
mod dist;
mod fuzz;
mod incidents;
mod kernels;
mod lint;
mod process;
mod run;
mod setup;
mod soak;
mod test;
mod verifier;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about,
    disable_help_subcommand = true,
    after_help = "`cargo xtask TASK --help` has the options of a task."
)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch what building the eBPF object needs and this machine lacks (into target/tools)
    Setup(setup::Args),
    /// Set up when needed, then `cargo build -p tcptrace`
    Build(build::Args),
    /// Set up when needed, build, then start tcptrace (through sudo when not root)
    Run(run::Args),
    /// Set up when needed, then run the unit tests and the live tests on this kernel
    Test(test::Args),
    /// Feed every reader of foreign bytes with any bytes (tcptrace/fuzz)
    Fuzz(fuzz::Args),
    /// Count what the kernel's verifier walks, against docs/verifier.md
    Verifier(verifier::Args),
    /// Measure speed, end to end and beside other tracers (docs/performance.md)
    Bench(bench::Args),
    /// Run tcptrace for minutes beside many short processes and judge its memory
    Soak(soak::Args),
    /// Boot a kernel in QEMU and run something in it
    Vm(vm::Args),
    /// Fetch, list or judge the kernels of the VM matrix (target/kernels)
    Kernels(kernels::Args),
    /// Check formatting, clippy, the rules of the house, dependencies, documentation
    Lint(lint::Args),
    /// Build what people install: archive, Debian package, checksums (target/dist)
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let Some(task) = Cli::parse().task else {
        // Asking for nothing is asking what there is. A terminal that is gone is no failure.
        let _printed = Cli::command().print_help();
        return ExitCode::SUCCESS;
    };
    let outcome = Workspace::locate().and_then(|workspace| match task {
        Task::Setup(args) => setup::main(&workspace, &args),
        Task::Build(args) => build::main(&workspace, &args),
        Task::Run(args) => run::main(&workspace, &args),
        Task::Test(args) => test::main(&workspace, &args),
        Task::Fuzz(args) => fuzz::main(&workspace, &args),
        Task::Verifier(args) => verifier::main(&workspace, &args),
        Task::Bench(args) => bench::main(&workspace, &args),
        Task::Soak(args) => soak::main(&workspace, &args),
        Task::Kernels(args) => kernels::main(&workspace, &args),
        Task::Vm(args) => vm::main(&workspace, &args),
        Task::Lint(args) => lint::main(&workspace, &args),
        Task::Dist(args) => dist::main(&workspace, &args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
