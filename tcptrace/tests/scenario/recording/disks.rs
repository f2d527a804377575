//! Disks that do not take what is recorded.

use std::fs::{self, File};
use std::path::Path;

use super::{Room, Run, matching, replay, reset, text_of};
use crate::scenario::kit::{Expect, World, confine};

pub(super) fn full_disk_is_reported_and_counted(world: &World) {
    let room = Room::new("full");
    confine::own_mounts().expect("mounts of our own");
    let disk = room.0.join("disk");
    fs::create_dir(&disk).expect("a directory");
    confine::mount_memory(&disk, "size=1m").expect("a small file system");
    let file = room.file("disk/a.rec");
    let Some(mut run) = Run::start(
        world,
        &room,
        &["record", "--all", "-o", &file, "--sample", "0"],
    ) else {
        return;
    };
    let filler = disk.join("filler");
    fill(&filler);
    let lost = (0..40).map(|n| reset(world, &format!("l{n}"))).count();
    let stderr = &mut run.stderr;
    world.until("it is reported", || {
        text_of(stderr).contains("No space left")
    });
    fs::remove_file(&filler).expect("remove the filler");
    let (_pair, conn) = reset(world, "after");
    world.claim_eq("a run that is not whole", run.end(libc::SIGINT), Some(1));
    let Some(output) = replay(world, &["--json", &file]) else {
        return;
    };
    let expected = Expect::new("rst_sent").conn(conn);
    world.claim_eq("what came after is there", matching(&output, &expected), 1);
    let resets = matching(&output, &Expect::new("rst_sent"));
    world.claim(
        &format!("{resets} resets of {lost} are there"),
        resets <= lost,
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    world.claim(
        &format!("the replay says how many are not: {errors}"),
        errors.contains("the disk did not accept it") && errors.contains("events are missing"),
    );
    confine::detach_path(&disk);
}

pub(super) fn a_limit_on_file_sizes_is_reported_and_counted(world: &World) {
    let room = Room::new("limit");
    let file = room.file("a.rec");
    let words = ["record", "--all", "-o", &file, "--sample", "0"];
    let Some(mut run) = Run::start(world, &room, &words) else {
        return;
    };
    let length = fs::metadata(&file).expect("begun").len();
    let before = limit_files(&run, Some(length + 1));
    let lost = (0..20)
        .map(|n| reset(world, &format!("f{n}")))
        .last()
        .expect("a reset");
    let stderr = &mut run.stderr;
    world.until("it is reported", || {
        text_of(stderr).contains("File too large")
    });
    limit_files(&run, before);
    let (_pair, conn) = reset(world, "after");
    world.claim_eq("a run that is not whole", run.end(libc::SIGINT), Some(1));
    let Some(output) = replay(world, &["--json", &file]) else {
        return;
    };
    let there = |conn| matching(&output, &Expect::new("rst_sent").conn(conn));
    world.claim_eq("what came after is there", there(conn), 1);
    world.claim_eq("what came before is not", there(lost.1), 0);
    let errors = String::from_utf8_lossy(&output.stderr);
    world.claim(
        &format!("the replay says how many are not: {errors}"),
        errors.contains("events are missing"),
    );
}

/// Sets `RLIMIT_FSIZE` of the tracer, bytes; what it was.
fn limit_files(run: &Run, bytes: Option<u64>) -> Option<u64> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    let pid = Pid::from_raw(run.child.id() as i32);
    prlimit(pid, Resource::Fsize, limit)
        .expect("a limit")
        .current
}

/// Free space of a file system, all of it.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file");
    for size in [4096, 64] {
        while std::io::Write::write_all(&mut file, &vec![7; size]).is_ok() {}
    }
}
