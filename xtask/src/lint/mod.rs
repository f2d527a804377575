//! `cargo xtask lint`: formatting, clippy on both sides, the rules of the house, dependencies,
//! documentation.
//!
//! All parts run even when one fails; the end names those that did, and what could not be checked.

mod circles;
mod dependencies;
mod file_rules;
mod house;
mod imports;
mod language;
mod licences;
mod paths;
mod rust_text;
mod unsafe_count;

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
    /// Who imports whom, circles between files, the version gate, file length, open ends, words to avoid
    House,
    /// Licences of all dependencies against deny.toml
    Licences,
    /// cargo-deny: advisories, crates that are there twice, where crates come from
    Deny,
    /// `unsafe` per crate against the committed numbers
    Unsafe,
    /// rustdoc of the host's crates, private items included, without a warning
    Docs,
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
    let mut skipped = Vec::new();
    for part in parts {
        let name = format!("{part:?}").to_lowercase();
        println!("lint: {name}");
        let outcome = match part {
            Part::Fmt => process::run(workspace.cargo().args(["fmt", "--all", "--check"])),
            Part::House => house::check(workspace.root()),
            Part::Licences => licences::check(workspace),
            Part::Deny => dependencies::check(workspace)
                .map(|reason| skipped.extend(reason.map(|reason| format!("{name}: {reason}")))),
            Part::Unsafe => unsafe_count::check(workspace.root()),
            Part::Docs => docs(workspace),
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
    println!("{}", verdict(&skipped));
    Ok(())
}

/// The last line when no part failed; what was not checked is not called clean.
fn verdict(skipped: &[String]) -> String {
    if skipped.is_empty() {
        "lint: clean".to_owned()
    } else {
        format!("lint: nothing refused, but skipped {}", skipped.join("; "))
    }
}

fn docs(workspace: &Workspace) -> Result<()> {
    setup::ensure(workspace)?;
    let mut command = workspace.cargo();
    command.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    for name in EBPF_CRATES {
        command.args(["--exclude", name]);
    }
    // The documentation is for people who change the code: private items are part of it.
    let flags = "-D warnings -A rustdoc::private_intra_doc_links";
    process::run(command.env("RUSTDOCFLAGS", flags))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_not_clean() {
        assert_eq!(verdict(&[]), "lint: clean");
        let verdict = verdict(&["deny: cargo-deny is not installed".to_owned()]);
        assert!(verdict.contains("skipped deny: cargo-deny is not installed"));
        assert!(!verdict.contains("clean"));
    }
}
