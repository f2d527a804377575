use std::os::unix::fs::PermissionsExt;

use super::events::received;
use super::*;

fn rotated(room: &Room, max_bytes: u64, keep: u32) -> Files {
    Files {
        path: room.file(),
        max_bytes: Some(max_bytes),
        rotation: Some(Rotation { after: None, keep }),
        overwrites: false,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Records events of many sockets, which do not compress to nothing.
fn fill(recorder: &mut Recorder, from: u64, count: u64) -> u32 {
    let mut rotations = 0;
    for number in from..from + count {
        let mut event = received(number);
        event.sock = Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        event.flow.cookie = Some(number.wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
        recorder.event(&event);
        if recorder.tick(Instant::now()) == Want::NextFile {
            recorder.rotate(end());
            rotations += 1;
        }
    }
    rotations
}

#[test]
fn only_its_owner_may_read_it() {
    let room = Room::new("mode");
    let recorder = Recorder::create(plain(&room.file()), start()).unwrap();
    let mode = std::fs::metadata(room.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    recorder.finish(&end());
}

#[test]
fn nobodys_file_is_written_over() {
    let room = Room::new("existing");
    std::fs::write(room.file(), "a letter").unwrap();
    for files in [plain(&room.file()), rotated(&room, 1 << 20, 3)] {
        let error = Recorder::create(files, start()).unwrap_err();
        assert!(error.to_string().contains("not a recording"), "{error}");
    }
    let forced = Files {
        overwrites: true,
        ..plain(&room.file())
    };
    let error = Recorder::create(forced.clone(), start()).unwrap_err();
    assert!(error.to_string().contains("not a recording"), "{error}");
    assert_eq!(std::fs::read(room.file()).unwrap(), b"a letter");

    std::fs::remove_file(room.file()).unwrap();
    Recorder::create(plain(&room.file()), start())
        .unwrap()
        .finish(&end());
    let error = Recorder::create(plain(&room.file()), start()).unwrap_err();
    assert!(error.to_string().contains("--force"), "{error}");
    let mut recorder = Recorder::create(forced, start()).unwrap();
    recorder.event(&received(5));
    recorder.finish(&end());
    assert_eq!(times(&read(&[room.file()])), [5]);

    std::os::unix::fs::symlink("/etc/hostname", room.0.join("link")).unwrap();
    let error = Recorder::create(plain(&room.0.join("link")), start()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn a_rotation_stays_within_its_budget_and_loses_only_the_oldest() {
    let room = Room::new("budget");
    let (max_bytes, keep) = (200_000, 3);
    let mut recorder = Recorder::create(rotated(&room, max_bytes, keep), start()).unwrap();
    let rotations = fill(&mut recorder, 0, 60_000);
    let outcome = recorder.finish(&end());
    assert!(rotations > 4, "{rotations} rotations");
    assert_eq!(outcome.files, rotations + 1);
    assert_eq!((outcome.events, outcome.lost_events), (60_000, 0));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&room.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let expected = [
        room.file(),
        numbered(&room.file(), 1),
        numbered(&room.file(), 2),
    ];
    assert_eq!(paths, expected);
    for path in &paths {
        let length = std::fs::metadata(path).unwrap().len();
        assert!(length <= max_bytes, "{length} bytes in {}", path.display());
    }
    // In whatever order they are named.
    paths.reverse();
    let pieces = read(&paths);
    assert_eq!(gaps(&pieces), Vec::<&Gap>::new());
    let times = times(&pieces);
    assert_eq!(times.last(), Some(&59_999));
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1));
    // Events of files that are gone for good are no gap.
    assert!(times[0] > 0);
    let missing = read(&[paths[0].clone(), paths[2].clone()]);
    let reported = gaps(&missing);
    assert_eq!(reported.len(), 1);
    assert!(reported[0].why.contains("is missing"), "{reported:?}");
    let between = times.len() - super::times(&missing).len();
    assert_eq!(reported[0].events, Some(between as u64));
}

#[test]
fn what_fills_the_file_at_the_end_goes_into_the_next() {
    let room = Room::new("full-at-the-end");
    let mut recorder = Recorder::create(rotated(&room, 200_000, 9), start()).unwrap();
    // Nobody asks whether a file is full until the end.
    for number in 0..20_000_u64 {
        let mut event = received(number);
        event.sock = Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        event.flow.cookie = Some(number.wrapping_mul(0xc2b2_ae3d_27d4_eb4f));
        recorder.event(&event);
    }
    let outcome = recorder.finish(&end());
    assert!(outcome.files > 2, "{} files", outcome.files);
    assert_eq!(outcome.lost_events, 0);
    let paths: Vec<PathBuf> = std::fs::read_dir(&room.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(paths.len(), outcome.files as usize);
    for path in &paths {
        assert!(std::fs::metadata(path).unwrap().len() <= 200_000);
    }
    let pieces = read(&paths);
    assert_eq!(times(&pieces).len(), 20_000);
    assert_eq!(gaps(&pieces), Vec::<&Gap>::new());
}

#[test]
fn the_next_run_goes_on_beside_the_files_of_the_last() {
    let room = Room::new("next-run");
    for run in 1..=4 {
        let start = Start {
            run: [run; 16],
            ..start()
        };
        let mut recorder = Recorder::create(rotated(&room, 1 << 20, 3), start).unwrap();
        recorder.event(&received(u64::from(run)));
        recorder.finish(&end());
    }
    let paths = [
        numbered(&room.file(), 2),
        numbered(&room.file(), 1),
        room.file(),
    ];
    for (path, run) in paths.iter().zip(2..) {
        assert_eq!(times(&read(std::slice::from_ref(path))), [run]);
    }
    assert!(!numbered(&room.file(), 3).exists());
    let error = Reader::open(&paths).unwrap_err();
    assert!(matches!(error, ReadError::OtherRun { .. }), "{error}");
}

#[test]
fn the_only_file_ends_when_it_is_full() {
    let room = Room::new("full");
    let files = Files {
        max_bytes: Some(100_000),
        ..plain(&room.file())
    };
    let mut recorder = Recorder::create(files, start()).unwrap();
    let mut number = 0;
    while recorder.tick(Instant::now()) != Want::End {
        fill(&mut recorder, number, 1);
        number += 1;
        assert!(number < 50_000, "it never was full");
    }
    let outcome = recorder.finish(&end());
    assert_eq!(outcome.events, number);
    let length = std::fs::metadata(room.file()).unwrap().len();
    assert!(length <= 100_000 && length > 50_000, "{length} bytes");
    let pieces = read(&[room.file()]);
    assert_eq!(times(&pieces).len() as u64, number - outcome.lost_events);
    assert!(outcome.trouble.unwrap().contains("--max-size"));
}

#[test]
fn a_rotation_by_time_begins_the_next_file_unasked() {
    let room = Room::new("by-time");
    let mut files = rotated(&room, 1 << 20, 3);
    files.rotation = Some(Rotation {
        after: Some(Duration::from_secs(60)),
        keep: 3,
    });
    let mut recorder = Recorder::create(files, start()).unwrap();
    let now = Instant::now();
    assert_eq!(recorder.tick(now + Duration::from_secs(59)), Want::Nothing);
    assert_eq!(recorder.tick(now + Duration::from_secs(61)), Want::NextFile);
    recorder.finish(&end());
}

#[test]
fn a_disk_that_hangs_holds_nobody_up_and_what_it_misses_is_counted() {
    let room = Room::new("hangs");
    let mut recorder = Recorder::create(rotated(&room, 200_000, 99), start()).unwrap();
    let stuck = recorder.stall();
    // Nothing takes orders: one that was waited for would hang this test here.
    let rotations = fill(&mut recorder, 0, 250_000);
    assert_eq!(
        rotations, 1,
        "the next file is not asked for before this one has begun"
    );
    assert!(recorder.trouble().unwrap().lost_events > 50_000);
    recorder.resume(stuck);
    fill(&mut recorder, 250_000, 10);
    let outcome = recorder.finish(&end());
    assert_eq!(outcome.events, 250_010);
    assert!(outcome.trouble.unwrap().contains("too slow"));
    let paths: Vec<PathBuf> = std::fs::read_dir(&room.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(paths.len(), outcome.files as usize);
    let pieces = read(&paths);
    let times = times(&pieces);
    assert_eq!(times.len() as u64 + outcome.lost_events, 250_010);
    assert_eq!(times[0], 0, "what was queued in time is kept");
    let missing: u64 = gaps(&pieces).iter().filter_map(|gap| gap.events).sum();
    assert_eq!(missing, outcome.lost_events);
    let on_disk: u64 = paths
        .iter()
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(outcome.bytes, on_disk);
}

/// A pipe that nobody reads stands for a disk that does not answer.
#[test]
fn a_disk_that_never_answers_does_not_hold_up_the_end() {
    let room = Room::new("never");
    let mut recorder = Recorder::create(plain(&room.file()), start()).unwrap();
    let (reader, mut full) = std::io::pipe().unwrap();
    recorder.write_to(full.try_clone().unwrap().into());
    // Leaves no room for a block.
    std::io::Write::write_all(&mut full, &[0; 65_536]).unwrap();
    fill(&mut recorder, 0, 700);
    let begin = Instant::now();
    let outcome = recorder.finish(&end());
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!((outcome.events, outcome.lost_events), (700, 700));
    assert!(outcome.trouble.unwrap().contains("has not answered"));
    drop(reader);
}

#[test]
fn a_directory_that_vanishes_costs_the_next_files_and_is_reported() {
    let room = Room::new("no-directory");
    let directory = room.0.join("below");
    std::fs::create_dir(&directory).unwrap();
    let mut files = rotated(&room, 1 << 20, 3);
    files.path = directory.join("a.rec");
    let mut recorder = Recorder::create(files, start()).unwrap();
    fill(&mut recorder, 0, 10);
    seal(&mut recorder);
    std::fs::remove_dir_all(&directory).unwrap();
    recorder.rotate(end());
    fill(&mut recorder, 10, 500);
    let outcome = recorder.finish(&end());
    assert_eq!(
        (outcome.files, outcome.events, outcome.lost_events),
        (1, 510, 500)
    );
    let trouble = outcome.trouble.unwrap();
    assert!(trouble.contains("No such file"), "{trouble}");
    assert!(!directory.exists());
}

#[test]
fn bytes_that_the_disk_did_not_take_are_not_recorded() {
    let room = Room::new("vanished");
    let mut recorder = Recorder::create(rotated(&room, 50_000, 1), start()).unwrap();
    let begun = std::fs::metadata(room.file()).unwrap().len();
    // The next file cannot be created: a directory is in its way.
    let stuck = recorder.stall();
    std::fs::remove_file(room.file()).unwrap();
    std::fs::create_dir(room.file()).unwrap();
    recorder.resume(stuck);
    recorder.rotate(end());
    fill(&mut recorder, 0, 500);
    let outcome = recorder.finish(&end());
    assert_eq!((outcome.files, outcome.lost_events), (1, 500));
    // The end of the first file went into what has no name any more.
    assert!(outcome.bytes < begun + 2_000, "{} bytes", outcome.bytes);
    assert!(outcome.trouble.is_some());
}

#[test]
fn a_second_recorder_is_refused_while_the_first_one_records() {
    let room = Room::new("second");
    let files = rotated(&room, 1 << 20, 3);
    let mut first = Recorder::create(files.clone(), start()).unwrap();
    let forced = Files {
        overwrites: true,
        ..plain(&room.file())
    };
    let refused = |files: &Files| {
        let error = Recorder::create(files.clone(), start()).unwrap_err();
        error.to_string().contains("another tcptrace is recording")
    };
    assert!(refused(&files) && refused(&forced));
    first.event(&received(5));
    first.rotate(end());
    first.event(&received(6));
    seal(&mut first);
    while first.tick(Instant::now()) == Want::Nothing && !numbered(&room.file(), 1).exists() {
        std::thread::yield_now();
    }
    assert!(refused(&files) && refused(&forced));
    first.finish(&end());
    let both = [room.file(), numbered(&room.file(), 1)];
    assert_eq!(times(&read(&both)), [5, 6]);
    Recorder::create(forced, start()).unwrap().finish(&end());
}
