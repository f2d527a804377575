//! Which step comes next: at random, among those that can be done now.

use super::random::Random;
use super::script::{Name, Seat, Step};
use super::stage::{QUEUED, SEATS, Stage};
use super::truth::{Life, Role, SocketId};

/// A socket that a player holds.
#[derive(Clone, Copy)]
struct Held {
    seat: Seat,
    name: Name,
    id: SocketId,
}

struct Options<'a> {
    stage: &'a Stage,
    seats: Vec<Seat>,
    free: Vec<Seat>,
    listeners: Vec<Held>,
    connections: Vec<Held>,
}

impl<'a> Options<'a> {
    fn of(stage: &'a Stage) -> Self {
        let mut options = Self {
            stage,
            seats: Vec::new(),
            free: Vec::new(),
            listeners: Vec::new(),
            connections: Vec::new(),
        };
        for seat in 0..SEATS {
            let Some(player) = stage.player(seat) else {
                options.free.push(seat);
                continue;
            };
            options.seats.push(seat);
            for id in player.descriptors.keys() {
                let socket = &stage.truth.sockets[*id];
                let held = Held {
                    seat,
                    name: socket.name,
                    id: *id,
                };
                match socket.role {
                    Role::Listener => options.listeners.push(held),
                    _ => options.connections.push(held),
                }
            }
        }
        options
    }

    fn life(&self, held: Held) -> Life {
        self.stage.truth.sockets[held.id].life
    }

    /// Listeners of the namespace that a player is in.
    fn reachable(&self, seat: Seat) -> Vec<Held> {
        let space = self.stage.player(seat).map_or(0, |player| player.space);
        let netns = self.stage.spaces[space].inode;
        let near = self.listeners.iter().filter(|held| {
            let queue = self
                .stage
                .queues
                .get(&held.id)
                .map_or(0, std::collections::VecDeque::len);
            self.stage.truth.sockets[held.id].netns == netns && queue < QUEUED
        });
        near.copied().collect()
    }

    fn step(&self, random: &mut Random, new: Name) -> Option<Step> {
        let seat = random.pick(&self.seats)?;
        let in_thread = random.one_in(5);
        let mapped = random.one_in(4);
        let weight = random.below(100);
        Some(match weight {
            0..4 => Step::Listen {
                seat,
                socket: new,
                mapped,
            },
            4..22 => Step::Connect {
                seat,
                socket: new,
                to: random.pick(&self.reachable(seat))?.name,
                mapped,
                in_thread,
            },
            22..24 => Step::Refused { seat, socket: new },
            24..38 => {
                let ready = |held: &&Held| {
                    let queue = self.stage.queues.get(&held.id);
                    queue.is_some_and(|queue| !queue.is_empty())
                };
                let ready: Vec<Held> = self.listeners.iter().filter(ready).copied().collect();
                let held = random.pick(&ready)?;
                Step::Accept {
                    seat: held.seat,
                    socket: new,
                    from: held.name,
                    in_thread,
                }
            }
            38..85 => self.on_connection(random, weight, in_thread)?,
            85..87 => {
                let held = random.pick(&self.listeners)?;
                Step::Close {
                    seat: held.seat,
                    socket: held.name,
                    in_thread,
                }
            }
            87..90 => Step::Fork {
                seat,
                child: random.pick(&self.free)?,
            },
            90..92 => {
                let own = self.connections.iter().chain(&self.listeners);
                let own = own.filter(|held| held.seat == seat).map(|held| held.name);
                let keep = own.filter(|_| !random.one_in(3)).collect();
                Step::Exec { seat, keep }
            }
            92..94 => Step::Rename { seat },
            94 => Step::BecomeUser { seat },
            95 => Step::Setns { seat },
            96 => Step::Exit { seat },
            97 => Step::Kill { seat },
            _ => Step::Race {
                one: Box::new(self.racing(random, new)?),
                two: Box::new(self.racing(random, new + 1)?),
            },
        })
    }

    fn on_connection(&self, random: &mut Random, weight: usize, in_thread: bool) -> Option<Step> {
        let held = random.pick(&self.connections)?;
        let (seat, socket) = (held.seat, held.name);
        // What is dead is only good for being closed.
        if self.life(held) != Life::Open && !random.one_in(4) {
            return Some(Step::Close {
                seat,
                socket,
                in_thread,
            });
        }
        let to = random.pick(&self.seats)?;
        Some(match weight {
            38..53 => Step::Write {
                seat,
                socket,
                bytes: 1 + random.below(3000),
                in_thread,
            },
            53..62 => Step::Read { seat, socket },
            62..64 => Step::Shutdown { seat, socket },
            64..67 => Step::LingerZero { seat, socket },
            67..69 => Step::Duplicate { seat, socket },
            69..78 => Step::Close {
                seat,
                socket,
                in_thread,
            },
            78..79 => Step::Disconnect { seat, socket },
            79..80 => Step::Destroy { seat, socket },
            80..84 => Step::Pass { seat, socket, to },
            _ => Step::Discard {
                seat,
                socket,
                by: to,
            },
        })
    }

    fn racing(&self, random: &mut Random, new: Name) -> Option<Step> {
        if random.one_in(5) {
            let held = random.pick(&self.listeners)?;
            return Some(Step::Accept {
                seat: held.seat,
                socket: new,
                from: held.name,
                in_thread: false,
            });
        }
        let held = random.pick(&self.connections)?;
        let (seat, socket) = (held.seat, held.name);
        let in_thread = false;
        Some(match random.below(4) {
            0 => Step::Write {
                seat,
                socket,
                bytes: 1 + random.below(3000),
                in_thread,
            },
            1 => Step::Read { seat, socket },
            _ => Step::Close {
                seat,
                socket,
                in_thread,
            },
        })
    }
}

/// The next step; None when nothing came up that can be done.
pub(super) fn next(stage: &Stage, random: &mut Random, new: Name) -> Option<Step> {
    let options = Options::of(stage);
    if options.seats.len() < 2 || (!options.free.is_empty() && random.one_in(25)) {
        return Some(Step::Spawn {
            seat: *options.free.first()?,
        });
    }
    if options.listeners.is_empty() {
        return Some(Step::Listen {
            seat: random.pick(&options.seats)?,
            socket: new,
            mapped: random.one_in(3),
        });
    }
    (0..20).find_map(|_| options.step(random, new))
}
