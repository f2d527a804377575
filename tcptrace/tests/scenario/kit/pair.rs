//! The most common cast: a server, a client of another user, and one established connection.

use std::time::Duration;

use super::command::{Actor, Conn};
use super::tracer::Tracer;
use super::world::World;

/// The user of every `Pair`'s server, and of its client: neither root nor each other.
pub(crate) const SERVER_UID: u32 = 23457;
pub(crate) const CLIENT_UID: u32 = 12345;

/// Both ends of a connection from 127.0.0.2 to 127.0.7.9.
pub(crate) struct Pair {
    pub(crate) server: Actor,
    pub(crate) client: Actor,
    pub(crate) listener: Conn,
    /// The server's end.
    pub(crate) accepted: Conn,
    /// The client's end.
    pub(crate) conn: Conn,
}

impl Pair {
    /// Actors named `PREFIX-server` and `PREFIX-client`.
    pub(crate) fn connected(world: &World, prefix: &str) -> Self {
        Self::with_receive_buffer(world, prefix, None)
    }

    /// The tracer first, so that nothing of the pair is older than it.
    pub(crate) fn watched(world: &World, prefix: &str) -> (Tracer, Self) {
        let tracer = world.watch(&[]);
        (tracer, Self::connected(world, prefix))
    }

    /// A pair whose client has bytes in flight that the deaf server never acknowledges and more
    /// that do not even fit the server's small window. Returns how many bytes were written.
    pub(crate) fn stuffed(world: &World, prefix: &str) -> (Tracer, Self, i64) {
        let tracer = world.watch(&[]);
        let pair = Self::with_receive_buffer(world, prefix, Some(4096));
        pair.client.write(pair.conn, 1237);
        world.until("the first bytes arrive", || {
            pair.server.queues(pair.accepted).2 == 1237
        });
        pair.server.filter(pair.accepted, "data");
        pair.client.write(pair.conn, 511);
        let filled: i64 = pair.client.number(&format!("fill {}", pair.conn.fd));
        // A loss probe may still send something new; after it only the retransmit timer acts.
        let mut last = (0, 0, 0);
        world.until("the send queue settles", || {
            std::thread::sleep(Duration::from_millis(40));
            let now = pair.client.queues(pair.conn);
            std::mem::replace(&mut last, now) == now
        });
        world.claim("some bytes are in flight", last.0 > last.1);
        world.claim("some bytes were never sent", last.1 > 0);
        (tracer, pair, 1237 + 511 + filled)
    }

    fn with_receive_buffer(world: &World, prefix: &str, bytes: Option<i32>) -> Self {
        let server = world.actor_as(&format!("{prefix}-server"), SERVER_UID);
        let client = world.actor_as(&format!("{prefix}-client"), CLIENT_UID);
        let fd = server.bound("127.0.7.9:0");
        if let Some(bytes) = bytes {
            let (level, name) = (libc::SOL_SOCKET, libc::SO_RCVBUF);
            server.order(&format!("setopt {fd} {level} {name} {bytes}"));
        }
        server.order(&format!("listen {fd} 5"));
        let listener = server.describe(fd);
        let conn = client.connect("127.0.0.2:0", listener.local);
        let accepted = server.accept(listener);
        Self {
            server,
            client,
            listener,
            accepted,
            conn,
        }
    }

    /// The server resets its end at once (linger 0).
    pub(crate) fn server_resets(&self) {
        self.server.linger(self.accepted, 0);
        self.server.close(self.accepted);
    }
}
