//! bpf-linker, in the version whose LLVM is the one inside the installed rustc, in `target/tools`.
//!
//! It loads the compiler's own libLLVM and reads bitcode that the compiler wrote, so the major
//! versions must agree. Must not touch the user's cargo home beyond cargo's own cache. Fails when
//! there is no C compiler, or cargo cannot fetch or build it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::{self, Rustc};

/// LLVM major version and the bpf-linker whose default features use it from rustc; newest last.
/// A version stands for one LLVM, so an installed linker of the right version has the right LLVM.
/// rustc 1.95, the oldest this workspace builds with, has LLVM 22. (bpf-linker 0.11 to 0.13 link an
/// LLVM 23 of the system and cannot use the one in rustc.)
const VERSIONS: [(&str, &str); 1] = [("22", "0.10.4")];

/// Which bpf-linker fits a rustc.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) version: &'static str,
    /// False when the LLVM of this rustc is not in the table and the newest known is a guess.
    pub(super) fits: bool,
}

/// The bpf-linker for this rustc.
pub(super) fn wanted(rustc: &Rustc) -> Wanted {
    let known = VERSIONS
        .iter()
        .find(|(llvm, _)| *llvm == rustc.llvm_major());
    Wanted {
        version: known.unwrap_or(&VERSIONS[VERSIONS.len() - 1]).1,
        fits: known.is_some(),
    }
}

/// The version of the bpf-linker in `target/tools`; None when there is none that runs.
pub(super) fn installed(tools: &Path) -> Option<String> {
    let text = process::output_text(Command::new(tools.join("bin/bpf-linker")).arg("--version"));
    Some(text.ok()?.trim().strip_prefix("bpf-linker ")?.to_owned())
}

/// Installs the wanted version unless it is there, and returns it.
pub(super) fn ensure(tools: &Path, rustc: &Rustc) -> Result<&'static str> {
    let Wanted { version, fits } = wanted(rustc);
    if !fits {
        println!(
            "bpf-linker: no version is known for LLVM {} of rustc {}; trying {version}, the newest \
             known. If linking fails, use a rustc with LLVM {}",
            rustc.llvm,
            rustc.release,
            VERSIONS.map(|(llvm, _)| llvm).join(" or "),
        );
    }
    if installed(tools).as_deref() == Some(version) {
        println!("bpf-linker: {version} found in target/tools/bin");
        return Ok(version);
    }
    install(tools, version).with_context(|| {
        format!("bpf-linker {version}, which links the eBPF object, could not be installed")
    })?;
    if installed(tools).as_deref() != Some(version) {
        bail!(
            "{} does not answer `--version` with {version}: remove target/tools and run \
             `cargo xtask setup` again",
            tools.join("bin/bpf-linker").display()
        );
    }
    Ok(version)
}

fn install(tools: &Path, version: &str) -> Result<()> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if process::on_path(&compiler).is_none() && !Path::new(&compiler).is_file() {
        bail!(
            "there is no C compiler (`{compiler}`): install one (Debian, Ubuntu: apt-get install \
             build-essential; Fedora: dnf install gcc), then run `cargo xtask setup` again"
        );
    }
    println!("bpf-linker: building {version} (about a minute)");
    let build = tools.join("build");
    process::run(
        workspace::cargo()
            .args(["install", "bpf-linker", "--locked", "--force", "--version"])
            .arg(format!("={version}"))
            .arg("--root")
            .arg(tools)
            .arg("--target-dir")
            .arg(&build),
    )
    .context(
        "cargo needs the crate registry and a C compiler for it; the reason is above, after it is \
         removed run `cargo xtask setup` again",
    )?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustc(llvm: &str) -> Rustc {
        Rustc {
            release: "1.95.0".into(),
            llvm: llvm.into(),
            host: "x86_64".into(),
        }
    }

    #[test]
    fn llvm_22_has_its_linker() {
        assert_eq!(
            wanted(&rustc("22.1.2")),
            Wanted {
                version: "0.10.4",
                fits: true
            }
        );
    }

    #[test]
    fn an_unknown_llvm_gets_the_newest_known_linker_and_says_so() {
        assert_eq!(
            wanted(&rustc("99.0.0")),
            Wanted {
                version: "0.10.4",
                fits: false
            }
        );
    }

    #[test]
    fn a_missing_linker_has_no_version() {
        assert_eq!(installed(Path::new("/nowhere")), None);
    }
}
