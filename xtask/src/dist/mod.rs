//! `cargo xtask dist`: what people install, in target/dist: for each machine an archive and a Debian
//! package with one static program, its manual, completions, the service and the licences of all
//! that is in it; a list of components; checksums.
//!
//! The same commit gives the same bytes: no time but that of the commit, no path of this machine, no
//! owner but root. `--check` builds twice and compares. Nothing is signed, and nothing published.

mod archive;
mod build;
mod deb;
mod parts;
mod sbom;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::setup;
use crate::workspace::Workspace;

pub(crate) use deb::file_name as deb_name;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For these targets; the first must run here, since it prints the manual. Others than the
    /// default need their standard library (rustup target add) and, but for musl, a linker
    #[arg(long, value_name = "TRIPLE", default_value = build::DEFAULT_TARGET)]
    target: Vec<String>,
    /// Build everything a second time from nothing, and fail when a byte differs
    #[arg(long)]
    check: bool,
    /// Compile without optimisation, which saves minutes; only with `--check`, since nobody installs the result
    #[arg(long, requires = "check")]
    quick: bool,
}

/// What every part is made for.
struct Release {
    version: String,
    /// Seconds since 1970 of the last commit, or `SOURCE_DATE_EPOCH`.
    epoch: u64,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    let home = directory(workspace);
    let (out, effort) = if args.quick {
        (home.join("quick"), build::Effort::Quick)
    } else {
        (home, build::Effort::Release)
    };
    let sums = make(workspace, &args.target, effort, &out, &out.join("build"))?;
    if args.check {
        let again = out.join("again");
        let work = out.join("build-again");
        let second = make(workspace, &args.target, effort, &again, &work)?;
        if sums != second {
            bail!("two builds of one commit differ:\n{sums}\n{second}");
        }
        println!("dist: built twice, the same bytes");
        let not_needed = if args.quick {
            vec![out]
        } else {
            vec![again, work]
        };
        for directory in not_needed {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
    }
    Ok(())
}

/// Where everything is put.
pub(crate) fn directory(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/dist")
}

/// The Debian package for this machine, built now.
pub(crate) fn deb(workspace: &Workspace) -> Result<PathBuf> {
    let out = directory(workspace);
    let targets = [build::DEFAULT_TARGET.to_owned()];
    let work = out.join("build");
    make(workspace, &targets, build::Effort::Release, &out, &work)?;
    let release = Release::of(workspace)?;
    Ok(out.join(deb_name(&release.version, build::DEFAULT_TARGET)?))
}

/// Makes all parts in `out`, compiled below `work`; the checksums.
fn make(
    workspace: &Workspace,
    targets: &[String],
    effort: build::Effort,
    out: &Path,
    work: &Path,
) -> Result<String> {
    setup::ensure(workspace)?;
    let release = Release::of(workspace)?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut made = Vec::new();
    let mut texts = None;
    for target in targets {
        println!("dist: {target}");
        let binary = build::binary(workspace, target, effort, work, release.epoch)?;
        let texts = match &texts {
            Some(texts) => texts,
            None => texts.insert(parts::Texts::printed_by(&binary, work)?),
        };
        let listed = sbom::of(workspace, target, &release)?;
        let program =
            fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?;
        println!("dist: the program has {}", megabytes(program.len()));
        let parts = parts::Parts {
            workspace: workspace.root(),
            program,
            texts,
            listed: &listed,
        };
        let name = format!("tcptrace-{}-{}", release.version, build::machine(target)?);
        let archive = archive::packed(&parts.archive(&name)?, release.epoch)?;
        made.push(written(out, &format!("{name}.tar.gz"), &archive)?);
        let package = deb::package(&parts, target, &release)?;
        made.push(written(
            out,
            &deb_name(&release.version, target)?,
            &package,
        )?);
        let components = format!("{name}.cdx.json");
        made.push(written(out, &components, listed.components.as_bytes())?);
    }
    let mut sha256sum = Command::new("sha256sum");
    let sums = process::output_text(sha256sum.current_dir(out).args(&made))?;
    written(out, "SHA256SUMS", sums.as_bytes())?;
    print!("{sums}");
    Ok(sums)
}

/// Writes a part and says so; its name.
fn written(out: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let file = out.join(name);
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    println!("dist: {} ({})", file.display(), megabytes(bytes.len()));
    Ok(name.to_owned())
}

fn megabytes(bytes: usize) -> String {
    let hundredths = (bytes + 5_000) / 10_000;
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

impl Release {
    fn of(workspace: &Workspace) -> Result<Self> {
        let metadata = workspace.metadata(false)?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let version = packages
            .into_iter()
            .find(|package| package["name"] == "tcptrace")
            .and_then(|package| package["version"].as_str())
            .context("cargo metadata names no version of tcptrace")?
            .to_owned();
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => text
                .parse()
                .with_context(|| format!("SOURCE_DATE_EPOCH={text} is no number of seconds"))?,
            Err(_) => commit_time(workspace.root())?,
        };
        Ok(Self { version, epoch })
    }

    /// As `date` of coreutils writes it, in UTC.
    fn date(&self, format: &str) -> Result<String> {
        let mut date = Command::new("date");
        date.env("LC_ALL", "C");
        let moment = format!("--date=@{}", self.epoch);
        let text = process::output_text(date.args(["-u", &moment, format]))?;
        Ok(text.trim().to_owned())
    }
}

fn commit_time(root: &Path) -> Result<u64> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root);
    let text = process::output_text(git.args(["log", "-1", "--format=%ct"]))
        .context("the time of the last commit is not known; set SOURCE_DATE_EPOCH")?;
    let time = text.trim().parse();
    time.with_context(|| format!("git names {:?} as the time of a commit", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_hundredths_of_a_megabyte() {
        assert_eq!(megabytes(4_124_999), "4.12 MB");
        assert_eq!(megabytes(4_125_000), "4.13 MB");
        assert_eq!(megabytes(9_000), "0.01 MB");
    }

    #[test]
    fn dates_are_those_of_the_epoch_in_utc() {
        let release = Release {
            version: "1.2.3".to_owned(),
            epoch: 86_399,
        };
        let text = release.date("+%Y-%m-%d %H:%M:%S").unwrap();
        assert_eq!(text, "1970-01-01 23:59:59");
    }
}
