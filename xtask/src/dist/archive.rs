//! Trees and members to the bytes of tar and ar. Only writes to memory.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use super::tree::{File, Tree, compressed};

/// The first line of an ar.
const AR: &[u8] = b"!<arch>\n";

/// A tree as a compressed tar.
pub(super) fn packed(tree: &Tree, epoch: u64) -> Result<Vec<u8>> {
    compressed(&tar(tree, epoch)?)
}

/// A tar of a tree, directories first where they are needed.
pub(super) fn tar(tree: &Tree, epoch: u64) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    let mut made = BTreeSet::new();
    for (path, file) in &tree.0 {
        for (at, _) in path.match_indices('/') {
            let directory = &path[..=at];
            if made.insert(directory.to_owned()) {
                let mut header = header(EntryType::Directory, 0o755, 0, epoch)?;
                builder
                    .append_data(&mut header, directory, std::io::empty())
                    .with_context(|| format!("cannot add {directory}"))?;
            }
        }
        let File { mode, content } = file;
        let mut header = header(EntryType::Regular, *mode, content.len() as u64, epoch)?;
        builder
            .append_data(&mut header, path, content.as_slice())
            .with_context(|| format!("cannot add {path}"))?;
    }
    builder.into_inner().context("cannot end the tar")
}

fn header(kind: EntryType, mode: u32, size: u64, epoch: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(epoch);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    Ok(header)
}

/// An ar of these members, whose names have at most 15 bytes.
pub(super) fn ar(members: &[(&str, &[u8])], epoch: u64) -> Vec<u8> {
    let mut bytes = AR.to_vec();
    for (name, content) in members {
        // Name, time, user, group, mode, size, in columns of text.
        let length = content.len();
        let head = format!(
            "{name:<16}{epoch:<12}{:<6}{:<6}{:<8}{length:<10}`\n",
            0, 0, "100644"
        );
        bytes.extend(head.as_bytes());
        bytes.extend(*content);
        // Each begins at an even place.
        bytes.extend((length % 2 == 1).then_some(b'\n'));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::tree::PLAIN;
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.add("usr/share/b", PLAIN, *b"two");
        tree.add("usr/bin/a", 0o755, *b"one");
        tree
    }

    #[test]
    fn a_tar_has_directories_first_sorted_and_everything_is_roots() {
        let bytes = tar(&tree(), 77).unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.uid().unwrap() + header.gid().unwrap(), 0);
                assert_eq!(header.mtime().unwrap(), 77);
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap())
            })
            .collect();
        let expected = [
            ("usr/", 0o755),
            ("usr/bin/", 0o755),
            ("usr/bin/a", 0o755),
            ("usr/share/", 0o755),
            ("usr/share/b", 0o644),
        ];
        assert_eq!(
            entries,
            expected.map(|(path, mode)| (path.to_owned(), mode))
        );
    }

    #[test]
    fn members_of_an_ar_begin_at_even_places() {
        let bytes = ar(&[("one", b"odd"), ("two", b"even")], 5);
        assert_eq!(&bytes[..8], AR);
        let (head, member) = (&bytes[8..68], &bytes[68..72]);
        assert!(head.starts_with(b"one             5           0     0     100644  3         `\n"));
        assert_eq!(member, b"odd\n");
        assert!(bytes[72..].starts_with(b"two "));
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes() {
        assert_eq!(packed(&tree(), 7).unwrap(), packed(&tree(), 7).unwrap());
    }
}
