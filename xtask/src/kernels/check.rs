//! `cargo xtask kernels check [FILE...]`: which signals would work on which kernels, by the types
//! of these kernels alone, so that a new kernel's drift is seen without booting it.
//!
//! Asks `tcptrace doctor --btf FILE --json` for each; without files, for the fixtures of the tests
//! and for every kernel under `target/kernels`. Fails when a kernel would lose a signal, or the
//! certainty of one, that an older kernel has. What a kernel refuses in spite of its types (an
//! inlined function, a feature that was not built) only booting it shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::build;
use crate::workspace::Workspace;

/// A part of a kind.
type Part = (String, String);

/// What serves a part: how sure, and the tier.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    evidence: String,
    tier: String,
}

/// One kernel, as judged.
#[derive(Debug)]
struct Judged {
    release: String,
    parts: Vec<(Part, Option<Served>)>,
}

/// Prints a table; fails when something would be lost.
pub(super) fn main(workspace: &Workspace, files: &[PathBuf]) -> Result<()> {
    let files = if files.is_empty() {
        known(workspace)?
    } else {
        files.to_vec()
    };
    if files.is_empty() {
        bail!("there is no kernel to check: name a file that holds a kernel's BTF");
    }
    build::build(workspace, false, &[])?;
    let binary = workspace.binary(false)?;
    let mut kernels = files
        .iter()
        .map(|file| ask(&binary, file))
        .collect::<Result<Vec<_>>>()?;
    kernels.sort_by_key(|kernel| version(&kernel.release));
    print!("{}", table(&kernels));
    let lost = losses(&kernels);
    for line in &lost {
        println!("{line}");
    }
    if !lost.is_empty() {
        bail!(
            "{} would be lost, or less certain, on newer kernels",
            lost.len()
        );
    }
    Ok(())
}

/// The fixtures, and the kernels fetched for the VM.
fn known(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let fixtures = workspace.root().join("tcptrace/tests/fixture/kernels");
    let mut files: Vec<PathBuf> = entries(&fixtures)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "btf"))
        .collect();
    let cache = workspace.root().join("target/kernels");
    if cache.is_dir() {
        let cached = entries(&cache)?
            .into_iter()
            .map(|kernel| kernel.join("vmlinux.btf"));
        files.extend(cached.filter(|file| file.is_file()));
    }
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    read().with_context(|| format!("cannot list {}", directory.display()))
}

fn ask(binary: &Path, file: &Path) -> Result<Judged> {
    let mut command = Command::new(binary);
    let output = command
        .args(["doctor", "--json", "--btf"])
        .arg(file)
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    // A report comes with code 1 too, when nothing at all would work.
    if output.stdout.is_empty() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("tcptrace doctor --json of {}", file.display()))?;
    judged(&report).with_context(|| format!("the report of {} has other names", file.display()))
}

fn judged(report: &Value) -> Option<Judged> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let rows = report["signals"].as_array()?;
    let part = |row: &Value| {
        let served = word(&row["evidence"]).map(|evidence| Served {
            evidence,
            tier: word(&row["tier"]).unwrap_or_default(),
        });
        Some(((word(&row["kind"])?, word(&row["part"])?), served))
    };
    Some(Judged {
        release: word(&report["kernel"]["release"])?,
        parts: rows.iter().map(part).collect::<Option<_>>()?,
    })
}

/// 6.12.117 comes after 6.2; words after the numbers do not count.
fn version(release: &str) -> Vec<u32> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .collect()
}

/// The higher, the surer.
fn certainty(served: Option<&Served>) -> u8 {
    match served.map(|served| served.evidence.as_str()) {
        None => 0,
        Some("counted") => 1,
        Some("inferred") => 2,
        Some(_) => 3,
    }
}

fn cell(served: Option<&Served>) -> String {
    match served {
        None => "-".to_owned(),
        Some(served) if served.evidence == "seen" => served.tier.clone(),
        Some(served) if served.evidence == "counted" => "counted".to_owned(),
        Some(served) => format!("{}?", served.tier),
    }
}

/// A line for each part of a kind, a column for each kernel.
fn table(kernels: &[Judged]) -> String {
    let mut text = format!("{:<14} {:<27}", "KIND", "PART");
    for kernel in kernels {
        text.push_str(&format!(" {:<11}", kernel.release));
    }
    let parts = kernels.first().map_or(&[][..], |kernel| &kernel.parts);
    for (place, ((kind, part), _)) in parts.iter().enumerate() {
        text.push_str(&format!("\n{kind:<14} {part:<27}"));
        for kernel in kernels {
            let served = kernel
                .parts
                .get(place)
                .and_then(|(_, served)| served.as_ref());
            text.push_str(&format!(" {:<11}", cell(served)));
        }
    }
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    let legend = "\nby type of hook; ?: inferred; counted: from counters; -: not at all\n";
    lines.chain([legend.to_owned()]).collect()
}

/// What a kernel has less surely than one before it.
fn losses(kernels: &[Judged]) -> Vec<String> {
    let mut best: BTreeMap<&Part, (u8, &str)> = BTreeMap::new();
    let mut lost = Vec::new();
    for kernel in kernels {
        for (part, served) in &kernel.parts {
            let now = certainty(served.as_ref());
            let (before, older) = best.entry(part).or_insert((now, &kernel.release));
            if now < *before {
                let (kind, part) = part;
                let release = &kernel.release;
                let what = cell(served.as_ref());
                lost.push(format!(
                    "{kind} ({part}): {what} on {release}, better on {older}"
                ));
            } else if now > *before {
                (*before, *older) = (now, &kernel.release);
            }
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kernel(release: &str, evidence: &[Option<&str>]) -> Judged {
        let row = |(place, evidence): (usize, &Option<&str>)| {
            let tier = evidence.map(|_| "fentry");
            json!({ "kind": "k", "part": place.to_string(), "evidence": evidence, "tier": tier })
        };
        let rows: Vec<Value> = evidence.iter().enumerate().map(row).collect();
        judged(&json!({ "kernel": { "release": release }, "signals": rows })).unwrap()
    }

    #[test]
    fn kernels_stand_in_the_order_of_their_numbers() {
        let mut releases = ["6.12.117+deb13", "7.3", "6.2", "5.10.262", "6.12"];
        releases.sort_by_key(|release| version(release));
        assert_eq!(
            releases,
            ["5.10.262", "6.2", "6.12", "6.12.117+deb13", "7.3"]
        );
    }

    #[test]
    fn what_an_older_kernel_shows_better_is_lost() {
        let seen = Some("seen");
        let kernels = [
            kernel("6.1", &[seen, None, Some("counted"), seen]),
            kernel("6.2", &[seen, seen, seen, Some("counted")]),
            kernel("6.3", &[None, seen, Some("inferred"), seen]),
        ];
        assert_eq!(
            losses(&kernels),
            [
                "k (3): counted on 6.2, better on 6.1",
                "k (0): - on 6.3, better on 6.1",
                "k (2): fentry? on 6.3, better on 6.2",
            ]
        );
        assert_eq!(losses(&kernels[..1]), [""; 0]);
    }

    #[test]
    fn the_table_has_a_line_for_each_part_and_no_blanks_at_the_end() {
        let text = table(&[
            kernel("6.1", &[Some("seen"), None]),
            kernel("7.3", &[None, None]),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["KIND", "PART", "6.1", "7.3"]
        );
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["k", "0", "fentry", "-"]
        );
        assert!(lines.iter().all(|line| line.trim_end() == *line));
    }

    #[test]
    fn a_report_with_other_names_is_no_report() {
        assert!(judged(&json!({ "kernel": { "release": "6.1" } })).is_none());
        assert!(judged(&json!({ "kernel": { "release": "6.1" }, "signals": [{}] })).is_none());
    }
}
