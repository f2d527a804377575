//! `cargo xtask bench --against OTHER`: this checkout beside another commit, or another program, in one run.
//!
//! What is compared: the criterion benches `lines` and `stages`, the time from the start to the first line and to the
//! ready file, and memory. Runs come in blocks of other, this, this, other, so that a drift of the host over a block
//! weighs on both sides alike. A ratio is that of a block; below 1 this checkout is the cheaper one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::churn::megabytes;
use super::contenders::tcptrace;
use super::round::Place;
use super::stats::Spread;
use super::{load, timing};
use crate::workspace::Workspace;
use crate::{build, process};

/// The criterion benches that are run.
const BENCHES: [&str; 2] = ["lines", "stages"];
/// Of the seconds of a run each of the many functions of a bench gets so much: a block runs all of them four times.
const BENCH_SHARE: f64 = 0.25;
const START: &str = "start";
/// The order of a block.
const BLOCK: [Which; 4] = [Which::Other, Which::This, Which::This, Which::Other];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Other,
    This,
}

/// What is run of one of the two.
struct Side {
    program: PathBuf,
    /// By name; None for a program without its sources.
    benches: Option<BTreeMap<String, PathBuf>>,
}

/// All values of one measure, in the order in which they were measured.
#[derive(Debug, Default)]
struct Pair {
    other: Vec<f64>,
    this: Vec<f64>,
}

impl Pair {
    /// This to other of each block. None when a block is incomplete, or a ratio is no number.
    fn ratio(&self) -> Option<Spread> {
        if self.other.len() != self.this.len() {
            return None;
        }
        let per_block = BLOCK.len() / 2;
        let blocks = self
            .this
            .chunks(per_block)
            .zip(self.other.chunks(per_block));
        let ratios: Vec<f64> = blocks
            .map(|(this, other)| this.iter().sum::<f64>() / other.iter().sum::<f64>())
            .collect();
        Spread::of(&ratios)
    }
}

/// Compares; `parts` says which of `lines`, `stages` and `start`, by a part of the name (none: all).
pub(super) fn run(
    workspace: &Workspace,
    other: &str,
    parts: &[String],
    blocks: usize,
    seconds: f64,
    output: PathBuf,
) -> Result<()> {
    let is_wanted =
        |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()));
    let benches: Vec<&str> = BENCHES.into_iter().filter(|name| is_wanted(name)).collect();
    if benches.is_empty() && !is_wanted(START) {
        bail!("--against compares lines, stages and start");
    }
    let place = Place {
        load: load::build(workspace)?,
        output,
    };
    place.clear()?;
    build::build(workspace, true, &[])?;
    let this = Side::built(workspace, &benches)?;
    let other = Side::other(workspace, other, &benches)?;
    if !benches.is_empty() && other.benches.is_none() {
        println!("bench: lines and stages are skipped: a program has no benches, name a commit");
    }
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    for block in 0..blocks {
        println!("bench: block {} of {blocks}", block + 1);
        for which in BLOCK {
            let side = match which {
                Which::Other => &other,
                Which::This => &this,
            };
            let mut values = Vec::new();
            if let (Some(executables), Some(_)) = (&side.benches, &other.benches) {
                for (name, executable) in executables {
                    let home = place.directory(0)?.join("criterion");
                    values.extend(criterion(name, executable, &home, seconds)?);
                }
            }
            if is_wanted(START) {
                values.extend(start(&place, &side.program)?);
            }
            for (name, value) in values {
                let pair = pairs.entry(name).or_default();
                match which {
                    Which::Other => pair.other.push(value),
                    Which::This => pair.this.push(value),
                }
            }
        }
    }
    place.clear()?;
    print!("{}", table(&pairs));
    Ok(())
}

impl Side {
    fn built(workspace: &Workspace, benches: &[&str]) -> Result<Self> {
        let mut command = workspace.cargo();
        command.args(["build", "--release", "--package", "tcptrace"]);
        let program = executables(&mut command)?
            .remove("tcptrace")
            .context("cargo names no executable tcptrace")?;
        let mut found = BTreeMap::new();
        if !benches.is_empty() {
            let mut command = workspace.cargo();
            command.args(["bench", "--no-run", "--package", "tcptrace"]);
            for name in benches {
                command.args(["--bench", name]);
            }
            found = executables(&mut command)?;
            found.retain(|name, _| benches.contains(&name.as_str()));
        }
        Ok(Self {
            program,
            benches: Some(found),
        })
    }

    /// A file is a program; anything else is a commit, built in a clone below `target/bench`.
    fn other(workspace: &Workspace, other: &str, benches: &[&str]) -> Result<Self> {
        if Path::new(other).is_file() {
            let program =
                fs::canonicalize(other).with_context(|| format!("cannot find {other}"))?;
            return Ok(Self {
                program,
                benches: None,
            });
        }
        let clone = workspace.root().join("target/bench/against");
        check_out(workspace, other, &clone)?;
        Self::built(&Workspace::at(clone), benches)
    }
}

/// The commit, in a clone that shares our objects and the tools of `setup`; what was built there before is used again.
fn check_out(workspace: &Workspace, revision: &str, clone: &Path) -> Result<()> {
    let git = |directory: &Path| {
        let mut command = Command::new("git");
        command.arg("-C").arg(directory);
        command
    };
    let commit = format!("{revision}^{{commit}}");
    let commit =
        process::output_text(git(workspace.root()).args(["rev-parse", "--verify", &commit]))
            .with_context(|| format!("{revision} is neither a program nor a commit"))?;
    if !clone.join(".git").exists() {
        let mut command = git(workspace.root());
        command.args(["clone", "--quiet", "--shared", "--no-checkout", "."]);
        process::run(command.arg(clone))?;
    }
    process::run(git(clone).args(["checkout", "--quiet", "--detach", commit.trim()]))?;
    let tools = clone.join("target/tools");
    if !tools.exists() {
        fs::create_dir_all(clone.join("target"))
            .and_then(|()| std::os::unix::fs::symlink(workspace.tools(), &tools))
            .with_context(|| format!("cannot link {}", tools.display()))?;
    }
    Ok(())
}

/// Builds, and says where the executables are.
fn executables(command: &mut Command) -> Result<BTreeMap<String, PathBuf>> {
    command.arg("--message-format=json-render-diagnostics");
    Ok(executables_of(&process::stdout_text(command)?))
}

/// The executables that cargo's messages name.
fn executables_of(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let executable = message["executable"].as_str()?;
        Some((
            message["target"]["name"].as_str()?.to_owned(),
            executable.into(),
        ))
    });
    messages.collect()
}

/// Medians of a criterion bench, ns, by their names.
fn criterion(
    bench: &str,
    executable: &Path,
    home: &Path,
    seconds: f64,
) -> Result<Vec<(String, f64)>> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    let mut command = Command::new(executable);
    command
        .args([
            "--bench",
            "--noplot",
            "--warm-up-time",
            "0.2",
            "--measurement-time",
        ])
        .arg((seconds * BENCH_SHARE).to_string())
        .env("CRITERION_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::run(&mut command)?;
    let mut values = Vec::new();
    collect(home, &mut values)?;
    if values.is_empty() {
        bail!("{} left no results", executable.display());
    }
    let named = values.into_iter();
    Ok(named
        .map(|(name, value)| (format!("{bench}: {name}, ns"), value))
        .collect())
}

/// The results that criterion left below a directory: `.../new/{benchmark,estimates}.json`.
fn collect(directory: &Path, values: &mut Vec<(String, f64)>) -> Result<()> {
    let read = |name: &str| -> Result<Value> {
        let file = directory.join(name);
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
    };
    if directory.ends_with("new") {
        let name = read("benchmark.json")?["full_id"]
            .as_str()
            .map(str::to_owned);
        let median = read("estimates.json")?["median"]["point_estimate"].as_f64();
        values.push(
            name.zip(median)
                .context("criterion's results have another form")?,
        );
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, values)?;
        }
    }
    Ok(())
}

fn start(place: &Place, program: &Path) -> Result<Vec<(String, f64)>> {
    let tracer = tcptrace(program, "tcptrace", &["watch", "--json"]);
    let start = timing::one_start(place, None, &tracer)?;
    let observed = start.observed;
    let values = [
        ("start: first line, ms", Some(start.first_ms)),
        ("start: ready file, ms", observed.ready_ms),
        ("RSS steady, MB", megabytes(observed.rss_kib)),
        ("RSS peak, MB", megabytes(observed.peak_rss_kib)),
    ];
    let known = values.into_iter();
    Ok(known
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect())
}

/// A line per measure: both medians, the median of the ratios and how far they lie apart.
fn table(pairs: &BTreeMap<String, Pair>) -> String {
    let width = pairs.keys().map(String::len).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>10}  {:>10}  {:>6}  range of blocks\n",
        "measure", "other", "this", "ratio"
    );
    for (name, pair) in pairs {
        let median = |values: &[f64]| {
            Spread::of(values).map_or("-".to_owned(), |spread| format!("{:.2}", spread.median))
        };
        let (ratio, range) = match pair.ratio() {
            Some(ratio) => (
                format!("{:.3}", ratio.median),
                format!("{:.3} to {:.3}", ratio.least, ratio.most),
            ),
            None => ("-".to_owned(), "not measured on both sides".to_owned()),
        };
        text += &format!(
            "{name:width$}  {:>10}  {:>10}  {ratio:>6}  {range}\n",
            median(&pair.other),
            median(&pair.this)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_over_a_block_weighs_on_both_alike() {
        // The host becomes slower by 10 with each run; other, this, this, other.
        let pair = Pair {
            other: vec![100.0, 130.0],
            this: vec![110.0, 120.0],
        };
        assert_eq!(pair.ratio().unwrap().median, 1.0);
    }

    #[test]
    fn a_ratio_is_that_of_a_block() {
        let pair = Pair {
            other: vec![10.0, 10.0, 1000.0, 1000.0, 10.0, 30.0],
            this: vec![20.0, 20.0, 500.0, 500.0, 40.0, 20.0],
        };
        let ratio = pair.ratio().unwrap();
        assert_eq!((ratio.least, ratio.median, ratio.most), (0.5, 1.5, 2.0));
        assert_eq!(ratio.count, 3);
    }

    #[test]
    fn what_one_side_lacks_has_no_ratio() {
        let pair = Pair {
            other: Vec::new(),
            this: vec![1.0, 2.0],
        };
        assert_eq!(pair.ratio(), None);
        let zero = Pair {
            other: vec![0.0, 0.0],
            this: vec![0.0, 0.0],
        };
        assert_eq!(zero.ratio(), None);
        let text = table(&BTreeMap::from([("new".to_owned(), pair)]));
        assert!(text.contains("not measured on both sides"), "{text}");
    }

    #[test]
    fn executables_are_those_that_cargo_names() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lib\"},\"executable\":null}\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lines\"},\"executable\":\"/t/lines-1\"}\n\
                        warning: no JSON\n";
        let found = executables_of(messages);
        assert_eq!(
            found,
            BTreeMap::from([("lines".to_owned(), "/t/lines-1".into())])
        );
    }
}
