use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::super::proc;
use super::super::processes::tests::heard;
use super::*;
use crate::model::event::QueueDrop;
use crate::model::owner::ReportedOwner;
use crate::model::{Endpoint, Evidence, Family, Flow, Signal};

/// Children that hold the socket; ended with the value.
struct Heirs(Vec<Child>);

impl Heirs {
    fn of(socket: &TcpListener, count: usize) -> Self {
        let start = |_| {
            let socket = OwnedFd::from(socket.try_clone().unwrap());
            let mut command = Command::new("sleep");
            command.arg("60").stdin(Stdio::from(socket));
            command.spawn().unwrap()
        };
        Self((0..count).map(start).collect())
    }

    fn pid(&self, which: usize) -> u32 {
        self.0[which].id()
    }

    fn start_ticks(&self, which: usize) -> u64 {
        proc::read(self.pid(which)).unwrap().unwrap().start_ticks
    }
}

impl Drop for Heirs {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn listener() -> (TcpListener, u64) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
    (socket, inode)
}

fn drop_at(inode: u64, second: u64, heard: Option<ReportedOwner>) -> Event {
    Event {
        boot_ns: second * 1_000_000_000,
        sock: Some(1),
        inode: Some(inode),
        flow: Flow {
            family: Family::Inet,
            local: Some(Endpoint {
                addr: Ipv4Addr::LOCALHOST.into(),
                port: 4711,
            }),
            unbound: None,
            remote: None,
            netns: Some(1),
            cookie: Some(2),
        },
        state: Some(TcpState::Listen),
        heard,
        owner: None,
        hook: "test",
        evidence: Evidence::Seen,
        signal: Signal::AcceptDrop(QueueDrop {
            step: None,
            outcome: None,
            queue: None,
            count: 1,
            somaxconn: None,
            backlog: None,
        }),
    }
}

/// The owner once no process that is just being forked by another test holds the socket too.
fn owner(attributor: &mut Attributor, inode: u64, heard: &ReportedOwner, holders: usize) -> Owner {
    (1..500)
        .find_map(|second| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let mut event = drop_at(inode, second, Some(heard.clone()));
            attributor.attribute(&mut event);
            let owner = event.owner?;
            let count = owner.shared_by.unwrap_or(1) as usize;
            (count == holders).then_some(owner)
        })
        .expect("the number of holders never settles")
}

fn pids(owner: &Owner) -> Vec<u32> {
    let holders = owner.holders.as_deref().unwrap_or_default();
    let mut pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn who_was_heard_of_owns_a_listener_while_it_holds_it() {
    let (socket, inode) = listener();
    let heirs = Heirs::of(&socket, 2);
    drop(socket);
    let second = heard(heirs.pid(1), heirs.start_ticks(1), "old", Basis::Socket);
    let owner = owner(&mut Attributor::default(), inode, &second, 2);
    assert_eq!(owner.process.pid, heirs.pid(1));
    assert_eq!(owner.process.comm, "sleep");
    assert_eq!(owner.basis, Basis::Socket);
    let mut both = [heirs.pid(0), heirs.pid(1)];
    both.sort_unstable();
    assert_eq!(pids(&owner), both);
}

#[test]
fn a_dead_maker_gives_way_to_the_oldest_holder() {
    let (socket, inode) = listener();
    let heirs = Heirs::of(&socket, 1);
    std::thread::sleep(std::time::Duration::from_millis(30));
    let younger = Heirs::of(&socket, 1);
    drop(socket);
    // The number of a living process, but of another one: its start differs.
    let maker = heard(younger.pid(0), 1, "launcher", Basis::Socket);
    // One that has not noted the maker as a user of the port yet.
    let owner = (1..500)
        .find_map(|second| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            let mut event = drop_at(inode, second, Some(maker.clone()));
            Attributor::default().attribute(&mut event);
            event.owner.filter(|owner| owner.shared_by == Some(2))
        })
        .expect("the number of holders never settles");
    assert_eq!(owner.process.pid, heirs.pid(0));
    assert_eq!(owner.basis, Basis::Snapshot);
    assert_eq!((owner.shared_by, owner.tid), (Some(2), None));
}

#[test]
fn a_user_of_the_port_comes_before_the_oldest_holder() {
    let (socket, inode) = listener();
    let heirs = Heirs::of(&socket, 2);
    drop(socket);
    let mut attributor = Attributor::default();
    let user = heard(heirs.pid(1), heirs.start_ticks(1), "sleep", Basis::Task);
    attributor.lookups.note_user(4711, &user);
    let gone = heard(4_194_305, 1, "launcher", Basis::Listener);
    let owner = owner(&mut attributor, inode, &gone, 2);
    assert_eq!(owner.process.pid, heirs.pid(1));
    // It is still the owner of the listener, for a connection that nobody has accepted.
    assert_eq!(owner.basis, Basis::Listener);
}

fn called(pid: u32, comm: &str) -> Arc<Process> {
    Arc::new(Process {
        pid,
        start_ticks: Some(u64::from(pid)),
        comm: comm.to_owned(),
        ..Process::default()
    })
}

#[test]
fn who_only_made_a_listener_gives_way_to_the_program_that_serves_it() {
    let [manager, master, worker] =
        [(2, "systemd"), (3, "nginx"), (4, "nginx")].map(|(pid, comm)| called(pid, comm));
    let holders = [&manager, &worker, &master].map(Arc::clone);
    let serves = |maker: &Process, users: &[u32]| {
        let served = serving(maker, &holders, |process| users.contains(&process.pid));
        served.map(|process| process.pid)
    };
    // Only the worker accepts; its service is the oldest of its program.
    assert_eq!(serves(&manager, &[4]), Some(3));
    // Nobody is known to use what the listener has accepted.
    assert_eq!(serves(&manager, &[]), None);
    assert_eq!(serves(&manager, &[9]), None);
    // The maker does so itself, or children that may be forked for a connection each.
    assert_eq!(serves(&manager, &[2, 4]), None);
    assert_eq!(serves(&master, &[4]), None);
}

#[test]
fn what_nobody_holds_any_more_stays_with_who_was_heard_of() {
    let (socket, inode) = listener();
    drop(socket);
    let gone = heard(4_194_305, 1, "launcher", Basis::Socket);
    let mut event = drop_at(inode, 1, Some(gone));
    Attributor::default().attribute(&mut event);
    let owner = event.owner.unwrap();
    assert_eq!(
        (owner.process.pid, owner.process.comm.as_str()),
        (4_194_305, "launcher")
    );
    assert_eq!((owner.basis, owner.shared_by), (Basis::Socket, None));
}

#[test]
fn its_own_call_is_not_looked_up() {
    let (_socket, inode) = listener();
    let task = heard(4_194_305, 1, "closer", Basis::Task);
    let mut event = drop_at(inode, 1, Some(task));
    Attributor::default().attribute(&mut event);
    assert_eq!(event.owner.unwrap().process.pid, 4_194_305);
}

#[test]
fn more_holders_than_are_named_are_counted() {
    let (socket, inode) = listener();
    let heirs = Heirs::of(&socket, MOST_HOLDERS + 3);
    drop(socket);
    let first = heard(heirs.pid(17), heirs.start_ticks(17), "x", Basis::Socket);
    let owner = owner(&mut Attributor::default(), inode, &first, MOST_HOLDERS + 3);
    assert_eq!(owner.process.pid, heirs.pid(17));
    let named = pids(&owner);
    assert_eq!(named.len(), MOST_HOLDERS);
    assert!(named.contains(&heirs.pid(17)));
}
