//! What a tracer wrote: how many lines, and how many events it says it lost.
//!
//! A tracer that says nothing of loss has lost an unknown number, not none.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The file of a tracer that writes to one by itself.
pub(super) const OWN: &str = "own";

/// How a tracer reports its loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LossForm {
    /// tcptrace's summary object, the last line of stdout.
    JsonSummary,
    /// tcptrace's summary on stderr.
    TextSummary,
    /// `Lost N events` here and there, on stdout or stderr: bpftrace, perf and libbpf's tools.
    Lines,
    /// Never.
    Unreported,
}

/// The events lost, by what lies in `directory`.
pub(super) fn read(reported: LossForm, directory: &Path) -> Result<Option<u64>> {
    let text = |name: &str| {
        let path = directory.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(match reported {
        LossForm::Unreported => None,
        LossForm::JsonSummary => {
            let path = directory.join("stdout");
            let last = last_line(&path)?;
            Some(json_summary(&last).with_context(|| format!("no summary at the end: {last:?}"))?)
        }
        LossForm::TextSummary => {
            let text = text("stderr")?;
            Some(text_summary(&text).with_context(|| format!("no summary on stderr: {text}"))?)
        }
        LossForm::Lines => {
            let mut lost = 0;
            for name in ["stderr", "stdout", OWN] {
                let path = directory.join(name);
                if path.is_file() {
                    let file = BufReader::new(File::open(&path)?);
                    let lines = file.split(b'\n').map_while(Result::ok);
                    lost += lines.map(|line| lost_of(&line)).sum::<u64>();
                }
            }
            Some(lost)
        }
    })
}

/// `loss.lost` of the summary object.
fn json_summary(line: &str) -> Option<u64> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["kind"] == "summary").then_some(())?;
    value["loss"]["lost"].as_u64()
}

/// The number after `lost` in `seen N = shown N + filtered N + rate-limited N + lost N`.
fn text_summary(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("seen "))?;
    let (_, lost) = line.rsplit_once("lost ")?;
    lost.trim().parse().ok()
}

/// N of a line such as `Lost N events`, `LOST N events!`, `lost N events on CPU #1`; else 0.
fn lost_of(line: &[u8]) -> u64 {
    // Lines of events begin otherwise; these are looked at first, for there are millions.
    if !line
        .iter()
        .take(64)
        .any(|byte| byte.eq_ignore_ascii_case(&b'L'))
    {
        return 0;
    }
    let line = String::from_utf8_lossy(line).to_lowercase();
    let count = line.split_once("lost ").and_then(|(_, rest)| {
        let mut words = rest.split_whitespace();
        let count: u64 = words.next()?.parse().ok()?;
        words.next()?.starts_with("event").then_some(count)
    });
    count.unwrap_or(0)
}

/// Lines and bytes of a file, read piece by piece.
pub(super) fn count_lines(path: &Path) -> Result<(u64, u64)> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut lines, mut bytes) = (0, 0);
    loop {
        let length = file.read(&mut buffer).with_context(context)?;
        if length == 0 {
            return Ok((lines, bytes));
        }
        lines += buffer[..length]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        bytes += length as u64;
    }
}

/// The last line, which for a summary may be some KiB.
fn last_line(path: &Path) -> Result<String> {
    use std::os::unix::fs::FileExt as _;
    const MOST: u64 = 1 << 20;
    let context = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(context)?;
    let length = file.metadata().with_context(context)?.len();
    let start = length.saturating_sub(MOST);
    let mut end = vec![0; usize::try_from(length - start)?];
    file.read_exact_at(&mut end, start).with_context(context)?;
    let text = String::from_utf8_lossy(&end);
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_summaries_of_tcptrace_show_the_loss() {
        let line = r#"{"v":1,"kind":"summary","loss":{"seen":9,"lost":3}}"#;
        assert_eq!(json_summary(line), Some(3));
        assert_eq!(json_summary(r#"{"kind":"rst_sent"}"#), None);
        let text = "watched 2s\n\nseen 9 = shown 6 + filtered 0 + rate-limited 0 + lost 3\n";
        assert_eq!(text_summary(text), Some(3));
        assert_eq!(text_summary("watched 2s\n"), None);
    }

    #[test]
    fn peers_show_their_loss_line_by_line() {
        let text = "Attaching 1 probe...\nLost 20 events\n1 2 x\nLOST 5 events!\n\
                    lost 3 events on CPU #1\nLost in thought\n";
        let lost: u64 = text.lines().map(|line| lost_of(line.as_bytes())).sum();
        assert_eq!(lost, 28);
    }
}
