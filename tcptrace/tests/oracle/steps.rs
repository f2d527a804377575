//! Each step, and what it means for sockets and processes.

use super::script::{Seat, Step};
use super::stage::{Look, Stage, threaded};
use super::truth::{Life, Reset, Role, SocketId, Window, canonical};
use crate::scenario::kit::sys_ops;

/// As the kernel numbers them.
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
/// ESTABLISHED, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT.
/// kernel: `tcp_need_reset`, the states in which an abort sends a RST.
pub(super) const NEED_RESET: [u8; 5] = [1, 3, 4, 5, CLOSE_WAIT];

/// So few that a peer that reads nothing still takes them.
const MOST_BYTES: u64 = 30_000;

/// An order that one player carries out on one socket.
struct Order {
    seat: Seat,
    id: SocketId,
    text: String,
    descriptor: i32,
}

impl Stage {
    pub(super) fn try_play(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::Spawn { seat } => self.spawn(*seat).then_some(()),
            Step::Listen {
                seat,
                socket,
                mapped,
            } => self.listen(*seat, *socket, *mapped),
            Step::Connect {
                seat,
                socket,
                to,
                mapped,
                in_thread,
            } => self.connect((*seat, *socket), *to, *mapped, *in_thread),
            Step::Refused { seat, socket } => self.refused(*seat, *socket),
            Step::Fork { seat, child } => self.fork(*seat, *child),
            Step::Pass { seat, socket, to } => self.pass(*seat, *socket, *to),
            Step::Discard { seat, socket, by } => self.discard(*seat, *socket, *by),
            Step::Exec { seat, keep } => self.exec(*seat, keep),
            Step::Rename { seat } => self.rename(*seat),
            Step::BecomeUser { seat } => self.become_user(*seat),
            Step::Setns { seat } => self.setns(*seat),
            Step::Exit { seat } => self.end(*seat, None),
            Step::Kill { seat } => self.end(*seat, Some(libc::SIGKILL)),
            Step::Race { one, two } => self.race(one, two),
            simple => {
                let order = self.simple(simple)?;
                let before = self.look(order.seat, order.descriptor);
                let is_alive = before.is_some_and(|look| NEED_RESET.contains(&look.state));
                if matches!(simple, Step::Destroy { .. }) && !is_alive {
                    // The kernel would take the listener of the same address for it.
                    return None;
                }
                let (answer, at) = self.order(order.seat, &order.text);
                self.effect(simple, &order, before, answer, at)
            }
        }
    }

    /// The order of a step that is one call on one socket; None when it cannot be done.
    fn simple(&self, step: &Step) -> Option<Order> {
        let (seat, name, in_thread) = match step {
            Step::Accept {
                seat,
                from,
                in_thread,
                ..
            } => (*seat, *from, *in_thread),
            Step::Write {
                seat,
                socket,
                in_thread,
                ..
            }
            | Step::Close {
                seat,
                socket,
                in_thread,
            } => (*seat, *socket, *in_thread),
            Step::Read { seat, socket }
            | Step::Shutdown { seat, socket }
            | Step::LingerZero { seat, socket }
            | Step::Duplicate { seat, socket }
            | Step::Disconnect { seat, socket }
            | Step::Destroy { seat, socket } => (*seat, *socket, false),
            _ => return None,
        };
        let (id, descriptor) = self.held(seat, name)?;
        let socket = &self.truth.sockets[id];
        let is_listener = socket.role == Role::Listener;
        let text = match step {
            Step::Accept { .. } => {
                if self.queues.get(&id)?.is_empty() {
                    return None;
                }
                format!("accept {descriptor}")
            }
            Step::Close { .. } => format!("close {descriptor}"),
            Step::Duplicate { .. } => format!("duplicate {descriptor}"),
            _ if is_listener => return None,
            Step::Write { bytes, .. } => {
                if socket.written + *bytes as u64 > MOST_BYTES {
                    return None;
                }
                format!("write {descriptor} {bytes}")
            }
            Step::Read { .. } => format!("read-now {descriptor}"),
            Step::Shutdown { .. } => format!("shutdown {descriptor}"),
            Step::LingerZero { .. } => format!("linger {descriptor} 1 0"),
            Step::Disconnect { .. } => format!("disconnect {descriptor}"),
            Step::Destroy { .. } => {
                let space = self.player(seat)?.space;
                let is_here = socket.netns == self.spaces[space].inode && !socket.is_inet6;
                let remote = socket.remote.filter(|_| is_here)?;
                format!("destroy {} {}", socket.local, canonical(remote))
            }
            _ => return None,
        };
        Some(Order {
            seat,
            id,
            text: threaded(in_thread, text),
            descriptor,
        })
    }

    /// What an order did.
    fn effect(
        &mut self,
        step: &Step,
        order: &Order,
        before: Option<Look>,
        answer: Result<String, i32>,
        at: Window,
    ) -> Option<()> {
        let id = order.id;
        let needs_reset = before.is_some_and(|look| NEED_RESET.contains(&look.state));
        match step {
            Step::Close { .. } => self.closed_one(order.seat, id, before, at),
            Step::Accept { socket, .. } => {
                let descriptor = answer.ok()?.parse().ok()?;
                return self.accepted((order.seat, *socket), id, descriptor, at);
            }
            Step::Duplicate { .. } => {
                let descriptor = answer.ok()?.parse().ok()?;
                self.take(order.seat, id, descriptor, at);
            }
            Step::LingerZero { .. } => self.truth.sockets[id].has_linger_zero = answer.is_ok(),
            Step::Write { bytes, .. } => {
                answer.ok()?;
                self.written(id, *bytes as u64, before, at);
            }
            Step::Disconnect { .. } | Step::Destroy { .. } => {
                answer.ok()?;
                let cause = match step {
                    Step::Disconnect { .. } => "disconnect",
                    _ => "aborted",
                };
                let received = self.peer_written(id);
                self.may_cut_off(id);
                self.truth.sockets[id].received.get_or_insert(received);
                if needs_reset {
                    self.reset(id, cause, before, at);
                } else {
                    self.truth.sockets[id].life = Life::Dead;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn peer_written(&self, id: SocketId) -> u64 {
        let peer = self.truth.sockets[id].peer;
        peer.map_or(0, |peer| {
            let peer = &self.truth.sockets[peer];
            peer.written - peer.written_late
        })
    }

    fn reset(&mut self, id: SocketId, cause: &'static str, before: Option<Look>, at: Window) {
        let is_racy = self.truth.sockets[id].is_racy;
        let reset = Reset {
            at,
            causes: vec![cause],
            bytes: before.map(|look| look.bytes).filter(|_| !is_racy),
            is_certain: !is_racy,
        };
        self.truth.reset(id, reset);
    }

    /// Data for a connection that the other side has closed is answered by a RST.
    fn written(&mut self, id: SocketId, bytes: u64, before: Option<Look>, at: Window) {
        let socket = &mut self.truth.sockets[id];
        socket.written += bytes;
        let is_open = socket.life == Life::Open;
        let Some(peer) = socket.peer else { return };
        if is_open && self.truth.sockets[peer].life == Life::Orphan {
            self.truth.sockets[id].written_late += bytes;
            let is_certain = before.is_some_and(|look| look.state == CLOSE_WAIT);
            let reset = Reset {
                at,
                causes: vec!["late_data"],
                bytes: None,
                is_certain: is_certain && !self.truth.sockets[id].is_racy,
            };
            self.truth.reset(peer, reset);
        }
    }

    /// A player has closed one descriptor.
    fn closed_one(&mut self, seat: Seat, id: SocketId, before: Option<Look>, at: Window) {
        let Some(player) = &mut self.players[seat] else {
            return;
        };
        let process = player.process;
        let Some(all) = player.descriptors.get_mut(&id) else {
            return;
        };
        all.pop();
        if !all.is_empty() {
            return;
        }
        player.descriptors.remove(&id);
        self.truth.end_hold(id, process, at);
        if !self.is_held(id) {
            self.closed(id, before, at);
        }
    }

    /// The last descriptor of a socket is closed.
    pub(super) fn closed(&mut self, id: SocketId, before: Option<Look>, at: Window) {
        let received = self.peer_written(id);
        self.truth.sockets[id].closed = Some(at);
        self.may_cut_off(id);
        let socket = &mut self.truth.sockets[id];
        if socket.role == Role::Listener {
            socket.life = Life::Dead;
            for child in self.queues.remove(&id).unwrap_or_default() {
                self.child_closed(child, at);
            }
            return;
        }
        socket.received.get_or_insert(received);
        if socket.life != Life::Open {
            return;
        }
        socket.life = Life::Orphan;
        let has_linger_zero = socket.has_linger_zero;
        let Some(look) = before else { return };
        // kernel: unread data comes before SO_LINGER in `__tcp_close`.
        if look.state != CLOSE && look.bytes[2] > 0 {
            self.reset(id, "unread_data", before, at);
        } else if has_linger_zero && NEED_RESET.contains(&look.state) {
            self.reset(id, "linger_zero", before, at);
        } else if look.state == CLOSE {
            self.truth.sockets[id].life = Life::Dead;
        }
    }

    /// What the peer still has to send comes too late, if there is any.
    fn may_cut_off(&mut self, id: SocketId) {
        let Some(peer) = self.truth.sockets[id].peer else {
            return;
        };
        let sender = &self.truth.sockets[peer];
        if !sender.is_prompt && sender.written > 0 {
            self.truth.sockets[id].is_racy = true;
            self.truth.sockets[peer].is_racy = true;
        }
    }

    /// Its listener was closed before anybody accepted it.
    fn child_closed(&mut self, child: SocketId, at: Window) {
        let unread = self.peer_written(child);
        self.may_cut_off(child);
        let socket = &mut self.truth.sockets[child];
        socket.closed = Some(at);
        socket.received.get_or_insert(unread);
        if socket.life != Life::Open {
            return;
        }
        let is_racy = socket.is_racy;
        let reset = Reset {
            at,
            causes: vec!["listener_closed"],
            bytes: (!is_racy).then(|| [0, 0, unread.cast_signed()]),
            is_certain: !is_racy,
        };
        self.truth.reset(child, reset);
    }

    /// Both orders are under way at once.
    fn race(&mut self, one: &Step, two: &Step) -> Option<()> {
        let (first, second) = (self.simple(one)?, self.simple(two)?);
        if first.seat == second.seat {
            return None;
        }
        if let (Step::Accept { from: a, .. }, Step::Accept { from: b, .. }) = (one, two) {
            let queue = self.queues.get(&first.id)?;
            let mut queued = queue.iter().map(|id| &self.truth.sockets[*id]);
            if a != b || queue.len() < 2 || queued.any(|child| child.life != Life::Open) {
                return None;
            }
        }
        let ids = [first.id, second.id];
        for id in ids {
            self.make_racy(id);
        }
        let before = [&first, &second].map(|order| self.look(order.seat, order.descriptor));
        let from = sys_ops::boot_time_ns();
        let (a, b) = (self.player(first.seat)?, self.player(second.seat)?);
        a.actor.begin(&first.text);
        b.actor.begin(&second.text);
        let answers = [a.actor.finish(), b.actor.finish()];
        let at = Window {
            from,
            to: sys_ops::boot_time_ns(),
        };
        let [answer_one, answer_two] = answers;
        self.effect(one, &first, before[0], answer_one, at);
        self.effect(two, &second, before[1], answer_two, at);
        Some(())
    }

    fn make_racy(&mut self, id: SocketId) {
        let queued = self.queues.get(&id).into_iter().flatten().copied();
        for id in queued.chain([id]).collect::<Vec<_>>() {
            let peer = self.truth.sockets[id].peer;
            for end in peer.into_iter().chain([id]) {
                let socket = &mut self.truth.sockets[end];
                socket.is_racy = socket.role != Role::Nobody;
            }
        }
    }
}
