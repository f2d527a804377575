//! Everything around the build: `cargo xtask setup | build | run | test | lint`.
//!
//! Each subcommand is a short script over cargo, rustc and the system's package manager. Tools go
//! to `target/tools` of the workspace and nowhere else; the toolchain and the package manager's own
//! state stay as they are. A failure says what was tried, why it did not work and what to do.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the terminal it was started from"
)]

mod build;
mod kernels_check;
mod lint;
mod process;
mod run;
mod setup;
mod test;
mod workspace;

use std::path::PathBuf;
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
    /// Which signals would work on which kernels
    #[command(subcommand)]
    Kernels(Kernels),
    /// Formatting, clippy, the rules of the house, licences
    Lint(lint::Args),
}

#[derive(Subcommand)]
enum Kernels {
    /// Judge kernels by their types, and fail when a newer one would lose a signal
    Check {
        /// Files that hold a kernel's BTF; none: the fixtures, and what is in target/kernels
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Workspace::locate().and_then(|workspace| match cli.task {
        Task::Setup(args) => setup::main(&workspace, &args),
        Task::Build(args) => build::main(&workspace, &args),
        Task::Run(args) => run::main(&workspace, &args),
        Task::Test(args) => test::main(&workspace, &args),
        Task::Kernels(Kernels::Check { files }) => kernels_check::main(&workspace, &files),
        Task::Lint(args) => lint::main(&workspace, &args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
