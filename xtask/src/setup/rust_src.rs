//! The distribution's `rust-src` package of one exact release, through a [`PrivateApt`] under
//! `target/tools/apt`. Fails with what each suite answered.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::apt::sources::{self, Distribution, Mirror};
use crate::apt::{self, PrivateApt};

/// Fetches and unpacks; returns the package's name and version.
pub(super) fn fetch(tools: &Path, release: &str) -> Result<String> {
    let distribution = Distribution::of_this_machine()?;
    let mirrors = sources::configured(Path::new("/etc/apt"), &distribution)?;
    if mirrors.is_empty() {
        bail!(
            "no source under /etc/apt serves {} {}",
            distribution.id,
            distribution.codename
        );
    }
    let apt = PrivateApt::create(tools.join("apt"))?;
    let (package, version) = search(&apt, &distribution, &mirrors, release)?;
    println!("core sources: downloading {package} {version} (about 45 MB)");
    let file = apt.download(&package, &version)?;
    unpack(&file, tools, release, &version)?;
    Ok(format!("{package} {version}"))
}

/// Package and version, from the first suite that has the release.
fn search(
    apt: &PrivateApt,
    distribution: &Distribution,
    mirrors: &[Mirror],
    release: &str,
) -> Result<(String, String)> {
    let names = package_names(release);
    let mut answers = String::new();
    for suite in distribution.suites(mirrors) {
        let entries: Vec<String> = mirrors.iter().map(|mirror| mirror.entry(&suite)).collect();
        let found = apt.update(&entries).and_then(|()| apt.versions(&names));
        let answer = match found {
            Ok(found) => {
                if let Some(hit) = pick(&found, release) {
                    println!("core sources: {suite} has {} {}", hit.0, hit.1);
                    return Ok(hit);
                }
                let has: Vec<String> = found
                    .iter()
                    .map(|(name, version)| format!("{name} {version}"))
                    .collect();
                if has.is_empty() {
                    "no rust-src".to_owned()
                } else {
                    has.join(", ")
                }
            }
            Err(error) => format!("skipped, {error:#}"),
        };
        println!("core sources: {suite}: {answer}");
        // Writing to a String cannot fail.
        let _infallible = write!(answers, "\n    {suite}: {answer}");
    }
    bail!("no suite has rust-src {release}:{answers}")
}

/// Ubuntu also has one package per release series, such as `rust-1.95-src`.
fn package_names(release: &str) -> [String; 2] {
    let series: Vec<&str> = release.split('.').take(2).collect();
    [
        "rust-src".to_owned(),
        format!("rust-{}-src", series.join(".")),
    ]
}

/// The package whose upstream version is the release.
fn pick(found: &[(String, String)], release: &str) -> Option<(String, String)> {
    found
        .iter()
        .find(|(_, version)| upstream(version) == release)
        .cloned()
}

/// `1.95.0` of `1:1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    let version = version
        .split_once(':')
        .map_or(version, |(_epoch, rest)| rest);
    let version = version
        .rsplit_once('-')
        .map_or(version, |(upstream, _revision)| upstream);
    // Repackaged sources bear a mark: +dfsg1, ~ds.
    version.split(['+', '~']).next().unwrap_or(version)
}

/// Keeps the directory `library` of the package as `rust-src/<release>/library`.
fn unpack(package: &Path, tools: &Path, release: &str, version: &str) -> Result<()> {
    let unpacked = tools.join("rust-src/unpacking");
    let home = tools.join("rust-src").join(release);
    for directory in [&unpacked, &home] {
        if directory.exists() {
            fs::remove_dir_all(directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
    }
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    apt::unpack(package, &unpacked)?;
    let sources = unpacked.join("usr/src");
    let library = fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .filter_map(|entry| Some(entry.ok()?.path().join("library")))
        .find(|library| is_library(library))
        .with_context(|| format!("the package {version} has no usr/src/*/library"))?;
    fs::rename(&library, home.join("library"))
        .with_context(|| format!("cannot move {}", library.display()))?;
    fs::write(home.join("package"), format!("{version}\n"))
        .with_context(|| format!("cannot write {}", home.join("package").display()))?;
    fs::remove_dir_all(&unpacked).with_context(|| format!("cannot remove {}", unpacked.display()))
}

/// Whether `core` can be built from this directory.
pub(super) fn is_library(directory: &Path) -> bool {
    ["Cargo.toml", "Cargo.lock", "core/Cargo.toml"]
        .iter()
        .all(|file| directory.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_version_is_without_epoch_repack_mark_and_revision() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("1:1.95.0-1ubuntu1"), "1.95.0");
        assert_eq!(upstream("1.95.0~beta.3-1"), "1.95.0");
    }

    #[test]
    fn only_the_exact_release_is_picked() {
        let found = ["1.63.0+dfsg1-2", "1.95.0+dfsg1-2~bpo13+1"]
            .map(|version| ("rust-src".to_owned(), version.to_owned()));
        assert_eq!(pick(&found, "1.95.0").unwrap().1, "1.95.0+dfsg1-2~bpo13+1");
        assert_eq!(pick(&found, "1.95.1"), None);
        assert_eq!(pick(&found, "1.6"), None);
    }
}
