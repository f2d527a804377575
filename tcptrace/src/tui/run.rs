//! The loop of the screen, in a thread of its own: waits for keys, for the bell, and for the time to
//! draw again. It never keeps who fills the state waiting for longer than a frame is made.

use std::io::{self, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui_core::terminal::Terminal;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;

use super::control::{Control, Effect};
use super::input;
use super::keys::{Decoder, Key};
use super::screen::Screen;
use super::sink::Shared;
use super::state::Source;
use super::term::{self, Taken};
use super::view::{self, Look};

/// A lone Escape is one when nothing follows for so long.
const ESCAPE: Duration = Duration::from_millis(30);

#[derive(Debug)]
struct Rung {
    fd: OwnedFd,
    quits: AtomicBool,
    stops: AtomicBool,
    is_continued: AtomicBool,
    is_resized: AtomicBool,
}

/// Wakes the loop from any thread for what is not a key.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Rung>);

impl Bell {
    /// One that is quiet.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Rung {
            fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            quits: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            is_continued: AtomicBool::new(false),
            is_resized: AtomicBool::new(false),
        })))
    }

    fn ring(&self, what: &AtomicBool) {
        what.store(true, Ordering::SeqCst);
        // It fails only when it has been rung 2^64 times already: then the loop wakes anyway.
        let _ = rustix::io::write(&self.0.fd, &1_u64.to_ne_bytes());
    }

    /// End.
    pub fn quit(&self) {
        self.ring(&self.0.quits);
    }

    /// Ctrl-Z was typed, or SIGTSTP sent.
    pub fn stop(&self) {
        self.ring(&self.0.stops);
    }

    /// The process was continued.
    pub fn continued(&self) {
        self.ring(&self.0.is_continued);
    }

    /// The terminal has another size.
    pub fn resized(&self) {
        self.ring(&self.0.is_resized);
    }

    fn hush(&self) {
        let _ = rustix::io::read(&self.0.fd, &mut [0_u8; 8]);
    }

    fn was(&self, what: fn(&Rung) -> &AtomicBool) -> bool {
        what(&self.0).swap(false, Ordering::SeqCst)
    }
}

/// How the screen is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How it looks.
    pub look: Look,
    /// Between two frames at least, unless a key was hit.
    pub interval: Duration,
    /// The kernel's boot clock, ns.
    pub boot_ns: fn() -> u64,
}

/// What came.
enum Input {
    Nothing,
    Bell,
    Keys,
    /// The terminal is gone.
    End,
}

/// Takes the terminal and shows the state, until it is stopped or the terminal is gone. The
/// terminal is then as it was.
///
/// # Errors
/// When the terminal cannot be set up, read or written.
pub fn run(shared: &Shared, bell: &Bell, options: &Options) -> io::Result<()> {
    let taken = term::take()?;
    let mut view = Window {
        terminal: Terminal::new(Screen::default())?,
        control: Control::default(),
        drawn: None,
        boot_ns: options.boot_ns,
    };
    let mut decoder = Decoder::default();
    view.draw(shared, &options.look)?;
    loop {
        let wait = if decoder.is_waiting() {
            ESCAPE
        } else {
            options.interval
        };
        let input = listen(bell, wait)?;
        match input {
            Input::End => return Ok(()),
            Input::Keys => {
                let mut bytes = [0; 1024];
                match rustix::io::read(stdin(), &mut bytes) {
                    Ok(0) => return Ok(()),
                    Ok(count) => decoder.feed(bytes.get(..count).unwrap_or_default()),
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Input::Bell => bell.hush(),
            Input::Nothing => {}
        }
        if bell.was(|rung| &rung.quits) {
            return Ok(());
        }
        let mut is_due = bell.was(|rung| &rung.is_resized);
        if bell.was(|rung| &rung.stops) {
            view.stop(&taken)?;
            is_due = true;
        }
        if bell.was(|rung| &rung.is_continued) {
            taken.again()?;
            view.forget()?;
            is_due = true;
        }
        let mut given_up = None;
        if matches!(input, Input::Nothing) && decoder.is_waiting() {
            given_up = decoder.give_up();
        }
        for key in given_up.into_iter().chain(decoder.by_ref()) {
            is_due = true;
            match view.hit(key, shared) {
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Suspend) => view.stop(&taken)?,
                Some(Effect::Redraw) => view.forget()?,
                Some(Effect::Draw) | None => {}
            }
        }
        if is_due || view.is_stale(shared, options.interval) {
            view.draw(shared, &options.look)?;
        }
    }
}

fn listen(bell: &Bell, wait: Duration) -> io::Result<Input> {
    let stdin = stdin();
    let mut polled = [
        PollFd::new(&stdin, PollFlags::IN),
        PollFd::new(&bell.0.fd, PollFlags::IN),
    ];
    let wait = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    match poll(&mut polled, Some(&wait)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Input::Nothing),
        Err(error) => return Err(error.into()),
    }
    let [keys, bell] = polled.map(|polled| polled.revents());
    // A terminal that was hung up says so together with an end that can be read for ever.
    Ok(
        if keys.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            Input::End
        } else if keys.contains(PollFlags::IN) {
            Input::Keys
        } else if !bell.is_empty() {
            Input::Bell
        } else {
            Input::Nothing
        },
    )
}

struct Window {
    terminal: Terminal<Screen>,
    control: Control,
    /// When, and the state's changes and second then.
    drawn: Option<(Instant, u64, u64)>,
    boot_ns: fn() -> u64,
}

impl Window {
    fn hit(&mut self, key: Key, shared: &Shared) -> Option<Effect> {
        let action = input::action(key, &self.control.mode)?;
        Some(self.control.apply(action, shared))
    }

    /// Whether there is news to draw, and it is time to.
    fn is_stale(&self, shared: &Shared, interval: Duration) -> bool {
        let Some((at, changes, second)) = self.drawn else {
            return true;
        };
        if self.control.frozen.is_some() || at.elapsed() < interval {
            return false;
        }
        let mut state = shared.lock();
        if state.source() == Source::Live {
            state.advance((self.boot_ns)());
        }
        state.changes() != changes || state.now_ns() / 1_000_000_000 != second
    }

    fn draw(&mut self, shared: &Shared, look: &Look) -> io::Result<()> {
        let Self {
            terminal,
            control,
            drawn,
            boot_ns,
        } = self;
        let mut seen = None;
        terminal.draw(|frame| {
            let buffer = frame.buffer_mut();
            if let Some(frozen) = &control.frozen {
                seen = Some(view::draw(buffer, frozen, control, look));
                return;
            }
            // Released before anything is written: a terminal may be slow.
            let mut state = shared.lock();
            if state.source() == Source::Live {
                state.advance(boot_ns());
            }
            *drawn = Some((
                Instant::now(),
                state.changes(),
                state.now_ns() / 1_000_000_000,
            ));
            seen = Some(view::draw(buffer, &state, control, look));
        })?;
        if let Some(seen) = seen {
            control.seen = seen;
        }
        Ok(())
    }

    /// The terminal shows something else by now.
    fn forget(&mut self) -> io::Result<()> {
        self.terminal = Terminal::new(Screen::default())?;
        term::write(b"\x1b[0m\x1b[2J")
    }

    fn stop(&mut self, taken: &Taken) -> io::Result<()> {
        taken.stop()?;
        self.forget()
    }
}
