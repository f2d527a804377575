//! Takes the terminal and gives it back as it was: on every way out.
//!
//! Ways out: the guard is dropped; a panic (the program then aborts and drops nothing, so a hook
//! gives it back first); a signal that the caller turns into one of these; a stop, until it resumes.
//! Only SIGKILL leaves a terminal as it is. Everything goes to the descriptors themselves, since a
//! hook must not wait for anybody's lock.

use std::io::{self, IsTerminal, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// The other screen, no cursor; clicks and the wheel, reported with plain numbers.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b[0m\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1000l\x1b[0m\x1b[?25h\x1b[?1049l";

/// Switches a key of the terminal off.
const NO_KEY: u8 = 0;
/// The size assumed for a terminal that does not report it, such as a serial line.
const USUAL: (u16, u16) = (80, 24);
/// More is not drawn on: it would only cost memory.
const MOST: (u16, u16) = (1000, 500);

static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Modes as they were.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal is ours until this is dropped.
#[derive(Debug)]
pub struct Taken(());

/// Whether there is a terminal to draw on and to be asked by.
pub fn is_there() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// Takes it.
///
/// # Errors
/// When it does not let itself be set up; it is then as before.
pub fn take() -> io::Result<Taken> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
    enter()?;
    Ok(Taken(()))
}

impl Taken {
    /// Takes it once more: another program may have changed it while we were stopped.
    ///
    /// # Errors
    /// As for [`take`].
    pub fn again(&self) -> io::Result<()> {
        enter()
    }

    /// Gives it back, stops until continued, takes it again.
    ///
    /// # Errors
    /// As for [`take`].
    pub fn stop(&self) -> io::Result<()> {
        give_back();
        stop_self()?;
        enter()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    let now = tcgetattr(stdin())?;
    let modes = {
        let mut before = BEFORE.lock().map_err(|_| io::ErrorKind::Other)?;
        if !IS_TAKEN.load(Ordering::SeqCst) {
            *before = Some(now.clone());
        }
        raw(before.clone().unwrap_or(now))
    };
    // Before anything is changed: a half-taken terminal is given back too.
    IS_TAKEN.store(true, Ordering::SeqCst);
    let entered = tcsetattr(stdin(), OptionalActions::Now, &modes)
        .map_err(io::Error::from)
        .and_then(|()| write(ENTER));
    if entered.is_err() {
        give_back();
    }
    entered
}

/// Every key at once and unseen. Ctrl-C and Ctrl-Z stay signals, so that the whole job receives them;
/// the key that dumps core is off.
fn raw(mut modes: Termios) -> Termios {
    modes.make_raw();
    modes.local_modes |= LocalModes::ISIG;
    modes.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
    modes
}

/// Gives it back if it is taken; what fails is left, since nobody could do better. Any thread may
/// call it at any time.
pub fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    drop(write(LEAVE));
    // Who holds it is about to change the modes and has not: nothing to be undone.
    if let Ok(before) = BEFORE.try_lock()
        && let Some(modes) = &*before
    {
        let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
    }
}

/// Writes all of it to the terminal.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    write_to(&stdout(), bytes)
}

fn write_to(fd: &impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Columns and rows, as many as a screen can have: a terminal may claim any number.
pub(super) fn size() -> (u16, u16) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (size.ws_col.min(MOST.0), size.ws_row.min(MOST.1))
        }
        _ => USUAL,
    }
}

/// Stops the process as Ctrl-Z would, until it is continued.
fn stop_self() -> io::Result<()> {
    let check = |result: libc::c_int| {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: all-zero is a valid sigaction: no flags, an empty mask, the default action.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut before = default;
    // SAFETY: both are valid for the call, which changes nothing else of ours.
    check(unsafe { libc::sigaction(libc::SIGTSTP, &raw const default, &raw mut before) })?;
    // Not by raise(3), for which musl takes a call that could reach other processes and is refused.
    // SAFETY: integers only. It returns once the process has been continued.
    let stopped = check(unsafe { libc::kill(libc::getpid(), libc::SIGTSTP) });
    // SAFETY: what was there before.
    check(unsafe { libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut()) })?;
    stopped
}
