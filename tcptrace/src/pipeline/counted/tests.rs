#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::*;

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
        let mut counted = Counted::begin(KindSet::EMPTY.with(Kind::AcceptDrop), &[inode]);
        assert!(counted.poll(1, |_, _| 0).is_empty(), "nothing happened yet");
        let (listener, clients) = overflow(4);
        for client in clients {
            client.join().unwrap();
        }
        let first = counted.poll(2, |_, _| 0);
        assert!(first.is_empty(), "one reading is not certain");
        let events = counted.poll(3, |_, _| 0);
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
        assert!(counted.poll(4, |_, _| 0).is_empty(), "told once");
    });
}

#[test]
fn what_hooks_have_seen_is_not_counted_again() {
    in_namespace_of_its_own(|inode| {
        let mut counted = Counted::begin(KindSet::EMPTY.with(Kind::AcceptDrop), &[inode]);
        let (_listener, clients) = overflow(3);
        for client in clients {
            client.join().unwrap();
        }
        let all = |_: u32, _: &'static str| u64::MAX;
        assert!(counted.poll(1, all).is_empty());
        assert!(counted.poll(2, all).is_empty());
    });
}
