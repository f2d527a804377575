//! `cargo xtask vm page`: the results of the last matrix -> `docs/matrix.md`.
//!
//! Says only what was measured: verdicts of scenarios, what the tracer logged that it cannot see,
//! and the hooks that reported each kind. Fails when the results are missing or hold a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::matrix::RESULTS;
use crate::workspace::Workspace;

const PAGE: &str = "docs/matrix.md";

pub(super) fn main(workspace: &Workspace, directory: &Path) -> Result<()> {
    let file = directory.join(RESULTS);
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "cannot read {}: run `cargo xtask test vm` first",
            file.display()
        )
    })?;
    let cells: Vec<Value> = serde_json::from_str(&text)
        .with_context(|| format!("{} is no result of the matrix", file.display()))?;
    if cells.iter().any(|cell| count(cell, "failed") > 0) {
        bail!("the last matrix has failures: the page lists kernels that work");
    }
    let page = workspace.root().join(PAGE);
    fs::write(&page, render(&cells)).with_context(|| format!("cannot write {}", page.display()))?;
    println!("{}", page.display());
    Ok(())
}

fn verdicts(cell: &Value) -> impl Iterator<Item = &Value> {
    cell["verdicts"].as_array().into_iter().flatten()
}

fn count(cell: &Value, verdict: &str) -> usize {
    verdicts(cell)
        .filter(|one| one["verdict"] == verdict)
        .count()
}

/// The kit notes why the first try failed.
fn is_repeated(verdict: &Value) -> bool {
    let mut notes = verdict["notes"].as_array().into_iter().flatten();
    notes.any(|note| {
        note.as_str()
            .is_some_and(|note| note.starts_with("second try"))
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}

fn render(cells: &[Value]) -> String {
    let mut page = String::from(
        "# The matrix, as measured\n\nWritten by `cargo xtask vm page` from the verdicts of `cargo xtask \
         test vm`. Each cell is one boot of a\ndistribution kernel with the ground-truth kit in one \
         tier. A scenario that fails is\nrepeated once, which is counted. `unseen`: the tracer logged at its \
         start that it cannot see what the\nscenario is about.\n\n## Verdicts\n\n| kernel | package \
         | tier | passed | at the second try | unseen |\n|---|---|---|---|---|---|\n",
    );
    for cell in cells {
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            text(cell, "kernel"),
            text(cell, "package"),
            text(cell, "tier"),
            count(cell, "passed"),
            verdicts(cell).filter(|one| is_repeated(one)).count(),
            count(cell, "unseen")
        );
    }
    page.push_str(
        "\n## What is not seen\n\nIn the tracer's own words (`TCPTRACE_LOG=attach=info`).\n\n| what is missing | where |\n|---|---|\n",
    );
    for (what, places) in unseen(cells) {
        let _infallible = writeln!(page, "| {what} | {} |", joined(&places));
    }
    page.push_str(
        "\n## What reported each kind\n\nHooks of the events that the scenarios caused, with their evidence.\n",
    );
    for (kind, hooks) in reported(cells) {
        let _infallible = write!(
            page,
            "\n### `{kind}`\n\n| hook | evidence | where |\n|---|---|---|\n"
        );
        for ((hook, evidence), places) in hooks {
            let _infallible = writeln!(page, "| `{hook}` | {evidence} | {} |", joined(&places));
        }
    }
    page
}

/// Kernel and tiers: `5.10 (fentry, kprobe), 6.1 (tracepoint)`.
type Places<'a> = Vec<(&'a str, &'a str)>;

fn joined(places: &Places<'_>) -> String {
    let mut by_kernel: Vec<(&str, Vec<&str>)> = Vec::new();
    for (kernel, tier) in places {
        match by_kernel.iter_mut().find(|(name, _)| name == kernel) {
            Some((_, tiers)) if !tiers.contains(tier) => tiers.push(tier),
            Some(_) => {}
            None => by_kernel.push((kernel, vec![tier])),
        }
    }
    let words = by_kernel
        .iter()
        .map(|(kernel, tiers)| format!("{kernel} ({})", tiers.join(", ")));
    words.collect::<Vec<_>>().join("; ")
}

fn unseen(cells: &[Value]) -> BTreeMap<&str, Places<'_>> {
    let mut all: BTreeMap<&str, Places<'_>> = BTreeMap::new();
    for cell in cells {
        let said: BTreeSet<&str> = verdicts(cell)
            .filter_map(|one| one["unseen"].as_str())
            .collect();
        for what in said {
            let place = (text(cell, "kernel"), text(cell, "tier"));
            all.entry(what).or_default().push(place);
        }
    }
    all
}

type Hooks<'a> = BTreeMap<(&'a str, &'a str), Places<'a>>;

fn reported(cells: &[Value]) -> BTreeMap<&str, Hooks<'_>> {
    let mut all: BTreeMap<&str, Hooks<'_>> = BTreeMap::new();
    for cell in cells {
        for one in cell["measured"].as_array().into_iter().flatten() {
            let word = |place: usize| one[place].as_str().unwrap_or("?");
            let hooks = all.entry(word(0)).or_default();
            let place = (text(cell, "kernel"), text(cell, "tier"));
            hooks.entry((word(1), word(2))).or_default().push(place);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_shows_verdicts_announcements_and_hooks_by_place() {
        let cell = |kernel: &str, tier: &str, unseen: Value| {
            json!({ "kernel": kernel, "package": "p 1", "tier": tier,
                "measured": [["rst_sent", "tp_btf/x", "seen", 3]],
                "verdicts": [{ "verdict": "passed", "unseen": null, "notes": ["came late"] },
                    { "verdict": "passed", "unseen": null, "notes": ["second try; the first: x"] },
                    { "verdict": "unseen", "unseen": unseen, "notes": [] }] })
        };
        let cells = [
            cell("5.10", "fentry", json!("not visible: a (b): c")),
            cell("5.10", "kprobe", json!("not visible: a (b): c")),
            cell("6.1", "kprobe", json!("not visible: d (e): f")),
        ];
        let page = render(&cells);
        assert!(page.contains("| 5.10 | p 1 | fentry | 2 | 1 | 1 |"));
        assert!(page.contains("| not visible: a (b): c | 5.10 (fentry, kprobe) |"));
        assert!(page.contains("| not visible: d (e): f | 6.1 (kprobe) |"));
        assert!(page.contains("### `rst_sent`"));
        assert!(page.contains("| `tp_btf/x` | seen | 5.10 (fentry, kprobe); 6.1 (kprobe) |"));
    }
}
