//! What ends a watch: signals, and the command that is traced.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Waker, Poll};

use anyhow::Context;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a second signal makes the process return: 128 and the number of SIGINT, as in a shell.
const INTERRUPTED: i32 = 130;

/// Listens for SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct Stopper {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where whoever started us had it ignored, as nohup does: the run is to outlive the
    /// terminal then.
    hangup: Option<Signal>,
}

/// A future that stays done: it may be polled again after its end, by whoever waits next.
pub struct Fused<F>(Option<F>);

impl<F> Fused<F> {
    /// Waits for `future`.
    pub const fn new(future: F) -> Self {
        Self(Some(future))
    }

    /// Whether it has ended.
    pub const fn is_done(&self) -> bool {
        self.0.is_none()
    }
}

impl<F: Future<Output = ()> + Unpin> Future for Fused<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Waker<'_>) -> Poll<()> {
        if let Some(future) = &mut self.0
            && Pin::new(future).poll(context).is_pending()
        {
            return Poll::Pending;
        }
        self.0 = None;
        Poll::Ready(())
    }
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
            hangup: if is_ignored(libc::SIGHUP) {
                None
            } else {
                Some(signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?)
            },
        })
    }

    /// The next signal, by its number.
    async fn next(&mut self) -> libc::c_int {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
            _ = hangup => libc::SIGHUP,
        }
    }

    /// Done at the first signal, or when the command has ended; its status goes to `status`.
    ///
    /// The command gets a SIGTERM or SIGHUP too, since nobody else would end it. A SIGINT comes from
    /// the keyboard, which sends it to the command as well.
    pub async fn wait(&mut self, command: Option<Child>, status: &mut Option<ExitStatus>) {
        let Some(mut child) = command else {
            self.next().await;
            return;
        };
        tokio::select! {
            signal = self.next() => if signal != libc::SIGINT {
                end(&child, signal);
            },
            code = child.wait() => *status = code.ok(),
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
            // A terminal that goes away may send SIGHUP twice, by the kernel and by the shell.
            self.hangup = None;
            runtime.block_on(self.next());
            std::process::exit(INTERRUPTED);
        });
    }
}

/// Hands a signal on to the command. One that runs as another user may refuse it; its parent, such as
/// sudo, takes it then or nobody does.
fn end(command: &Child, signal: libc::c_int) {
    // The number is that of our child as long as nobody has waited for it.
    let Some(pid) = command.id().and_then(|pid| libc::pid_t::try_from(pid).ok()) else {
        return;
    };
    // SAFETY: integers only.
    let _refused_or_gone = unsafe { libc::kill(pid, signal) };
}

/// Whether a signal was ignored when this program was started.
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all zeros is a value of the type; the kernel fills it in, and changes nothing when no
    // new action is given.
    let (answer, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let answer = libc::sigaction(signal, std::ptr::null(), &raw mut action);
        (answer, action)
    };
    answer == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// A flag that the first SIGINT, SIGTERM or SIGHUP sets, for work that is not asynchronous. A second
/// one ends the process at once.
///
/// # Errors
/// When no thread can be started for it.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let (reported, is_listening) = std::sync::mpsc::sync_channel(1);
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
                let _ = reported.send(stopper.is_ok());
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

/// The command's own code; 128 plus the signal's number if a signal ended it, as shells return it.
pub fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_stays_done() {
        let mut waker = Waker::from_waker(std::task::Waker::noop());
        let mut fused = Fused::new(Box::pin(async {}));
        assert!(!fused.is_done());
        for _ in 0..3 {
            assert!(Pin::new(&mut fused).poll(&mut waker).is_ready());
            assert!(fused.is_done());
        }
        let mut never = Fused::new(std::future::pending());
        assert!(Pin::new(&mut never).poll(&mut waker).is_pending());
        assert!(!never.is_done());
    }
}
