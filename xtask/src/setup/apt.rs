//! The distribution's `rust-src` package of one exact release, through a private apt.
//!
//! Private means: own sources, own package lists, own cache, under `target/tools/apt`, removed at
//! the end. Mirror, keys, proxy and credentials are the ones apt is configured with. apt itself
//! checks the signature of the index and the hash of the package; nothing here may weaken that.
//! Fails with what each suite answered.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt_sources::{self, Distribution, Mirror};
use super::core_sources;
use crate::process;

/// Fetches and unpacks; returns the package's name and version.
pub(super) fn fetch_rust_src(tools: &Path, release: &str) -> Result<String> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if process::on_path(program).is_none() {
            bail!("`{program}` not found: this is not Debian or Ubuntu");
        }
    }
    let os_release =
        fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let distribution = Distribution::parse(&os_release)
        .context("/etc/os-release names no distribution with a VERSION_CODENAME")?;
    let mirrors = apt_sources::configured(Path::new("/etc/apt"), &distribution)?;
    if mirrors.is_empty() {
        bail!(
            "no source under /etc/apt serves {} {}",
            distribution.id,
            distribution.codename
        );
    }
    let apt = PrivateApt::create(tools.join("apt"))?;
    let fetched = search(&apt, &distribution, &mirrors, release)
        .and_then(|(package, version)| apt.download(&package, &version))
        .and_then(|package| {
            unpack(&package.file, tools, release, &package.version).map(|()| package)
        });
    fs::remove_dir_all(&apt.directory)
        .with_context(|| format!("cannot remove {}", apt.directory.display()))?;
    let package = fetched?;
    Ok(format!("{} {}", package.name, package.version))
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
        let answer = match apt.versions(mirrors, &suite, &names) {
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

struct Package {
    name: String,
    version: String,
    file: PathBuf,
}

/// An apt that writes nowhere but into its directory.
struct PrivateApt {
    directory: PathBuf,
}

impl PrivateApt {
    fn create(directory: PathBuf) -> Result<Self> {
        let apt = Self { directory };
        if apt.directory.exists() {
            // Left by a setup that was interrupted.
            fs::remove_dir_all(&apt.directory)
                .with_context(|| format!("cannot remove {}", apt.directory.display()))?;
        }
        for part in [
            "lists/partial",
            "cache/archives/partial",
            "sources.d",
            "package",
        ] {
            let part = apt.directory.join(part);
            fs::create_dir_all(&part)
                .with_context(|| format!("cannot create {}", part.display()))?;
        }
        apt.write("apt.conf", &apt.configuration(process::is_root()))?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn configuration(&self, is_root: bool) -> String {
        let directory = self.directory.display();
        let mut text = format!(
            r#"Dir::Etc::sourcelist "{directory}/rust-src.sources";
Dir::Etc::sourceparts "{directory}/sources.d";
Dir::State::lists "{directory}/lists";
Dir::Cache "{directory}/cache";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
// Hooks of the system, such as refreshing a software centre, are not for these lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
        );
        if is_root {
            // apt's own user cannot reach directories of a home that only root may enter.
            text.push_str("APT::Sandbox::User \"root\";\n");
        }
        text
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--config-file")
            .arg(self.directory.join("apt.conf"))
            .env("LC_ALL", "C");
        command.current_dir(self.directory.join("package"));
        command
    }

    /// The versions of `names` that one suite of the mirrors has.
    fn versions(
        &self,
        mirrors: &[Mirror],
        suite: &str,
        names: &[String],
    ) -> Result<Vec<(String, String)>> {
        let entries: Vec<String> = mirrors.iter().map(|mirror| mirror.entry(suite)).collect();
        self.write("rust-src.sources", &entries.join("\n"))?;
        let update = process::output_text(self.command("apt-get").args(["-qq", "update"]));
        update.map_err(|error| anyhow::anyhow!("{}", first_complaint(&format!("{error:#}"))))?;
        let table = process::output_text(self.command("apt-cache").arg("madison").args(names))?;
        Ok(parse_madison(&table))
    }

    /// apt checks the file against the signed index.
    fn download(&self, name: &str, version: &str) -> Result<Package> {
        println!("core sources: downloading {name} {version} (about 45 MB)");
        let wanted = format!("{name}={version}");
        process::output_text(self.command("apt-get").args(["-qq", "download", &wanted]))?;
        let directory = self.directory.join("package");
        let file = fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get download {wanted} left no package"))?;
        Ok(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            file,
        })
    }
}

/// Rows of `name | version | source`.
fn parse_madison(table: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim);
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    };
    table.lines().filter_map(row).collect()
}

/// apt's first error line; it writes several for one cause.
fn first_complaint(text: &str) -> &str {
    text.split_once("E: ")
        .map_or(text, |(_, rest)| rest)
        .lines()
        .next()
        .unwrap_or(text)
        .trim()
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
    process::run(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(package)
            .arg(&unpacked),
    )?;
    let sources = unpacked.join("usr/src");
    let library = fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .filter_map(|entry| Some(entry.ok()?.path().join("library")))
        .find(|library| core_sources::is_library(library))
        .with_context(|| format!("the package {version} has no usr/src/*/library"))?;
    fs::rename(&library, home.join("library"))
        .with_context(|| format!("cannot move {}", library.display()))?;
    fs::write(home.join("package"), format!("{version}\n"))
        .with_context(|| format!("cannot write {}", home.join("package").display()))?;
    fs::remove_dir_all(&unpacked).with_context(|| format!("cannot remove {}", unpacked.display()))
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
        let found = parse_madison(
            " rust-src | 1.63.0+dfsg1-2 | http://a bookworm/main amd64 Packages\n \
             rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://a trixie-backports/main amd64 Packages\n",
        );
        assert_eq!(pick(&found, "1.95.0").unwrap().1, "1.95.0+dfsg1-2~bpo13+1");
        assert_eq!(pick(&found, "1.95.1"), None);
        assert_eq!(pick(&found, "1.6"), None);
    }

    #[test]
    fn the_private_apt_never_accepts_what_is_not_signed() {
        let apt = PrivateApt {
            directory: "/x".into(),
        };
        for is_root in [true, false] {
            let text = apt.configuration(is_root);
            assert!(text.contains("APT::Get::AllowUnauthenticated \"false\""));
            assert!(text.contains("Acquire::AllowInsecureRepositories \"false\""));
            assert_eq!(text.contains("APT::Sandbox::User"), is_root);
        }
    }

    #[test]
    fn one_complaint_of_apt_is_enough() {
        let text = "`apt-get` failed: W: x\nE: The repository has no Release file.\nN: more\n";
        assert_eq!(first_complaint(text), "The repository has no Release file.");
    }
}
