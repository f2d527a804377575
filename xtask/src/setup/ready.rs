//! The file `target/tools/ready`: for which rustc the tools are complete, and where they are.
//!
//! `tcptrace/build.rs` reads the same lines (`name = value`) and refuses another rustc. Absent, or
//! not understood, means: not set up.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::bpf_linker;
use super::core_sources::Library;
use crate::workspace::Rustc;

const FILE: &str = "ready";
const IN_SYSROOT: &str = "sysroot";

/// What `target/tools` is complete for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    rustc: String,
    llvm: String,
    bpf_linker: String,
    library: String,
}

impl Ready {
    pub(super) fn new(rustc: &Rustc, library: Library, bpf_linker: &str) -> Self {
        Self {
            rustc: rustc.release.clone(),
            llvm: rustc.llvm.clone(),
            bpf_linker: bpf_linker.to_owned(),
            library: match library {
                Library::Sysroot => IN_SYSROOT.to_owned(),
                Library::Tools(relative) => relative,
            },
        }
    }

    /// None when the tools are not set up.
    pub(super) fn read(tools: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(tools.join(FILE)).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
                .map(str::to_owned)
        };
        Some(Self {
            rustc: field("rustc")?,
            llvm: field("llvm")?,
            bpf_linker: field("bpf-linker")?,
            library: field("library")?,
        })
    }

    fn text(&self) -> String {
        format!(
            "rustc = {}\nllvm = {}\nbpf-linker = {}\nlibrary = {}\n",
            self.rustc, self.llvm, self.bpf_linker, self.library
        )
    }

    /// Says that the tools are complete; the last step of a setup.
    pub(super) fn write(&self, tools: &Path) -> Result<()> {
        let file = tools.join(FILE);
        let unfinished = tools.join("ready.new");
        fs::write(&unfinished, self.text())
            .and_then(|()| fs::rename(&unfinished, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Says that the tools are not complete; the first step of a setup.
    pub(super) fn forget(tools: &Path) -> Result<()> {
        match fs::remove_file(tools.join(FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", tools.join(FILE).display()))
            }
            _ => Ok(()),
        }
    }

    /// The sources of `core` under `target/tools`; None when the toolchain has its own.
    pub(super) fn own_library(&self, tools: &Path) -> Option<PathBuf> {
        (self.library != IN_SYSROOT).then(|| tools.join(&self.library))
    }

    /// Whether the tools named here are for `rustc` and still there.
    pub(super) fn holds_for(&self, rustc: &Rustc, tools: &Path) -> bool {
        let library_is_there = match self.own_library(tools) {
            Some(library) => super::rust_src::is_library(&library),
            None => super::core_sources::sysroot_library().is_ok_and(|found| found.is_some()),
        };
        self.rustc == rustc.release
            && self.llvm == rustc.llvm
            && library_is_there
            && bpf_linker::wanted(rustc).version == self.bpf_linker
            && bpf_linker::installed(tools).as_deref() == Some(&self.bpf_linker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            rustc: "1.95.0".into(),
            llvm: "22.1.2".into(),
            bpf_linker: "0.10.4".into(),
            library: "rust-src/1.95.0/library".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Ready::parse(&ready().text()), Some(ready()));
    }

    #[test]
    fn a_missing_line_means_not_set_up() {
        for missing in ["rustc", "llvm", "bpf-linker", "library"] {
            let text = ready().text();
            let rest: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with(missing))
                .collect();
            assert_eq!(Ready::parse(&rest.join("\n")), None, "without {missing}");
        }
    }

    #[test]
    fn another_rustc_is_not_ready() {
        let rustc = Rustc {
            release: "1.96.0".into(),
            llvm: "22.1.2".into(),
            host: "x86_64".into(),
        };
        assert!(!ready().holds_for(&rustc, Path::new("/nowhere")));
    }
}
