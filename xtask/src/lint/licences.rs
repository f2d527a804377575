//! The licence of every crate in the lock file, held against the list in `deny.toml`.
//!
//! The check is done here, so that it needs no tool; cargo-deny, which reads the same list and also
//! looks at licence texts, is run by `lint deny`. Fails with every crate whose terms the list does
//! not cover. The workspace's own crates are not asked.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// Err when a dependency's licence is not on the list.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let file = workspace.root().join("deny.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let allowed = allow_list(&text).context("deny.toml has no list `allow` under [licenses]")?;
    let metadata = workspace.metadata(true)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    let mut findings = Vec::new();
    // What comes from a registry has a source; the workspace's own crates have none.
    for package in packages
        .iter()
        .filter(|package| !package["source"].is_null())
    {
        let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
        match package["license"].as_str() {
            None => findings.push(format!("  {name}: states no licence")),
            Some(licence) if !is_covered(licence, &allowed) => {
                findings.push(format!("  {name}: {licence}"));
            }
            Some(_) => {}
        }
    }
    if !findings.is_empty() {
        bail!(
            "licences that deny.toml does not allow:\n{}",
            findings.join("\n")
        );
    }
    println!(
        "licences: {} crates, all allowed by deny.toml",
        packages.len()
    );
    Ok(())
}

/// The strings of `allow = [...]` in the section `[licenses]`.
fn allow_list(text: &str) -> Option<Vec<String>> {
    let (_, section) = text.split_once("\n[licenses]\n")?;
    let (_, list) = section.split_once("\nallow = [")?;
    let (list, _) = list.split_once(']')?;
    Some(
        list.split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

/// Whether one may choose terms that are all allowed. An expression that is not understood is not
/// covered.
fn is_covered(expression: &str, allowed: &[String]) -> bool {
    // Crates from before SPDX expressions write `/` for OR.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let covered = alternatives(&mut words, allowed);
    covered == Some(true) && words.is_empty()
}

/// `A OR B`; words are taken from the end of the list. None when it is no expression.
fn alternatives(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    let mut covered = conjunction(words, allowed)?;
    while words.last() == Some(&"OR") {
        words.pop();
        covered |= conjunction(words, allowed)?;
    }
    Some(covered)
}

/// `A AND B`, which binds more tightly.
fn conjunction(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    let mut covered = term(words, allowed)?;
    while words.last() == Some(&"AND") {
        words.pop();
        covered &= term(words, allowed)?;
    }
    Some(covered)
}

fn term(words: &mut Vec<&str>, allowed: &[String]) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let covered = alternatives(words, allowed)?;
            (words.pop()? == ")").then_some(covered)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        id if words.last() == Some(&"WITH") => {
            words.pop();
            let with_exception = format!("{id} WITH {}", words.pop()?);
            // An exception only adds permissions to those of the licence.
            Some(
                allowed
                    .iter()
                    .any(|known| *known == with_exception || known == id),
            )
        }
        id => Some(allowed.iter().any(|known| known == id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(expression: &str) -> bool {
        is_covered(
            expression,
            &["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned),
        )
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert!(covered("MIT OR GPL-3.0-only"));
        assert!(covered("GPL-3.0-only/MIT"));
        assert!(!covered("GPL-3.0-only OR LGPL-2.1-only"));
    }

    #[test]
    fn all_of_a_conjunction_must_be_allowed() {
        assert!(covered("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!covered("(MIT OR Apache-2.0) AND NCSA"));
        assert!(covered("NCSA AND MIT OR Apache-2.0"));
    }

    #[test]
    fn an_exception_only_adds() {
        assert!(covered("Apache-2.0 WITH LLVM-exception OR NCSA"));
        assert!(!covered("GPL-2.0-only WITH Classpath-exception-2.0"));
    }

    #[test]
    fn what_is_not_understood_is_not_covered() {
        for expression in ["", "MIT MIT", "(MIT", "MIT)", "OR", "MIT AND", "MIT WITH"] {
            assert!(!covered(expression), "{expression:?}");
        }
    }

    #[test]
    fn the_list_is_read_from_its_section() {
        let text = "[bans]\nallow = [\"x\"]\n\n[licenses]\nversion = 2\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n";
        assert_eq!(allow_list(text).unwrap(), ["MIT", "ISC"]);
        assert_eq!(allow_list("[licenses]\n"), None);
    }
}
