//! What is held besides the load: idle connections, listeners, processes.
//!
//! Connections are held by children, since a process may not have files without end. Children end
//! with this process, however it ends.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};

use crate::churn::target;

/// Connections of one child, both ends: twice as many files.
const PER_PROCESS: u32 = 5_000;
/// The port they go to.
const PORT: u16 = 7;

/// Makes them; the listeners are held by what is returned. To be called before any thread is started.
pub(crate) fn gather(idle: u32, listeners: u16, processes: u32) -> Result<Vec<TcpListener>> {
    for group in 0..idle.div_ceil(PER_PROCESS) {
        let count = PER_PROCESS.min(idle - group * PER_PROCESS);
        child(|| connections(group, count))?;
    }
    for _ in 0..processes {
        child(|| Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))?;
    }
    let listen = |_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot listen");
    (0..listeners).map(listen).collect()
}

/// Connections through an address of their own.
fn connections(group: u32, count: u32) -> Result<Vec<(TcpStream, TcpStream)>> {
    let place = target(0x0080_0000 + group, PORT);
    let listener = TcpListener::bind(place).context("cannot listen")?;
    let one = |_| -> Result<_> { Ok((TcpStream::connect(place)?, listener.accept()?.0)) };
    (0..count).map(one).collect()
}

/// Forks a child that makes something, holds it and sleeps; returns when it is made.
fn child<T>(make: impl FnOnce() -> Result<T>) -> Result<()> {
    let (mut reader, writer) = std::io::pipe()?;
    // SAFETY: this process has one thread only, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("cannot fork"),
        0 => {
            // SAFETY: plain system calls with plain numbers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let held = make();
            if held.is_ok() {
                drop(std::io::Write::write(&mut &writer, &[1]));
            }
            drop(writer);
            loop {
                // SAFETY: as above.
                unsafe { libc::pause() };
                std::hint::black_box(&held);
            }
        }
        _ => {
            drop(writer);
            if reader.read(&mut [0])? == 0 {
                bail!("a child of the load could not make its sockets");
            }
            Ok(())
        }
    }
}
