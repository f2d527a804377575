//! An initramfs: files, directories, links and device nodes as one `newc` cpio archive.
//!
//! Parent directories are added by themselves. Everything belongs to root. Only writes to memory.

use std::collections::BTreeSet;

const MAGIC: &str = "070701";
const END: &str = "TRAILER!!!";

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive being written.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    written: BTreeSet<String>,
}

struct Entry<'a> {
    path: &'a str,
    mode: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl Archive {
    /// Adds a file that is only read.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.add(path, FILE, content);
    }

    /// Adds a file that can be executed.
    pub(super) fn program(&mut self, path: &str, content: &[u8]) {
        self.add(path, PROGRAM, content);
    }

    /// Adds a symbolic link to `target`.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.add(path, LINK, target.as_bytes());
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, path: &str) {
        self.add(path, DIRECTORY, &[]);
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(&Entry {
            path: trimmed(path),
            mode: CHARACTER_DEVICE,
            device: (major, minor),
            content: &[],
        });
    }

    /// True when something of this name is in the archive.
    pub(super) fn has(&self, path: &str) -> bool {
        self.written.contains(trimmed(path))
    }

    /// The whole archive. More archives may follow it in the same file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(&Entry {
            path: END,
            mode: 0,
            device: (0, 0),
            content: &[],
        });
        self.bytes
    }

    fn add(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.parents(path);
        self.entry(&Entry {
            path: trimmed(path),
            mode,
            device: (0, 0),
            content,
        });
    }

    fn parents(&mut self, path: &str) {
        let path = trimmed(path);
        for (at, _) in path.match_indices('/') {
            if !self.has(&path[..at]) {
                self.entry(&Entry {
                    path: &path[..at],
                    mode: DIRECTORY,
                    device: (0, 0),
                    content: &[],
                });
            }
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        if !self.written.insert(entry.path.to_owned()) {
            return;
        }
        self.inode += 1;
        let length = u32::try_from(entry.content.len()).unwrap_or(u32::MAX);
        let name_length = u32::try_from(entry.path.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            self.inode,
            entry.mode,
            0,
            0,
            1,
            0,
            length,
            0,
            0,
            entry.device.0,
            entry.device.1,
            name_length,
            0,
        ];
        self.bytes.extend(MAGIC.as_bytes());
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(entry.path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(entry.content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Names in an initramfs have no slash in front.
fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn archive() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.program("/bin/a", b"five!");
        archive.file("/bin/b", b"");
        archive.link("/lib", "usr/lib");
        archive.device("/dev/console", 5, 1);
        archive.file("/bin/b", b"again");
        archive.finish()
    }

    #[test]
    fn headers_and_content_begin_at_multiples_of_four() {
        let bytes = archive();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let starts: Vec<usize> = text.match_indices(MAGIC).map(|(at, _)| at).collect();
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        assert_eq!(starts.len(), 7, "two directories, four entries, the end");
    }

    #[test]
    fn what_is_there_is_not_written_twice() {
        assert!(!String::from_utf8_lossy(&archive()).contains("again"));
    }

    #[test]
    fn cpio_itself_lists_what_was_written() {
        let cpio = Command::new("cpio")
            .args(["-t", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        // Not every machine has it; a kernel that boots says the same.
        let Ok(mut cpio) = cpio else { return };
        std::io::Write::write_all(&mut cpio.stdin.take().unwrap(), &archive()).unwrap();
        let listed = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
        let names: Vec<&str> = listed.lines().collect();
        assert_eq!(
            names,
            ["bin", "bin/a", "bin/b", "lib", "dev", "dev/console"]
        );
    }
}
