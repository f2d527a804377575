//! From the mirror that apt is configured with to `target/kernels/SERIES`.
//!
//! A suite that cannot be had is said and left out. A kernel's directory appears complete or not at
//! all. Must not install anything.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::choose::{self, Candidate, Wanted};
use super::{BTF, IMAGE, MODULES, NEWEST, PACKAGE, image};
use crate::apt::sources::{self, DEBIAN, Distribution};
use crate::apt::{PrivateApt, unpack};

/// Where a kernel's parts are when its main package only depends on them.
const PARTS: [&str; 2] = ["linux-binary-", "linux-modules-"];

/// Fetches the newest package of each.
pub(super) fn fetch(home: &Path, wanted: &[Wanted]) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the kernels of the matrix are for x86-64, and this machine is not");
    }
    let apt = PrivateApt::create(home.join("apt"))?;
    let (candidates, answers) = index(&apt)?;
    for one in wanted {
        let Some(candidate) = choose::newest(&candidates, *one) else {
            bail!("no suite has a kernel {one}:{answers}");
        };
        println!(
            "kernels: {one} is {} {}, downloading",
            candidate.name, candidate.version
        );
        install(&apt, home, candidate)
            .with_context(|| format!("{} {}", candidate.name, candidate.version))?;
        if *one == Wanted::Newest {
            let file = home.join(NEWEST);
            fs::write(&file, format!("{}\n", candidate.series))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

/// Every kernel that a suite of the configured mirrors has, and what each suite answered.
fn index(apt: &PrivateApt) -> Result<(Vec<Candidate>, String)> {
    let distribution = Distribution::of_this_machine()?;
    if distribution.id != "debian" {
        bail!(
            "the kernels of the matrix are Debian's and apt is configured for {}: run on Debian, or \
             copy target/kernels from a machine that has them",
            distribution.id
        );
    }
    let etc_apt = Path::new("/etc/apt");
    let main = sources::configured(etc_apt, &distribution)?;
    let security = sources::configured_security(etc_apt, &distribution)?;
    let pockets = [(&main, ""), (&security, "-security"), (&main, "-backports")];
    let (mut known, mut answers) = (Vec::new(), String::new());
    for release in DEBIAN {
        for (mirrors, pocket) in pockets {
            let suite = format!("{release}{pocket}");
            let entries: Vec<String> = mirrors.iter().map(|mirror| mirror.entry(&suite)).collect();
            if entries.is_empty() {
                answers.push_str(&format!("\n    {suite}: no such source under /etc/apt"));
                continue;
            }
            match apt.update(&entries) {
                Ok(()) => {
                    answers.push_str(&format!("\n    {suite}: searched"));
                    known.extend(entries);
                }
                Err(error) => answers.push_str(&format!("\n    {suite}: left out, {error:#}")),
            }
        }
    }
    apt.know(&known)?;
    let names: Vec<String> = apt
        .names(choose::prefix())?
        .into_iter()
        .filter(|name| choose::kernel_name(name).is_some())
        .collect();
    Ok((choose::candidates(&apt.versions(&names)?), answers))
}

fn install(apt: &PrivateApt, home: &Path, candidate: &Candidate) -> Result<()> {
    let unpacked = home.join("unpacking");
    remove(&unpacked)?;
    fs::create_dir_all(&unpacked)
        .with_context(|| format!("cannot create {}", unpacked.display()))?;
    unpack(
        &apt.download(&candidate.name, &candidate.version)?,
        &unpacked,
    )?;
    if find_image(&unpacked, &candidate.release).is_none() {
        for part in PARTS {
            let name = format!("{part}{}", candidate.release);
            unpack(&apt.download(&name, &candidate.version)?, &unpacked)?;
        }
    }
    let image = find_image(&unpacked, &candidate.release)
        .context("the package has no vmlinuz for its release")?;
    let modules = find_modules(&unpacked, &candidate.release)
        .context("the package has no modules for its release")?;
    let complete = home.join("complete");
    remove(&complete)?;
    fs::create_dir_all(&complete)
        .with_context(|| format!("cannot create {}", complete.display()))?;
    rename(&image, &complete.join(IMAGE))?;
    rename(&modules, &complete.join(MODULES))?;
    let btf = image::btf(&complete.join(IMAGE)).context("no BTF in vmlinuz")?;
    write(&complete.join(BTF), &btf)?;
    let package = format!("{} {}\n", candidate.name, candidate.version);
    write(&complete.join(PACKAGE), package.as_bytes())?;
    let directory = home.join(candidate.series.to_string());
    remove(&directory)?;
    rename(&complete, &directory)?;
    remove(&unpacked)
}

/// Packages have the image in /boot, or beside the modules and copy it there when installed.
fn find_image(root: &Path, release: &str) -> Option<PathBuf> {
    let places = [
        format!("boot/vmlinuz-{release}"),
        format!("usr/lib/modules/{release}/vmlinuz"),
        format!("lib/modules/{release}/vmlinuz"),
    ];
    places
        .iter()
        .map(|place| root.join(place))
        .find(|file| file.is_file())
}

fn find_modules(root: &Path, release: &str) -> Option<PathBuf> {
    ["usr/lib/modules", "lib/modules"]
        .iter()
        .map(|place| root.join(place).join(release).join("kernel"))
        .find(|directory| directory.is_dir())
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
