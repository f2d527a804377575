//! `cargo xtask setup`: what building the eBPF object needs and a stable toolchain lacks.
//!
//! Two things, both under `target/tools`: the sources of `core` ([`core_sources`]) and bpf-linker
//! ([`bpf_linker`]). When both are there the file `target/tools/ready` says for which rustc; that
//! file is what `tcptrace/build.rs` reads and what makes a second run return at once. Must not
//! change the toolchain's or the package manager's state, except through `rustup component add`.

mod bpf_linker;
pub(crate) mod browser;
pub(crate) mod cargo_deny;
mod core_sources;
mod host_tools;
pub(crate) mod peers;
mod ready;
mod rust_src;
pub(crate) mod servers;

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, Result};

use self::ready::Ready;
use crate::workspace::{Rustc, Workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also see to the programs that the live tests use (ip, tc, nft, ss, tmux)
    #[arg(long)]
    live: bool,
    /// Also see to what `test vm` uses (QEMU)
    #[arg(long)]
    vm: bool,
    /// Also see to the servers of the incident stories (into target/servers, none is started)
    #[arg(long)]
    servers: bool,
    /// Also see to the tracers that `bench` compares with (into target/peers)
    #[arg(long)]
    peers: bool,
    /// Also see to cargo-deny of `lint deny` (into target/tools)
    #[arg(long)]
    deny: bool,
    /// Also see to the browser of `test report` (into target/browser)
    #[arg(long)]
    browser: bool,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    if ensure(workspace)? == Outcome::AlreadyReady {
        println!("eBPF tools: already set up in target/tools");
    }
    if args.live {
        ensure_host_tools()?;
    }
    if args.vm {
        host_tools::ensure(host_tools::VM, "the virtual machines")?;
    }
    if args.servers {
        ensure_servers(workspace)?;
    }
    if args.peers {
        peers::ensure(workspace)?;
    }
    if args.deny {
        cargo_deny::ensure(workspace)?;
    }
    if args.browser {
        browser::ensure(workspace)?;
    }
    Ok(())
}

/// Whether [`ensure`] had anything to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was there and for this rustc.
    AlreadyReady,
    /// Something was fetched, built or at least checked.
    SetUp,
}

/// Leaves `target/tools` complete for the installed rustc.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Outcome> {
    let tools = workspace.tools();
    let rustc = Rustc::probe()?;
    if Ready::read(&tools).is_some_and(|ready| ready.holds_for(&rustc, &tools)) {
        return Ok(Outcome::AlreadyReady);
    }
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let lock = File::create(tools.join("lock"))
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", tools.join("lock").display()))?;
    let outcome = ensure_locked(&tools, &rustc);
    drop(lock);
    outcome
}

fn ensure_locked(tools: &Path, rustc: &Rustc) -> Result<Outcome> {
    // Another setup may have finished while this one waited for the lock.
    if Ready::read(tools).is_some_and(|ready| ready.holds_for(rustc, tools)) {
        return Ok(Outcome::AlreadyReady);
    }
    Ready::forget(tools)?;
    println!(
        "setting up the eBPF tools for rustc {} (LLVM {})",
        rustc.release, rustc.llvm
    );
    let library = core_sources::ensure(tools, rustc)?;
    let bpf_linker = bpf_linker::ensure(tools, rustc)?;
    Ready::new(rustc, library, bpf_linker).write(tools)?;
    println!("eBPF tools: ready");
    Ok(Outcome::SetUp)
}

/// Sees to the programs that the live tests use; see [`host_tools`].
pub(crate) fn ensure_host_tools() -> Result<()> {
    host_tools::ensure(host_tools::LIVE, "the live tests")
}

/// Sees to the servers of the incident stories and the programs these use; see [`servers`].
pub(crate) fn ensure_servers(workspace: &Workspace) -> Result<()> {
    host_tools::ensure(host_tools::INCIDENTS, "the incident stories")?;
    servers::ensure(workspace)
}

/// Where the sources of `core` are when they are not the toolchain's own: for the environment of a
/// cargo that builds `core`. None when the toolchain has them.
pub(crate) fn own_library(workspace: &Workspace) -> Option<std::path::PathBuf> {
    Ready::read(&workspace.tools())?.own_library(&workspace.tools())
}
