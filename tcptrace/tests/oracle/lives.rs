//! Steps of processes: forking, replacing and ending them, and giving sockets from one to another.

use std::time::Duration;

use super::script::{Name, Seat};
use super::stage::{Look, Player, SEATS, Stage, timed};
use super::truth::{Process, Role, SocketId, Window};
use crate::scenario::kit::command::stat_field;
use crate::scenario::kit::world::poll;

impl Stage {
    pub(super) fn fork(&mut self, seat: Seat, child: Seat) -> Option<()> {
        if child >= SEATS || self.players[child].is_some() {
            return None;
        }
        self.player(seat)?;
        let name = self.fresh_name();
        let parent = self.player(seat)?;
        let (actor, window) = timed(|| parent.actor.fork(&name));
        let at_birth = self.truth.processes[parent.process].names.last()?.1.clone();
        let uid = self.truth.processes[parent.process].uids.last()?.1;
        let (space, descriptors) = (parent.space, parent.descriptors.clone());
        let process = self.truth.add_process(Process {
            pid: u64::try_from(actor.pid).ok()?,
            start_ticks: actor.start_ticks,
            names: vec![(window, at_birth), (window, name)],
            uids: vec![(window, uid)],
        });
        for id in descriptors.keys() {
            self.truth.begin_hold(*id, process, window);
        }
        self.players[child] = Some(Player {
            actor,
            process,
            space,
            descriptors,
        });
        Some(())
    }

    pub(super) fn pass(&mut self, seat: Seat, name: Name, to: Seat) -> Option<()> {
        let (id, descriptor) = self.held(seat, name)?;
        self.player(to).filter(|_| to != seat)?;
        let (sending, receiving) = self.send_descriptor(seat, descriptor, to)?;
        let (received, at) = self.order(to, &format!("receive-fd {receiving}"));
        let received = received.ok()?.parse().ok()?;
        self.take(to, id, received, at);
        self.must(seat, &format!("close {sending}"));
        self.must(to, &format!("close {receiving}"));
        Some(())
    }

    pub(super) fn discard(&mut self, seat: Seat, name: Name, by: Seat) -> Option<()> {
        let (id, descriptor) = self.held(seat, name)?;
        self.player(by).filter(|_| by != seat)?;
        let before = self.look(seat, descriptor);
        let (sending, receiving) = self.send_descriptor(seat, descriptor, by)?;
        let player = self.players[seat].as_mut()?;
        let process = player.process;
        let own = player.descriptors.remove(&id)?;
        let ((), at) = timed(|| {
            for descriptor in own {
                self.must(seat, &format!("close {}", descriptor.number));
            }
        });
        self.truth.end_hold(id, process, at);
        self.must(seat, &format!("close {sending}"));
        let at = self.must(by, &format!("close {receiving}"));
        if !self.is_held(id) {
            self.truth.sockets[id].discarded_by = Some(self.player(by)?.process);
            self.closed(id, before, at);
        }
        Some(())
    }

    pub(super) fn rename(&mut self, seat: Seat) -> Option<()> {
        self.player(seat)?;
        let name = self.fresh_name();
        let player = self.players[seat].as_mut()?;
        let process = player.process;
        let ((), window) = timed(|| player.actor.rename(&name));
        self.truth.processes[process].names.push((window, name));
        Some(())
    }

    pub(super) fn become_user(&mut self, seat: Seat) -> Option<()> {
        self.player(seat)?;
        let uid = 20_000 + self.count();
        let (answer, window) = self.order(seat, &format!("become-user {uid}"));
        answer.ok()?;
        let process = self.player(seat)?.process;
        let uids = &mut self.truth.processes[process].uids;
        uids.push((window, uid as u64));
        Some(())
    }

    pub(super) fn setns(&mut self, seat: Seat) -> Option<()> {
        let player = self.player(seat)?;
        let space = 1 - player.space;
        let descriptor = player.actor.adopt(self.spaces[space].descriptor());
        let (answer, _) = self.order(seat, &format!("setns {descriptor}"));
        self.must(seat, &format!("close {descriptor}"));
        answer.ok()?;
        self.players[seat].as_mut()?.space = space;
        Some(())
    }

    pub(super) fn exec(&mut self, seat: Seat, keep: &[Name]) -> Option<()> {
        self.player(seat)?;
        for name in keep {
            let Some((id, _)) = self.held(seat, *name) else {
                continue;
            };
            let mut kept = self.player(seat)?.descriptors.get(&id)?.clone();
            for descriptor in &mut kept {
                self.must(seat, &format!("keep {}", descriptor.number));
                descriptor.is_inherited = true;
            }
            self.players[seat].as_mut()?.descriptors.insert(id, kept);
        }
        let looks = self.looks(seat, |inherited| !inherited);
        let name = self.fresh_name();
        let (answer, window) = self.order(seat, &format!("exec {name}"));
        answer.ok()?;
        let player = self.players[seat].as_mut()?;
        player.actor.comm.clone_from(&name);
        let process = player.process;
        for all in player.descriptors.values_mut() {
            all.retain(|descriptor| descriptor.is_inherited);
        }
        player.descriptors.retain(|_, all| !all.is_empty());
        let names = &mut self.truth.processes[process].names;
        names.push((window, executable_name()));
        names.push((window, name));
        self.lost(process, looks, window);
        Some(())
    }

    pub(super) fn end(&mut self, seat: Seat, signal: Option<i32>) -> Option<()> {
        let looks = self.looks(seat, |_| true);
        let mut player = self.players.get_mut(seat)?.take()?;
        let ((), window) = timed(|| {
            match signal {
                Some(signal) => player.actor.kill(signal),
                None => player.actor.exit(),
            }
            wait_for_end(player.actor.pid);
        });
        self.lost(player.process, looks, window);
        Some(())
    }

    /// The sockets of which a player is about to lose every descriptor, as they are now.
    fn looks(&self, seat: Seat, is_lost: impl Fn(bool) -> bool) -> Vec<(SocketId, Option<Look>)> {
        let Some(player) = self.player(seat) else {
            return Vec::new();
        };
        let lost = player.descriptors.iter().filter(|(_, all)| {
            all.iter()
                .all(|descriptor| is_lost(descriptor.is_inherited))
        });
        lost.map(|(id, all)| {
            let number = all.last().map_or(-1, |descriptor| descriptor.number);
            (*id, self.look(seat, number))
        })
        .collect()
    }

    /// A process has lost all these at once, in an order that the kernel chooses.
    fn lost(&mut self, process: usize, looks: Vec<(SocketId, Option<Look>)>, at: Window) {
        for (id, _) in &looks {
            self.truth.end_hold(*id, process, at);
        }
        let last: Vec<_> = looks
            .into_iter()
            .filter(|(id, _)| !self.is_held(*id))
            .collect();
        let is_lost = |id: SocketId| last.iter().any(|(lost, _)| *lost == id);
        // Of two ends that go at once the first decides for the second.
        for (id, _) in &last {
            let peer = self.truth.sockets[*id].peer;
            let Some(peer) = peer else { continue };
            let is_queued = match self.truth.sockets[peer].role {
                Role::Child(listener) => is_lost(listener),
                _ => false,
            };
            if is_lost(peer) || is_queued {
                self.truth.sockets[*id].is_racy = true;
                self.truth.sockets[peer].is_racy = true;
            }
        }
        for (id, look) in last {
            self.closed(id, look, at);
        }
    }
}

/// Until the process has closed everything: its control socket may be closed before others.
fn wait_for_end(pid: i32) {
    poll(Duration::from_secs(5), || {
        let state = stat_field(pid, 3);
        state.is_none_or(|state| state == "Z" || state == "X")
    });
}

/// What the kernel calls a process between exec() and its first prctl().
fn executable_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.chars().take(15).collect()
}
