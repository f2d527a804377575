use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use proptest::prelude::*;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::*;

fn listener() -> (TcpListener, u64) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
    (socket, inode)
}

/// A child that was given the socket as its standard input; ended with the value.
struct Heir(Child);

impl Heir {
    fn of(socket: &TcpListener) -> Self {
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Self(
            Command::new("sleep")
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

fn pids_of(holders: &Holders, inode: u64) -> Vec<u32> {
    holders.of(inode).collect()
}

/// Other tests start processes, and until its exec each one holds everything this process does.
fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    (0..500).any(|_| {
        let now = holds();
        if !now {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        now
    })
}

/// Whether the search settles on these holders.
fn finds(search: impl Fn() -> Holders, inode: u64, pids: &[u32]) -> bool {
    eventually(|| pids_of(&search(), inode) == pids)
}

fn here() -> u32 {
    std::process::id()
}

fn sorted(mut pids: Vec<u32>) -> Vec<u32> {
    pids.sort_unstable();
    pids
}

#[test]
fn socket_shared_after_a_fork_has_both_holders() {
    let (socket, inode) = listener();
    let heir = Heir::of(&socket);
    let both = sorted(vec![here(), heir.0.id()]);
    assert!(finds(|| scan(&Query::default()).unwrap(), inode, &both));
    assert!(finds(|| holders_of(inode, &[]).unwrap(), inode, &both));
}

#[test]
fn socket_held_twice_by_one_process_names_it_once() {
    let (socket, inode) = listener();
    let _second = socket.try_clone().unwrap();
    assert!(finds(|| scan(&Query::default()).unwrap(), inode, &[here()]));
}

#[test]
fn only_wanted_sockets_are_reported() {
    let ((_first, wanted), (_second, other)) = (listener(), listener());
    let set = HashSet::from([wanted]);
    let holders = scan(&Query {
        wanted: Some(&set),
        ..Query::default()
    })
    .unwrap();
    assert_eq!(holders.pairs(), [(wanted, here())]);
    assert_eq!(holders.of(other).len(), 0);
}

#[test]
fn candidates_are_asked_first_and_suffice() {
    let (socket, inode) = listener();
    let heir = Heir::of(&socket);
    assert_eq!(
        pids_of(&holders_of(inode, &[heir.0.id()]).unwrap(), inode),
        [heir.0.id()]
    );
}

#[test]
fn wrong_candidates_lead_to_a_full_search() {
    let (_socket, inode) = listener();
    // 4194305 cannot exist; a process that ended is no error.
    assert_eq!(
        pids_of(&holders_of(inode, &[4_194_305]).unwrap(), inode),
        [here()]
    );
}

#[test]
fn first_holder_ends_the_search() {
    let (socket, inode) = listener();
    let heir = Heir::of(&socket);
    let set = HashSet::from([inode]);
    let candidates = [heir.0.id(), here()];
    let query = Query {
        wanted: Some(&set),
        candidates: Some(&candidates),
        ..Query::default()
    };
    let first = scan(&Query {
        first_holder_only: true,
        ..query
    })
    .unwrap();
    assert_eq!(pids_of(&first, inode), [heir.0.id()]);
    assert_eq!(pids_of(&scan(&query).unwrap(), inode).len(), 2);
}

#[test]
fn closed_socket_has_no_holder() {
    let (socket, inode) = listener();
    drop(socket);
    assert!(finds(|| holders_of(inode, &[]).unwrap(), inode, &[]));
}

#[test]
fn table_longer_than_one_listing_is_read_to_its_end() {
    let sockets: Vec<_> = (0..3000).map(|_| listener()).collect();
    let holders = scan(&Query {
        candidates: Some(&[here()]),
        ..Query::default()
    })
    .unwrap();
    for (_, inode) in &sockets {
        assert_eq!(pids_of(&holders, *inode), [here()]);
    }
}

#[test]
fn processes_of_others_are_counted_when_they_may_not_be_read() {
    if !super::super::proc::tests::is_root() {
        return;
    }
    let (socket, inode) = listener();
    let heir = Heir::of(&socket);
    let pid = heir.0.id();
    let holders = std::thread::spawn(move || {
        // This thread alone loses every capability, and ends.
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        scan(&Query {
            candidates: Some(&[pid]),
            ..Query::default()
        })
        .unwrap()
    })
    .join()
    .unwrap();
    assert_eq!(
        (holders.of(inode).len(), holders.unreadable_processes),
        (0, 1)
    );
}

#[test]
fn thread_with_its_own_table_is_found_only_when_deep() {
    let (to_main, from_thread) = mpsc::channel();
    let (to_thread, from_main) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: this thread gets a copy of the descriptor table; descriptors made before stay
        // valid on both sides, and only the socket made here is closed by this thread.
        unsafe { unshare_unsafe(UnshareFlags::FILES) }.unwrap();
        let (_socket, inode) = listener();
        to_main.send(inode).unwrap();
        let _ = from_main.recv();
    });
    let inode = from_thread.recv().unwrap();
    let query = Query {
        candidates: Some(&[here()]),
        ..Query::default()
    };
    assert_eq!(scan(&query).unwrap().of(inode).len(), 0);
    let deep = scan(&Query {
        deep: true,
        ..query
    })
    .unwrap();
    assert_eq!(pids_of(&deep, inode), [here()]);
    drop(to_thread);
    thread.join().unwrap();
}

/// The second thread of a process whose first one has ended.
extern "C" fn sleep_on(_: *mut libc::c_void) -> libc::c_int {
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::sleep(60) };
    0
}

#[test]
fn sockets_outlive_the_leader_of_their_process() {
    let (socket, inode) = listener();
    let mut stack = vec![0_u128; 4096];
    let mut command = Command::new("true");
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let replace_the_leader = move || {
        let flags = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD;
        // SAFETY: in the forked child only system calls are made: everything but stdio is closed
        // (the parent then takes the start for done), a thread is started on a stack that is
        // never freed because this thread ends without unwinding, and it only sleeps.
        unsafe {
            libc::close_range(3, u32::MAX, 0);
            let top = stack.as_mut_ptr_range().end.cast();
            libc::clone(sleep_on, top, flags, std::ptr::null_mut());
            libc::syscall(libc::SYS_exit, 0);
        }
        Ok(())
    };
    // SAFETY: see the closure, which makes only async-signal-safe calls.
    unsafe { command.pre_exec(replace_the_leader) };
    let heir = Heir(command.spawn().unwrap());
    let pid = heir.0.id();
    assert!(eventually(|| {
        let text = std::fs::read(format!("/proc/{pid}/stat")).unwrap();
        super::super::proc::parse_stat(&text).unwrap().state == 'Z'
    }));
    let holders = scan(&Query {
        candidates: Some(&[pid]),
        ..Query::default()
    })
    .unwrap();
    assert_eq!(pids_of(&holders, inode), [pid]);
}

#[test]
fn only_socket_links_are_sockets() {
    assert_eq!(
        parse_socket_link(b"socket:[18446744073709551615]"),
        Some(u64::MAX)
    );
    for link in [
        "socket:[18446744073709551616]",
        "socket:[]",
        "socket:[1",
        "socket:[-1]",
        "socket:[1]x",
        "pipe:[1]",
        "anon_inode:[eventpoll]",
        "/tmp/socket:[1]",
        "",
    ] {
        assert_eq!(parse_socket_link(link.as_bytes()), None, "{link}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_link(bytes: Vec<u8>) {
        let _ = parse_socket_link(&bytes);
    }

    #[test]
    fn every_inode_is_read_back(inode: u64) {
        prop_assert_eq!(parse_socket_link(format!("socket:[{inode}]").as_bytes()), Some(inode));
    }
}

#[test]
fn a_process_that_is_not_read_in_time_is_unreadable() {
    let (_socket, inode) = listener();
    let wanted = HashSet::from([inode]);
    let own = [std::process::id()];
    let within = |until| {
        scan(&Query {
            wanted: Some(&wanted),
            candidates: Some(&own),
            until,
            ..Query::default()
        })
        .unwrap()
    };
    let late = within(Some(Instant::now()));
    assert_eq!((late.pairs(), late.unreadable_processes), (&[][..], 1));
    let in_time = within(Some(Instant::now() + std::time::Duration::from_secs(60)));
    assert_eq!(in_time.pairs(), [(inode, own[0])]);
    assert_eq!(in_time.unreadable_processes, 0);
}
