//! The tracers that `bench` compares with: those of this machine, and of those it lacks the
//! distribution's packages, unpacked to `target/peers`.
//!
//! Nothing is installed. Fails with each package that cannot be had; the others are there all the
//! same, and `bench` does without what is missing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::servers;
use crate::process;
use crate::workspace::Workspace;

/// A package and the programs of it that are used.
const PACKAGES: [(&str, &[&str]); 3] = [
    ("libbpf-tools", &["tcpstates", "tcplife"]),
    ("bpftrace", &["bpftrace"]),
    ("linux-perf", &["perf"]),
];

/// A program of a peer, and where the libraries are that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) program: PathBuf,
    /// None when the program is the machine's own.
    pub(crate) libraries: Option<PathBuf>,
}

/// Below it each package that was fetched has a directory of its name.
fn home(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/peers")
}

/// The program `name` of one of the packages, the fetched one first. None when it is nowhere.
pub(crate) fn find(workspace: &Workspace, name: &str) -> Option<Peer> {
    let fetched = PACKAGES
        .iter()
        .filter(|(_, programs)| programs.contains(&name))
        .find_map(|(package, _)| unpacked(&home(workspace).join(package), name));
    fetched.or_else(|| {
        Some(Peer {
            program: process::on_path(name)?,
            libraries: None,
        })
    })
}

/// The program in packages that were unpacked below `root`.
fn unpacked(root: &Path, name: &str) -> Option<Peer> {
    let program = ["usr/sbin", "usr/bin"]
        .iter()
        .map(|directory| root.join(directory).join(name))
        .find(|file| is_executable(file))?;
    let libraries = fs::read_dir(root.join("usr/lib")).into_iter().flatten();
    // Debian keeps libraries in a directory named after the machine, such as x86_64-linux-gnu.
    let libraries = libraries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu"));
    Some(Peer { program, libraries })
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Err names the packages that are not there and could not be fetched.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let is_missing = |programs: &[&str]| {
        programs
            .iter()
            .any(|program| find(workspace, program).is_none())
    };
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(_, programs)| is_missing(programs))
        .collect();
    if missing.is_empty() {
        let names: Vec<&str> = PACKAGES
            .iter()
            .flat_map(|(_, programs)| *programs)
            .copied()
            .collect();
        println!("peers: {} found", names.join(", "));
        return Ok(());
    }
    let home = home(workspace);
    let apt = servers::updated_apt(&home, "peers")?;
    let mut failures = Vec::new();
    for (package, programs) in missing {
        let has_them = |root: &Path| programs.iter().all(|name| unpacked(root, name).is_some());
        match servers::fetch(&apt, package, &home, package, has_them) {
            Ok(packages) => {
                println!("peers: {packages} packages unpacked in target/peers/{package}");
            }
            Err(error) => failures.push(format!("{package}: {error:#}")),
        }
    }
    if !failures.is_empty() {
        bail!("not every peer is there\n  {}", failures.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_program_comes_with_its_libraries() {
        let root = std::env::temp_dir().join(format!("xtask-peers-{}", std::process::id()));
        let (bin, lib) = (root.join("usr/sbin"), root.join("usr/lib/some-linux-gnu"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&lib).unwrap();
        fs::write(bin.join("tcplife"), "").unwrap();
        assert_eq!(unpacked(&root, "tcplife"), None);
        fs::set_permissions(bin.join("tcplife"), fs::Permissions::from_mode(0o755)).unwrap();
        let peer = unpacked(&root, "tcplife").unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(peer.program, bin.join("tcplife"));
        assert_eq!(peer.libraries, Some(lib));
    }
}
