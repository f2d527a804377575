//! A part of a recording, by `--since` and `--until`: what is shown, and what becomes of the losses outside.

mod fixture;
mod records;
mod replayed;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tcptrace::decode::decode;
use tcptrace::model::{Clock, Event, Kind, KindSet, RunFacts};
use tcptrace::recording::{Files, Item, KernelCount, Recorder, Standing, Start};

const SECOND: u64 = 1_000_000_000;
/// 22:13:20 UTC, when this machine of the tests was booted.
const BOOTED: i64 = 1_700_000_000_000_000_000;

/// A file that is removed at the end.
struct Recording(PathBuf);

impl Drop for Recording {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn standing(boot_ns: u64) -> Standing {
    Standing {
        boot_ns,
        ..Standing::default()
    }
}

/// One RST a second, from 10 s to 69 s after boot; 7 events were lost until second 20, 29 more until second 40, and 100
/// more until second 60.
fn recording(name: &str) -> Recording {
    let (mut recorder, file) = create(name);
    let reset = reset();
    for second in 10..70 {
        let boot_ns = second * SECOND;
        recorder.event(&Event {
            boot_ns,
            ..reset.clone()
        });
        let lost = match second {
            20 => 7,
            40 => 36,
            60 => 136,
            _ => continue,
        };
        let count = KernelCount { filtered: 0, lost };
        let boot_ns = boot_ns + 1;
        recorder.item(&Item::Kernel(Kind::RstReceived, count, boot_ns), boot_ns);
    }
    let mut end = standing(70 * SECOND);
    let count = KernelCount {
        filtered: 0,
        lost: 136,
    };
    end.kernel.insert(Kind::RstReceived, count);
    assert_eq!(recorder.finish(&end).lost_events, 0);
    file
}

/// RSTs at these milliseconds after boot.
fn recording_of(name: &str, at_ms: &[u64]) -> Recording {
    let (mut recorder, file) = create(name);
    let reset = reset();
    for at_ms in at_ms {
        recorder.event(&Event {
            boot_ns: at_ms * 1_000_000,
            ..reset.clone()
        });
    }
    assert_eq!(recorder.finish(&standing(70 * SECOND)).lost_events, 0);
    file
}

/// A recording that begins 10 s after boot.
fn create(name: &str) -> (Recorder, Recording) {
    let path = std::env::temp_dir().join(format!("tcptrace-{name}-{}.rec", std::process::id()));
    let files = Files {
        path: path.clone(),
        max_bytes: None,
        rotation: None,
        overwrites: true,
    };
    let start = Start {
        run: [9; 16],
        sequence: 0,
        facts: Some(RunFacts {
            host_name: None,
            kernel: "6.18.0".to_owned(),
            version: "0.1.0".to_owned(),
            clock: Clock {
                boot_to_wall_ns: BOOTED,
                start_boot_ns: 10 * SECOND,
            },
            kinds: KindSet::ALL,
            is_partial: false,
            words: Vec::new(),
            hooks: Vec::new(),
            unseen: Vec::new(),
            spaces: Vec::new(),
        }),
        host: replayed::host(),
        standing: standing(10 * SECOND),
    };
    (Recorder::create(files, start).unwrap(), Recording(path))
}

/// A RST that was received by a connection that was open.
fn reset() -> Event {
    let is_reset = |event: &Event| {
        use tcptrace::model::Signal;
        matches!(event.signal, Signal::ResetReceived { .. })
    };
    let events = records::all()
        .into_iter()
        .filter_map(|bytes| decode(&bytes).ok());
    let mut resets = events.map(replayed::attributed).filter(is_reset);
    resets.next().unwrap()
}

struct Shown {
    code: Option<i32>,
    /// Seconds after boot.
    seconds: Vec<u64>,
    summary: Value,
    said: String,
}

fn replay(path: &Path, words: &[&str]) -> Shown {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    command
        .args(["replay", "--json", "--strict", "--time", "utc"])
        .args(words);
    let output = command.arg(path).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    Shown {
        code: output.status.code(),
        seconds: of("rst_received")
            .map(|object| object["mono_ns"].as_u64().unwrap() / SECOND)
            .collect(),
        summary: of("summary").next().cloned().unwrap_or_default(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_is_shown_is_what_happened_then_and_so_are_the_losses() {
    let file = recording("then");
    let whole = replay(&file.0, &[]);
    assert_eq!(
        whole.seconds,
        (10..70).collect::<Vec<_>>(),
        "{}",
        whole.said
    );
    assert_eq!(whole.summary["loss"]["lost"], 136);

    // 30 s to 50 s after boot.
    let part = replay(
        &file.0,
        &["--since", "22:13:50", "--until", "2023-11-14T22:14:10Z"],
    );
    assert_eq!(part.seconds, (30..=50).collect::<Vec<_>>(), "{}", part.said);
    let loss = &part.summary["loss"];
    assert_eq!((&loss["lost"], &loss["seen"]), (&29.into(), &50.into()));
    assert_eq!(part.summary["duration_ms"], 20_000);
    assert_eq!(part.code, Some(6));
    for said in [
        "20 incidents before it",
        "7 lost events before it",
        "not read",
    ] {
        assert!(part.said.contains(said), "{said}: {}", part.said);
    }

    // Nothing was lost within.
    let calm = replay(&file.0, &["--since", "22:13:41", "--until", "22:13:45"]);
    assert_eq!(calm.seconds, (21..=25).collect::<Vec<_>>());
    assert_eq!(
        (&calm.summary["loss"]["lost"], calm.code),
        (&0.into(), Some(0))
    );
}

#[test]
fn the_end_of_a_recording_is_where_ago_counts_from() {
    let file = recording("ago");
    let last = replay(&file.0, &["--since", "12s ago", "--until", "5500ms ago"]);
    assert_eq!(last.seconds, (58..=64).collect::<Vec<_>>(), "{}", last.said);
    // They may have been lost before second 58: it is not known.
    assert_eq!(last.summary["loss"]["lost"], 100);
    let nothing = replay(&file.0, &["--since", "2023-11-15 22:13"]);
    assert!(nothing.seconds.is_empty());
    assert!(
        nothing.said.contains("no incident in the time"),
        "{}",
        nothing.said
    );
    let wrong = replay(&file.0, &["--since", "22:14", "--until", "22:13"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.said);
}

#[test]
fn lines_have_parts_too() {
    let file = recording("lines");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    let output = command
        .args(["replay", "--json"])
        .arg(&file.0)
        .output()
        .unwrap();
    let lines = Recording(file.0.with_extension("ndjson"));
    fs::write(&lines.0, output.stdout).unwrap();
    let part = replay(&lines.0, &["--since", "22:13:50", "--until", "22:14:10"]);
    assert_eq!(part.seconds, (30..=50).collect::<Vec<_>>(), "{}", part.said);
    assert_eq!(part.summary["loss"]["lost"], 29, "{}", part.said);
    for said in [
        "20 incidents before",
        "19 incidents after",
        "7 lost events before",
    ] {
        assert!(part.said.contains(said), "{said}: {}", part.said);
    }
}

#[test]
fn a_page_of_a_part_begins_and_ends_there() {
    let file = recording("page");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    let output = command
        .args([
            "report", "--time", "utc", "--since", "22:13:50", "--until", "22:14:10", "-o", "-",
        ])
        .arg(&file.0)
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("only a part of the recording"));
    assert!(page.contains("22:13:50") && page.contains("22:14:10"));
    assert!(!page.contains("22:13:30") && !page.contains("22:14:29"));
}

/// Three RSTs at once and another 3 s later, at twice the speed: the line of the two that were folded
/// comes when their second is over, and not when the next line does.
#[test]
fn folded_lines_come_when_their_second_ends_in_the_recording() {
    let file = recording_of("pace", &[10_000, 10_001, 10_002, 13_000]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    command.args([
        "replay",
        "--fold",
        "always",
        "--speed",
        "2",
        "--no-header",
        "--quiet",
    ]);
    let mut child = command.arg(&file.0).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<(String, Instant)> = lines.map(|line| (line.unwrap(), Instant::now())).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].0.contains("×2 more"), "{lines:?}");
    let before_the_last = lines[2].1 - lines[1].1;
    assert!(
        before_the_last > Duration::from_millis(500),
        "{before_the_last:?}"
    );
}
