//! `cargo xtask test incidents`: the stories of `docs/incidents` with real servers, each asserting
//! what tcptrace must report about it.
//!
//! One after the other and through sudo when not root, against the release binary. A story that lacks
//! its server is skipped, and the last line says so: it is not proven then. Fails when a story does,
//! when one hangs, and when a filter leaves none.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::setup::servers;
use crate::workspace::Workspace;
use crate::{build, run, setup};

/// Seconds for one story; the slowest takes eight.
const LIMIT: &str = "120";
/// Seconds for its cleaning up, when it was ended for being over its limit.
const CLEANUP: &str = "10";
/// What a story ends with when something it needs is missing.
const SKIPPED: i32 = 77;
/// What `timeout` ends with.
const TIMED_OUT: i32 = 124;

/// How a story ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Skipped,
    Failed(String),
}

pub(crate) fn main(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let stories = stories(&workspace.root().join("docs/incidents"), filters)?;
    if let Err(error) = setup::ensure_servers(workspace) {
        println!("{error:#}\nstories that need it are skipped");
    }
    build::build(workspace, true, &[])?;
    let variables = [
        ("TCPTRACE", workspace.binary(true)?.into_os_string()),
        (
            "TCPTRACE_SERVERS",
            servers::home(workspace).into_os_string(),
        ),
    ];
    let prefix = run::as_root(variables.clone())?.unwrap_or_default();
    let mut verdicts = Vec::new();
    for story in &stories {
        let started = Instant::now();
        let verdict = run_story(story, &prefix, &variables)?;
        let name = name(story);
        let seconds = started.elapsed().as_secs_f32();
        match &verdict {
            Verdict::Ok => println!("incident {name} ... ok ({seconds:.1} s)"),
            Verdict::Skipped => println!("incident {name} ... SKIPPED"),
            Verdict::Failed(why) => println!("incident {name} ... FAILED: {why} ({seconds:.1} s)"),
        }
        verdicts.push((name, verdict));
    }
    report(&verdicts)
}

/// The scripts, in their order.
fn stories(directory: &Path, filters: &[String]) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut stories: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_story(&name(path), path.extension()))
        .filter(|path| {
            let name = name(path);
            filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
        })
        .collect();
    stories.sort();
    if stories.is_empty() {
        bail!("no story in {} has such a name", directory.display());
    }
    Ok(stories)
}

/// Stories are numbered; what they share is not.
fn is_story(name: &str, extension: Option<&OsStr>) -> bool {
    extension.is_some_and(|extension| extension == "sh")
        && name.starts_with(|first: char| first.is_ascii_digit())
}

fn name(story: &Path) -> String {
    let stem = story.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn run_story(
    story: &Path,
    prefix: &[OsString],
    variables: &[(&str, OsString); 2],
) -> Result<Verdict> {
    // It asks the story to end, which then removes its namespaces.
    let limited: [&OsStr; 6] = [
        OsStr::new("timeout"),
        OsStr::new("--kill-after"),
        OsStr::new(CLEANUP),
        OsStr::new(LIMIT),
        story.as_os_str(),
        OsStr::new("--check"),
    ];
    let mut words = prefix.iter().map(OsString::as_os_str).chain(limited);
    let program = words.next().context("a command has a first word")?;
    let status = Command::new(program)
        .args(words)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(verdict(status))
}

fn verdict(status: ExitStatus) -> Verdict {
    match status.code() {
        Some(0) => Verdict::Ok,
        Some(SKIPPED) => Verdict::Skipped,
        Some(TIMED_OUT) => Verdict::Failed(format!("not done after {LIMIT} s")),
        _ => Verdict::Failed(status.to_string()),
    }
}

/// Err when a story failed.
fn report(verdicts: &[(String, Verdict)]) -> Result<()> {
    let those = |wanted: fn(&Verdict) -> bool| {
        let names = verdicts.iter().filter(|(_, verdict)| wanted(verdict));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let failed = those(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = those(|verdict| *verdict == Verdict::Skipped);
    println!(
        "test result: incidents: {} passed; {} failed; {} ignored",
        those(|verdict| *verdict == Verdict::Ok).len(),
        failed.len(),
        skipped.len()
    );
    if !skipped.is_empty() {
        println!(
            "incidents: NOT PROVEN HERE, for they were skipped: {}",
            skipped.join(", ")
        );
    }
    if !failed.is_empty() {
        bail!("not reported as they should be: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn exit(code: i32) -> Verdict {
        verdict(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn a_skipped_story_is_neither_ok_nor_failed() {
        assert_eq!(exit(0), Verdict::Ok);
        assert_eq!(exit(77), Verdict::Skipped);
        assert!(matches!(exit(1), Verdict::Failed(_)));
        assert!(matches!(exit(124), Verdict::Failed(why) if why.contains("not done")));
    }

    #[test]
    fn a_story_that_failed_fails_the_run_and_a_skipped_one_does_not() {
        let story = |verdict| {
            [
                ("01-a".to_owned(), Verdict::Ok),
                ("02-b".to_owned(), verdict),
            ]
        };
        report(&story(Verdict::Skipped)).unwrap();
        let error = report(&story(Verdict::Failed("exit status: 1".to_owned()))).unwrap_err();
        assert!(error.to_string().ends_with(": 02-b"), "{error}");
    }

    #[test]
    fn every_story_of_this_workspace_is_found_in_order() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/incidents");
        let names: Vec<String> = stories(&directory, &[])
            .unwrap()
            .iter()
            .map(|one| name(one))
            .collect();
        assert_eq!(names.len(), 7, "{names:?}");
        assert!(names.is_sorted());
        assert!(stories(&directory, &["no such story".to_owned()]).is_err());
    }
}
