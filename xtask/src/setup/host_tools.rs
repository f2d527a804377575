//! The programs that tests use: checked, and on Debian and Ubuntu as root installed.
//!
//! This is the one place that changes the system, it says so, and only `setup --live`, `--vm`,
//! `--servers` and the tests that need them come here.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::process;

/// Program and the Debian package that has it.
type Programs = [(&'static str, &'static str)];

/// What the live tests use.
pub(super) const LIVE: &Programs = &[
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("ss", "iproute2"),
    ("nft", "nftables"),
    ("tmux", "tmux"),
];

/// What the incident stories use beside their servers.
pub(super) const INCIDENTS: &Programs = &[
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("nft", "nftables"),
    ("python3", "python3"),
    ("pgrep", "procps"),
];

/// What the matrix of virtual machines uses.
pub(super) const VM: &Programs = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
];

/// Err when a program is missing and could not be installed. `who` needs them, for the message.
pub(super) fn ensure(wanted: &Programs, who: &str) -> Result<()> {
    let (programs, packages) = missing(wanted);
    if programs.is_empty() {
        println!(
            "host tools: {} found",
            wanted
                .iter()
                .map(|(program, _)| *program)
                .collect::<Vec<_>>()
                .join(", ")
        );
        return Ok(());
    }
    let (programs, packages_line) = (programs.join(", "), packages.join(" "));
    if !process::is_root() || process::on_path("apt-get").is_none() {
        bail!(
            "{who} need {programs}, not found here: install the packages {packages_line} \
             (Debian, Ubuntu: sudo apt-get install {packages_line})"
        );
    }
    println!("host tools: {programs} missing, installing {packages_line} with apt-get");
    if install(&packages).is_err() {
        println!("host tools: apt-get does not know them, running apt-get update first");
        process::run(apt_get().args(["-qq", "update"]))?;
        install(&packages)?;
    }
    let (still_missing, _) = missing(wanted);
    if !still_missing.is_empty() {
        bail!(
            "{packages_line} installed, but {} still not found",
            still_missing.join(", ")
        );
    }
    Ok(())
}

fn missing(wanted: &Programs) -> (Vec<&'static str>, Vec<&'static str>) {
    let missing = wanted
        .iter()
        .filter(|(program, _)| process::on_path(program).is_none());
    let (programs, mut packages): (Vec<_>, Vec<_>) = missing.copied().unzip();
    packages.dedup();
    (programs, packages)
}

fn install(packages: &[&str]) -> Result<()> {
    process::run(
        apt_get()
            .args(["-qq", "-y", "--no-install-recommends", "install"])
            .args(packages),
    )
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}
