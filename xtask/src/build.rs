//! `cargo xtask build`: what is missing is set up, then cargo builds tcptrace with the eBPF object
//! inside.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{process, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the optimised binary, target/release/tcptrace
    #[arg(long, short)]
    release: bool,
    /// Further arguments for cargo build
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CARGO ARGS"
    )]
    cargo_args: Vec<String>,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    build(workspace, args.release, &args.cargo_args)
}

/// Sets up and builds tcptrace.
pub(crate) fn build(workspace: &Workspace, release: bool, cargo_args: &[String]) -> Result<()> {
    setup::ensure(workspace)?;
    let mut command = workspace.cargo();
    command.args(["build", "--package", "tcptrace"]);
    if release {
        command.arg("--release");
    }
    process::run(command.args(cargo_args))
}
