//! A process of `cargo xtask soak` that does not live long: so many connections to a listener of its own, each
//! reset by the client. Runs in the namespace that it is started in, and prints nothing.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let count: u32 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .context("usage: short-lived COUNT")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let address = listener.local_addr()?;
    for _ in 0..count {
        let client = TcpStream::connect(address).context("cannot connect")?;
        let (mut server, _) = listener.accept()?;
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(client);
        // The reset, which is an error.
        let _reset = server.read(&mut [0; 1]);
    }
    Ok(())
}
