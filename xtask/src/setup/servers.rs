//! The real servers of the incident stories: those of this machine, and of those it lacks the
//! distribution's packages, unpacked to `target/servers`.
//!
//! Nothing is installed: the scripts of these packages would start daemons. apt fetches what a
//! server needs and the machine lacks, libraries included. Fails with each server that cannot be
//! had; the others are there anyway.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::apt::sources::{self, Distribution};
use crate::apt::{self, PrivateApt};
use crate::process;
use crate::workspace::Workspace;

/// Program and the package that has it.
const SERVERS: [(&str, &str); 4] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("redis-server", "redis-server"),
    ("postgres", "postgresql"),
];

/// Where Debian keeps the programs of PostgreSQL, which has one directory a version.
const POSTGRES: &str = "usr/lib/postgresql";

/// Below it each server that was fetched has a directory of its name, where its packages are
/// unpacked as they would be below `/`.
pub(crate) fn home(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/servers")
}

/// Err names the servers that are not there and could not be fetched.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let home = home(workspace);
    let is_missing = |program: &str| !is_installed(program) && !home.join(program).is_dir();
    let missing: Vec<_> = SERVERS
        .iter()
        .filter(|(program, _)| is_missing(program))
        .collect();
    if missing.is_empty() {
        let names: Vec<&str> = SERVERS.iter().map(|(program, _)| *program).collect();
        println!("servers: {} found", names.join(", "));
        return Ok(());
    }
    let apt = updated_apt(&home, "servers")?;
    let mut failures = Vec::new();
    for (program, package) in missing {
        let has_it = |root: &Path| has_program(root, program);
        match fetch(&apt, package, &home, program, has_it) {
            Ok(packages) => {
                println!("servers: {packages} packages unpacked in target/servers/{program}");
            }
            Err(error) => failures.push(format!("{program}: {error:#}")),
        }
    }
    if !failures.is_empty() {
        bail!("not every server is there\n  {}", failures.join("\n  "));
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    process::on_path(program).is_some() || has_program(Path::new("/"), program)
}

/// Whether packages unpacked (or installed) below `root` brought the program.
fn has_program(root: &Path, program: &str) -> bool {
    if program == "postgres" {
        let versions = fs::read_dir(root.join(POSTGRES)).into_iter().flatten();
        return versions
            .filter_map(Result::ok)
            .any(|version| version.path().join("bin/postgres").is_file());
    }
    ["usr/sbin", "usr/bin"]
        .iter()
        .any(|directory| root.join(directory).join(program).is_file())
}

/// An apt of our own, in a directory of `home`, that knows the sources of this machine's release.
/// `what` it is for is said.
pub(crate) fn updated_apt(home: &Path, what: &str) -> Result<PrivateApt> {
    let distribution = Distribution::of_this_machine()?;
    let etc_apt = Path::new("/etc/apt");
    let mut mirrors = sources::configured(etc_apt, &distribution)?;
    mirrors.extend(sources::configured_security(etc_apt, &distribution)?);
    let mut entries: Vec<String> = mirrors.iter().map(sources::Mirror::own_entry).collect();
    // A source can serve both.
    entries.dedup();
    if entries.is_empty() {
        bail!(
            "no source under /etc/apt serves {} {}",
            distribution.id,
            distribution.codename
        );
    }
    println!("{what}: asking the sources under /etc/apt");
    let apt = PrivateApt::create(home.join("apt"))?;
    apt.update(&entries)?;
    Ok(apt)
}

/// How many packages it took. The directory `name` of `home` appears complete or not at all, and
/// only with what was wanted in it.
pub(super) fn fetch(
    apt: &PrivateApt,
    package: &str,
    home: &Path,
    name: &str,
    has_it: impl Fn(&Path) -> bool,
) -> Result<usize> {
    let files = apt.download_with_dependencies(package)?;
    let unpacking = home.join("unpacking");
    if unpacking.exists() {
        fs::remove_dir_all(&unpacking)
            .with_context(|| format!("cannot remove {}", unpacking.display()))?;
    }
    fs::create_dir_all(&unpacking)
        .with_context(|| format!("cannot create {}", unpacking.display()))?;
    for file in &files {
        apt::unpack(file, &unpacking)?;
    }
    if !has_it(&unpacking) {
        bail!("the package {package} has no such program");
    }
    fs::rename(&unpacking, home.join(name))
        .with_context(|| format!("cannot move {}", unpacking.display()))?;
    Ok(files.len())
}
