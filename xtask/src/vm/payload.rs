//! The programs that run inside a VM, built static: tcptrace, the ground-truth kit and init.
//!
//! They have a target directory of their own, because other compiler flags would throw the ordinary
//! build away each time. Fails as cargo does, or when a static C library is missing.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;
use crate::setup;
use crate::workspace::Workspace;

/// The one target that Debian's amd64 kernels run and every toolchain for such a host has.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the programs are on the host.
pub(super) struct Payload {
    pub(super) tcptrace: PathBuf,
    pub(super) root_live: PathBuf,
    pub(super) init: PathBuf,
}

impl Payload {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        setup::ensure(workspace)?;
        println!("vm: building tcptrace, root_live and vm-init for the VM (static)");
        let mut command = workspace.cargo();
        command
            .args(["build", "--release", "--target", TARGET, "--target-dir"])
            .arg(workspace.root().join("target/vm/build"))
            .args(["--package", "tcptrace", "--package", "xtask"])
            .args(["--bin", "tcptrace", "--bin", "vm-init"])
            .args(["--test", "root_live"])
            .arg("--message-format=json-render-diagnostics")
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .stderr(Stdio::inherit());
        let messages = process::stdout_text(&mut command).context(
            "the programs for the VM could not be built; a missing libc.a means that the package \
             libc6-dev is not installed",
        )?;
        Ok(Self {
            tcptrace: executable(&messages, "tcptrace", "bin")?,
            root_live: executable(&messages, "root_live", "test")?,
            init: executable(&messages, "vm-init", "bin")?,
        })
    }
}

/// What cargo says it built for this target.
fn executable(messages: &str, name: &str, kind: &str) -> Result<PathBuf> {
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .filter(|message| message["target"]["kind"][0] == kind)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.with_context(|| format!("cargo names no executable for {name}"))
}

/// A host program with everything its dynamic linker loads for it: the paths at which a VM must
/// have them. None when the host has no such program.
pub(super) fn with_libraries(program: &str) -> Result<Option<Vec<PathBuf>>> {
    let Some(path) = process::on_path(program) else {
        return Ok(None);
    };
    if process::on_path("ldd").is_none() {
        bail!("`ldd` not found: install the package libc-bin");
    }
    let mut ldd = std::process::Command::new("ldd");
    // Fails for a static program, which needs nothing more.
    let output = ldd
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .context("cannot start `ldd`")?;
    let mut files = vec![path];
    files.extend(libraries(&String::from_utf8_lossy(&output.stdout)));
    Ok(Some(files))
}

/// The absolute paths in what `ldd` writes.
fn libraries(ldd: &str) -> Vec<PathBuf> {
    ldd.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(|word| Path::new(word).to_path_buf())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_linker() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 \
                    (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libm.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(libraries(text), expected.map(PathBuf::from));
        assert!(libraries("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn the_executable_is_the_one_of_the_right_kind() {
        let messages = r#"{"target":{"name":"tcptrace","kind":["lib"]},"executable":null}
{"target":{"name":"tcptrace","kind":["bin"]},"executable":"/x/tcptrace"}
text"#;
        let found = executable(messages, "tcptrace", "bin").unwrap();
        assert_eq!(found, PathBuf::from("/x/tcptrace"));
        assert!(executable(messages, "root_live", "test").is_err());
    }
}
