//! Where pages go, and what is never overwritten.

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
