//! Connections, one after the other, both ends on one thread.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType};

use crate::pace::{Pace, boot_ns};
use crate::{Done, Mode, measure};

/// Bytes of a question and of its answer.
const SIZE: usize = 64;
/// Connections to one address: their TIME_WAIT sockets keep ports taken.
const PER_ADDRESS: u32 = 10_000;

/// The `n`th address of the loopback network.
pub(crate) fn target(n: u32, port: u16) -> SocketAddr {
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    SocketAddr::from((Ipv4Addr::from(first + n % 0x00ff_0000), port))
}

/// One operation after the other.
pub(crate) fn run(
    mode: Mode,
    thread: usize,
    mut pace: Pace,
    warm_up: Duration,
    seconds: Duration,
) -> Result<Done> {
    let listener = match mode {
        Mode::Overflow => full_listener()?,
        _ => Place::open()?,
    };
    // Threads keep to addresses of their own.
    let mut count = 0u32;
    let first = u32::try_from(thread)? * 0x0040_0000;
    measure(warm_up, seconds, || {
        let is_paced = pace.wait();
        let peer = target(first + count / PER_ADDRESS, listener.port);
        count = count.wrapping_add(1);
        let clock = || is_paced.then(boot_ns);
        match mode {
            Mode::Overflow => refused(peer, clock),
            _ => connection(mode, &listener.listener, peer, clock),
        }
    })
}

struct Place {
    listener: TcpListener,
    port: u16,
    _queued: Vec<TcpStream>,
}

impl Place {
    fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot listen")?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            port,
            _queued: Vec::new(),
        })
    }
}

/// A listener with a backlog of 1 and two connections in its queue, which is all it takes.
fn full_listener() -> Result<Place> {
    let mut place = Place::open()?;
    rustix::net::listen(&place.listener, 1)?;
    for _ in 0..2 {
        place
            ._queued
            .push(TcpStream::connect((Ipv4Addr::LOCALHOST, place.port))?);
    }
    Ok(place)
}

fn connection(
    mode: Mode,
    listener: &TcpListener,
    peer: SocketAddr,
    clock: impl Fn() -> Option<u64>,
) -> Result<Option<u64>> {
    let mut client = TcpStream::connect(peer).with_context(|| format!("cannot reach {peer}"))?;
    let (mut server, _) = listener.accept()?;
    let mut bytes = [7; SIZE];
    if mode == Mode::Unread {
        server.write_all(&bytes)?;
    } else {
        client.write_all(&bytes)?;
        server.read_exact(&mut bytes)?;
        server.write_all(&bytes)?;
        client.read_exact(&mut bytes)?;
    }
    if mode == Mode::Linger0 {
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    }
    let at_ns = clock();
    drop(client);
    // The end of the stream, or the reset.
    let end = server.read(&mut bytes);
    debug_assert!(end.map_or(mode != Mode::Normal, |count| count == 0));
    Ok(at_ns)
}

/// The SYN is dropped; the client does not wait for it.
fn refused(peer: SocketAddr, clock: impl Fn() -> Option<u64>) -> Result<Option<u64>> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )?;
    let SocketAddr::V4(v4) = peer else {
        anyhow::bail!("{peer} is not IPv4");
    };
    let at_ns = clock();
    match rustix::net::connect(&socket, &SocketAddrV4::new(*v4.ip(), v4.port())) {
        Err(rustix::io::Errno::INPROGRESS) => Ok(at_ns),
        other => other.map(|()| at_ns).context("the listener was not full"),
    }
}
