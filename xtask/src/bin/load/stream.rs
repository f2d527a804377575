//! One connection, used as hard as it goes: many packets, no incident.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::{Done, measure, place};

/// Bytes of an operation in bulk, and to and fro.
const BULK: usize = 64 << 10;
const PING: usize = 64;

/// Writer on the first processor, reader on processor `other`.
pub(crate) fn run(
    is_bulk: bool,
    other: usize,
    warm_up: Duration,
    seconds: Duration,
) -> Result<Done> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let reader = thread::spawn(move || answer(far, is_bulk, other));
    place::pin(0)?;
    let mut bytes = vec![7; if is_bulk { BULK } else { PING }];
    let done = measure(warm_up, seconds, || {
        near.write_all(&bytes)?;
        if !is_bulk {
            near.read_exact(&mut bytes)?;
        }
        Ok(None)
    })?;
    near.shutdown(Shutdown::Write)?;
    reader
        .join()
        .map_err(|_| anyhow!("the reader ended early"))??;
    Ok(done)
}

fn answer(mut far: TcpStream, is_bulk: bool, cpu: usize) -> Result<()> {
    place::pin(cpu)?;
    let mut bytes = vec![0; if is_bulk { BULK } else { PING }];
    loop {
        if is_bulk {
            if far.read(&mut bytes)? == 0 {
                return Ok(());
            }
            continue;
        }
        match far.read_exact(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        far.write_all(&bytes)?;
    }
}
