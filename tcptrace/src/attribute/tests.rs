use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use super::processes::tests::{Running, heard};
use super::*;
use crate::model::event::QueueDrop;
use crate::model::{Endpoint, Evidence, Family, Flow};

fn forever<Q, A>(_: &Q) -> A {
    loop {
        std::thread::park();
    }
}

/// Above the highest number Linux gives to a process.
const NO_PID: u32 = 4_194_305;

/// A full accept queue of the listener with that inode, whose maker is gone.
fn drop_at(inode: u64, boot_ns: u64) -> Event {
    Event {
        boot_ns,
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
        heard: Some(heard(NO_PID, 4711, "maker", Basis::Socket)),
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

#[test]
fn a_proc_that_hangs_delays_no_incident() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
    let mut attributor = Attributor {
        processes: Processes::named_by(forever),
        minisocks: Minisocks::default(),
        lookups: Lookups::walked_by(forever),
    };
    let begin = Instant::now();
    // Each in a second of its own, in which the budget allows a walk again.
    for second in 41..1_041 {
        let mut event = drop_at(inode, second * 1_000_000_000);
        attributor.attribute(&mut event);
        let owner = event.owner.expect("what the kernel side reported stands");
        assert_eq!((owner.process.pid, owner.is_stale), (NO_PID, true));
        assert!(begin.elapsed() < Duration::from_secs(2), "held up");
    }
    let later = Instant::now() + Duration::from_secs(9);
    assert!(attributor.waiting(later) > Duration::from_secs(8));

    // Of an interpreter the command line is wanted. Its name is another one at each event, so it is asked each time.
    let mut shell = Command::new("sh");
    let shell = Running::start(shell.args(["-c", "read line"]).stdin(Stdio::piped()));
    let begin = Instant::now();
    for number in 0..64 {
        let mut event = drop_at(inode, 9_041_000_000_000);
        let comm = format!("name{number}");
        event.heard = Some(shell.heard(&comm, Basis::Task));
        attributor.attribute(&mut event);
        let owner = event.owner.expect("what the kernel side reported stands");
        assert_eq!((&owner.process.comm, &owner.process.name), (&comm, &None));
    }
    assert!(begin.elapsed() < Duration::from_millis(640), "held up");

    // A walk that ends finds who holds it.
    let mut attributor = Attributor::default();
    let is_found = (1..500).any(|second| {
        let mut event = drop_at(inode, second * 1_000_000_000);
        attributor.attribute(&mut event);
        event.owner.is_some_and(|owner| {
            owner.process.pid == std::process::id()
                && owner.basis == Basis::Snapshot
                && !owner.is_stale
        })
    });
    assert!(is_found);
}
