//! Builds the one program of a release: static, stripped, without paths of this machine.
//!
//! The default is glibc, linked into the program: the same build that the matrix of virtual machines
//! tests, and with an allocator that gives memory back. musl serves other processors, since it
//! needs no C compiler of theirs. Fails as cargo does, and says what a target lacks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::{Rustc, Workspace};

/// The default for everyone.
pub(super) const DEFAULT_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Between flags, as cargo wants it.
const SEPARATOR: &str = "\u{1f}";

/// The machine part of a file's name, as `uname -m` says it, and the system.
pub(super) fn machine(target: &str) -> Result<String> {
    let mut parts = target.split('-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(processor), Some(_), Some("linux")) => Ok(format!("{processor}-linux")),
        _ => bail!("{target} is no Linux target; --target takes a triple such as {DEFAULT_TARGET}"),
    }
}

/// How the program is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// As it is installed.
    Release,
    /// Without optimisation.
    Quick,
}

/// What the release profile is overridden by. The kernel side's compiler does not see it.
const QUICK: [&str; 3] = [
    "profile.release.opt-level=0",
    "profile.release.lto='off'",
    "profile.release.codegen-units=16",
];

/// The program for a target, compiled below `work`.
pub(super) fn binary(
    workspace: &Workspace,
    target: &str,
    effort: Effort,
    work: &Path,
    epoch: u64,
) -> Result<PathBuf> {
    has_library(target)?;
    let mut command = workspace.cargo();
    command
        .args(["build", "--locked", "--release", "--package", "tcptrace"])
        .args(["--bin", "tcptrace", "--target", target, "--target-dir"])
        .arg(work)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, target, work)?)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .env_remove("RUSTFLAGS");
    if effort == Effort::Quick {
        command.args(QUICK.iter().flat_map(|setting| ["--config", setting]));
    }
    process::run(&mut command).with_context(|| {
        format!(
            "tcptrace could not be built for {target}; a missing libc.a means that the package \
             libc6-dev is not installed"
        )
    })?;
    let binary = work.join(target).join("release/tcptrace");
    is_static(&binary)?;
    Ok(binary)
}

fn has_library(target: &str) -> Result<()> {
    let library = Rustc::sysroot()?.join("lib/rustlib").join(target);
    if !library.is_dir() {
        bail!("the standard library for {target} is not there: run `rustup target add {target}`");
    }
    Ok(())
}

fn flags(workspace: &Workspace, target: &str, work: &Path) -> Result<String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    // Static programs are at a fixed address by default.
    flags.push("-Crelocation-model=pie".to_owned());
    let is_foreign = !Rustc::probe()?
        .host
        .starts_with(target.split('-').next().unwrap_or(target));
    if is_foreign && target.ends_with("-musl") {
        flags.push("-Clinker=rust-lld".to_owned());
        flags.push("-Clinker-flavor=ld.lld".to_owned());
        flags.push("-Clink-self-contained=yes".to_owned());
    }
    // The last one that fits counts: the longest must come last.
    let mut places = vec![
        (cargo_home()?, "/cargo"),
        (Rustc::sysroot()?, "/rust"),
        (workspace.root().to_path_buf(), "/tcptrace"),
        (work.to_path_buf(), "/build"),
    ];
    places.sort_by_key(|(path, _)| path.as_os_str().len());
    for (path, name) in places {
        let path = path
            .to_str()
            .context("a path is not UTF-8, which rustc does not accept")?;
        flags.push(format!("--remap-path-prefix={path}={name}"));
    }
    Ok(flags.join(SEPARATOR))
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cargo"))
}

/// Err when the program asks for a dynamic linker.
fn is_static(binary: &Path) -> Result<()> {
    use object::read::elf::{ElfFile64, ProgramHeader as _};
    let bytes =
        std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    let file = ElfFile64::<object::Endianness>::parse(&*bytes)
        .with_context(|| format!("{} is no program", binary.display()))?;
    let endian = file.endian();
    let headers = file.elf_program_headers();
    let asks =
        |header: &object::elf::ProgramHeader64<_>| header.p_type(endian) == object::elf::PT_INTERP;
    if headers.iter().any(asks) {
        bail!("{} is not static", binary.display());
    }
    Ok(())
}

/// What a program prints.
pub(super) fn printed(binary: &Path, words: &[&str]) -> Result<String> {
    process::output_text(Command::new(binary).args(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_the_processor() {
        assert_eq!(machine(DEFAULT_TARGET).unwrap(), "x86_64-linux");
        assert_eq!(
            machine("aarch64-unknown-linux-musl").unwrap(),
            "aarch64-linux"
        );
        assert!(machine("x86_64-pc-windows-msvc").is_err());
        assert!(machine("linux").is_err());
    }

    #[test]
    fn a_dynamic_program_is_refused() {
        let own = std::env::current_exe().unwrap();
        let error = is_static(&own).unwrap_err().to_string();
        assert!(error.ends_with("is not static"), "{error}");
    }
}
