//! The load: a child process that makes its own namespace and says what it did.
//!
//! See `xtask/src/bin/load`. It is ended with its stdin, and killed when it does not end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// What to start it with.
#[derive(Clone, Debug)]
pub(super) struct LoadSpec {
    pub(super) mode: &'static str,
    /// `one` or `both`.
    pub(super) layout: &'static str,
    pub(super) seconds: f64,
    pub(super) idle: u32,
    pub(super) listeners: u32,
    pub(super) processes: u32,
    /// None: as fast as it can.
    pub(super) rate: Option<u32>,
}

impl LoadSpec {
    pub(super) fn new(mode: &'static str, layout: &'static str, seconds: f64) -> Self {
        Self {
            mode,
            layout,
            seconds,
            idle: 0,
            listeners: 0,
            processes: 0,
            rate: None,
        }
    }

    pub(super) fn paced(mut self, rate: u32) -> Self {
        self.rate = Some(rate);
        self
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.mode.to_owned()];
        let mut option = |name: &str, value: String| {
            arguments.push(format!("--{name}"));
            arguments.push(value);
        };
        option("layout", self.layout.to_owned());
        option("seconds", self.seconds.to_string());
        for (name, count) in [
            ("idle", self.idle),
            ("listeners", self.listeners),
            ("processes", self.processes),
        ] {
            if count > 0 {
                option(name, count.to_string());
            }
        }
        if let Some(rate) = self.rate {
            option("rate", rate.to_string());
        }
        arguments
    }
}

/// What it did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoadResult {
    pub(super) operations: u64,
    pub(super) rate_per_s: f64,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
}

impl LoadResult {
    fn parse(line: &str) -> Result<Self> {
        let value: Value =
            serde_json::from_str(line).with_context(|| format!("the load answered {line:?}"))?;
        Ok(Self {
            operations: value["operations"]
                .as_u64()
                .context("the load names no operations")?,
            rate_per_s: value["rate_per_s"]
                .as_f64()
                .context("the load names no rate")?,
            p50_us: value["p50_us"].as_f64(),
            p99_us: value["p99_us"].as_f64(),
        })
    }
}

/// Builds it; where it lies.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "xtask", "--bin", "load"]);
    process::run(&mut command)?;
    Ok(workspace.binary(true)?.with_file_name("load"))
}

/// The running load. Ends with this value.
pub(super) struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub(super) pid: u32,
}

impl Load {
    /// Starts it and waits until it holds all it is to hold.
    pub(super) fn start(program: &Path, spec: &LoadSpec) -> Result<Self> {
        let mut child = Command::new(program)
            .args(spec.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the load has no stdout")?;
        let mut load = Self {
            pid: child.id(),
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        let line = load.line()?;
        let ready: Value = serde_json::from_str(&line)
            .with_context(|| format!("the load is not ready: {line:?}"))?;
        if ready["ready"] != true {
            bail!("the load is not ready: {line}");
        }
        Ok(load)
    }

    /// The next line.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self
            .stdout
            .read_line(&mut line)
            .context("cannot read from the load")?;
        if length == 0 {
            let status = self.child.wait().context("waiting for the load")?;
            bail!("the load ended early ({status})");
        }
        Ok(line)
    }

    /// Lets it run.
    pub(super) fn go(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the load was asked to end")?;
        stdin.write_all(b"go\n").context("cannot start the load")
    }

    /// Ends it in the midst of what it does.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot end the load")
    }

    /// What it did; waits until it has.
    pub(super) fn result(&mut self) -> Result<LoadResult> {
        LoadResult::parse(&self.line()?)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Its end is the end of its stdin. If it ended early, no process reads this.
        drop(self.stdin.take());
        if process::wait_limited(&mut self.child, std::time::Duration::from_secs(20)).is_none() {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_asked_for() {
        let mut spec = LoadSpec::new("linger0", "one", 1.5).paced(200);
        spec.idle = 10;
        assert_eq!(
            spec.arguments().join(" "),
            "linger0 --layout one --seconds 1.5 --idle 10 --rate 200"
        );
    }

    #[test]
    fn a_result_needs_its_rate() {
        let line =
            r#"{"mode":"normal","operations":10,"rate_per_s":5.5,"p50_us":1.5,"p99_us":null}"#;
        let result = LoadResult::parse(line).unwrap();
        assert_eq!((result.operations, result.p50_us), (10, Some(1.5)));
        assert_eq!(result.p99_us, None);
        assert!(LoadResult::parse(r#"{"operations":10}"#).is_err());
    }
}
