//! cargo-deny, in a fixed version, in `target/tools`: what `lint deny` runs.
//!
//! Nothing else needs it, so only `setup --deny` builds it (three minutes on two cores). Must not
//! touch the user's cargo home beyond cargo's own cache. Fails when cargo cannot fetch or build it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::{self, Workspace};

/// The newest that the oldest supported rustc builds.
const VERSION: &str = "0.20.2";

/// The program; None when neither `setup --deny` nor the user has installed one.
pub(crate) fn find(workspace: &Workspace) -> Option<PathBuf> {
    let own = program(&workspace.tools());
    if is_wanted(&own) {
        return Some(own);
    }
    process::on_path("cargo-deny")
}

/// Installs the wanted version unless it is there.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let tools = workspace.tools();
    if is_wanted(&program(&tools)) {
        println!("cargo-deny: {VERSION} found in target/tools/bin");
        return Ok(());
    }
    println!("cargo-deny: building {VERSION} (about two minutes)");
    let build = tools.join("build-deny");
    // Not optimised: it runs for a second.
    process::run(
        workspace::cargo()
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .args([
                "install",
                "cargo-deny",
                "--debug",
                "--locked",
                "--force",
                "--version",
            ])
            .arg(format!("={VERSION}"))
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(&build),
    )
    .context("cargo-deny, which checks the dependencies, could not be installed")?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    if !is_wanted(&program(&tools)) {
        bail!(
            "{} does not answer `--version` with {VERSION}",
            program(&tools).display()
        );
    }
    Ok(())
}

fn program(tools: &Path) -> PathBuf {
    tools.join("bin/cargo-deny")
}

fn is_wanted(program: &Path) -> bool {
    let answer = process::output_text(Command::new(program).arg("--version"));
    answer.is_ok_and(|text| text.trim() == format!("cargo-deny {VERSION}"))
}
