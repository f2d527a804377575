//! Disks that fail in ways that a full one does not, and what the run says of its recording then.

use std::fs;
use std::time::{Duration, Instant};

use super::{Room, Run, matching, replay, reset, text_of};
use crate::scenario::kit::faulty_disk::{Faults, FaultyDisk};
use crate::scenario::kit::world::{poll, slowness};
use crate::scenario::kit::{Expect, World, confine, sys_ops};

const WORDS: [&str; 4] = ["record", "--all", "--sample", "0"];

/// A disk of its own, and a run that records on it; `None` without a tracer or without FUSE.
fn on_a_faulty_disk(
    world: &World,
    room: &Room,
    further: &[&str],
) -> Option<(FaultyDisk, String, Run)> {
    let directory = room.0.join("disk");
    fs::create_dir(&directory).expect("a directory");
    confine::own_mounts().expect("mounts of our own");
    let disk = match FaultyDisk::mount(&directory) {
        Ok(disk) => disk,
        Err(error) => {
            world.cannot(&format!("no FUSE here: {error}"));
            return None;
        }
    };
    let file = room.file("disk/a.rec");
    let words = [&WORDS[..], &["-o", &file], further].concat();
    let run = Run::start(world, room, &words)?;
    Some((disk, file, run))
}

/// `recorded N events in BYTES bytes`
fn recorded(said: &str) -> Option<(u64, u64)> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("recorded "))?;
    let mut words = line.split(' ');
    let events = words.next()?.parse().ok()?;
    let bytes = words.nth(2)?.parse().ok()?;
    Some((events, bytes))
}

/// The number before the last of these words: of events that are not there.
fn number_before(said: &str, words: &str) -> Option<u64> {
    let (before, _) = said.rsplit_once(words)?;
    before.rsplit([' ', '\n']).next()?.parse().ok()
}

/// EIO, EDQUOT and EROFS: the next block is tried, so that what comes after is recorded.
pub(super) fn a_disk_that_refuses_writing_is_reported_with_its_error(world: &World) {
    for (errno, says) in [
        (libc::EIO, "Input/output error"),
        (libc::EDQUOT, "quota exceeded"),
        (libc::EROFS, "Read-only file system"),
    ] {
        let room = Room::new(&format!("refuses-{errno}"));
        let Some((disk, file, mut run)) = on_a_faulty_disk(world, &room, &[]) else {
            return;
        };
        disk.fail(Faults {
            write: errno,
            ..Faults::default()
        });
        let (_, lost) = reset(world, "before");
        let stderr = &mut run.stderr;
        world.until(says, || text_of(stderr).contains(says));
        disk.fail(Faults::default());
        let (_pair, conn) = reset(world, "after");
        world.claim_eq("a run that is not whole", run.end(libc::SIGINT), Some(1));
        let said = text_of(&mut run.stderr);
        let length = fs::metadata(&file).expect("the recording").len();
        let (events, bytes) = recorded(&said).unwrap_or_default();
        world.claim_eq(&format!("the size it reports: {said}"), bytes, length);
        world.claim(&format!("events it reports: {said}"), events > 0);
        let missing = number_before(&said, " events: cannot write");
        world.claim(&format!("events not there: {said}"), missing > Some(0));
        let Some(output) = replay(world, &["--json", &file]) else {
            return;
        };
        let there = |conn| matching(&output, &Expect::new("rst_sent").conn(conn));
        world.claim_eq("what came after is there", there(conn), 1);
        world.claim_eq("what came before is not", there(lost), 0);
        let reported = String::from_utf8_lossy(&output.stderr).into_owned();
        let gap = format!("{} events are missing", missing.unwrap_or_default());
        world.claim(&format!("{gap}: {reported}"), reported.contains(&gap));
    }
}

/// Writing succeeds, and syncing says that it did not: the kernel says so once, and forgets.
pub(super) fn a_disk_that_cannot_keep_what_it_took_is_no_success(world: &World) {
    let room = Room::new("sync");
    let Some((disk, _, mut run)) = on_a_faulty_disk(world, &room, &[]) else {
        return;
    };
    disk.fail(Faults {
        sync: libc::EIO,
        ..Faults::default()
    });
    reset(world, "doubtful");
    world.claim_eq(
        "a run that may not be whole",
        run.end(libc::SIGINT),
        Some(1),
    );
    let said = text_of(&mut run.stderr);
    let is_reported =
        said.contains("events may be missing in") && said.contains("Input/output error");
    world.claim(&format!("it is reported: {said}"), is_reported);
    let doubtful = number_before(&said, " events may be missing");
    world.claim(&format!("how many: {said}"), doubtful > Some(0));
}

/// As after an error of a file system that is mounted with `errors=remount-ro`: no file can be made any more.
pub(super) fn a_disk_that_becomes_read_only_costs_the_next_files(world: &World) {
    let room = Room::new("read-only");
    let further = ["--rotate", "1s", "--keep", "9"];
    let Some((disk, file, mut run)) = on_a_faulty_disk(world, &room, &further) else {
        return;
    };
    disk.fail(Faults {
        write: libc::EROFS,
        create: libc::EROFS,
        ..Faults::default()
    });
    let stderr = &mut run.stderr;
    let says = "Read-only file system";
    world.until(says, || text_of(stderr).contains(says));
    let (_, lost) = reset(world, "lost");
    // Until the block that it is in was tried, and a next file too.
    std::thread::sleep(Duration::from_millis(1500) * slowness());
    disk.fail(Faults::default());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) * slowness() {
        reset(world, "after");
    }
    world.claim_eq("a run that is not whole", run.end(libc::SIGINT), Some(1));
    let Some(output) = replay(world, &["--json", &file]) else {
        return;
    };
    let resets = matching(&output, &Expect::new("rst_sent"));
    world.claim(&format!("it continued: {resets}"), resets > 0);
    let expected = Expect::new("rst_sent").conn(lost);
    world.claim_eq("what came before is not", matching(&output, &expected), 0);
}

/// Nothing answers: the run ends its own part in time, and says that something may be missing.
pub(super) fn a_disk_that_hangs_does_not_hold_up_the_summary(world: &World) {
    let room = Room::new("hangs");
    let Some((disk, _, mut run)) = on_a_faulty_disk(world, &room, &[]) else {
        return;
    };
    disk.fail(Faults {
        hangs: true,
        ..Faults::default()
    });
    reset(world, "stuck");
    std::thread::sleep(Duration::from_secs(2));
    sys_ops::kill(run.child.id() as i32, libc::SIGINT).expect("interrupt");
    let stderr = &mut run.stderr;
    let is_reported = poll(Duration::from_secs(25), || {
        text_of(stderr).contains("the disk has not answered for 10 s")
    });
    world.claim("it is reported while the disk hangs", is_reported);
    // A process ends when the last of its system calls does; the kernel waits for that.
    disk.fail(Faults::default());
    let child = &mut run.child;
    let ended = poll(Duration::from_secs(20), || {
        child.try_wait().is_ok_and(|status| status.is_some())
    });
    world.claim("it ends", ended);
    let code = run.child.try_wait().ok().flatten();
    world.claim_eq(
        "a run that is not whole",
        code.and_then(|code| code.code()),
        Some(1),
    );
}

/// Its file stays open, and has no name any more.
pub(super) fn a_directory_that_vanishes_is_reported(world: &World) {
    let room = Room::new("vanishes");
    let directory = room.0.join("below");
    fs::create_dir(&directory).expect("a directory");
    let file = room.file("below/a.rec");
    let words = [&WORDS[..], &["-o", &file, "--rotate", "1s", "--keep", "3"]].concat();
    let Some(mut run) = Run::start(world, &room, &words) else {
        return;
    };
    fs::remove_dir_all(&directory).expect("removed");
    let stderr = &mut run.stderr;
    let says = "No such file or directory";
    world.until(says, || text_of(stderr).contains(says));
    reset(world, "lost");
    world.claim_eq("a run that is not whole", run.end(libc::SIGINT), Some(1));
    let said = text_of(&mut run.stderr);
    let missing = number_before(&said, " events: cannot");
    world.claim(&format!("how many: {said}"), missing > Some(0));
    world.claim("nothing is made again", !directory.exists());
}
