//! Reads files of /proc and of control groups, bounded; what cannot be read is `None`.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Of one file: longer ones are cut.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// The names of a directory that are numbers, at most `most`.
pub(super) fn numbers(path: String, most: usize) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(number).take(most).collect()
}

/// Where a symbolic link points to.
pub(super) fn link(path: String) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// The text of a file, cut at [`MOST_BYTES`].
pub(super) fn string(path: impl AsRef<Path>) -> Option<String> {
    Some(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

/// What a file holds, cut at [`MOST_BYTES`]; `None`: it cannot be read.
pub(super) fn bytes(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
