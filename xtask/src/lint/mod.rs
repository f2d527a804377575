//! `cargo xtask lint`: formatting, clippy on both sides, the rules of the house, licences.
//!
//! All parts run even when one fails; the end names those that did.

mod circles;
mod house;
mod imports;
mod licences;
mod paths;
mod rust_text;
mod words;

use anyhow::{Result, bail};
use clap::ValueEnum as _;

use crate::workspace::{EBPF_CRATES, Workspace};
use crate::{process, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these parts
    #[arg(value_enum)]
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Part {
    /// cargo fmt --check
    Fmt,
    /// Who imports whom, circles between files, the version gate, file length, open ends
    House,
    /// Licences of all dependencies against deny.toml
    Licences,
    /// clippy on the host's crates and on the eBPF crate
    Clippy,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    let parts = if args.parts.is_empty() {
        Part::value_variants()
    } else {
        &args.parts
    };
    let mut failed = Vec::new();
    for part in parts {
        let name = format!("{part:?}").to_lowercase();
        println!("lint: {name}");
        let outcome = match part {
            Part::Fmt => process::run(workspace.cargo().args(["fmt", "--all", "--check"])),
            Part::House => house::check(workspace.root(), house::ALLOWED),
            Part::Licences => licences::check(workspace),
            Part::Clippy => clippy(workspace),
        };
        if let Err(error) = outcome {
            println!("lint: {name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    println!("lint: clean");
    Ok(())
}

fn clippy(workspace: &Workspace) -> Result<()> {
    setup::ensure(workspace)?;
    let mut host = workspace.cargo();
    host.args(["clippy", "--workspace", "--all-targets"]);
    for name in EBPF_CRATES {
        host.args(["--exclude", name]);
    }
    process::run(host.args(["--", "-D", "warnings"]))?;
    let mut ebpf = workspace.cargo();
    ebpf.args(["clippy", "--target", "bpfel-unknown-none"]);
    for name in EBPF_CRATES {
        ebpf.args(["--package", name]);
    }
    ebpf.args(["-Z", "build-std=core", "--", "-D", "warnings"]);
    // The stable compiler accepts -Z for this one command; as in tcptrace/build.rs.
    ebpf.env("RUSTC_BOOTSTRAP", "1");
    if let Some(library) = setup::own_library(workspace) {
        ebpf.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    process::run(&mut ebpf)
}
