//! Each event against the truth, and the truth against all events.

use super::feed::Event;
use super::truth::{
    Life, ProcessId, Reset, Role, Socket, SocketId, Truth, canonical, may_be, values_at,
};
use super::verdict::{Class, Deviation, Figures};

/// How often what was reported of a socket.
#[derive(Clone, Debug, Default)]
struct Seen {
    resets: usize,
    received: usize,
    closes: usize,
    state: Option<String>,
    /// One line each.
    log: Vec<String>,
}

/// The judge of one script.
#[derive(Default)]
pub(super) struct Judge {
    truth: Truth,
    seen: Vec<Seen>,
    pub(super) figures: Figures,
    pub(super) deviations: Vec<Deviation>,
}

/// How long after the call a RST may be reported that it led to, ns: softirqs may be put off.
const DELAY: u64 = 1_000_000_000;
/// What may be the cause when two processes worked on the socket at once.
const RACY_CAUSES: [&str; 7] = [
    "unread_data",
    "linger_zero",
    "disconnect",
    "listener_closed",
    "late_data",
    "aborted",
    "time_wait",
];

impl Judge {
    pub(super) fn new(truth: Truth, steps: usize) -> Self {
        Self {
            seen: vec![Seen::default(); truth.sockets.len()],
            figures: Figures {
                sockets: truth.sockets.len(),
                steps,
                ..Figures::default()
            },
            truth,
            deviations: Vec::new(),
        }
    }

    /// Whether the event is about a socket of this script.
    pub(super) fn knows(&self, event: &Event) -> bool {
        self.find(event).is_some()
    }

    fn find(&self, event: &Event) -> Option<SocketId> {
        let local = canonical(event.local()?);
        self.truth
            .find(event.netns, local, event.remote().map(canonical))
    }

    fn deviates(&mut self, class: Class, id: SocketId, text: &str, event: Option<&Event>) {
        let socket = &self.truth.sockets[id];
        let listener = match socket.role {
            Role::Child(listener) => &self.truth.sockets[listener].holds[..],
            _ => &[],
        };
        let holds = socket.holds.iter().chain(listener).map(|hold| {
            let process = &self.truth.processes[hold.process];
            let names: Vec<&str> = process.names.iter().map(|(_, name)| &**name).collect();
            let until = hold.to.map(|to| (to.from, to.to));
            format!(
                "{} {names:?} from {:?} to {until:?}",
                process.pid,
                (hold.from.from, hold.from.to)
            )
        });
        let holds: Vec<String> = holds.collect();
        let line = event.map_or("", |event| &event.line);
        let mut log = self.seen[id].log.join("\n    ");
        if let Some(peer) = socket.peer {
            let lines = self.seen[peer].log.join("\n    ");
            log = format!("{log}\n  and of its peer:\n    {lines}");
        }
        self.deviations.push(Deviation {
            class,
            text: format!(
                "{class:?}: {text}\n  socket {} {:?} {} > {:?}, {:?}{}, accepted {:?}\n  resets {:?}, \
                 received {:?}\n  held, and then its listener, by {}\n  reported:\n    {log}\n  {line}",
                socket.name,
                socket.role,
                socket.local,
                socket.remote,
                socket.life,
                if socket.is_racy { ", racy" } else { "" },
                socket.accepted.map(|at| (at.from, at.to)),
                socket.resets,
                socket.resets_received,
                holds.join("\n          "),
            ),
        });
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.figures.events += 1;
        let Some(id) = self.find(event) else {
            self.deviations.push(Deviation {
                class: Class::Invented,
                text: format!("Invented: {}", event.line),
            });
            return;
        };
        self.seen[id].log.push(event.brief());
        if event.kind == "rst_sent"
            && let Some(listener) = self.answering_listener(id, event)
        {
            self.owner(listener, event);
            return;
        }
        let socket = &self.truth.sockets[id];
        let cookies = (socket.cookie, event.cookie);
        let family = if socket.is_inet6 { "inet6" } else { "inet" };
        // What no socket answers has the family of the packet.
        let is_other_family =
            event.family.as_deref() != Some(family) && event.cause.as_deref() != Some("no_socket");
        if matches!(cookies, (Some(truth), Some(stated)) if truth != stated) {
            self.deviates(Class::WrongSocket, id, "another cookie", Some(event));
        }
        if is_other_family {
            self.deviates(Class::WrongSocket, id, "another family", Some(event));
        }
        self.owner(id, event);
        match event.kind.as_str() {
            "rst_sent" => self.reset_sent(id, event),
            "rst_received" => self.reset_received(id, event),
            "close" => self.close(id, event),
            "state" => self.state(id, event),
            // No port is ever used again here.
            "time_wait" if event.phase.as_deref() == Some("reuse") => {
                self.deviates(Class::WrongPhase, id, "not used again", Some(event));
            }
            _ => {}
        }
    }

    fn owner(&mut self, id: SocketId, event: &Event) {
        let socket = &self.truth.sockets[id];
        let owner = &event.owner;
        let basis = owner.basis.clone().unwrap_or_else(|| "none".to_owned());
        *self.figures.bases.entry(basis.clone()).or_default() += 1;
        let Some(pid) = owner.pid else {
            if socket.role != Role::Nobody {
                let what = [event.kind.as_str(), event.new.as_deref().unwrap_or("")];
                let what = what.join(" ").trim().to_owned();
                let examples = &mut self.figures.without_owner;
                examples
                    .entry(what.clone())
                    .or_insert_with(|| format!("{socket:?}\n  {}", event.line));
                *self.figures.ownerless.entry(what).or_default() += 1;
            }
            return;
        };
        self.figures.owners += 1;
        let mut processes = self.truth.processes.iter();
        let is_it = |process: &super::truth::Process| {
            process.pid == pid && Some(process.start_ticks) == owner.start_ticks
        };
        let Some(process) = processes.position(is_it) else {
            // Listeners of other lanes may have the port.
            let class = if basis == "listener" {
                Class::OtherListener
            } else {
                Class::WrongOwner
            };
            self.deviates(class, id, "a process of others", Some(event));
            return;
        };
        let is_stale = owner.stale == Some(true);
        self.figures.stale += usize::from(is_stale);
        match self.held(socket, process, event.mono_ns, &basis) {
            Ok(is_marked) => {
                self.figures.listeners_after_accept += usize::from(is_marked);
                self.figures.needlessly_stale += usize::from(is_stale);
            }
            Err((Class::StaleOwner, _)) if is_stale => {}
            Err((class, text)) => self.deviates(class, id, text, Some(event)),
        }
        let process = &self.truth.processes[process];
        if let Some(name) = &owner.comm
            && !values_at(&process.names, event.mono_ns).any(|real| real == name)
        {
            let class = if process.names.iter().any(|(_, real)| real == name) {
                Class::OtherName
            } else {
                Class::WrongName
            };
            let text = format!("names {:?}", process.names);
            self.deviates(class, id, &text, Some(event));
            return;
        }
        if let Some(uid) = owner.uid
            && !values_at(&process.uids, event.mono_ns).any(|real| *real == uid)
        {
            let text = format!("users {:?}", process.uids);
            self.deviates(Class::OtherUser, id, &text, Some(event));
        }
    }

    /// Whether the process is a right owner at that time; Ok(true) when it is marked as uncertain.
    fn held(
        &self,
        socket: &Socket,
        process: ProcessId,
        at: u64,
        basis: &str,
    ) -> Result<bool, (Class, &'static str)> {
        let own = || socket.holds.iter().filter(|hold| hold.process == process);
        if own().any(|hold| hold.is_possible(at)) {
            return Ok(false);
        }
        if let Role::Child(listener) = socket.role {
            let listener = &self.truth.sockets[listener];
            let holds = listener.holds.iter();
            let mut of_process = holds.filter(|hold| hold.process == process);
            let is_listeners = of_process.any(|hold| hold.is_possible(at))
                || (!listener.is_held_certainly(at)
                    && listener.last_holders(at).contains(&process));
            let is_accepted = socket.accepted.is_some_and(|accepted| accepted.to < at);
            if is_listeners && (!is_accepted || basis == "listener") {
                return Ok(is_accepted);
            }
            let mut holds = listener.holds.iter();
            let had_listener = holds.any(|hold| hold.process == process);
            let mut sockets = self.truth.sockets.iter();
            let listens_there = sockets.any(|other| {
                other.role == Role::Listener
                    && other.local.port() == socket.local.port()
                    && other.holds.iter().any(|hold| hold.process == process)
            });
            if !had_listener && listens_there && basis == "listener" {
                return Err((Class::OtherListener, "another listener of that port"));
            }
            if had_listener && (!is_accepted || basis == "listener") {
                return Err((Class::StaleOwner, "gave the listener away"));
            }
        }
        if !socket.is_held_certainly(at) && socket.last_holders(at).contains(&process) {
            return Ok(false);
        }
        if own().any(|hold| hold.to.is_some_and(|to| to.to < at)) {
            let text = if socket.is_held_possibly(at) {
                "another process holds it now"
            } else {
                "another process held it later"
            };
            return Err((Class::StaleOwner, text));
        }
        if socket.discarded_by == Some(process) {
            return Err((Class::Discarder, "never had it"));
        }
        if own().next().is_some() {
            if basis == "snapshot" {
                return Err((Class::OwnerOfReading, "got it only later"));
            }
            return Err((Class::LaterOwner, "got it only later"));
        }
        Err((Class::WrongOwner, "never held it"))
    }

    fn reset_sent(&mut self, id: SocketId, event: &Event) {
        let at = event.mono_ns;
        let socket = &self.truth.sockets[id];
        let cause = event.cause.as_deref().unwrap_or("null");
        let is_gone = socket.closed.is_some_and(|closed| closed.from <= at)
            || socket.resets.iter().any(|reset| reset.at.from <= at)
            || self.seen[id].closes > 0;
        let is_late = socket.role != Role::Nobody && is_gone;
        if cause == "no_socket" && is_late && event.owner.pid.is_none() {
            // A further segment, for a socket that is no longer there.
            return;
        }
        self.seen[id].resets += 1;
        self.figures.causes += 1;
        let is_of_then = |reset: &&Reset| reset.at.from <= at && at <= reset.at.to + DELAY;
        let Some(reset) = socket.resets.iter().find(is_of_then).cloned() else {
            if socket.is_racy && RACY_CAUSES.contains(&cause) {
                return;
            }
            self.deviates(Class::ExtraReset, id, "no step caused it", Some(event));
            return;
        };
        if socket.is_racy {
            if !RACY_CAUSES.contains(&cause) {
                self.deviates(Class::WrongCause, id, "no such race", Some(event));
            }
            return;
        }
        if !reset.causes.contains(&cause) {
            // What it was called before it got a name of its own.
            let is_known = reset.causes == ["late_data"]
                && ["time_wait", "unread_data", "no_socket"].contains(&cause);
            let class = if is_known {
                Class::LateData
            } else {
                Class::WrongCause
            };
            let text = format!("{cause} for {:?}", reset.causes);
            self.deviates(class, id, &text, Some(event));
            return;
        }
        if let Some(bytes) = reset.bytes {
            self.figures.byte_counts += 1;
            let stated = [event.unsent_bytes, event.unacked_bytes, event.unread_bytes];
            if !may_be(stated, bytes) {
                let text = format!("unsent, unacked, unread {stated:?} for {bytes:?}");
                self.deviates(Class::WrongBytes, id, &text, Some(event));
            }
        }
    }

    fn reset_received(&mut self, id: SocketId, event: &Event) {
        self.seen[id].received += 1;
        let at = event.mono_ns;
        let socket = &self.truth.sockets[id];
        let is_refused = socket
            .peer
            .is_some_and(|peer| self.truth.sockets[peer].role == Role::Nobody);
        let mut right = Vec::new();
        if is_refused {
            right.push("refused");
        } else {
            if socket.closed.is_none_or(|closed| at <= closed.to) {
                right.push("reset");
            }
            if socket.closed.is_some_and(|closed| closed.from <= at) {
                right.push("after_close");
            }
        }
        let meaning = event.meaning.as_deref().unwrap_or("null");
        if !right.contains(&meaning) {
            let text = format!("{meaning} for {right:?}");
            self.deviates(Class::WrongMeaning, id, &text, Some(event));
        }
    }

    fn close(&mut self, id: SocketId, event: &Event) {
        self.seen[id].closes += 1;
        let socket = &self.truth.sockets[id];
        if socket.is_racy || socket.role == Role::Listener {
            return;
        }
        let own: Vec<&str> = socket
            .resets
            .iter()
            .flat_map(|reset| reset.causes.iter().copied())
            .collect();
        let (must, may) = socket.resets_received;
        let right: &[&str] = if own.contains(&"aborted") {
            &["aborted"]
        } else if own.contains(&"late_data") {
            &["fin", "rst_sent"]
        } else if !own.is_empty() {
            &["rst_sent"]
        } else if must > 0 {
            &["rst_received"]
        } else if may > 0 {
            &["rst_received", "fin"]
        } else {
            &["fin"]
        };
        let how = event.how.as_deref().unwrap_or("null");
        if !right.contains(&how) {
            let text = format!("{how} for {right:?}");
            let is_known = own.contains(&"late_data") && how == "rst_received";
            let class = if is_known {
                Class::LateData
            } else {
                Class::WrongEnd
            };
            self.deviates(class, id, &text, Some(event));
        }
        let socket = &self.truth.sockets[id];
        let sent = socket.written - socket.unsent;
        let of_peer = socket
            .peer
            .map_or(0, |peer| self.truth.sockets[peer].written);
        let received = socket.received.unwrap_or(of_peer);
        self.figures.byte_counts += 1;
        let (stated_sent, stated_received) = (event.bytes_sent, event.bytes_received);
        // What the peer had not sent yet when it reset this, it may still have sent before.
        let may_have_come = own.contains(&"late_data") || self.unsent_of_peer(id) > 0;
        let is_right = (stated_sent == Some(sent) || stated_sent == Some(socket.written))
            && (stated_received == Some(received)
                || may_have_come && stated_received == Some(of_peer));
        if !is_right {
            let text = format!(
                "sent {stated_sent:?} for {sent}, received {stated_received:?} for {received}"
            );
            self.deviates(Class::WrongBytes, id, &text, Some(event));
        }
    }

    fn unsent_of_peer(&self, id: SocketId) -> u64 {
        let peer = self.truth.sockets[id].peer;
        peer.map_or(0, |peer| self.truth.sockets[peer].unsent)
    }

    fn state(&mut self, id: SocketId, event: &Event) {
        let before = std::mem::replace(&mut self.seen[id].state, event.new.clone());
        if before.is_some() && before != event.old {
            let text = format!("was {before:?}");
            self.deviates(Class::BrokenChain, id, &text, Some(event));
        }
    }

    /// The listener that answers a packet for a child that is no longer there.
    fn answering_listener(&self, id: SocketId, event: &Event) -> Option<SocketId> {
        let socket = &self.truth.sockets[id];
        let Role::Child(listener) = socket.role else {
            return None;
        };
        let is_gone = socket
            .closed
            .is_some_and(|closed| closed.from <= event.mono_ns)
            || self.seen[id].closes > 0;
        let is_its = event.cookie.is_some() && event.cookie == self.truth.sockets[listener].cookie;
        (is_gone && is_its && event.cause.as_deref() == Some("protocol")).then_some(listener)
    }

    /// Whether all has been reported that must be.
    pub(super) fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    /// At the end: what was not reported, or too often.
    pub(super) fn finish(&mut self) {
        for (class, id, text) in self.missing() {
            self.deviates(class, id, &text, None);
        }
        for id in 0..self.seen.len() {
            let socket = &self.truth.sockets[id];
            let seen = &self.seen[id];
            let (resets, received, closes) = (seen.resets, seen.received, seen.closes);
            let may_receive = socket.resets_received.1;
            let (is_racy, may_send) = (socket.is_racy, socket.resets.len());
            if closes > 1 {
                self.deviates(Class::ExtraClose, id, &format!("{closes} closes"), None);
            }
            if resets > may_send && !is_racy {
                let text = format!("{resets} reported, {may_send} sent");
                self.deviates(Class::ExtraReset, id, &text, None);
            }
            if received > may_receive && !is_racy {
                let text = format!("{received} reported, {may_receive} came");
                self.deviates(Class::ExtraReceived, id, &text, None);
            }
        }
    }

    fn missing(&self) -> Vec<(Class, SocketId, String)> {
        let mut missing = Vec::new();
        for (id, (socket, seen)) in self.truth.sockets.iter().zip(&self.seen).enumerate() {
            let is_connection = matches!(socket.role, Role::Client | Role::Child(_));
            if is_connection && seen.closes == 0 && socket.life != Life::Open {
                missing.push((Class::MissingClose, id, "no close".to_owned()));
            }
            let must_send = socket
                .resets
                .iter()
                .filter(|reset| reset.is_certain)
                .count();
            if seen.resets < must_send && !socket.is_racy {
                let text = format!("{} of {must_send} RSTs reported as sent", seen.resets);
                missing.push((Class::MissingReset, id, text));
            }
            let must_receive = socket.resets_received.0;
            if seen.received < must_receive && !socket.is_racy {
                let text = format!(
                    "{} of {must_receive} RSTs reported as received",
                    seen.received
                );
                missing.push((Class::MissingReceived, id, text));
            }
        }
        missing
    }
}
