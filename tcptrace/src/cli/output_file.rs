//! Where a page goes: a file that appears whole or not at all, or stdout.

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
            // Nobody named it, so it may be somebody else's.
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

/// Through a file beside it, so that nobody ever sees half a page. What is no file, such as a
/// terminal, is written as it is.
fn replace(file: &Path, page: &[u8]) -> std::io::Result<()> {
    if fs::metadata(file).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return fs::write(file, page);
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
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
        // The first error is told; one here would only hide it.
        drop(fs::remove_file(&part));
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A directory of its own, removed at the end.
    struct Room(PathBuf);

    impl Room {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("tcptrace-place-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_page_goes_beside_the_first_recording_unless_something_is_there() {
        let room = Room::new("beside");
        let recordings = [
            PathBuf::from("-"),
            room.file("friday.rec"),
            room.file("b.rec"),
        ];
        let beside = room.file("friday.html");
        assert_eq!(
            OutputFile::of(None, &recordings),
            Ok(OutputFile::File(beside.clone()))
        );
        fs::write(&beside, "mine").unwrap();
        assert!(
            OutputFile::of(None, &recordings)
                .unwrap_err()
                .contains("-o")
        );
        assert_eq!(
            OutputFile::of(Some(&beside), &recordings),
            Ok(OutputFile::File(beside))
        );
        assert!(
            OutputFile::of(None, &recordings[..1])
                .unwrap_err()
                .contains("stdin")
        );
        assert_eq!(
            OutputFile::of(Some(Path::new("-")), &recordings),
            Ok(OutputFile::Stdout)
        );
    }

    #[test]
    fn a_recording_is_never_overwritten_by_its_page() {
        let room = Room::new("same");
        let recording = room.file("a.html");
        fs::write(&recording, "recording").unwrap();
        let other_name = room.file("./a.html");
        let refused = OutputFile::of(Some(&other_name), std::slice::from_ref(&recording));
        assert!(refused.unwrap_err().contains("the recording itself"));
        let refused = OutputFile::of(None, std::slice::from_ref(&recording));
        assert!(refused.is_err());
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_for_its_owner() {
        let room = Room::new("whole");
        let file = room.file("page.html");
        for text in ["first", "second"] {
            OutputFile::File(file.clone())
                .write(text.as_bytes())
                .unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&room.0).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_is_not_there_is_named_and_nothing_is_left() {
        let room = Room::new("nowhere");
        let error = OutputFile::File(room.file("no/page.html"))
            .write(b"x")
            .unwrap_err();
        assert!(format!("{error:#}").contains("no/page.html"), "{error:#}");
        fs::create_dir(room.file("directory")).unwrap();
        assert!(
            OutputFile::File(room.file("directory"))
                .write(b"x")
                .is_err()
        );
        assert_eq!(fs::read_dir(&room.0).unwrap().count(), 1);
    }
}
