//! Where a page goes: a file that appears whole or not at all, or stdout.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A page holds what a recording holds: names, addresses. It is for who made it.
const MODE: u32 = 0o600;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OutputFile {
    /// As it is.
    Stdout,
    /// Replaced if it is there.
    File(PathBuf),
}

impl OutputFile {
    /// As asked for by `-o`, else beside the first recording. Err is a usage error, in one sentence.
    pub(super) fn of(output: Option<&Path>, recordings: &[PathBuf]) -> Result<Self, String> {
        let stdin = Path::new("-");
        let Some(output) = output else {
            let first = recordings.iter().find(|path| *path != stdin);
            let beside = first.map(|path| path.with_extension("html"));
            let beside = beside.ok_or("a recording from stdin has no name; use -o FILE")?;
            // The user did not name it, so it may belong to someone else.
            if beside.exists() {
                let name = beside.display();
                return Err(format!(
                    "{name} already exists; to replace it, use -o {name}"
                ));
            }
            return Ok(Self::File(beside));
        };
        if output == stdin {
            return Ok(Self::Stdout);
        }
        if recordings.iter().any(|path| is_same(path, output)) {
            let name = output.display();
            return Err(format!(
                "-o {name}: this is the recording itself; use another file"
            ));
        }
        Ok(Self::File(output.to_path_buf()))
    }

    /// Whether the page can be put there later, as far as that is known now.
    pub(super) fn try_out(&self) -> anyhow::Result<()> {
        let Self::File(file) = self else {
            return Ok(());
        };
        if fs::metadata(file).is_ok_and(|meta| !meta.is_file()) {
            return Ok(());
        }
        let part = part(file);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&part);
        opened
            .and_then(|_| fs::remove_file(&part))
            .with_context(|| format!("cannot write the report to {}", file.display()))
    }

    /// Puts the page there. Returns the file's name, if it is one.
    pub(super) fn write(&self, page: &[u8]) -> anyhow::Result<Option<&Path>> {
        match self {
            Self::Stdout => {
                crate::cli::print(page)?;
                Ok(None)
            }
            Self::File(file) => {
                replace(file, page)
                    .with_context(|| format!("cannot write the report to {}", file.display()))?;
                Ok(Some(file))
            }
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The file beside it that becomes it.
fn part(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    file.with_file_name(name)
}

/// Through a file beside it, so that nobody ever sees half a page. What is no file, such as a
/// terminal, is written as it is.
fn replace(file: &Path, page: &[u8]) -> std::io::Result<()> {
    if fs::metadata(file).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return fs::write(file, page);
    }
    let part = part(file);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&part)
        .and_then(|mut open| {
            open.write_all(page)?;
            open.sync_all()
        })
        .and_then(|()| fs::rename(&part, file));
    if written.is_err() {
        // The first error is reported; one here would only hide it.
        drop(fs::remove_file(&part));
    }
    written
}
