//! The orders an actor understands, one small function or one line each. Descriptors are given and
//! returned as numbers. Durations are this process's own measurements.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::{filter, hang, sys, sys_ops};

const PATIENCE: Duration = Duration::from_secs(8);

fn arg<T: FromStr<Err: Display>>(words: &[&str], at: usize) -> Result<T> {
    let word = words.get(at).ok_or(ErrorKind::InvalidInput)?;
    word.parse()
        .map_err(|error: T::Err| Error::other(format!("{word}: {error}")))
}

/// Carries out one order and returns the values of its answer.
pub(crate) fn perform(words: &[&str]) -> Result<String> {
    let fd = || arg::<RawFd>(words, 1);
    let done = |()| String::new();
    match words[0] {
        "socket" if words.get(1) == Some(&"mptcp") => sys::mptcp_socket().map(|fd| fd.to_string()),
        "socket" => sys::tcp_socket(words.get(1) == Some(&"v6")).map(|fd| fd.to_string()),
        "bind" => bind(fd()?, arg(words, 2)?).map(done),
        "reuseport" => {
            sys::set_option(fd()?, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1i32).map(done)
        }
        "listen" => sys::listen(fd()?, arg(words, 2)?).map(done),
        "connect" => sys::connect(fd()?, arg(words, 2)?).map(done),
        "connect-start" => connect_start(fd()?, arg(words, 2)?).map(done),
        "accept" => accept(fd()?).map(|fd| fd.to_string()),
        "cookie" => sys_ops::cookie(fd()?).map(|cookie| cookie.to_string()),
        "addresses" => addresses(fd()?),
        "setopt" => sys::set_option(
            fd()?,
            arg(words, 2)?,
            arg(words, 3)?,
            &arg::<i32>(words, 4)?,
        )
        .map(done),
        "linger" => linger(fd()?, arg(words, 2)?, arg(words, 3)?).map(done),
        "filter" => filter::attach(fd()?, words.get(2).copied().unwrap_or_default()).map(done),
        "unfilter" => filter::detach(fd()?).map(done),
        "write" => write_exactly(fd()?, arg(words, 2)?).map(done),
        "fill" => fill(fd()?).map(|written| written.to_string()),
        "read" => read_exactly(fd()?, arg(words, 2)?).map(done),
        "read-end" => read_to_end(fd()?),
        "read-now" => read_now(fd()?).map(|read| read.to_string()),
        "duplicate" => sys::duplicate(fd()?).map(|fd| fd.to_string()),
        "setns" => sys_ops::set_netns(fd()?).map(done),
        "become-user" => sys_ops::become_user(arg(words, 1)?).map(done),
        "look" => look(fd()?),
        "queues" => {
            sys_ops::queues(fd()?).map(|(out, unsent, unread)| format!("{out} {unsent} {unread}"))
        }
        "state" => sys_ops::tcp_state(fd()?).map(|state| state.to_string()),
        "drops" => sys_ops::drops(fd()?).map(|drops| drops.to_string()),
        "shutdown" => sys::shutdown_write(fd()?).map(done),
        "close" => close(fd()?),
        "disconnect" => sys::disconnect(fd()?).map(done),
        "sequence" => sys_ops::next_sequence(fd()?).map(|sequence| sequence.to_string()),
        "timestamps-back" => sys_ops::turn_timestamps_back(fd()?, arg(words, 2)?).map(done),
        "keep" => sys::set_inherited_over_exec(fd()?).map(done),
        "send-fd" => sys::send_packet(fd()?, b"fd", Some(arg(words, 2)?)).map(done),
        "receive-fd" => {
            let (_, passed) = sys::receive_packet(fd()?)?;
            passed
                .map(|fd| fd.to_string())
                .ok_or_else(|| ErrorKind::UnexpectedEof.into())
        }
        "destroy" => sys_ops::destroy_socket(arg(words, 1)?, arg(words, 2)?).map(done),
        "comm" => sys_ops::set_comm(words.get(1).copied().unwrap_or_default()).map(done),
        "thread" => in_thread(words),
        "datagrams" => datagrams(arg(words, 1)?, arg(words, 2)?, arg(words, 3)?).map(done),
        "serve" => serve(
            fd()?,
            arg(words, 2)?,
            words.get(3).copied().unwrap_or_default(),
        ),
        "churn" => churn(
            arg(words, 1)?,
            arg(words, 2)?,
            words.get(3).copied().unwrap_or_default(),
        ),
        "hang" => hang::hang(words.get(1).copied().unwrap_or_default()),
        "open-all" => hang::open_all(arg(words, 1)?),
        "exit" => sys_ops::exit_now(0),
        other => Err(Error::other(format!("unknown order {other}"))),
    }
}

fn bind(fd: RawFd, addr: SocketAddr) -> Result<()> {
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1i32)?;
    sys::bind(fd, addr)
}

/// A connect that does not wait; the socket is left blocking again.
fn connect_start(fd: RawFd, addr: SocketAddr) -> Result<()> {
    sys::set_nonblocking(fd, true)?;
    let started = match sys::connect(fd, addr) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other,
    };
    sys::set_nonblocking(fd, false)?;
    started
}

/// Bounded, so that a scenario that went wrong ends with an errno and not with a hang.
fn accept(listener: RawFd) -> Result<RawFd> {
    let patience = libc::timeval {
        tv_sec: PATIENCE.as_secs() as libc::time_t,
        tv_usec: 0,
    };
    sys::set_option(listener, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &patience)?;
    sys::accept(listener)
}

fn addresses(fd: RawFd) -> Result<String> {
    let local = sys::local_addr(fd)?.ok_or(ErrorKind::AddrNotAvailable)?;
    let remote = sys::peer_addr(fd).map_or_else(|| "-".into(), |addr| addr.to_string());
    Ok(format!("{local} {remote}"))
}

fn linger(fd: RawFd, on: i32, seconds: i32) -> Result<()> {
    let value = libc::linger {
        l_onoff: on,
        l_linger: seconds,
    };
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &value)
}

fn write_exactly(fd: RawFd, len: usize) -> Result<()> {
    let bytes = vec![b'x'; len];
    let mut sent = 0;
    while sent < len {
        sent += sys::write(fd, &bytes[sent..])?;
    }
    Ok(())
}

/// Writes odd-sized pieces until the kernel takes no more; says how much it took.
fn fill(fd: RawFd) -> Result<usize> {
    sys::set_nonblocking(fd, true)?;
    let piece = [b'f'; 1237];
    let mut written = 0;
    let result = loop {
        match sys::write(fd, &piece) {
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(written),
            Err(error) => break Err(error),
        }
    };
    sys::set_nonblocking(fd, false)?;
    result
}

fn read_exactly(fd: RawFd, len: usize) -> Result<()> {
    let mut bytes = vec![0u8; len];
    let mut got = 0;
    while got < len {
        match sys::read(fd, &mut bytes[got..])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            more => got += more,
        }
    }
    Ok(())
}

fn read_to_end(fd: RawFd) -> Result<String> {
    let mut bytes = [0u8; 16384];
    let mut total = 0;
    loop {
        match sys::read(fd, &mut bytes)? {
            0 => return Ok(total.to_string()),
            more => total += more,
        }
    }
}

/// Reads what is there and does not wait for more.
fn read_now(fd: RawFd) -> Result<usize> {
    sys::set_nonblocking(fd, true)?;
    let mut bytes = [0u8; 16384];
    let mut total = 0;
    let result = loop {
        match sys::read(fd, &mut bytes) {
            Ok(0) => break Ok(total),
            Ok(more) => total += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(total),
            Err(error) => break Err(error),
        }
    };
    sys::set_nonblocking(fd, false)?;
    result
}

/// State and queues of one moment: an acknowledgement may come between. Those of a listener are 0.
fn look(fd: RawFd) -> Result<String> {
    loop {
        let state = sys_ops::tcp_state(fd)?;
        let (out, unsent, unread) = sys_ops::queues(fd).unwrap_or((0, 0, 0));
        if sys_ops::tcp_state(fd)? == state {
            return Ok(format!("{state} {unsent} {} {unread}", out - unsent));
        }
    }
}

/// Answers with the queues just before the close, and how long it took.
fn close(fd: RawFd) -> Result<String> {
    // A listener has no queues of bytes, and a close must not depend on them.
    let (out, unsent, unread) = sys_ops::queues(fd).unwrap_or((0, 0, 0));
    let started = Instant::now();
    sys::close(fd)?;
    let elapsed_us = started.elapsed().as_micros();
    Ok(format!("{out} {unsent} {unread} {elapsed_us}"))
}

/// `thread NAME ORDER...`: the same order, carried out by a thread that is not the leader.
fn in_thread(words: &[&str]) -> Result<String> {
    let (Some(name), Some(order)) = (words.get(1), words.get(2..)) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            sys_ops::set_comm(name)?;
            perform(order)
        });
        work.join()
            .map_err(|_| Error::other("the thread panicked"))?
    })
}

fn datagrams(to: SocketAddr, count: usize, len: usize) -> Result<()> {
    let fd = sys::udp_socket(to)?;
    for _ in 0..count {
        sys::write(fd, &vec![b'd'; len])?;
    }
    sys::close(fd)
}

/// Accepts `count` connections; `closes` closes each at once, `follows` waits for its end first,
/// `mixed` does the two in turn, `resets` closes each with linger 0.
fn serve(listener: RawFd, count: usize, mode: &str) -> Result<String> {
    let mut byte = [0u8; 64];
    for round in 0..count {
        let fd = accept(listener)?;
        if mode == "follows" || (mode == "mixed" && round % 2 == 0) {
            // Data, then the end; a reset is an end too.
            while matches!(sys::read(fd, &mut byte), Ok(1..)) {}
        } else if mode == "resets" {
            linger(fd, 1, 0)?;
        }
        sys::close(fd)?;
    }
    Ok(count.to_string())
}

/// Opens `count` connections one after the other. `resets` closes each with linger 0, `follows`
/// waits for the server's end first, `mixed` does the two in turn.
fn churn(to: SocketAddr, count: usize, mode: &str) -> Result<String> {
    let mut byte = [0u8; 64];
    let mut resets = 0;
    for round in 0..count {
        let fd = sys::tcp_socket(to.is_ipv6())?;
        match sys::connect(fd, to) {
            // A server that resets may be faster than the return from connect.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => other?,
        }
        if mode == "resets" || (mode == "mixed" && round % 2 == 0) {
            linger(fd, 1, 0)?;
            resets += 1;
        } else {
            while matches!(sys::read(fd, &mut byte), Ok(1..)) {}
        }
        sys::close(fd)?;
    }
    Ok(resets.to_string())
}
