//! What ends a watch: signals, and the command that is traced.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a second signal makes the process return: 128 and the number of SIGINT, as in a shell.
const INTERRUPTED: i32 = 130;

/// Listens for SIGINT and SIGTERM.
#[derive(Debug)]
pub struct Stopper {
    interrupt: Signal,
    terminate: Signal,
}

impl Stopper {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the kernel gives no descriptor for it.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// Done at the first signal, or when the command has ended; its status goes to `status`.
    pub async fn wait(&mut self, command: Option<Child>, status: &mut Option<ExitStatus>) {
        let ended = async {
            match command {
                Some(mut child) => child.wait().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            code = ended => *status = code,
        }
    }

    /// From now on a signal ends the process at once, with 130. The handler of the first signals
    /// stays installed, so another thread waits for the next one.
    pub fn arm_second(mut self) {
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                tokio::select! {
                    _ = self.interrupt.recv() => {}
                    _ = self.terminate.recv() => {}
                }
            });
            std::process::exit(INTERRUPTED);
        });
    }
}

/// A flag that the first SIGINT or SIGTERM sets, for work that is not asynchronous. The second one
/// ends the process at once.
///
/// # Errors
/// When no thread can be started for it.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let (told, is_listening) = std::sync::mpsc::sync_channel(1);
    let set = Arc::clone(&flag);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let stopper = Stopper::listen();
                let _ = told.send(stopper.is_ok());
                if let Ok(mut stopper) = stopper {
                    stopper.wait(None, &mut None).await;
                    set.store(true, Ordering::Relaxed);
                    stopper.arm_second();
                }
            });
        })
        .context("cannot listen for signals")?;
    anyhow::ensure!(
        is_listening.recv().unwrap_or(false),
        "cannot listen for signals"
    );
    Ok(flag)
}

/// Starts the command.
///
/// # Errors
/// Why not, in one sentence.
pub fn start(words: &[OsString]) -> Result<Child, String> {
    let (program, arguments) = words.split_first().ok_or("no command was given")?;
    Command::new(program)
        .args(arguments)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.to_string_lossy()))
}

/// The command's own code; 128 and the signal's number when one ended it, as shells tell it.
pub fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}
