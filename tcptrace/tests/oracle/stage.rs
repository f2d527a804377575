//! The players and what they hold. `play` carries out one step with real processes and writes down
//! what it did; what cannot be done, since a player or a socket is not there, is left out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::script::{Name, Seat, Step};
use super::truth::{Life, Process, ProcessId, Role, Socket, SocketId, Truth, Window};
use crate::scenario::kit::{Actor, Space, sys, sys_ops};

pub(super) const SEATS: usize = 6;
/// Accept queues are never filled: what is refused is another scenario's business.
pub(super) const QUEUED: usize = 6;
const BACKLOG: usize = 16;
/// FIN_WAIT1, LAST_ACK, CLOSING.
const FIN_ON_ITS_WAY: [u8; 3] = [4, 9, 11];

/// A process at its seat.
pub(super) struct Player {
    pub(super) actor: Actor,
    pub(super) process: ProcessId,
    /// Which of the two network namespaces it is in.
    pub(super) space: usize,
    pub(super) descriptors: BTreeMap<SocketId, Vec<Descriptor>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) number: RawFd,
    /// exec() leaves it open.
    pub(super) is_inherited: bool,
}

/// A socket as its holder sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The kernel's number of the state.
    pub(super) state: u8,
    /// Unsent, unacknowledged, unread.
    pub(super) bytes: [i64; 3],
}

/// See the module.
pub(super) struct Stage {
    pub(super) lane: u8,
    pub(super) spaces: [Arc<Space>; 2],
    pub(super) players: [Option<Player>; SEATS],
    pub(super) names: HashMap<Name, SocketId>,
    /// Children in the accept queue of a listener, the oldest first.
    pub(super) queues: HashMap<SocketId, VecDeque<SocketId>>,
    pub(super) truth: Truth,
    /// For addresses, names and users that occur once.
    pub(super) counter: usize,
}

/// Held while this process has descriptors that no process started meanwhile may inherit: it would
/// hold a socket for a moment that nobody gave it.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

pub(super) fn alone() -> MutexGuard<'static, ()> {
    DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something, and says between which moments.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Window) {
    let from = sys_ops::boot_time_ns();
    let result = work();
    let to = sys_ops::boot_time_ns();
    (result, Window { from, to })
}

/// `127.LANE.*`, by which events find back to their lane.
pub(super) const FIRST_LANE: u8 = 100;

impl Stage {
    /// `counter` continues where that of the previous stage ended.
    pub(super) fn new(lane: u8, spaces: [Arc<Space>; 2], counter: usize) -> Self {
        Self {
            lane,
            spaces,
            players: [const { None }; SEATS],
            names: HashMap::new(),
            queues: HashMap::new(),
            truth: Truth::default(),
            counter,
        }
    }

    pub(super) fn count(&mut self) -> usize {
        self.counter += 1;
        self.counter
    }

    pub(super) fn fresh_name(&mut self) -> String {
        let count = self.count();
        format!("o{}-{count}", self.lane)
    }

    /// An address that no socket of the last minutes had.
    fn fresh_address(&mut self) -> String {
        let count = self.count() % 60_000;
        let lane = FIRST_LANE + self.lane;
        format!("127.{lane}.{}.{}", count / 250 + 1, count % 250 + 1)
    }

    pub(super) fn player(&self, seat: Seat) -> Option<&Player> {
        self.players.get(seat)?.as_ref()
    }

    /// The socket of that name, if the player holds it, and one of its descriptors.
    pub(super) fn held(&self, seat: Seat, name: Name) -> Option<(SocketId, RawFd)> {
        let id = *self.names.get(&name)?;
        let descriptors = self.player(seat)?.descriptors.get(&id)?;
        Some((id, descriptors.last()?.number))
    }

    pub(super) fn is_held(&self, id: SocketId) -> bool {
        let mut players = self.players.iter().flatten();
        players.any(|player| player.descriptors.contains_key(&id))
    }

    /// Gives the order and waits for the answer; Err is the errno.
    pub(super) fn order(&self, seat: Seat, order: &str) -> (Result<String, i32>, Window) {
        let player = self.player(seat).expect("asked by a step that checked it");
        timed(|| player.actor.try_order(order))
    }

    /// Gives an order that works.
    pub(super) fn must(&self, seat: Seat, order: &str) -> Window {
        let (answer, window) = self.order(seat, order);
        if let Err(errno) = answer {
            panic!("{order}: {}", std::io::Error::from_raw_os_error(errno));
        }
        window
    }

    pub(super) fn look(&self, seat: Seat, descriptor: RawFd) -> Option<Look> {
        let (answer, _) = self.order(seat, &format!("look {descriptor}"));
        let answer = answer.ok()?;
        let numbers: Vec<i64> = answer.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [state, unsent, unacked, unread] = numbers[..] else {
            return None;
        };
        let state = u8::try_from(state).ok()?;
        // The ioctl counts a FIN on its way as a byte.
        let fin = i64::from(FIN_ON_ITS_WAY.contains(&state) && unacked > 0);
        Some(Look {
            state,
            bytes: [unsent, unacked - fin, unread],
        })
    }

    pub(super) fn take(&mut self, seat: Seat, id: SocketId, number: RawFd, from: Window) {
        let player = self.players[seat].as_mut().expect("a player");
        let all = player.descriptors.entry(id).or_default();
        let is_new = all.is_empty();
        all.push(Descriptor {
            number,
            is_inherited: false,
        });
        let process = player.process;
        if is_new {
            self.truth.begin_hold(id, process, from);
        }
    }

    /// Spawns a player. False when its seat is taken.
    pub(super) fn spawn(&mut self, seat: Seat) -> bool {
        if seat >= SEATS || self.players[seat].is_some() {
            return false;
        }
        let name = self.fresh_name();
        self.spaces[0].enter();
        let (actor, window) = {
            let _alone = alone();
            timed(|| Actor::start(&name, 0))
        };
        let process = self.truth.add_process(Process {
            pid: u64::try_from(actor.pid).expect("a pid"),
            start_ticks: actor.start_ticks,
            names: vec![(window, name)],
            uids: vec![(window, 0)],
        });
        self.players[seat] = Some(Player {
            actor,
            process,
            space: 0,
            descriptors: BTreeMap::new(),
        });
        true
    }

    /// A new socket of the player, bound to an address. None when the kernel refuses.
    fn bound(&mut self, seat: Seat, address: &str, is_mapped: bool) -> Option<(RawFd, Window)> {
        let (family, end) = if is_mapped {
            ("v6", format!("[::ffff:{address}]:0"))
        } else {
            ("v4", format!("{address}:0"))
        };
        let (made, window) = self.order(seat, &format!("socket {family}"));
        let descriptor = made.ok()?.parse().ok()?;
        self.must(seat, &format!("bind {descriptor} {end}"));
        Some((descriptor, window))
    }

    fn describe(&self, seat: Seat, descriptor: RawFd) -> (SocketAddr, Option<SocketAddr>, u64) {
        let player = self.player(seat).expect("a player");
        let conn = player.actor.describe(descriptor);
        (conn.local, conn.remote, conn.cookie)
    }

    fn socket(&self, name: Name, role: Role, space: usize, local: SocketAddr) -> Socket {
        Socket {
            name,
            role,
            netns: self.spaces[space].inode,
            is_inet6: local.is_ipv6(),
            cookie: None,
            local,
            remote: None,
            peer: None,
            holds: Vec::new(),
            accepted: None,
            life: Life::Open,
            closed: None,
            has_linger_zero: false,
            is_prompt: true,
            unsent: 0,
            resets: Vec::new(),
            resets_received: (0, 0),
            written: 0,
            written_late: 0,
            received: None,
            is_racy: false,
            discarded_by: None,
        }
    }

    pub(super) fn listen(&mut self, seat: Seat, name: Name, is_mapped: bool) -> Option<()> {
        let space = self.player(seat)?.space;
        let address = self.fresh_address();
        let (descriptor, from) = self.bound(seat, &address, is_mapped)?;
        self.must(seat, &format!("listen {descriptor} {BACKLOG}"));
        let (local, _, cookie) = self.describe(seat, descriptor);
        let mut socket = self.socket(name, Role::Listener, space, local);
        socket.cookie = Some(cookie);
        let id = self.truth.add_socket(socket);
        self.names.insert(name, id);
        self.queues.insert(id, VecDeque::new());
        self.take(seat, id, descriptor, from);
        Some(())
    }

    pub(super) fn connect(
        &mut self,
        (seat, name): (Seat, Name),
        to: Name,
        is_mapped: bool,
        in_thread: bool,
    ) -> Option<()> {
        let listener = *self.names.get(&to)?;
        let space = self.player(seat)?.space;
        let has_room = self.queues.get(&listener)?.len() < QUEUED;
        let target = self.truth.sockets[listener].local;
        let is_open = self.truth.sockets[listener].life == Life::Open;
        if !has_room || !is_open || self.truth.sockets[listener].netns != self.spaces[space].inode {
            return None;
        }
        let (client, reached) = self.attempt((seat, name), target, is_mapped, in_thread)?;
        assert!(
            reached,
            "the listener {} is not reached: {:?}",
            listener, self.truth.sockets[listener]
        );
        let end = self.truth.sockets[client].local;
        let mut child = self.socket(name, Role::Child(listener), space, target);
        child.remote = Some(end);
        child.peer = Some(client);
        let child = self.truth.add_socket(child);
        self.truth.sockets[client].peer = Some(child);
        self.queues.get_mut(&listener)?.push_back(child);
        Some(())
    }

    /// A client that tries to reach `target`, and whether it did.
    pub(super) fn attempt(
        &mut self,
        (seat, name): (Seat, Name),
        target: SocketAddr,
        is_mapped: bool,
        in_thread: bool,
    ) -> Option<(SocketId, bool)> {
        let space = self.player(seat)?.space;
        let address = self.fresh_address();
        let (descriptor, from) = self.bound(seat, &address, is_mapped)?;
        let target = super::truth::canonical(target);
        let as_asked = match target {
            SocketAddr::V4(v4) if is_mapped => format!("[::ffff:{}]:{}", v4.ip(), v4.port()),
            other => other.to_string(),
        };
        let order = threaded(in_thread, format!("connect {descriptor} {as_asked}"));
        let (answer, _) = self.order(seat, &order);
        let (local, _, cookie) = self.describe(seat, descriptor);
        let mut socket = self.socket(name, Role::Client, space, local);
        socket.cookie = Some(cookie);
        socket.remote = Some(target);
        socket.is_prompt = self.hasten(seat, name, descriptor);
        let id = self.truth.add_socket(socket);
        self.names.insert(name, id);
        self.take(seat, id, descriptor, from);
        Some((id, answer.is_ok()))
    }

    pub(super) fn refused(&mut self, seat: Seat, name: Name) -> Option<()> {
        let target = format!("{}:9", self.fresh_address()).parse().ok()?;
        let (client, reached) = self.attempt((seat, name), target, false, false)?;
        assert!(!reached, "something listens at {target}");
        let space = self.player(seat)?.space;
        let mut nobody = self.socket(name, Role::Nobody, space, target);
        nobody.remote = Some(self.truth.sockets[client].local);
        nobody.peer = Some(client);
        let nobody = self.truth.add_socket(nobody);
        let at = self.truth.sockets[client].holds.first()?.from;
        let at = Window {
            from: at.from,
            to: sys_ops::boot_time_ns(),
        };
        self.truth.sockets[client].peer = Some(nobody);
        self.truth.reset(
            nobody,
            super::truth::Reset {
                at,
                causes: vec!["no_socket"],
                bytes: None,
                is_certain: true,
            },
        );
        Some(())
    }

    /// What an accept() returned: the oldest in the queue, unless it says to whom it is connected.
    pub(super) fn accepted(
        &mut self,
        (seat, name): (Seat, Name),
        listener: SocketId,
        descriptor: RawFd,
        at: Window,
    ) -> Option<()> {
        let (_, remote, cookie) = self.describe(seat, descriptor);
        let is_prompt = self.hasten(seat, name, descriptor);
        let queue = self.queues.get_mut(&listener)?;
        let is_it = |id: &SocketId| {
            let known = self.truth.sockets[*id].remote.map(super::truth::canonical);
            remote.is_some() && known == remote.map(super::truth::canonical)
        };
        let place = queue.iter().position(is_it).unwrap_or(0);
        let id = queue.remove(place)?;
        let child = &mut self.truth.sockets[id];
        child.name = name;
        child.cookie = Some(cookie);
        child.accepted = Some(at);
        child.is_prompt = is_prompt;
        self.names.insert(name, id);
        self.take(seat, id, descriptor, at);
        Some(())
    }

    /// Most sockets send at once what is written. The others may still have bytes to send when they
    /// are reset.
    fn hasten(&self, seat: Seat, name: Name, descriptor: RawFd) -> bool {
        let is_prompt = !name.is_multiple_of(8);
        if is_prompt {
            let (level, option) = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
            self.must(seat, &format!("setopt {descriptor} {level} {option} 1"));
        }
        is_prompt
    }

    /// Passes a descriptor into a pair of sockets between two players; the ends that they have.
    pub(super) fn send_descriptor(
        &self,
        from: Seat,
        descriptor: RawFd,
        to: Seat,
    ) -> Option<(RawFd, RawFd)> {
        let (giver, taker) = (self.player(from)?, self.player(to)?);
        let (sending, receiving) = {
            let _alone = alone();
            let (left, right) = sys::socket_pair().ok()?;
            (giver.actor.adopt(left), taker.actor.adopt(right))
        };
        self.must(from, &format!("send-fd {sending} {descriptor}"));
        Some((sending, receiving))
    }

    /// Carries out one step; false when it was left out.
    pub(super) fn play(&mut self, step: &Step) -> bool {
        self.try_play(step).is_some()
    }
}

/// An order as a thread that is not the leader carries it out.
pub(super) fn threaded(in_thread: bool, order: String) -> String {
    if in_thread {
        format!("thread o-thread {order}")
    } else {
        order
    }
}
