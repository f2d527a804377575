//! Recordings of every version there was, replayed by this one.

mod fixture;
mod records;
mod replayed;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, Output};

use tcptrace::decode::decode;
use tcptrace::model::{Clock, KindSet, RunFacts};
use tcptrace::recording::{Files, Piece, Reader, Recorder, Standing, Start};

fn file(name: &str) -> PathBuf {
    let path = format!("{}/tests/fixture/recordings", env!("CARGO_MANIFEST_DIR"));
    PathBuf::from(path).join(name)
}

fn standing(boot_ns: u64, overflows: u64) -> Standing {
    let counters = [("TcpExt.ListenOverflows".to_owned(), overflows)].into();
    Standing {
        boot_ns,
        counters: [(4_026_531_840, counters)].into(),
        ..Standing::default()
    }
}

/// The records of a short hour as this version writes them.
fn write(path: PathBuf) {
    let files = Files {
        path,
        max_bytes: None,
        rotation: None,
        overwrites: true,
    };
    let start = Start {
        run: [7; 16],
        sequence: 0,
        facts: Some(RunFacts {
            host_name: Some("web-1".to_owned()),
            kernel: "6.18.0".to_owned(),
            version: "0.1.0".to_owned(),
            clock: Clock {
                boot_to_wall_ns: 1_700_000_000_000_000_000,
                start_boot_ns: 0,
            },
            kinds: KindSet::ALL,
            is_partial: false,
            words: vec!["tcptrace".to_owned(), "record".to_owned()],
            hooks: Vec::new(),
            unseen: Vec::new(),
            spaces: Vec::new(),
        }),
        host: replayed::host(),
        standing: standing(0, 5),
    };
    let mut recorder = Recorder::create(files, start).unwrap();
    for bytes in records::all() {
        if let Ok(event) = decode(&bytes) {
            recorder.event(&replayed::attributed(event));
        }
    }
    let outcome = recorder.finish(&standing(3_600_000_000_000, 8));
    assert_eq!(outcome.lost_events, 0);
}

fn replay(args: &[&str], path: &PathBuf) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    command.arg("replay").args(args).arg(path);
    command.env("TZ", "UTC").output().unwrap()
}

#[test]
fn version_1_is_read_as_ever() {
    let path = file("v1.rec");
    let output = replay(&["--json"], &path);
    assert!(output.status.success(), "{output:?}");
    insta::assert_snapshot!("version_1", String::from_utf8(output.stdout).unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("of web-1, Linux 6.18.0"), "{said}");
}

#[test]
fn without_its_beginning_a_recording_shows_no_time_of_day() {
    let mut bytes = std::fs::read(file("v1.rec")).unwrap();
    bytes[80] ^= 1;
    let path = std::env::temp_dir().join(format!("tcptrace-no-start-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let damaged = replay(&["--time", "utc"], &path);
    std::fs::remove_file(&path).unwrap();
    let lines = |output: Output| String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(damaged.stderr.clone()).unwrap();
    assert!(said.contains("the time of day is unknown"), "{said}");
    // Seconds since boot, which is when this one began.
    let relative = replay(&["--time", "relative"], &file("v1.rec"));
    let first = |lines: String| lines.split_whitespace().nth(8).map(str::to_owned);
    let (damaged, relative) = (first(lines(damaged)), first(lines(relative)));
    assert!(relative.is_some());
    assert_eq!(damaged, relative);
}

fn pieces(path: PathBuf) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut reader = Reader::open(&[path]).unwrap();
    let mut take = |piece| {
        pieces.push(piece);
        ControlFlow::Continue(())
    };
    while reader.step(&mut take).unwrap() {}
    pieces
}

/// The file of the newest version holds what this program writes.
#[test]
fn version_1_is_what_is_written() {
    let kept = file("v1.rec");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        write(kept.clone());
    }
    let unique = format!("tcptrace-v1-{}.rec", std::process::id());
    let path = std::env::temp_dir().join(unique);
    write(path.clone());
    let written = pieces(path.clone());
    std::fs::remove_file(&path).unwrap();
    assert_eq!(written, pieces(kept));
}
