//! Goes through the workspace's own sources and holds them against the rules of the house.
//!
//! Fails with every finding as `file:line: what is wrong`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::circles::{self, File};
use super::imports::{self, HOUSES, House};
use super::{file_rules, language, paths};

/// The crates whose files must not import one another in a circle.
const WITHOUT_CIRCLES: [&str; 4] = [
    "tcptrace/src",
    "tcptrace-common/src",
    "tcptrace-ebpf/src",
    "xtask/src",
];

/// Where the workspace's own Rust files are.
const OWN: [&str; 4] = ["tcptrace", "tcptrace-common", "tcptrace-ebpf", "xtask"];

/// Err with all findings when there are any.
pub(super) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    for own in OWN {
        for file in rust_files(&root.join(own))? {
            let (relative, text) = read(root, &file)?;
            findings.extend(located(&relative, file_rules::findings(&relative, &text)));
            findings.extend(located(&relative, language::of_rust(&relative, &text)));
        }
    }
    for page in language::pages(root)? {
        let (relative, text) = read(root, &page)?;
        findings.extend(located(&relative, language::of_page(&text)));
    }
    for house in HOUSES {
        findings.extend(house_findings(root, house)?);
    }
    for sources in WITHOUT_CIRCLES {
        findings.extend(circle_findings(root, sources)?);
    }
    for file in rust_files(&root.join(imports::COMMON_SOURCES))? {
        let (relative, text) = read(root, &file)?;
        let named = paths::named_paths(&text, &[]);
        let found = named
            .iter()
            .filter_map(|path| Some((path.line, imports::common_finding(path)?)));
        findings.extend(located(&relative, found.collect()));
    }
    if !findings.is_empty() {
        bail!(
            "{} against the rules of the house:\n{}",
            findings.len(),
            findings.join("\n")
        );
    }
    Ok(())
}

fn located(relative: &str, findings: Vec<(usize, String)>) -> Vec<String> {
    findings
        .into_iter()
        .map(|(line, what)| format!("  {relative}:{line}: {what}"))
        .collect()
}

fn house_findings(root: &Path, house: &House) -> Result<Vec<String>> {
    let sources = root.join(house.sources);
    let files = rust_files(&sources)?;
    let modules: Vec<Vec<String>> = files.iter().map(|file| module_of(&sources, file)).collect();
    let mut rooms: Vec<String> = modules
        .iter()
        .filter_map(|module| module.first().cloned())
        .collect();
    rooms.sort();
    rooms.dedup();
    let crates = dependencies(&sources.with_file_name("Cargo.toml"))?;
    let mut findings: Vec<String> = rooms
        .iter()
        .filter_map(|room| {
            Some(format!(
                "  {}: {}",
                house.sources,
                house.room_finding(room)?
            ))
        })
        .collect();
    for (file, module) in files.iter().zip(&modules) {
        let Some(room) = module.first() else { continue };
        if is_test_module(module) {
            continue;
        }
        let (relative, text) = read(root, file)?;
        let named = paths::named_paths(&text, module);
        let found = named
            .iter()
            .filter_map(|path| Some((path.line, house.path_finding(room, path, &rooms, &crates)?)));
        findings.extend(located(&relative, found.collect()));
    }
    Ok(findings)
}

fn circle_findings(root: &Path, sources: &str) -> Result<Vec<String>> {
    let directory = root.join(sources);
    let mut files = Vec::new();
    for file in rust_files(&directory)? {
        let module = module_of(&directory, &file);
        if is_test_module(&module) {
            continue;
        }
        let (name, text) = read(root, &file)?;
        files.push(File { name, module, text });
    }
    Ok(circles::findings(&files))
}

/// Files that only exist under `#[cfg(test)]`.
pub(super) fn is_test_module(module: &[String]) -> bool {
    module
        .iter()
        .any(|part| part == "tests" || part.ends_with("_tests"))
}

pub(super) fn read(root: &Path, file: &Path) -> Result<(String, String)> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let relative = file
        .strip_prefix(root)
        .unwrap_or(file)
        .to_string_lossy()
        .into_owned();
    Ok((relative, text))
}

/// All `.rs` files below, in order; build output is not among them.
pub(super) fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let context = || format!("cannot read {}", directory.display());
        for entry in fs::read_dir(&directory).with_context(context)? {
            let path = entry.with_context(context)?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// `[kernel, btf]` for `kernel/btf.rs`, `[kernel]` for `kernel/mod.rs`, empty for the crate root.
pub(super) fn module_of(sources: &Path, file: &Path) -> Vec<String> {
    let relative = file
        .strip_prefix(sources)
        .unwrap_or(file)
        .with_extension("");
    let mut module: Vec<String> = relative
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let is_root = module.len() == 1 && ["lib", "main"].contains(&module[0].as_str());
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The names by which code can call the crates it depends on, the standard ones included.
fn dependencies(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let mut names: Vec<String> = ["std", "core", "alloc"].map(str::to_owned).into();
    let mut in_dependencies = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_dependencies = line.trim() == "[dependencies]";
        } else if in_dependencies {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                names.push(name.replace('-', "_"));
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
#[path = "house_tests.rs"]
mod tests;
