//! `tcptrace report`: from files to a file, as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

/// A directory of its own, removed at the end.
struct Room(PathBuf);

impl Room {
    /// With a recording in it.
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tcptrace-report-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/recordings/v1.rec");
        fs::copy(kept, path.join("night.rec")).unwrap();
        Self(path)
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
            .args(words)
            .current_dir(&self.0)
            .timeout(Duration::from_secs(60))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_page_is_made_beside_the_recording_and_never_over_what_nobody_named() {
    let room = Room::new("beside");
    let (code, stdout, stderr) = room.run(&["report", "night.rec"]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(stderr.contains("night.html"), "{stderr}");
    let page = room.read("night.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    let (code, _, stderr) = room.run(&["report", "night.rec"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("-o night.html"), "{stderr}");
    let (code, _, stderr) = room.run(&["report", "night.rec", "-o", "night.html"]);
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_dash_is_stdout_and_says_nothing_else() {
    let room = Room::new("stdout");
    let (code, stdout, stderr) = room.run(&["report", "night.rec", "-o", "-", "--time", "utc"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("<!doctype html>"));
    let (_, again, _) = room.run(&["report", "night.rec", "-o", "-", "--time", "utc"]);
    assert!(stdout == again, "the same recording gave another page");
}

#[test]
fn the_ndjson_of_a_replay_makes_a_page_of_the_same_findings() {
    let room = Room::new("ndjson");
    let (code, lines, stderr) = room.run(&["replay", "night.rec", "--json", "--quiet"]);
    assert_eq!(code, Some(0), "{stderr}");
    fs::write(room.0.join("night.ndjson"), lines).unwrap();
    let (code, of_lines, stderr) =
        room.run(&["report", "night.ndjson", "-o", "-", "--time", "utc"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (_, of_recording, _) = room.run(&["report", "night.rec", "-o", "-", "--time", "utc"]);
    let findings = |page: &str| -> Vec<String> {
        let cards = page.split("<article ").skip(1);
        cards
            .map(|card| card.split('>').next().unwrap().to_owned())
            .collect()
    };
    assert!(!findings(&of_recording).is_empty());
    assert_eq!(findings(&of_lines), findings(&of_recording));
}

#[test]
fn a_cut_recording_still_gives_a_page_that_says_so() {
    let room = Room::new("cut");
    let whole = fs::read(room.0.join("night.rec")).unwrap();
    fs::write(room.0.join("cut.rec"), &whole[..whole.len() * 2 / 3]).unwrap();
    let (code, page, stderr) = room.run(&["report", "cut.rec", "-o", "-"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(page.contains("<strong class=\"bad\">No.</strong>"));
    assert!(page.contains("cut.rec:"));
}

#[test]
fn a_choice_is_kept_to_and_said() {
    let room = Room::new("choice");
    let (code, page, stderr) = room.run(&["report", "night.rec", "-o", "-", "--lport", "1"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(page.contains("this report shows only the selected part"));
    assert!(!page.contains("<article"));
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let room = Room::new("words");
    for words in [
        &["report"][..],
        &["report", "night.rec", "--time", "swatch"],
        &["report", "night.rec", "-o", "night.rec"],
        &["report", "-"],
        &["report", "night.rec", "--pid", "1", "--children"],
    ] {
        let (code, stdout, stderr) = room.run(words);
        assert_eq!(
            (code, stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {stderr}"
        );
    }
    let (code, _, stderr) = room.run(&["report", "missing.rec", "-o", "x.html"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("missing.rec"), "{stderr}");
    assert!(!room.0.join("x.html").exists());
}
