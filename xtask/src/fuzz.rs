//! `cargo xtask fuzz`: the bodies of `tcptrace/fuzz` under libFuzzer, with the stable compiler.
//!
//! Coverage comes from options that every rustc has; the address sanitizer needs `RUSTC_BOOTSTRAP`
//! and its runtime, and is left out, with a sentence, where the toolchain lacks that. New inputs are
//! kept in `target/fuzz/corpus`, what made a body fail in `target/fuzz/artifacts`. Needs a C++
//! compiler, for libFuzzer itself. Fails with each target that found something, and how to repeat it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::workspace::{Rustc, Workspace};
use crate::{process, setup};

/// Every target, and where inputs of it stand besides its corpus, from the workspace's root.
const TARGETS: [(&str, Option<&str>); 6] = [
    ("btf", Some("tcptrace/tests/fixture/kernels")),
    ("decode", None),
    ("ndjson", None),
    ("netlink", None),
    ("proc", None),
    ("recording", Some("tcptrace/tests/fixture/recordings")),
];

/// What makes LLVM report to libFuzzer which code an input reaches and what it compares.
const COVERAGE: &str = "-Ccodegen-units=4 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// One input may take so long and so much, in seconds and MiB.
const LIMITS: [&str; 4] = [
    "-timeout=10",
    "-malloc_limit_mb=64",
    "-rss_limit_mb=2048",
    "-max_len=65536",
];

/// A target ends by itself; this much later something is wrong with it.
const GRACE: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these targets
    #[arg(value_parser = TARGETS.map(|(name, _)| name))]
    targets: Vec<String>,
    /// How long each target runs; as many run at once as there are processors
    #[arg(long, default_value = "60")]
    seconds: u64,
    /// The same in minutes
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
}

/// One target at work.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

pub(crate) fn main(workspace: &Workspace, args: &Args) -> Result<()> {
    setup::ensure(workspace)?;
    if process::on_path("c++").is_none() {
        bail!(
            "libFuzzer needs a C++ compiler (`c++`): install one (Debian, Ubuntu: apt-get install \
             g++; Fedora: dnf install gcc-c++)"
        );
    }
    let seconds = args.minutes.map_or(args.seconds, |minutes| minutes * 60);
    let home = workspace.root().join("target/fuzz");
    let programs = build(workspace, &home)?;
    let wanted = TARGETS
        .iter()
        .filter(|(name, _)| args.targets.is_empty() || args.targets.iter().any(|t| t == name));
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted: Vec<_> = wanted.collect();
    let mut failures = Vec::new();
    for group in wanted.chunks(at_once) {
        let mut running = Vec::new();
        for (name, seeds) in group {
            running.push(start(workspace, &home, &programs, name, *seeds, seconds)?);
        }
        for target in running {
            failures.extend(finish(target, seconds)?);
        }
    }
    if !failures.is_empty() {
        bail!("fuzzing found something:\n{}", failures.join("\n"));
    }
    Ok(())
}

/// Builds all targets and returns the directory they are in.
fn build(workspace: &Workspace, home: &Path) -> Result<PathBuf> {
    let host = Rustc::probe()?.host;
    let mut flags = "--cfg fuzzing".to_owned();
    let mut command = workspace.cargo();
    if has_address_sanitizer(&host)? {
        // The stable compiler accepts -Z for this one command; as in tcptrace/build.rs.
        command.env("RUSTC_BOOTSTRAP", "1");
        flags.push_str(" -Zsanitizer=address");
    } else {
        println!("fuzz: this toolchain has no address sanitizer; only panics are found");
    }
    flags.push(' ');
    flags.push_str(COVERAGE);
    command
        .args(["build", "--release", "--bins", "--target", &host])
        .args(["--manifest-path", "tcptrace/fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", home)
        .env("RUSTFLAGS", flags);
    process::run(&mut command)?;
    Ok(home.join(host).join("release"))
}

fn has_address_sanitizer(host: &str) -> Result<bool> {
    let libraries = Rustc::sysroot()?.join("lib/rustlib").join(host).join("lib");
    let entries =
        fs::read_dir(&libraries).with_context(|| format!("cannot read {}", libraries.display()))?;
    Ok(entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().ends_with("_rt.asan.a")
    }))
}

fn start(
    workspace: &Workspace,
    home: &Path,
    programs: &Path,
    name: &'static str,
    seeds: Option<&str>,
    seconds: u64,
) -> Result<Running> {
    let corpus = home.join("corpus").join(name);
    let artifacts = home.join("artifacts").join(name);
    for directory in [&corpus, &artifacts] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    let log = home.join(format!("{name}.log"));
    let output =
        fs::File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut command = Command::new(programs.join(name));
    command.arg(&corpus);
    let committed = workspace.root().join("tcptrace/fuzz/corpus").join(name);
    let seeds = seeds.map(|seeds| workspace.root().join(seeds));
    command.args(
        [Some(committed), seeds]
            .iter()
            .flatten()
            .filter(|path| path.is_dir()),
    );
    command
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output);
    let child = command
        .spawn()
        .with_context(|| format!("cannot start the target {name}"))?;
    Ok(Running { name, child, log })
}

/// Prints how much was tried; the sentence to fail with when something was found.
fn finish(mut target: Running, seconds: u64) -> Result<Option<String>> {
    let limit = Duration::from_secs(seconds) + GRACE;
    let status = process::wait_limited(&mut target.child, limit);
    if status.is_none() {
        target.child.kill().context("cannot end a target")?;
        target.child.wait().context("waiting for a target")?;
    }
    let text =
        fs::read(&target.log).with_context(|| format!("cannot read {}", target.log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let name = target.name;
    match inputs(&text) {
        Some(inputs) => println!("fuzz: {name}: {inputs} inputs in {seconds} s"),
        None => println!("fuzz: {name}: ended before it counted its inputs"),
    }
    if status.is_some_and(|status| status.success()) {
        return Ok(None);
    }
    let last: Vec<&str> = text.lines().rev().take(30).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Ok(Some(format!(
        "  {name}: the input is in target/fuzz/artifacts/{name}; repeat it with the program of \
         target/fuzz and that file as its only argument\n{}",
        last.join("\n")
    )))
}

/// What libFuzzer counted.
fn inputs(log: &str) -> Option<u64> {
    log.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_inputs_is_read_from_the_last_lines() {
        let log = "Done 7 runs in 1 second(s)\nstat::number_of_executed_units: 1234\nstat::x: 2\n";
        assert_eq!(inputs(log), Some(1234));
        assert_eq!(inputs("SUMMARY: libFuzzer: deadly signal"), None);
    }

    #[test]
    fn every_target_has_its_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcptrace/fuzz");
        for (name, _) in TARGETS {
            assert!(root.join(format!("fuzz_targets/{name}.rs")).is_file());
            assert!(root.join(format!("src/{name}.rs")).is_file());
        }
        let bodies = fs::read_dir(root.join("fuzz_targets")).unwrap().count();
        assert_eq!(bodies, TARGETS.len());
    }
}
