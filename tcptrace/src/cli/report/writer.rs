//! Writes a page when everything else has given up the right to write files.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::Context;

use crate::cli::output_file::OutputFile;
use crate::kernel::caller::{self, Need};
use crate::kernel::confine::{self, Phase};
use crate::sink::sanitize::clean;

/// A thread that waits for the page, with the rights that `report` of a recording has and no others.
pub(super) struct Writer {
    page: SyncSender<Vec<u8>>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Writer {
    /// Starts it. When this returns, the thread has given up what it does not need.
    pub(super) fn start(file: OutputFile) -> anyhow::Result<Self> {
        let (page, pages) = sync_channel::<Vec<u8>>(1);
        let (settled, is_settled) = sync_channel::<anyhow::Result<()>>(1);
        let work = move || {
            let answer = caller::settle(Need::Nothing);
            let answer = answer.context("cannot drop the privileges of the binary");
            // Better now than when the run is over.
            let answer = answer.and_then(|()| {
                confine::confine_reader(Phase::Page);
                file.try_out()
            });
            // The one who waits is gone only when the process ends.
            drop(settled.send(answer));
            match pages.recv() {
                Ok(page) => write(&file, &page),
                Err(_) => Ok(()),
            }
        };
        let thread = thread::Builder::new()
            .name("page".to_owned())
            .spawn(work)
            .context("cannot start the thread that writes the page")?;
        is_settled
            .recv()
            .context("the thread that writes the page ended")??;
        Ok(Self { page, thread })
    }

    /// Writes the page.
    pub(super) fn finish(self, page: Vec<u8>) -> anyhow::Result<()> {
        // A thread that is gone has an error to report.
        drop(self.page.send(page));
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that writes the page failed")))
    }
}

/// Writes the page and says where.
pub(super) fn write(file: &OutputFile, page: &[u8]) -> anyhow::Result<()> {
    if let Some(file) = file.write(page)? {
        // Errors are ignored: if stderr is closed, nothing can be printed.
        drop(writeln!(
            io::stderr(),
            "report written to {}",
            clean(&file.display().to_string())
        ));
    }
    Ok(())
}
