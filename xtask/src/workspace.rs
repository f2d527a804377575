//! Where the workspace, its tools and cargo's output are, and what the installed rustc is.
//!
//! Must not create anything. Fails when cargo or rustc cannot be run or answer something unknown.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// The crates that are built for the kernel and never for the host.
pub(crate) const EBPF_CRATES: [&str; 2] = ["tcptrace-ebpf", BENCH_EBPF_CRATE];

/// The one that the benchmark compares with.
pub(crate) const BENCH_EBPF_CRATE: &str = "tcptrace-bench-ebpf";

/// The checkout this xtask belongs to.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that cargo started this program for.
    pub(crate) fn locate() -> Result<Self> {
        // The variable is set by `cargo run` and, unlike the compiled-in path, is right even after
        // the checkout was moved.
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .parent()
            .with_context(|| format!("{} has no parent directory", manifest_dir.display()))?;
        Ok(Self::at(root.to_path_buf()))
    }

    /// Another checkout.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory of the root `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where `setup` puts tools: in the workspace even when `CARGO_TARGET_DIR` points elsewhere,
    /// because `tcptrace/build.rs` must find them without an argument.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// `cargo` in the workspace root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command
    }

    /// What `cargo metadata` says, with or without the packages of other people.
    pub(crate) fn metadata(&self, dependencies: bool) -> Result<Value> {
        let mut command = self.cargo();
        command.args(["metadata", "--format-version=1"]);
        if !dependencies {
            command.arg("--no-deps");
        }
        serde_json::from_str(&process::output_text(&mut command)?)
            .context("cargo metadata did not answer with JSON")
    }

    /// The binary that `cargo build -p tcptrace` leaves.
    pub(crate) fn binary(&self, release: bool) -> Result<PathBuf> {
        let metadata = self.metadata(false)?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target_directory")?;
        let profile = if release { "release" } else { "debug" };
        Ok(Path::new(target).join(profile).join("tcptrace"))
    }
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The installed rustc, from `rustc -vV`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// For example `1.95.0`.
    pub(crate) release: String,
    /// For example `22.1.2`.
    pub(crate) llvm: String,
    /// For example `x86_64-unknown-linux-gnu`.
    pub(crate) host: String,
}

impl Rustc {
    /// Asks the installed rustc.
    pub(crate) fn probe() -> Result<Self> {
        let text = process::output_text(rustc().arg("-vV"))?;
        Self::parse(&text).with_context(|| format!("`rustc -vV` is not understood:\n{text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(|value| value.trim().to_owned())
        };
        Some(Self {
            release: field("release")?,
            llvm: field("LLVM version")?,
            host: field("host")?,
        })
    }

    /// `22` of `22.1.2`.
    pub(crate) fn llvm_major(&self) -> &str {
        self.llvm.split('.').next().unwrap_or(&self.llvm)
    }

    /// The toolchain's own directory.
    pub(crate) fn sysroot() -> Result<PathBuf> {
        let text = process::output_text(rustc().args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(text.trim()))
    }
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_version_text_gives_release_llvm_and_host() {
        let text = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n\
                    release: 1.95.0\nLLVM version: 22.1.2\n";
        let rustc = Rustc::parse(text).unwrap();
        assert_eq!(rustc.release, "1.95.0");
        assert_eq!(rustc.host, "x86_64-unknown-linux-gnu");
        assert_eq!(rustc.llvm_major(), "22");
    }

    #[test]
    fn a_rustc_without_llvm_is_not_guessed() {
        assert_eq!(Rustc::parse("release: 1.95.0\nhost: x\n"), None);
    }
}
