//! Notes of the kernel side, why it does not report something: in programs built with the feature
//! `trace-ebpf`, shown by `TCPTRACE_LOG=ebpf=debug`. For those who change the programs.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use aya::Ebpf;
use aya_log::{EbpfLogger, Level};

/// How long notes may wait in their ring.
const TICK: Duration = Duration::from_millis(20);

/// The level that the programs are loaded with: without anybody who listens they write nothing.
pub(super) fn level() -> u8 {
    if log::log_enabled!(target: "ebpf", log::Level::Debug) {
        Level::Debug as u8
    } else {
        0
    }
}

/// Passes the notes on to the logger, by a thread of its own until the process ends.
///
/// # Errors
/// When the object has no ring for them, or no thread can be had.
pub(super) fn follow(object: &mut Ebpf) -> anyhow::Result<()> {
    if level() == 0 {
        return Ok(());
    }
    let mut notes = EbpfLogger::init(object).context("cannot read the notes of the kernel side")?;
    let read = move || {
        loop {
            notes.flush();
            // Parking and not sleeping: one system call that the program may make anyway.
            thread::park_timeout(TICK);
        }
    };
    thread::Builder::new()
        .name("ebpf-notes".to_owned())
        .spawn(read)
        .context("cannot start the thread that reads notes")?;
    Ok(())
}
