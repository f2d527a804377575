//! What is in the program besides our own code: a list of components (CycloneDX 1.5) and the
//! licences with their texts.
//!
//! From what cargo says of the target's dependency graph, without what only builds or tests use, and
//! without macros, of which nothing is in the program. Fails when a crate states no licence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Release;
use crate::process;
use crate::workspace::{Rustc, Workspace};

/// Whose dependencies are in the program: the second is the object inside of it.
const ROOTS: [&str; 2] = ["tcptrace", "tcptrace-ebpf"];
/// How files with licences begin, in capitals.
const TEXTS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// The lists, as they are written.
pub(super) struct Listed {
    pub(super) components: String,
    pub(super) licences: String,
}

/// One library.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    name: String,
    version: String,
    licence: String,
    /// SHA-256 of the package in the registry; `None` for what comes with the compiler.
    checksum: Option<String>,
    /// Where its source is, with the texts; `None` likewise.
    source: Option<PathBuf>,
}

/// The lists for a target.
pub(super) fn of(workspace: &Workspace, target: &str, release: &Release) -> Result<Listed> {
    let mut command = workspace.cargo();
    command.args(["metadata", "--format-version=1", "--locked"]);
    let text = process::output_text(command.args(["--filter-platform", target]))?;
    let metadata = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
    let lock = workspace.root().join("Cargo.lock");
    let lock =
        fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let mut components = linked(&metadata, &checksums(&lock))?;
    components.extend(of_the_compiler(target)?);
    components.sort();
    Ok(Listed {
        components: cyclonedx(&components, release)?,
        licences: licences(&components)?,
    })
}

/// The crates that are linked.
fn linked(
    metadata: &Value,
    checksums: &BTreeMap<(String, String), String>,
) -> Result<Vec<Component>> {
    let packages = list(&metadata["packages"]);
    let by_id: BTreeMap<&str, &Value> = packages
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let is_root = |package: &&Value| ROOTS.iter().any(|root| package["name"] == *root);
    let mut pending: Vec<&str> = packages
        .iter()
        .filter(is_root)
        .filter_map(|package| package["id"].as_str())
        .collect();
    let mut seen: BTreeSet<&str> = pending.iter().copied().collect();
    let mut components = Vec::new();
    while let Some(id) = pending.pop() {
        let package = by_id
            .get(id)
            .context("cargo metadata names no such package")?;
        if is_macro(package) {
            continue;
        }
        // The workspace's own have no source.
        if !package["source"].is_null() {
            components.push(component(package, checksums)?);
        }
        let dependencies = nodes
            .get(id)
            .map(|node| list(&node["deps"]))
            .unwrap_or_default();
        for dependency in dependencies
            .iter()
            .filter(|dependency| is_linked(dependency))
        {
            let id = dependency["pkg"]
                .as_str()
                .context("a dependency without an id")?;
            if seen.insert(id) {
                pending.push(id);
            }
        }
    }
    Ok(components)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_macro(package: &Value) -> bool {
    let kinds = list(&package["targets"])
        .iter()
        .flat_map(|target| list(&target["kind"]));
    kinds.into_iter().any(|kind| kind == "proc-macro")
}

/// Ordinary dependencies have no kind; the others are for building and testing.
fn is_linked(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"])
        .iter()
        .any(|kind| kind["kind"].is_null())
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Result<Component> {
    let text = |field: &str| package[field].as_str().map(str::to_owned);
    let name = text("name").context("a package without a name")?;
    let version = text("version").with_context(|| format!("{name} has no version"))?;
    let licence = text("license").with_context(|| format!("{name} states no licence"))?;
    let manifest = text("manifest_path").map(PathBuf::from);
    Ok(Component {
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        // Crates from before SPDX expressions write `/` for OR.
        licence: licence.replace('/', " OR "),
        source: manifest.and_then(|file| Some(file.parent()?.to_path_buf())),
        name,
        version,
    })
}

/// By name and version, from the text of a lock file.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |block: &str, name: &str| {
        let begin = format!("{name} = \"");
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(begin.as_str()))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter_map(|block| {
            let key = (field(block, "name")?, field(block, "version")?);
            Some((key, field(block, "checksum")?))
        })
        .collect()
}

/// What every Rust program has in it, and the C library that is linked.
fn of_the_compiler(target: &str) -> Result<Vec<Component>> {
    let bundled = |name: &str, version: String, licence: &str| Component {
        name: name.to_owned(),
        version,
        licence: licence.to_owned(),
        checksum: None,
        source: None,
    };
    let rust = Rustc::probe()?.release;
    let library = if target.ends_with("-musl") {
        // The one that comes with this compiler.
        bundled("musl", format!("of Rust {rust}"), "MIT")
    } else {
        let mut ldd = std::process::Command::new("ldd");
        let text = process::output_text(ldd.arg("--version"))?;
        let version = text
            .lines()
            .next()
            .and_then(|line| line.split_whitespace().next_back());
        let version = version
            .context("`ldd --version` names no version")?
            .to_owned();
        bundled("glibc", version, "LGPL-2.1-or-later")
    };
    let standard = bundled("rust-std", rust, "MIT OR Apache-2.0");
    Ok(vec![standard, library])
}

fn cyclonedx(components: &[Component], release: &Release) -> Result<String> {
    let listed: Vec<Value> = components
        .iter()
        .map(|component| {
            let Component {
                name,
                version,
                licence,
                checksum,
                ..
            } = component;
            let mut listed = json!({
                "type": "library",
                "name": name,
                "version": version,
                "licenses": [{ "expression": licence }],
            });
            if let Some(checksum) = checksum {
                let address = format!("pkg:cargo/{name}@{version}");
                listed["purl"] = json!(address);
                listed["bom-ref"] = json!(address);
                listed["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
            }
            listed
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": release.date("+%Y-%m-%dT%H:%M:%SZ")?,
            "component": {
                "type": "application",
                "name": "tcptrace",
                "version": release.version,
                "licenses": [{ "expression": "(MIT OR Apache-2.0) AND GPL-2.0-only" }],
            },
        },
        "components": listed,
    });
    let mut text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
    text.push('\n');
    Ok(text)
}

/// A table of all, then each text once, under the names of those that have it.
fn licences(components: &[Component]) -> Result<String> {
    let mut text = String::from(
        "# Third-party software in tcptrace\n\n\
         Linked into the program; texts as their packages have them, each once.\n\n\
         | component | version | licence |\n|---|---|---|\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for component in components {
        let Component {
            name,
            version,
            licence,
            source,
            ..
        } = component;
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "| {name} | {version} | {licence} |");
        for found in source
            .as_deref()
            .map(texts_in)
            .transpose()?
            .unwrap_or_default()
        {
            texts
                .entry(found)
                .or_default()
                .push(format!("{name} {version}"));
        }
    }
    if components.iter().any(|component| component.name == "glibc") {
        text.push_str(
            "\nThe GNU C Library is linked statically. To link the program with another version of it, \
             build it from its source: `cargo xtask dist`. Text of its licence: \
             <https://www.gnu.org/licenses/old-licenses/lgpl-2.1.html>\n",
        );
    }
    for (licence, mut names) in texts {
        names.sort();
        names.dedup();
        // A fence that no text has in it.
        let _infallible = write!(
            text,
            "\n## {}\n\n~~~~~~\n{licence}\n~~~~~~\n",
            names.join(", ")
        );
    }
    Ok(text)
}

/// The texts in the directory of a crate.
fn texts_in(directory: &Path) -> Result<Vec<String>> {
    let context = || format!("cannot read {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_uppercase());
        let is_text = name.is_some_and(|name| TEXTS.iter().any(|begin| name.starts_with(begin)));
        if is_text && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let read = |file: &PathBuf| {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.replace("\r\n", "\n").trim().to_owned())
    };
    files.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str, source: Option<&str>) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Zlib",
            "source": source, "manifest_path": "/x/Cargo.toml", "targets": [{ "kind": [kind] }] })
    }

    #[test]
    fn only_what_is_linked_is_listed() {
        let registry = Some("registry");
        let depends = |on: &str, kind: Value| json!({ "pkg": on, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                package("tcptrace", "lib", None),
                package("linked", "lib", registry),
                package("deeper", "lib", registry),
                package("macro", "proc-macro", registry),
                package("behind-macro", "lib", registry),
                package("tested-with", "lib", registry),
                package("of-others", "lib", registry),
            ],
            "resolve": { "nodes": [
                { "id": "tcptrace", "deps": [depends("linked", Value::Null),
                    depends("macro", Value::Null), depends("tested-with", json!("dev"))] },
                { "id": "linked", "deps": [depends("deeper", Value::Null)] },
                { "id": "macro", "deps": [depends("behind-macro", Value::Null)] },
            ] },
        });
        let mut names: Vec<_> = linked(&metadata, &BTreeMap::new())
            .unwrap()
            .into_iter()
            .map(|component| (component.name, component.licence))
            .collect();
        names.sort();
        let expected = ["deeper", "linked"].map(|name| (name.to_owned(), "MIT OR Zlib".to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn checksums_are_those_of_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"r\"\n\
                    checksum = \"77\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let found = checksums(lock);
        let key = ("a".to_owned(), "1.0.0".to_owned());
        assert_eq!(found, BTreeMap::from([(key, "77".to_owned())]));
    }
}
