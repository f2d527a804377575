//! The runner's side of an actor: typed orders, and who the actor is, according to /proc. Orders
//! that must work panic with the order and the answer; those that may fail return the errno.

use std::cell::Cell;
use std::fmt::Display;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::str::FromStr;

use super::{sys, sys_ops};

/// A socket of an actor, as the actor itself sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conn {
    pub(crate) fd: RawFd,
    pub(crate) cookie: u64,
    pub(crate) local: SocketAddr,
    pub(crate) remote: Option<SocketAddr>,
}

/// What was in a socket when its actor closed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) unsent: i64,
    pub(crate) unacked: i64,
    pub(crate) unread: i64,
    pub(crate) elapsed_ms: f64,
}

/// A process that carries out orders. It dies with its scenario.
pub(crate) struct Actor {
    pub(crate) pid: i32,
    pub(crate) start_ticks: u64,
    pub(crate) comm: String,
    pub(crate) uid: u32,
    control: RawFd,
    child: Option<Child>,
    alive: Cell<bool>,
}

/// Field `number` (counted from 1, as in proc(5)) of `/proc/PID/stat`, for numbers above 2.
pub(crate) fn stat_field(pid: i32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_comm = &stat[stat.rfind(')')? + 2..];
    after_comm.split(' ').nth(number - 3).map(str::to_owned)
}

fn start_ticks(pid: i32) -> u64 {
    let field = stat_field(pid, 22).and_then(|field| field.parse().ok());
    field.unwrap_or_else(|| panic!("no start time of {pid} in /proc"))
}

impl Actor {
    /// Starts an actor in the calling thread's namespaces; `uid` 0 stays root.
    pub(crate) fn start(comm: &str, uid: u32) -> Self {
        let (ours, theirs) = sys::socket_pair().expect("socketpair");
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.args(["--actor", comm, &theirs.to_string()]);
        if uid != 0 {
            command.arg(uid.to_string());
        }
        // SAFETY: fcntl on a descriptor is async-signal-safe and allocates nothing.
        unsafe { command.pre_exec(move || sys::set_inherited_over_exec(theirs)) };
        let child = command.spawn().expect("start an actor");
        sys::close(theirs).expect("close");
        let mut actor = Self::new(child.id() as i32, comm, uid, ours);
        actor.child = Some(child);
        actor
    }

    fn new(pid: i32, comm: &str, uid: u32, control: RawFd) -> Self {
        let actor = Self {
            pid,
            start_ticks: start_ticks(pid),
            comm: comm.into(),
            uid,
            control,
            child: None,
            alive: Cell::new(true),
        };
        actor.answer("start").expect("the actor starts");
        actor
    }

    fn answer(&self, order: &str) -> Result<String, i32> {
        let (bytes, _) = sys::receive_packet(self.control).expect("the actor's control socket");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match text.split_once(' ') {
            Some(("ok", values)) => Ok(values.into()),
            Some(("err", rest)) => {
                let errno: i32 = rest
                    .split(' ')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                assert!(errno != 0, "{}: {order}: {rest}", self.comm);
                Err(errno)
            }
            _ => panic!("{}: {order}: the actor is gone", self.comm),
        }
    }

    /// Gives an order without waiting for it; `finish` does.
    pub(crate) fn begin(&self, order: &str) {
        sys::send_packet(self.control, order.as_bytes(), None).expect("the actor takes orders");
    }

    /// Waits for the order given with `begin`.
    pub(crate) fn finish(&self) -> Result<String, i32> {
        self.answer("the order begun before")
    }

    /// Gives an order and waits; `Err` is the errno.
    pub(crate) fn try_order(&self, order: &str) -> Result<String, i32> {
        self.begin(order);
        self.answer(order)
    }

    /// Gives an order that must work.
    pub(crate) fn order(&self, order: &str) -> String {
        self.try_order(order).unwrap_or_else(|errno| {
            let error = std::io::Error::from_raw_os_error(errno);
            panic!("{}: {order}: {error}", self.comm)
        })
    }

    /// An order whose answer is one number.
    pub(crate) fn number<T: FromStr>(&self, order: &str) -> T {
        let answer = self.order(order);
        answer
            .parse()
            .unwrap_or_else(|_| panic!("{}: {order}: {answer}", self.comm))
    }

    /// The socket as its owner sees it. Asking for the cookie also makes the kernel assign one.
    pub(crate) fn describe(&self, fd: RawFd) -> Conn {
        let addresses = self.order(&format!("addresses {fd}"));
        let (local, remote) = addresses.split_once(' ').expect("two addresses");
        Conn {
            fd,
            cookie: self.number(&format!("cookie {fd}")),
            local: local.parse().expect("an address"),
            remote: remote.parse().ok(),
        }
    }

    /// A TCP socket bound to `local` (port 0: the kernel chooses).
    pub(crate) fn bound(&self, local: impl Display) -> RawFd {
        let local = local.to_string();
        let family = if local.starts_with('[') { "v6" } else { "v4" };
        let fd = self.number(&format!("socket {family}"));
        self.order(&format!("bind {fd} {local}"));
        fd
    }

    pub(crate) fn listen(&self, local: impl Display, backlog: u32) -> Conn {
        let fd = self.bound(local);
        self.order(&format!("listen {fd} {backlog}"));
        self.describe(fd)
    }

    pub(crate) fn connect(&self, local: impl Display, remote: impl Display) -> Conn {
        let fd = self.bound(local);
        self.order(&format!("connect {fd} {remote}"));
        self.describe(fd)
    }

    /// Begins a connection and does not wait for it. `deaf_to` names a filter, set before the SYN
    /// goes out; `remote` of the result is the address asked for.
    pub(crate) fn connect_start(
        &self,
        local: impl Display,
        remote: SocketAddr,
        deaf_to: Option<&str>,
    ) -> Conn {
        let fd = self.bound(local);
        if let Some(what) = deaf_to {
            self.order(&format!("filter {fd} {what}"));
        }
        self.order(&format!("connect-start {fd} {remote}"));
        Conn {
            remote: Some(remote),
            ..self.describe(fd)
        }
    }

    pub(crate) fn accept(&self, listener: Conn) -> Conn {
        self.describe(self.number(&format!("accept {}", listener.fd)))
    }

    pub(crate) fn linger(&self, conn: Conn, seconds: u32) {
        self.order(&format!("linger {} 1 {seconds}", conn.fd));
    }

    pub(crate) fn filter(&self, conn: Conn, what: &str) {
        self.order(&format!("filter {} {what}", conn.fd));
    }

    pub(crate) fn unfilter(&self, conn: Conn) {
        self.order(&format!("unfilter {}", conn.fd));
    }

    pub(crate) fn write(&self, conn: Conn, len: usize) {
        self.order(&format!("write {} {len}", conn.fd));
    }

    pub(crate) fn shutdown(&self, conn: Conn) {
        self.order(&format!("shutdown {}", conn.fd));
    }

    pub(crate) fn close(&self, conn: Conn) -> Closed {
        parse_closed(&self.order(&format!("close {}", conn.fd)))
    }

    /// Begins a close that is expected to block; `finish_close` waits for it.
    pub(crate) fn begin_close(&self, conn: Conn) {
        self.begin(&format!("close {}", conn.fd));
    }

    pub(crate) fn finish_close(&self) -> Closed {
        parse_closed(&self.finish().expect("close answers"))
    }

    pub(crate) fn set_tcp_option(&self, conn: Conn, name: i32, value: i32) {
        self.order(&format!(
            "setopt {} {} {name} {value}",
            conn.fd,
            libc::IPPROTO_TCP
        ));
    }

    pub(crate) fn set_socket_option(&self, conn: Conn, name: i32, value: i32) {
        self.order(&format!(
            "setopt {} {} {name} {value}",
            conn.fd,
            libc::SOL_SOCKET
        ));
    }

    /// The kernel's number of the TCP state (1 ESTABLISHED, 4 FIN_WAIT1, 8 CLOSE_WAIT, 11 CLOSING).
    pub(crate) fn state(&self, conn: Conn) -> u8 {
        self.number(&format!("state {}", conn.fd))
    }

    /// Written and not acknowledged, of which never sent, received and not read.
    pub(crate) fn queues(&self, conn: Conn) -> (i64, i64, i64) {
        let answer = self.order(&format!("queues {}", conn.fd));
        let numbers: Vec<i64> = answer
            .split(' ')
            .map(|n| n.parse().expect("a number"))
            .collect();
        (numbers[0], numbers[1], numbers[2])
    }

    /// A copy of this actor that shares its sockets, as a server's worker does.
    pub(crate) fn fork(&self, comm: &str) -> Self {
        self.fork_as("fork", comm)
    }

    /// The same, as process 1 of a PID namespace of its own; `pid` is the one seen from outside.
    pub(crate) fn fork_into_pid_namespace(&self, comm: &str) -> Self {
        self.fork_as("fork-pidns", comm)
    }

    fn fork_as(&self, verb: &str, comm: &str) -> Self {
        let (ours, theirs) = sys::socket_pair().expect("socketpair");
        let order = format!("{verb} {comm}");
        sys::send_packet(self.control, order.as_bytes(), Some(theirs)).expect("send");
        sys::close(theirs).expect("close");
        let pid = self.answer(&order).expect("fork").parse().expect("a pid");
        Self::new(pid, comm, self.uid, ours)
    }

    /// Replaces the actor's program; it keeps its pid and the sockets named, and gets a new name.
    pub(crate) fn exec(&mut self, comm: &str, keep: Conn) {
        self.order(&format!("keep {}", keep.fd));
        self.order(&format!("exec {comm}"));
        self.comm = comm.into();
    }

    /// Gives the actor's leader another name, as `prctl` does.
    pub(crate) fn rename(&mut self, comm: &str) {
        self.order(&format!("comm {comm}"));
        self.comm = comm.into();
    }

    /// Gives the actor a descriptor of ours, and says what it is there.
    pub(crate) fn adopt(&self, fd: RawFd) -> RawFd {
        sys::send_packet(self.control, b"adopt", Some(fd)).expect("send");
        sys::close(fd).expect("close");
        let answer = self.answer("adopt").expect("adopt");
        answer.parse().expect("a descriptor")
    }

    /// Passes a socket to another process over a socket of their own (SCM_RIGHTS), and says what it
    /// is there. This actor keeps its copy.
    pub(crate) fn pass(&self, conn: Conn, to: &Self) -> Conn {
        let (left, right) = sys::socket_pair().expect("socketpair");
        let (sending, receiving) = (self.adopt(left), to.adopt(right));
        self.order(&format!("send-fd {sending} {}", conn.fd));
        let fd = to.number(&format!("receive-fd {receiving}"));
        self.order(&format!("close {sending}"));
        to.order(&format!("close {receiving}"));
        to.describe(fd)
    }

    /// Makes the actor leave by `_exit`, its sockets still open, and waits until it is gone.
    pub(crate) fn exit(&mut self) {
        self.begin("exit");
        self.gone();
    }

    pub(crate) fn kill(&mut self, signal: i32) {
        sys_ops::kill(self.pid, signal).expect("kill the actor");
        self.gone();
    }

    /// The control socket ends after the kernel closed every descriptor of the process.
    fn gone(&mut self) {
        let end = sys::receive_packet(self.control);
        assert!(matches!(end, Ok((ref bytes, _)) if bytes.is_empty()) || end.is_err());
        if let Some(child) = &mut self.child {
            child.wait().expect("wait for the actor");
        }
        self.alive.set(false);
    }

    /// True while the actor waits inside system call `number`.
    pub(crate) fn waits_in(&self, number: i64) -> bool {
        let text = std::fs::read_to_string(format!("/proc/{}/syscall", self.pid));
        text.is_ok_and(|text| text.split(' ').next() == Some(&number.to_string()))
    }
}

fn parse_closed(answer: &str) -> Closed {
    let numbers: Vec<i64> = answer
        .split(' ')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [out, unsent, unread, elapsed_us] = numbers[..] else {
        panic!("an answer to close: {answer}")
    };
    Closed {
        unsent,
        unacked: out - unsent,
        unread,
        elapsed_ms: elapsed_us as f64 / 1000.0,
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = sys::close(self.control);
        if let Some(child) = &mut self.child
            && self.alive.get()
        {
            // Only the process this actor started; a forked one ends with its control socket.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
