//! What a benchmark gave, with where and how it was measured: as JSON, and back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::growth::Line;
use super::measure::Measure;
use super::round::Run;
use super::tracer::Observed;
use crate::process;
use crate::workspace::Workspace;

/// Where and how it was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) commit: String,
    pub(super) kernel: String,
    pub(super) processor: String,
    pub(super) processors: usize,
    /// Seconds since 1970.
    pub(super) began: u64,
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) missing_peers: Vec<String>,
}

impl Circumstances {
    /// Of this machine and this checkout, now. What cannot be read is "unknown".
    pub(super) fn now(
        workspace: &Workspace,
        rounds: usize,
        seconds: f64,
        missing: &[&str],
    ) -> Self {
        let unknown = || "unknown".to_owned();
        let mut git = Command::new("git");
        git.current_dir(workspace.root())
            .args(["describe", "--always", "--dirty", "--abbrev=12"]);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            commit: process::output_text(&mut git)
                .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            kernel: kernel.map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            processor: model.unwrap_or_else(unknown),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            began: began.map_or(0, |since| since.as_secs()),
            rounds,
            seconds,
            missing_peers: missing.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) circumstances: Circumstances,
    pub(super) measures: Vec<Measure>,
    pub(super) growth: Vec<Line>,
    pub(super) runs: Vec<Run>,
}

impl Report {
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let text = serde_json::to_string_pretty(&self.json())?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))
    }

    /// What was written before, without the single runs.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read {}: run `cargo xtask bench` first",
                file.display()
            )
        })?;
        let value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        Self::from_json(&value)
            .with_context(|| format!("{} is no report of this benchmark", file.display()))
    }

    fn json(&self) -> Value {
        let where_from = &self.circumstances;
        json!({
            "commit": where_from.commit,
            "kernel": where_from.kernel,
            "processor": where_from.processor,
            "processors": where_from.processors,
            "began": where_from.began,
            "rounds": where_from.rounds,
            "seconds": where_from.seconds,
            "missing_peers": where_from.missing_peers,
            "measures": self.measures.iter().map(Measure::json).collect::<Vec<_>>(),
            "growth": self.growth.iter().map(Line::json).collect::<Vec<_>>(),
            "runs": self.runs.iter().map(run_json).collect::<Vec<_>>(),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let number = |name: &str| value[name].as_u64();
        let missing = value["missing_peers"].as_array()?.iter();
        let measures = value["measures"].as_array()?.iter();
        let growth = value["growth"].as_array()?.iter();
        Some(Self {
            circumstances: Circumstances {
                commit: text("commit")?,
                kernel: text("kernel")?,
                processor: text("processor")?,
                processors: number("processors")?.try_into().ok()?,
                began: number("began")?,
                rounds: number("rounds")?.try_into().ok()?,
                seconds: value["seconds"].as_f64()?,
                missing_peers: missing
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            },
            measures: measures.map(Measure::from_json).collect::<Option<_>>()?,
            growth: growth.map(Line::from_json).collect::<Option<_>>()?,
            runs: Vec::new(),
        })
    }
}

fn run_json(run: &Run) -> Value {
    json!({
        "cell": run.cell,
        "contender": run.contender,
        "round": run.round,
        "operations": run.load.operations,
        "rate_per_s": run.load.rate_per_s,
        "p50_us": run.load.p50_us,
        "p99_us": run.load.p99_us,
        "tracers": run.observed.iter().map(observed_json).collect::<Vec<_>>(),
    })
}

fn observed_json(observed: &Observed) -> Value {
    json!({
        "ready_ms": observed.ready_ms,
        "cpu_s": observed.cpu_s,
        "rss_kib": observed.rss_kib,
        "peak_rss_kib": observed.peak_rss_kib,
        "lines": observed.lines,
        "bytes": observed.bytes,
        "lost": observed.lost,
    })
}

#[cfg(test)]
mod tests {
    use super::super::measure::Unit;
    use super::*;

    #[test]
    fn a_report_comes_back_without_its_runs() {
        let measure = Measure::new("cell", "what", Unit::Count, vec![3.0]);
        let report = Report {
            circumstances: Circumstances {
                commit: "abc".to_owned(),
                rounds: 7,
                seconds: 2.0,
                ..Circumstances::default()
            },
            measures: vec![measure],
            ..Report::default()
        };
        let back = Report::from_json(&report.json()).unwrap();
        assert_eq!(
            (
                back.circumstances.commit.as_str(),
                back.circumstances.rounds
            ),
            ("abc", 7)
        );
        assert_eq!(back.measures.len(), 1);
        assert!(Report::from_json(&json!({})).is_none());
    }
}
