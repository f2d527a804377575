//! Files as they will be where they are installed: path, mode, content. Everything is root's.
//!
//! Sorted by path, with the directories that lead there. Touches no disk.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

/// Read by everybody, written by root.
pub(super) const PLAIN: u32 = 0o644;
/// Executed by everybody.
pub(super) const PROGRAM: u32 = 0o755;

/// One file.
pub(super) struct File {
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

/// Files by their paths, which begin with no slash.
#[derive(Default)]
pub(super) struct Tree(pub(super) BTreeMap<String, File>);

impl Tree {
    pub(super) fn add(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) {
        let content = content.into();
        self.0.insert(path.to_owned(), File { mode, content });
    }

    /// The same, compressed; the path gets its `.gz`.
    pub(super) fn add_compressed(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.add(&format!("{path}.gz"), PLAIN, compressed(content)?);
        Ok(())
    }

    /// What the files take on a disk, in KiB, as Debian counts it.
    pub(super) fn kibibytes(&self) -> usize {
        self.0
            .values()
            .map(|file| file.content.len().div_ceil(1024))
            .sum()
    }
}

/// By gzip, without a name or a time.
pub(super) fn compressed(content: &[u8]) -> Result<Vec<u8>> {
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(content).context("cannot compress")?;
    writer.finish().context("cannot compress")
}
