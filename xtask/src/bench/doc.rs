//! The results in `docs/performance.md`: what lies between the two markers, and the plot beside it.
//!
//! Nothing else of the page is touched. Fails when a marker is missing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::report::{Circumstances, Report};
use super::{plot, table};

const PAGE: &str = "docs/performance.md";
const PLOT: &str = "performance-growth.svg";
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";

/// Writes page and plot of the workspace at `root`.
pub(super) fn write(root: &Path, report: &Report) -> Result<()> {
    let file = root.join(PAGE);
    let context = || format!("cannot read {}", file.display());
    let page = fs::read_to_string(&file).with_context(context)?;
    let page = replaced(&page, &results(report))
        .with_context(|| format!("{PAGE} has no markers {} and {END}", BEGIN.trim()))?;
    fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    if !report.growth.is_empty() {
        let file = file.with_file_name(PLOT);
        fs::write(&file, plot::svg(&report.growth))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("bench: {PAGE} written");
    Ok(())
}

/// `page` with other results. None without both markers.
fn replaced(page: &str, results: &str) -> Option<String> {
    let (head, rest) = page.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}{results}{END}{tail}"))
}

fn results(report: &Report) -> String {
    let Circumstances {
        commit,
        kernel,
        processor,
        processors,
        rounds,
        seconds,
        missing_peers,
        ..
    } = &report.circumstances;
    let mut text = format!(
        "\nCommit `{commit}`, Linux {kernel}, {processors} processors ({processor}), {rounds} rounds \
         of {seconds} s.\n"
    );
    if !missing_peers.is_empty() {
        text += &format!(
            "Not installed, hence not compared: {}.\n",
            missing_peers.join(", ")
        );
    }
    let judged: Vec<_> = of(report, true);
    let others: Vec<_> = of(report, false);
    text += &format!("\n### Goals\n\n{}", table::markdown(&judged));
    text += &format!("\n### For comparison\n\n{}", table::markdown(&others));
    if !report.growth.is_empty() {
        text += &format!("\n### Growth\n\n![Costs as what there is grows]({PLOT})\n");
    }
    text + "\n"
}

/// The measures with a goal, or those without.
fn of(report: &Report, with_goal: bool) -> Vec<super::measure::Measure> {
    let all = report.measures.iter();
    all.filter(|measure| measure.goal.is_some() == with_goal)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_changes() {
        let page = format!("head\n{BEGIN}old\n{END}\ntail\n");
        assert_eq!(
            replaced(&page, "new\n").unwrap(),
            format!("head\n{BEGIN}new\n{END}\ntail\n")
        );
        assert_eq!(replaced("no markers", "new"), None);
        assert_eq!(replaced(BEGIN, "new"), None);
    }

    #[test]
    fn the_page_of_this_workspace_has_the_markers() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
        let page = fs::read_to_string(file).unwrap();
        assert!(replaced(&page, "").is_some());
    }
}
