use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::super::processes::tests::heard;
use super::budget::{LIKELY_PER_SECOND, WALKS_PER_SECOND};
use super::*;
use crate::model::Basis;

fn listener() -> (TcpListener, u64) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
    (socket, inode)
}

/// A child that holds the socket too; ended with the value.
struct Heir(Child);

impl Heir {
    fn of(socket: &TcpListener) -> Self {
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        let mut command = Command::new("sleep");
        Self(
            command
                .arg("60")
                .stdin(Stdio::from(socket))
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn here() -> u32 {
    std::process::id()
}

fn heard_of(pid: u32) -> ReportedOwner {
    heard(pid, 1, "any", Basis::Listener)
}

const SECOND_NS: u64 = 1_000_000_000;
/// No socket has it: inodes begin at 1.
const NOBODYS: u64 = 0;
/// Above the highest number Linux gives to a process.
const NO_PID: u32 = 4_194_305;

/// Within its numbers, however long a busy machine takes for each look.
fn unhurried() -> Lookups {
    let mut lookups = Lookups::default();
    lookups.budget.time_per_second = Duration::MAX;
    lookups.walks.moment = Duration::from_secs(60);
    lookups
}

/// Uses up the walks of a second.
fn walk_out(lookups: &mut Lookups, now_ns: u64) {
    for _ in 0..WALKS_PER_SECOND {
        assert_eq!(lookups.holder(NOBODYS, None, None, now_ns), None);
    }
    assert!((1..=WALKS_PER_SECOND).contains(&lookups.budget.walks));
}

#[test]
fn process_that_was_heard_of_is_asked_first() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let heard = heard_of(here());
    assert_eq!(lookups.holder(inode, None, Some(&heard), 0), Some(here()));
    assert_eq!((lookups.budget.likely, lookups.budget.walks), (1, 0));
}

#[test]
fn known_user_of_the_port_is_asked_too() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    lookups.note_user(80, &heard_of(here()));
    walk_out(&mut lookups, 0);
    assert_eq!(lookups.holder(inode, Some(81), None, 0), None);
    assert_eq!(lookups.holder(inode, Some(80), None, 0), Some(here()));
}

#[test]
fn walk_finds_who_was_not_likely() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let stranger = heard_of(NO_PID);
    // A process another test is just forking holds it too, for a moment.
    assert!(lookups.holder(inode, None, Some(&stranger), 0).is_some());
    assert_eq!((lookups.budget.likely, lookups.budget.walks), (1, 1));
}

#[test]
fn walks_end_with_the_budget_and_come_back_with_the_next_second() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let now = 41 * SECOND_NS;
    walk_out(&mut lookups, now);
    assert_eq!(lookups.holder(inode, None, None, now + SECOND_NS - 1), None);
    assert!(lookups.listener(inode, None, now).is_none());
    assert!(lookups.holder(inode, None, None, now + SECOND_NS).is_some());
}

#[test]
fn likely_lookups_end_with_their_budget() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let stranger = heard_of(NO_PID);
    for _ in 0..LIKELY_PER_SECOND {
        assert_eq!(lookups.holder(NOBODYS, None, Some(&stranger), 0), None);
    }
    let owner = heard_of(here());
    assert_eq!(lookups.holder(inode, None, Some(&owner), 0), None);
    assert!((1..=LIKELY_PER_SECOND).contains(&lookups.budget.likely));
    let later = SECOND_NS;
    let found = lookups.holder(inode, None, Some(&owner), later);
    assert_eq!(found, Some(here()));
}

#[test]
fn answer_of_this_second_costs_nothing_more() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let heard = heard_of(here());
    for _ in 0..3 {
        assert_eq!(lookups.holder(inode, None, Some(&heard), 5), Some(here()));
    }
    assert_eq!((lookups.budget.likely, lookups.budget.walks), (1, 0));
    assert_eq!(lookups.holder(inode, None, None, 6), Some(here()));
}

#[test]
fn walk_at_start_is_remembered_by_cookie() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    lookups.learn(&[(inode, 77), (NOBODYS, 78)]);
    assert_eq!(lookups.by_cookie(77), Some(here()));
    assert_eq!(lookups.by_cookie(78), None);
}

/// The holders as they are once nobody being forked holds it for a moment.
fn settles(lookups: &mut Lookups, inode: u64, expected: &[u32]) -> bool {
    (1..500).any(|second| {
        std::thread::sleep(Duration::from_millis(5));
        let now = second * SECOND_NS + lookups.listeners.len() as u64;
        let listener = lookups.listener(inode, None, now);
        listener.is_some_and(|listener| listener.pids == expected)
    })
}

#[test]
fn all_holders_of_a_listener_are_found() {
    let (socket, inode) = listener();
    assert!(settles(&mut unhurried(), inode, &[here()]));
    let heir = Heir::of(&socket);
    let mut both = [here(), heir.0.id()];
    both.sort_unstable();
    let mut lookups = unhurried();
    assert!(settles(&mut lookups, inode, &both));
    let read_ns = lookups.listeners[&inode].read_ns.unwrap();
    drop(heir);
    // For a moment the answer stands.
    let listener = lookups.listener(inode, None, read_ns + FRESH_NS - 1);
    assert_eq!(listener.unwrap().pids, both);
    assert!(settles(&mut lookups, inode, &[here()]));
}

#[test]
fn one_walk_answers_for_all_listeners_asked_for_lately() {
    let (_one, first) = listener();
    let (_two, second) = listener();
    let mut lookups = unhurried();
    lookups.listener(first, None, 0);
    lookups.listener(second, None, 1);
    assert_eq!(lookups.budget.walks, 2);
    for inode in [first, second] {
        assert!(lookups.listener(inode, None, FRESH_NS + 1).is_some());
    }
    assert_eq!(lookups.budget.walks, 3);
}

#[test]
fn without_time_for_a_walk_the_holders_of_before_are_asked_again() {
    let (_socket, inode) = listener();
    let mut lookups = unhurried();
    let now = 41 * SECOND_NS;
    walk_out(&mut lookups, now);
    assert!(lookups.listener(inode, Some(NO_PID), now).is_none());
    let listener = lookups.listener(inode, Some(here()), now).unwrap();
    assert_eq!(listener.pids, [here()]);
}

#[test]
fn process_that_has_given_a_socket_away_is_told_from_one_that_holds_it() {
    let (socket, inode) = listener();
    let heir = Heir::of(&socket);
    let mut lookups = unhurried();
    assert_eq!(lookups.holds(inode, here(), 0), Some(true));
    assert_eq!(lookups.holds(inode, heir.0.id(), 0), Some(true));
    drop(socket);
    assert_eq!(lookups.holds(inode, here(), 1), Some(true));
    assert_eq!(lookups.holds(inode, here(), SECOND_NS), Some(false));
    assert_eq!(lookups.holds(inode, NO_PID, SECOND_NS), Some(false));
}

#[test]
fn a_walk_that_comes_late_answers_for_the_next_event() {
    let (socket, inode) = listener();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let slow = move |walk: &Walk| {
        let _ended = wait.recv();
        walk.run()
    };
    let mut lookups = Lookups::walked_by(slow);
    lookups.walks.moment = Duration::from_millis(1);
    assert!(lookups.listener(inode, None, 5 * SECOND_NS).is_none());
    // Meanwhile nobody waits, and nobody walks.
    assert!(
        lookups
            .holder(inode, Some(4711), None, 5 * SECOND_NS)
            .is_none()
    );
    let heir = Heir::of(&socket);
    let_go.send(()).unwrap();
    let late = |lookups: &mut Lookups| {
        (0..5_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            lookups.take_late();
            lookups.waiting(Instant::now()) == Duration::ZERO
        })
    };
    assert!(late(&mut lookups));
    let mut both = [here(), heir.0.id()];
    both.sort_unstable();
    let listener = lookups.listener(inode, None, 5 * SECOND_NS + 1).unwrap();
    assert!(both.iter().all(|pid| listener.pids.contains(pid)));
    assert_eq!(listener.read_ns, Some(5 * SECOND_NS));
    // Who holds a connection is asked first from then on.
    assert!(
        lookups
            .holder(inode, Some(4711), None, 6 * SECOND_NS)
            .is_none()
    );
    let_go.send(()).unwrap();
    assert!(late(&mut lookups));
    let user = lookups.users(4711).first().copied().unwrap();
    assert!(both.contains(&user));
}
