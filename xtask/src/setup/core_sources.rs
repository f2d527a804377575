//! The sources of `core` for exactly the installed rustc, which `-Z build-std=core` compiles.
//!
//! Looked for in this order: the toolchain's own, `rustup component add rust-src`, the
//! distribution's `rust-src` package of the same release unpacked under `target/tools`. Sources of
//! another release must not be used: `core` and its compiler are one thing. Fails with all that was
//! tried and why it did not work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::rust_src::{self, is_library};
use crate::process;
use crate::workspace::Rustc;

/// Fetching 3 MB; a mirror that cannot be reached must not hold up the other ways.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// Where the sources are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// In the toolchain, where cargo looks by itself.
    Sysroot,
    /// Under `target/tools`, at this relative path.
    Tools(String),
}

/// Finds or fetches the sources.
pub(super) fn ensure(tools: &Path, rustc: &Rustc) -> Result<Library> {
    if let Some(found) = sysroot_library()? {
        println!("core sources: found in the sysroot, {}", found.display());
        return Ok(Library::Sysroot);
    }
    let relative = format!("rust-src/{}/library", rustc.release);
    if is_library(&tools.join(&relative)) {
        println!("core sources: found in target/tools/{relative}");
        return Ok(Library::Tools(relative));
    }
    let mut failures = Vec::new();
    match add_component() {
        Ok(()) => match sysroot_library()? {
            Some(found) => {
                println!("core sources: rustup added them, {}", found.display());
                return Ok(Library::Sysroot);
            }
            None => failures.push("rustup: rust-src was added, but not to this rustc".to_owned()),
        },
        Err(error) => failures.push(format!("rustup: {error:#}")),
    }
    println!("core sources: {}", failures[0]);
    match rust_src::fetch(tools, &rustc.release) {
        Ok(package) => {
            println!("core sources: {package} unpacked in target/tools/{relative}");
            return Ok(Library::Tools(relative));
        }
        Err(error) => failures.push(format!("apt: {error:#}")),
    }
    bail!(
        "no sources of `core` for rustc {release}, which the eBPF object is built with\n  {tried}\n\
         fix: `rustup component add rust-src` where rustup can reach its server; or install the \
         distribution's rust-src {release}; or put the directory `library` of the Rust \
         {release} sources at target/tools/{relative}; then run `cargo xtask setup` again",
        release = rustc.release,
        tried = failures.join("\n  "),
    )
}

/// The toolchain's own sources; None when rust-src is not installed.
pub(super) fn sysroot_library() -> Result<Option<PathBuf>> {
    let library = Rustc::sysroot()?.join("lib/rustlib/src/rust/library");
    Ok(is_library(&library).then_some(library))
}

fn add_component() -> Result<()> {
    if process::on_path("rustup").is_none() {
        bail!("not installed");
    }
    println!(
        "core sources: asking rustup (at most {} s)",
        RUSTUP_LIMIT.as_secs()
    );
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rust-src"]);
    // What went wrong is one line; rustup's own stack is of no use here.
    rustup.env("RUST_BACKTRACE", "0");
    process::run_limited(&mut rustup, RUSTUP_LIMIT)
}
