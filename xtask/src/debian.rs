//! `cargo xtask test deb`: the Debian package in a fresh root of this machine's release: installed by
//! dpkg, tried, removed, purged, and nothing left.
//!
//! The root is made of the essential packages and what shows a manual page, fetched by an apt of our
//! own, below target/debian; the machine itself stays as it is. Needs root for chroot(2). It has no
//! systemd, as a container has none: the scripts of the package must do without.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::servers;
use crate::workspace::Workspace;
use crate::{apt, dist, process};

/// Beside what is essential.
const WANTED: [&str; 3] = ["man-db", "bash", "libcap2-bin"];
/// Of every Debian system; who is in it may trace in a part of the trial.
const GROUP: &str = "staff";
/// In the root, where packages are put to be installed.
const PACKAGES: &str = "packages";
/// What dpkg and its triggers write about any package.
const NOTES: [&str; 6] = [
    "var/lib/dpkg",
    "var/log",
    "var/cache",
    "var/lib/systemd",
    "packages",
    "tmp",
];
const RECORDING: &str = "var/lib/tcptrace/flight.rec";
const CONFIGURATION: &str = "etc/default/tcptrace";

/// Commands in the root once the package is installed, and what they must print.
const TRIED: [(&str, &str); 8] = [
    ("tcptrace --version", "tcptrace "),
    ("tcptrace explain rst_sent", "rst_sent"),
    ("man --warnings -P cat tcptrace", "EXIT STATUS"),
    ("man --warnings -P cat tcptrace-watch", "--rate-limit"),
    (
        "bash -c '. /usr/share/bash-completion/completions/tcptrace && complete -p tcptrace'",
        "_tcptrace",
    ),
    (
        "head -1 /usr/share/zsh/vendor-completions/_tcptrace",
        "#compdef tcptrace",
    ),
    (
        "cat /usr/share/fish/vendor_completions.d/tcptrace.fish",
        "complete -c tcptrace",
    ),
    (
        "cat /usr/lib/systemd/system/tcptrace-recorder.service",
        "ExecStart=/usr/bin/tcptrace record",
    ),
];

/// Err says what the package left, or did not do.
pub(crate) fn main(workspace: &Workspace) -> Result<()> {
    if !process::is_root() {
        bail!("a root of its own needs chroot(2): run the same command as root");
    }
    let package = dist::deb(workspace)?;
    let home = workspace.root().join("target/debian");
    let root = fresh_root(&home)?;
    let before = files(&root)?;
    install(&root, &package)?;
    try_out(&root)?;
    give_to_a_group(&root, &package)?;
    remove(&root, &before)?;
    println!("deb: installed, tried, removed and purged; nothing is left");
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}

/// A root directory with the essential packages of this machine's release, configured.
fn fresh_root(home: &Path) -> Result<PathBuf> {
    let root = home.join("root");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    fs::create_dir_all(root.join(PACKAGES))
        .with_context(|| format!("cannot create {}", root.display()))?;
    let apt = servers::updated_apt(home, "deb")?;
    let packages = apt.download_system(&WANTED)?;
    println!("deb: a root of {} packages", packages.len());
    // Of a release whose /bin is a link, before a package makes it a directory.
    for name in ["bin", "sbin", "lib", "lib64"] {
        let target = format!("usr/{name}");
        fs::create_dir_all(root.join(&target))
            .and_then(|()| std::os::unix::fs::symlink(&target, root.join(name)))
            .with_context(|| format!("cannot link {name}"))?;
    }
    let mut names = Vec::new();
    for package in &packages {
        apt::unpack(package, &root)?;
        names.push(put(package, &root)?);
    }
    fs::write(root.join("var/lib/dpkg/status"), "").context("cannot write dpkg's status")?;
    let mut null = Command::new("mknod");
    process::run(
        null.arg("-m666")
            .arg(root.join("dev/null"))
            .args(["c", "1", "3"]),
    )?;
    let mut dpkg = inside(&root, "dpkg");
    dpkg.args(["--install", "--force-depends", "--force-confnew"])
        .args(&names);
    process::output_text(&mut dpkg).context("the fresh root cannot be made")?;
    Ok(root)
}

/// Copies a package into the root; its path there.
fn put(package: &Path, root: &Path) -> Result<PathBuf> {
    let name = package.file_name().context("a package without a name")?;
    let within = Path::new(PACKAGES).join(name);
    fs::copy(package, root.join(&within))
        .with_context(|| format!("cannot copy {}", package.display()))?;
    Ok(Path::new("/").join(within))
}

/// A program of the root.
fn inside(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).arg(program).env_clear().envs([
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("TERM", "dumb"),
    ]);
    command
}

/// What a command of the root's shell prints.
fn said(root: &Path, line: &str) -> Result<String> {
    process::output_text(inside(root, "sh").args(["-c", line]))
}

fn install(root: &Path, package: &Path) -> Result<()> {
    let within = put(package, root)?;
    let text = process::output_text(inside(root, "dpkg").arg("-i").arg(&within))?;
    if !text.contains("not started") {
        bail!("the package does not say that its service is not started:\n{text}");
    }
    let differs = said(root, "dpkg --verify tcptrace")?;
    if !differs.is_empty() {
        bail!("dpkg --verify finds\n{differs}");
    }
    let wants = "etc/systemd/system/multi-user.target.wants";
    if root.join(wants).join("tcptrace-recorder.service").exists() {
        bail!("the service is enabled by installing it");
    }
    Ok(())
}

fn try_out(root: &Path) -> Result<()> {
    for (line, expected) in TRIED {
        let text = said(root, line)?;
        if !text.contains(expected) {
            bail!("`{line}` does not print {expected:?} but\n{text}");
        }
        println!("deb: `{line}` ... ok");
    }
    Ok(())
}

/// The documented way to let a group trace: capabilities only after that was asked for, kept over an upgrade,
/// and only while others may not start the program.
fn give_to_a_group(root: &Path, package: &Path) -> Result<()> {
    const PROGRAM: &str = "/usr/bin/tcptrace";
    let capabilities = || said(root, &format!("getcap {PROGRAM}"));
    let none = capabilities()?;
    if !none.is_empty() {
        bail!("installing it gives capabilities: {none}");
    }
    let again = format!("dpkg -i {}", put(package, root)?.display());
    let over = |mode: &str| {
        let add =
            format!("dpkg-statoverride --force-all --update --add root {GROUP} {mode} {PROGRAM}");
        said(root, &add)?;
        said(root, &again)
    };
    over("0755")?;
    let none = capabilities()?;
    if !none.is_empty() {
        bail!("everybody may start it, and it has capabilities: {none}");
    }
    over("0750")?;
    let given = capabilities()?;
    if !given.contains("cap_bpf") || !given.contains("=ep") {
        bail!("the group may not trace: {given:?}");
    }
    // setpriv itself keeps its capabilities until it executes something.
    let as_nobody = |group: &str| {
        let line = format!(
            "setpriv --reuid=nobody --regid={group} --clear-groups sh -c '{PROGRAM} --version' \
             >/dev/null 2>&1 && echo starts || echo refused"
        );
        said(root, &line)
    };
    let (member, stranger) = (as_nobody(GROUP)?, as_nobody("nogroup")?);
    if (member.trim(), stranger.trim()) != ("starts", "refused") {
        bail!("of the group: {member}; not of it: {stranger}");
    }
    said(root, &format!("dpkg-statoverride --remove {PROGRAM}"))?;
    println!("deb: a group may trace once that was asked for ... ok");
    Ok(())
}

/// Removed, the package leaves its configuration and what was recorded; purged, nothing.
fn remove(root: &Path, before: &BTreeSet<PathBuf>) -> Result<()> {
    let recording = root.join(RECORDING);
    let directory = recording.parent().context("a file without a directory")?;
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&recording, b"recorded"))
        .context("cannot write a recording")?;
    said(root, "dpkg -r tcptrace")?;
    let expected = [CONFIGURATION, "var/lib/tcptrace", RECORDING].map(PathBuf::from);
    is_left(&left(root, before)?, &expected, "dpkg -r")?;
    said(root, "dpkg -P tcptrace")?;
    is_left(&left(root, before)?, &[], "dpkg -P")?;
    let known = said(root, "dpkg-query -W tcptrace 2>/dev/null || echo unknown")?;
    if known.trim() != "unknown" {
        bail!("dpkg still knows the package: {known}");
    }
    Ok(())
}

fn left(root: &Path, before: &BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>> {
    Ok(files(root)?.difference(before).cloned().collect())
}

fn is_left(left: &BTreeSet<PathBuf>, expected: &[PathBuf], after: &str) -> Result<()> {
    if !left.iter().eq(expected) {
        bail!("{after} leaves {left:?}, and not {expected:?}");
    }
    Ok(())
}

/// Every file and directory of the root, by its path there, but for what dpkg writes of any package.
fn files(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let context = || format!("cannot read {}", directory.display());
        for entry in fs::read_dir(&directory).with_context(context)? {
            let entry = entry.with_context(context)?;
            let path = entry.path();
            let within = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            if NOTES.iter().any(|notes| within.starts_with(notes)) {
                continue;
            }
            if entry.file_type().with_context(context)?.is_dir() {
                pending.push(path);
            }
            found.insert(within);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_gives_the_capabilities_that_are_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let of = |text: &str| {
            let words: Vec<String> = text
                .lines()
                .filter_map(|line| line.split_once("setcap ")?.1.split(' ').next())
                .filter(|word| word.starts_with("cap_"))
                .map(str::to_owned)
                .collect();
            words
        };
        let documented = of(&read("../docs/privileges.md"));
        assert_eq!(documented.len(), 1);
        assert_eq!(of(&read("packaging/debian/postinst")), documented);
    }

    #[test]
    fn what_is_left_is_named() {
        let left = BTreeSet::from([PathBuf::from("usr/bin/tcptrace")]);
        let error = is_left(&left, &[], "dpkg -P").unwrap_err().to_string();
        assert!(error.contains("usr/bin/tcptrace"), "{error}");
        assert!(is_left(&BTreeSet::new(), &[], "dpkg -P").is_ok());
    }

    #[test]
    fn notes_of_dpkg_are_not_looked_at() {
        let root = std::env::temp_dir().join(format!("xtask-debian-{}", std::process::id()));
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/tcptrace"), b"").unwrap();
        let found = files(&root);
        fs::remove_dir_all(&root).unwrap();
        let expected = ["usr", "usr/bin", "usr/bin/tcptrace", "var", "var/lib"].map(PathBuf::from);
        assert_eq!(found.unwrap(), BTreeSet::from(expected));
    }
}
