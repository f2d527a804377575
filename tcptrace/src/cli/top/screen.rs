//! The screen beside what fills it: a thread that draws, and the signals that it must receive.
//!
//! However the run ends, the terminal is given back before anything else is said.

use std::io;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::session::ending::Stopper;
use crate::tui::{self, Bell, Options, Shared, term};

/// How long the thread may take to give the terminal back. It may hang in a terminal that takes no
/// more; then it is given back from outside, as far as that goes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A screen that is drawn.
#[derive(Debug)]
pub(super) struct Screen {
    bell: Bell,
    ended: oneshot::Receiver<io::Result<()>>,
    /// What the thread returned, once it did.
    result: Option<io::Result<()>>,
}

impl Screen {
    /// Takes the terminal and draws.
    pub(super) fn start(shared: Shared, options: Options) -> anyhow::Result<Self> {
        let bell = Bell::new().context("cannot make the screen's bell")?;
        let (done, ended) = oneshot::channel();
        let heard = bell.clone();
        std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || {
                // Nobody waits for it any more when the run was given up.
                drop(done.send(tui::run::run(&shared, &heard, &options)));
            })
            .context("cannot start the screen's thread")?;
        Ok(Self {
            bell,
            ended,
            result: None,
        })
    }

    /// Done when the user has quit, the terminal is gone, or a signal asks for the end.
    pub(super) async fn wait(&mut self, signals: &mut Signals) {
        // There is no command whose status could be returned.
        let mut no_command = None;
        loop {
            tokio::select! {
                ended = &mut self.ended, if self.result.is_none() => {
                    self.result = Some(ended.unwrap_or(Ok(())));
                    return;
                }
                () = signals.stopper.wait(None, &mut no_command) => return,
                _ = signals.hangup.recv() => return,
                _ = signals.stop.recv() => self.bell.stop(),
                _ = signals.goes_on.recv() => self.bell.continued(),
                _ = signals.resize.recv() => self.bell.resized(),
            }
        }
    }

    /// Gives the terminal back.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        if self.result.is_none() {
            self.bell.quit();
            let ended = tokio::time::timeout(PATIENCE, &mut self.ended).await;
            self.result = ended.ok().and_then(Result::ok);
        }
        term::give_back();
        self.result
            .unwrap_or(Ok(()))
            .context("cannot set up the terminal")
    }
}

/// Signals that a screen has to do with.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) stopper: Stopper,
    hangup: Signal,
    stop: Signal,
    goes_on: Signal,
    resize: Signal,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let hear = |kind, name| signal(kind).with_context(|| format!("cannot listen for {name}"));
        Ok(Self {
            stopper: Stopper::listen()?,
            hangup: hear(SignalKind::hangup(), "SIGHUP")?,
            stop: hear(SignalKind::from_raw(libc::SIGTSTP), "SIGTSTP")?,
            goes_on: hear(SignalKind::from_raw(libc::SIGCONT), "SIGCONT")?,
            resize: hear(SignalKind::window_change(), "SIGWINCH")?,
        })
    }
}
