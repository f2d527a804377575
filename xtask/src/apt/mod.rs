//! An apt of our own: own sources, own package lists, own cache, in one directory that goes when
//! the value goes.
//!
//! Mirror, keys, proxy and credentials are the ones apt is configured with ([`sources`]). apt itself
//! checks the signature of the index and the hash of the package; nothing here may weaken that. Must
//! not change what the system's apt knows. Fails with apt's own first complaint.

pub(crate) mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// An apt that writes nowhere but into its directory.
pub(crate) struct PrivateApt {
    directory: PathBuf,
}

impl PrivateApt {
    /// Removes the directory and creates it.
    pub(crate) fn create(directory: PathBuf) -> Result<Self> {
        if directory.exists() {
            // Left by a run that was interrupted.
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        let apt = Self { directory };
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
        let text = configuration(&apt.directory, process::is_root());
        apt.write("apt.conf", &text)?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
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

    /// Fetches the indexes of these sources (deb822 stanzas) and knows them from now on; indexes
    /// fetched before stay on disk, see [`Self::know`].
    pub(crate) fn update(&self, entries: &[String]) -> Result<()> {
        self.know(entries)?;
        let update = process::output_text(self.command("apt-get").args(["-qq", "update"]));
        update.map_err(|error| anyhow::anyhow!("{}", first_complaint(&format!("{error:#}"))))?;
        Ok(())
    }

    /// Looks in these sources, whose indexes were fetched before, and in no others.
    pub(crate) fn know(&self, entries: &[String]) -> Result<()> {
        self.write("private.sources", &entries.join("\n"))
    }

    /// The names of all packages that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = process::output_text(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Name and version of each package among `names` that the sources have.
    pub(crate) fn versions(&self, names: &[String]) -> Result<Vec<(String, String)>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let table = process::output_text(self.command("apt-cache").arg("madison").args(names))?;
        Ok(parse_madison(&table))
    }

    /// The package's file, which goes with this apt. apt checks it against the signed index.
    pub(crate) fn download(&self, name: &str, version: &str) -> Result<PathBuf> {
        let wanted = format!("{name}={version}");
        process::output_text(self.command("apt-get").args(["-qq", "download", &wanted]))?;
        let directory = self.directory.join("package");
        let begin = format!("{name}_");
        fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                let file = path.file_name().and_then(|file| file.to_str());
                file.is_some_and(|file| file.starts_with(&begin) && file.ends_with(".deb"))
            })
            .with_context(|| format!("apt-get download {wanted} left no package"))
    }

    /// The files of a package and of all that it needs and this machine lacks; they go with this
    /// apt. Nothing is installed.
    pub(crate) fn download_with_dependencies(&self, name: &str) -> Result<Vec<PathBuf>> {
        self.fetch(&[], &[name])
    }

    /// The files of all packages of a fresh system, with these; they go with this apt.
    pub(crate) fn download_system(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        // Nothing is installed there yet.
        self.write("status", "")?;
        let status = format!("Dir::State::status={}/status", self.directory.display());
        let essential = ["?essential"];
        self.fetch(&["-o", &status], &[&essential, names].concat())
    }

    fn fetch(&self, options: &[&str], names: &[&str]) -> Result<Vec<PathBuf>> {
        // What an earlier call left there is not of these packages.
        process::output_text(self.command("apt-get").arg("clean"))?;
        let mut install = self.command("apt-get");
        install.args(["-qq", "-y", "--download-only", "--no-install-recommends"]);
        // The lock is of the system's packages, which stay as they are.
        install.args(["-o", "Debug::NoLocking=1"]);
        install.args(options).arg("install").args(names);
        process::output_text(&mut install)
            .map_err(|error| anyhow::anyhow!("{}", first_complaint(&format!("{error:#}"))))?;
        let archives = self.directory.join("cache/archives");
        let entries = fs::read_dir(&archives)
            .with_context(|| format!("cannot read {}", archives.display()))?;
        Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect())
    }
}

/// Unpacks a package's files into a directory; its scripts are not run.
pub(crate) fn unpack(package: &Path, into: &Path) -> Result<()> {
    let mut extract = Command::new("dpkg-deb");
    process::run(extract.arg("--extract").arg(package).arg(into))
}

impl Drop for PrivateApt {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn configuration(directory: &Path, is_root: bool) -> String {
    let directory = directory.display();
    let mut text = format!(
        r#"Dir::Etc::sourcelist "{directory}/private.sources";
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
// Suites are fetched one after the other and read together.
APT::Get::List-Cleanup "false";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_apt_never_accepts_what_is_not_signed() {
        for is_root in [true, false] {
            let text = configuration(Path::new("/x"), is_root);
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

    #[test]
    fn madison_rows_give_name_and_version() {
        let table = " rust-src | 1.63.0+dfsg1-2 | http://a bookworm/main amd64 Packages\n \
                     rust-src | 1.95.0-1 | http://a sid/main amd64 Packages\n";
        let row = |version: &str| ("rust-src".to_owned(), version.to_owned());
        assert_eq!(
            parse_madison(table),
            [row("1.63.0+dfsg1-2"), row("1.95.0-1")]
        );
    }
}
