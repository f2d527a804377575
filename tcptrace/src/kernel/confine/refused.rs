//! A system call that the filter refuses names itself on stderr, for those who change tcptrace.
//!
//! The filter raises SIGSYS then. The handler writes one line and lets the call fail with EPERM, as the
//! filter itself does otherwise. With `confine::refused=trace` the process ends, so that no test passes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Target of the log; see `TCPTRACE_LOG`.
const TARGET: &str = "confine::refused";

/// Whether refused calls are named. Not unless that is asked for: a call that is refused while a thread
/// blocks all signals ends the process then.
pub(super) fn are_named() -> bool {
    cfg!(all(debug_assertions, not(test))) || log::log_enabled!(target: TARGET, log::Level::Debug)
}

/// What the process returns then: 128 and the number of SIGSYS.
const ENDED: libc::c_int = 128 + libc::SIGSYS;

/// Whether the first one ends the process.
static ENDS: AtomicBool = AtomicBool::new(false);

/// Installs the handler.
pub(super) fn name_them() -> io::Result<()> {
    let ends = log::log_enabled!(target: TARGET, log::Level::Trace);
    ENDS.store(ends, Ordering::Relaxed);
    // SAFETY: all zeros is a value of the type. The handler lives as long as the program and calls only
    // what may be called in a signal's handler.
    let answer = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = name_it as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut())
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What the kernel reports about a refused call; libc names no more than the first three (siginfo.h).
#[repr(C)]
struct Refused {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    address: *const libc::c_void,
    call: libc::c_int,
    machine: libc::c_uint,
}

extern "C" fn name_it(
    _signal: libc::c_int,
    refused: *const libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel hands over a siginfo of this form with SIGSYS, and the registers at the call.
    let (call, context) = unsafe {
        let call = (*refused.cast::<Refused>()).call;
        (call, &mut *context.cast::<libc::ucontext_t>())
    };
    let refused = -i64::from(libc::EPERM);
    #[cfg(target_arch = "x86_64")]
    {
        context.uc_mcontext.gregs[libc::REG_RAX as usize] = refused;
    }
    #[cfg(target_arch = "aarch64")]
    {
        context.uc_mcontext.regs[0] = refused.cast_unsigned();
    }
    let mut line = *b"tcptrace: confine: system call ..... is refused\n";
    let mut number = call.unsigned_abs();
    // From the right, where the dots are; nothing here may allocate.
    for digit in line[31..36].iter_mut().rev() {
        *digit = if number > 0 {
            b'0' + (number % 10) as u8
        } else {
            b' '
        };
        number /= 10;
    }
    // SAFETY: the line lives through the call. stderr may be closed: then nothing is printed.
    let _closed = unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    if ENDS.load(Ordering::Relaxed) {
        // SAFETY: it may be called in a handler.
        unsafe { libc::_exit(ENDED) };
    }
}
