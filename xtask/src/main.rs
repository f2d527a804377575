//! Everything around the build: `cargo xtask setup | build | run | test | bench | vm | kernels | lint |
//! dist`.
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
mod incidents;
mod kernels;
mod lint;
mod process;
mod run;
mod setup;
mod test;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
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
    /// Measure speed, end to end and beside other tracers (docs/performance.md)
    Bench(bench::Args),
    /// Boot a kernel in QEMU and run something in it
    Vm(vm::Args),
    /// Fetch, list or judge the kernels of the VM matrix (target/kernels)
    Kernels(kernels::Args),
    /// Formatting, clippy, the rules of the house, licences
    Lint(lint::Args),
    /// Build what people install: archive, Debian package, checksums (target/dist)
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Workspace::locate().and_then(|workspace| match cli.task {
        Task::Setup(args) => setup::main(&workspace, &args),
        Task::Build(args) => build::main(&workspace, &args),
        Task::Run(args) => run::main(&workspace, &args),
        Task::Test(args) => test::main(&workspace, &args),
        Task::Bench(args) => bench::main(&workspace, &args),
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
