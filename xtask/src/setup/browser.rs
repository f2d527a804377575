//! The browser that `test report` looks with: the machine's own Chromium, else the distribution's
//! package, unpacked to `target/browser`.
//!
//! Nothing is installed. Fails when there is none and none can be fetched.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::servers;
use crate::process;
use crate::workspace::Workspace;

/// Chromium without windows, a third of the whole one.
const PACKAGE: &str = "chromium-headless-shell";
/// Programs that serve, in the order tried.
const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];
/// Where Debian keeps the program itself; what is under `usr/bin` is a script with paths of `/`.
const INSIDE: [&str; 3] = [
    "usr/lib/chromium/chromium-headless-shell",
    "usr/lib/chromium/headless_shell",
    "usr/lib/chromium/headless-shell",
];

/// A browser, and where the libraries are that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    /// None when the program is the machine's own.
    pub(crate) libraries: Option<PathBuf>,
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/browser")
}

/// The fetched one first. None when there is none.
pub(crate) fn find(workspace: &Workspace) -> Option<Browser> {
    let fetched = unpacked(&home(workspace).join(PACKAGE));
    fetched.or_else(|| {
        let program = PROGRAMS.iter().find_map(|name| process::on_path(name))?;
        Some(Browser {
            program,
            libraries: None,
        })
    })
}

fn unpacked(root: &Path) -> Option<Browser> {
    let program = INSIDE
        .iter()
        .map(|path| root.join(path))
        .find(|file| file.is_file())?;
    let directories = fs::read_dir(root.join("usr/lib")).into_iter().flatten();
    // Debian keeps libraries in a directory named after the machine, such as x86_64-linux-gnu.
    let libraries = directories
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu"));
    Some(Browser { program, libraries })
}

/// A browser, fetched when there is none.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Browser> {
    if let Some(browser) = find(workspace) {
        println!("browser: {} found", browser.program.display());
        return Ok(browser);
    }
    let home = home(workspace);
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let apt = servers::updated_apt(&home, "browser")?;
    let has_it = |root: &Path| unpacked(root).is_some();
    let packages = servers::fetch(&apt, PACKAGE, &home, PACKAGE, has_it)?;
    println!("browser: {packages} packages unpacked in target/browser/{PACKAGE}");
    find(workspace).context("the package was unpacked, but its program cannot be found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_browser_comes_with_its_libraries() {
        let root = std::env::temp_dir().join(format!("xtask-browser-{}", std::process::id()));
        let (inside, lib) = (
            root.join("usr/lib/chromium"),
            root.join("usr/lib/some-linux-gnu"),
        );
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(&lib).unwrap();
        assert_eq!(unpacked(&root), None);
        fs::write(inside.join("headless_shell"), "").unwrap();
        let browser = unpacked(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(browser.program, inside.join("headless_shell"));
        assert_eq!(browser.libraries, Some(lib));
    }
}
