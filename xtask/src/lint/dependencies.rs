//! cargo-deny over all dependencies: licence texts, crates that are there twice, where crates come
//! from, and published advisories.
//!
//! Advisories need a database from the network. Where it cannot be fetched and no earlier copy
//! exists, they are reported as skipped, which is no failure: everything else still is checked.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::workspace::Workspace;

/// Which database the last check read.
#[derive(Debug, PartialEq, Eq)]
enum Advisories {
    Fresh,
    /// A copy of an earlier day.
    Cached,
    None,
}

/// Err when cargo-deny finds something; otherwise what it could not check, and why.
pub(super) fn check(workspace: &Workspace) -> Result<Option<&'static str>> {
    let Some(program) = setup::cargo_deny::find(workspace) else {
        return Ok(Some(
            "cargo-deny is not installed (`cargo xtask setup --deny` builds it into target/tools)",
        ));
    };
    let rest = deny(&program, workspace, &[], &["bans", "licenses", "sources"])?;
    print_text(&rest.text);
    let (read, advisories) = advisories(&program, workspace)?;
    print_text(&advisories.text);
    if !rest.success || !advisories.success {
        bail!("cargo-deny refuses a dependency; deny.toml has the rules");
    }
    Ok(match read {
        Advisories::Fresh => None,
        Advisories::Cached => {
            println!(
                "dependencies: the advisory database cannot be fetched; an earlier copy was used"
            );
            None
        }
        Advisories::None => {
            Some("advisories only: their database cannot be fetched and there is no earlier copy")
        }
    })
}

fn advisories(program: &Path, workspace: &Workspace) -> Result<(Advisories, Answer)> {
    let fresh = deny(program, workspace, &[], &["advisories"])?;
    if fresh.success || !lacks_database(&fresh.text) {
        return Ok((Advisories::Fresh, fresh));
    }
    let cached = deny(program, workspace, &["--offline"], &["advisories"])?;
    if cached.success || !lacks_database(&cached.text) {
        return Ok((Advisories::Cached, cached));
    }
    let nothing = Answer {
        success: true,
        text: String::new(),
    };
    Ok((Advisories::None, nothing))
}

/// Whether cargo-deny failed at its database, before it looked at any crate.
fn lacks_database(text: &str) -> bool {
    text.contains("[ERROR] failed to ") && !text.contains("error[")
}

struct Answer {
    success: bool,
    text: String,
}

fn deny(
    program: &Path,
    workspace: &Workspace,
    options: &[&str],
    checks: &[&str],
) -> Result<Answer> {
    let output = Command::new(program)
        .current_dir(workspace.root())
        .args(["--all-features", "--color", "never"])
        .args(options)
        .arg("check")
        .args(checks)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    Ok(Answer {
        success: output.status.success(),
        text,
    })
}

fn print_text(text: &str) {
    if !text.trim().is_empty() {
        println!("{}", text.trim());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_database_is_reported_from_an_advisory() {
        assert!(lacks_database(
            "[ERROR] failed to fetch advisory database https://example.org with cli: failed to clone"
        ));
        assert!(lacks_database(
            "[ERROR] failed to get 'FETCH_HEAD' metadata: no such file"
        ));
        assert!(!lacks_database("error[vulnerability]: use after free in x"));
    }
}
