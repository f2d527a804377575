#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::*;
use crate::source::mib::Counters;
use crate::source::netns;
use crate::survey::refusals;

/// A listener in a namespace of its own, its accept queue full, refusing more.
fn overflow(connections: usize) -> (TcpListener, Vec<std::thread::JoinHandle<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: plain integers; listen() on a listening socket only changes its backlog.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let clients = (0..connections).map(|_| {
        std::thread::spawn(move || {
            drop(TcpStream::connect_timeout(
                &address,
                Duration::from_millis(300),
            ));
        })
    });
    let clients: Vec<_> = clients.collect();
    (listener, clients)
}

fn in_namespace_of_its_own(test: impl FnOnce(u32) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: one flag; only this thread moves.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                println!("SKIPPED: a network namespace needs root");
                return;
            }
            let up = std::process::Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            assert!(up.unwrap().success());
            let inode = netns::own().unwrap();
            test(u32::try_from(inode).unwrap());
        });
    });
}

#[test]
fn overflows_are_counted_and_given_to_the_only_listener() {
    in_namespace_of_its_own(|inode| {
        let mut counted = Counted::begin(KindSet::EMPTY.with(Kind::AcceptDrop), refusals(&[inode]));
        assert!(
            counted.poll(&refusals(&[inode]), 1, |_, _| 0).is_empty(),
            "nothing happened yet"
        );
        let (listener, clients) = overflow(4);
        for client in clients {
            client.join().unwrap();
        }
        let first = counted.poll(&refusals(&[inode]), 2, |_, _| 0);
        assert!(first.is_empty(), "one reading is not certain");
        let events = counted.poll(&refusals(&[inode]), 3, |_, _| 0);
        let [event] = events.as_slice() else {
            panic!("one event, got {events:?}");
        };
        assert_eq!(event.evidence, Evidence::Counted);
        assert_eq!(event.hook, "sock_diag");
        let local = event.flow.local.unwrap();
        assert_eq!(local.port, listener.local_addr().unwrap().port());
        assert!(event.inode.is_some() && event.flow.cookie.is_some());
        let Signal::AcceptDrop(facts) = &event.signal else {
            panic!("{event:?}");
        };
        assert!(facts.count >= 3, "{facts:?}");
        assert_eq!(facts.queue.map(|queue| queue.limit), Some(0));
        assert!(
            counted.poll(&refusals(&[inode]), 4, |_, _| 0).is_empty(),
            "reported once"
        );
    });
}

#[test]
fn what_hooks_have_seen_is_not_counted_again() {
    in_namespace_of_its_own(|inode| {
        let mut counted = Counted::begin(KindSet::EMPTY.with(Kind::AcceptDrop), refusals(&[inode]));
        let (_listener, clients) = overflow(3);
        for client in clients {
            client.join().unwrap();
        }
        let all = |_: u32, _: &'static str| u64::MAX;
        assert!(counted.poll(&refusals(&[inode]), 1, all).is_empty());
        assert!(counted.poll(&refusals(&[inode]), 2, all).is_empty());
    });
}

/// A reading of namespaces that each have counted `overflows`.
fn reading(spaces: &[(u32, u64)]) -> RefusalReading {
    let refusing = |overflows: u64| Refusing {
        counters: Counters::from_iter([("TcpExt.ListenOverflows".to_owned(), overflows)]),
        listeners: Vec::new(),
    };
    let listed = spaces.iter().map(|(netns, _)| *netns).collect();
    RefusalReading {
        spaces: spaces
            .iter()
            .map(|(n, count)| (*n, refusing(*count)))
            .collect(),
        presence: Presence::of(listed),
    }
}

fn counts(events: &[Event]) -> Vec<(Option<u32>, u64)> {
    let count = |event: &Event| match &event.signal {
        Signal::AcceptDrop(facts) => (event.flow.netns, facts.count),
        other => panic!("{other:?}"),
    };
    events.iter().map(count).collect()
}

#[test]
fn a_namespace_read_late_does_not_show_its_lifetime() {
    let kinds = KindSet::EMPTY.with(Kind::AcceptDrop);
    // 7 is there from the start but is not read; 8 is born later.
    let mut start = reading(&[(6, 100), (7, 5000)]);
    start.spaces.remove(&7);
    let mut counted = Counted::begin(kinds, start);
    let later = reading(&[(6, 103), (7, 5000), (8, 2)]);
    assert!(counted.poll(&later, 1, |_, _| 0).is_empty());
    let mut reported = counts(&counted.poll(&later, 2, |_, _| 0));
    reported.sort_unstable();
    assert_eq!(reported, [(Some(6), 3), (Some(8), 2)]);
    let later = reading(&[(7, 5004)]);
    assert!(counted.poll(&later, 3, |_, _| 0).is_empty());
    assert_eq!(counts(&counted.poll(&later, 4, |_, _| 0)), [(Some(7), 4)]);
}

#[test]
fn where_nothing_could_be_listed_nothing_is_taken_for_new() {
    let kinds = KindSet::EMPTY.with(Kind::AcceptDrop);
    let start = RefusalReading {
        presence: Presence::unknown(),
        ..RefusalReading::default()
    };
    let mut counted = Counted::begin(kinds, start);
    let later = reading(&[(9, 4000)]);
    assert!(counted.poll(&later, 1, |_, _| 0).is_empty());
    assert!(counted.poll(&later, 2, |_, _| 0).is_empty());
    let later = reading(&[(9, 4001)]);
    counted.poll(&later, 3, |_, _| 0);
    assert_eq!(counts(&counted.poll(&later, 4, |_, _| 0)), [(Some(9), 1)]);
}
