use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use proptest::prelude::*;
use rustix::net::sockopt::socket_cookie;

use super::super::netns::{self, tests::Sleeper};
use super::*;

fn inode_of(socket: impl AsFd) -> u64 {
    rustix::fs::fstat(socket).unwrap().st_ino
}

fn rows(states: States) -> Vec<SockRow> {
    let mut rows = Vec::new();
    let dump = for_each(states, |row| rows.push(row)).unwrap();
    assert_eq!(dump.rows, rows.len() as u64);
    rows
}

fn row_of(socket: impl AsFd) -> SockRow {
    let inode = inode_of(socket);
    rows(States::ALL)
        .into_iter()
        .find(|row| row.inode == Some(inode))
        .unwrap()
}

/// The row of a closed socket, once it is there: the peer acknowledges with a delay, and a process
/// started by another test holds every socket of this one until its exec.
fn eventually_row(states: States, local: SocketAddr) -> SockRow {
    let look = |_| {
        std::thread::sleep(Duration::from_millis(5));
        rows(states).into_iter().find(|row| row.local == local)
    };
    (0..500).find_map(look).unwrap()
}

/// Lets the final ACK of a handshake wait for data: its request stays in the SYN queue.
fn defer_accept(listener: &TcpListener) {
    let seconds: libc::c_int = 30;
    // SAFETY: the option takes an int, which lives on the stack for the length of the call.
    let status = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of_val(&seconds) as libc::socklen_t,
        )
    };
    assert_eq!(status, 0);
}

#[test]
fn listener_row_shows_accept_queue_length_and_limit() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&listener, 5).unwrap();
    let address = listener.local_addr().unwrap();
    let _clients = [
        TcpStream::connect(address).unwrap(),
        TcpStream::connect(address).unwrap(),
    ];
    let row = row_of(&listener);
    assert_eq!((row.rqueue, row.wqueue), (2, 5));
    assert_eq!(
        (row.state, row.local, row.remote),
        (state::LISTEN, address, None)
    );
    assert_eq!(row.uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(row.cookie, socket_cookie(&listener).unwrap());
    assert_eq!((row.timer, row.expires_ms), (None, None));
    assert_eq!(
        (row.shutdown, row.v6only, row.ifindex),
        (Some(0), None, None)
    );
    assert_eq!(row.sk_drops, Some(0));
    assert!(listeners().unwrap().0.contains(&row));
}

#[test]
fn connection_refused_by_a_full_accept_queue_counts_as_drop_of_the_listener() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let second = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    assert_eq!(connect(&second, &address), Err(Errno::INPROGRESS));
    let row = row_of(&listener);
    assert_eq!((row.rqueue, row.wqueue), (1, 0));
    assert!(row.sk_drops.unwrap() >= 1, "{row:?}");
}

#[test]
fn established_rows_name_both_ends_and_count_unread_bytes() {
    use std::io::Write;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    client.write_all(b"twelve bytes").unwrap();
    let row = row_of(&server);
    assert_eq!(
        (row.state, row.local, row.remote),
        (1, server.local_addr().unwrap(), Some(peer))
    );
    assert_eq!((row.rqueue, row.wqueue), (12, 0));
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(row_of(&client).shutdown, Some(2));
    assert_eq!(row_of(&server).shutdown, Some(1));
}

#[test]
fn child_in_the_accept_queue_has_no_inode_and_no_user() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let peer = Some(client.local_addr().unwrap());
    let child = rows(States::ALL)
        .into_iter()
        .find(|row| row.remote == peer)
        .unwrap();
    assert_eq!((child.state, child.inode, child.uid), (1, None, None));
    assert!(child.is_full_socket());
}

#[test]
fn time_wait_row_keeps_the_cookie_and_has_no_owner() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let (local, cookie) = (
        client.local_addr().unwrap(),
        socket_cookie(&client).unwrap(),
    );
    drop(client);
    drop(server);
    let row = rows(States::TIME_WAIT)
        .into_iter()
        .find(|row| row.local == local)
        .unwrap();
    assert_eq!((row.state, row.cookie), (state::TIME_WAIT, cookie));
    assert_eq!((row.inode, row.uid, row.sk_drops), (None, None, None));
    assert_eq!(row.timer, Some(Timer::TimeWait));
    assert!(
        row.expires_ms.is_some_and(|ms| (1..=60_000).contains(&ms)),
        "{row:?}"
    );
    assert!(!row.is_full_socket());
}

#[test]
fn orphan_in_fin_wait2_is_found_under_fin_wait2() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_server, _) = listener.accept().unwrap();
    let local = client.local_addr().unwrap();
    drop(client);
    let row = eventually_row(States::one(state::FIN_WAIT2), local);
    assert_eq!(
        (row.state, row.timer),
        (state::FIN_WAIT2, Some(Timer::TimeWait))
    );
    assert!(rows(States::TIME_WAIT).iter().all(|row| row.local != local));
}

#[test]
fn handshakes_waiting_for_their_ack_are_counted_per_local_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    defer_accept(&listener);
    let address = listener.local_addr().unwrap();
    let _clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
    assert_eq!(syn_recv_counts().unwrap().0.get(&address), Some(&3));
}

#[test]
fn handshake_over_ipv4_with_an_ipv6_listener_counts_under_the_ipv4_address() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    defer_accept(&listener);
    let port = listener.local_addr().unwrap().port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let _client = TcpStream::connect(address).unwrap();
    assert_eq!(row_of(&listener).v6only, Some(false));
    assert_eq!(syn_recv_counts().unwrap().0.get(&address), Some(&1));
}

#[test]
fn v4_mapped_peer_keeps_the_family_of_its_socket() {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    let row = row_of(&server);
    let peer = row.remote.unwrap();
    assert_eq!(row.family, Family::Inet6);
    assert_eq!(peer.ip(), Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    assert_eq!(peer.port(), client.local_addr().unwrap().port());
}

#[test]
fn dump_of_many_datagrams_lists_every_listener_once() {
    // In a namespace where nothing else opens or closes sockets during the dump.
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    netns::with(&sleeper.netns(), || {
        let bind = |_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let sockets: Vec<_> = (0..600).map(bind).collect();
        let mut expected: Vec<_> = sockets
            .iter()
            .map(|socket| Some(inode_of(socket)))
            .collect();
        let mut found: Vec<_> = listeners().unwrap().0.iter().map(|row| row.inode).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    })
    .unwrap();
}

#[test]
fn sockets_of_another_namespace_are_listed_inside_it_only() {
    let Some(sleeper) = Sleeper::in_new_netns() else {
        return;
    };
    let netns = sleeper.netns();
    let listener = netns::with(&netns, || {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()
    })
    .unwrap();
    let inode = Some(inode_of(&listener));
    let (inside, _) = netns::with(&netns, listeners).unwrap().unwrap();
    assert_eq!(
        inside.iter().map(|row| row.inode).collect::<Vec<_>>(),
        [inode]
    );
    assert!(listeners().unwrap().0.iter().all(|row| row.inode != inode));
}

#[test]
fn kernel_without_a_handler_for_the_protocol_names_the_module() {
    const UNASSIGNED_PROTOCOL: u8 = 253;
    let mut client = Client::open().unwrap();
    let result = client.dump(
        Request {
            family: Family::Inet,
            protocol: UNASSIGNED_PROTOCOL,
            states: States::ALL,
            want: WANT_SKMEMINFO,
        },
        &mut Dump::default(),
        &mut |_| (),
    );
    assert!(matches!(result, Err(DiagError::ModuleAbsent)), "{result:?}");
}

#[test]
fn reply_longer_than_the_buffer_is_an_error() {
    let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = Client {
        buffer: vec![0; 40],
        ..Client::open().unwrap()
    };
    let result = client.dump(
        Request {
            family: Family::Inet,
            protocol: IPPROTO_TCP,
            states: States::LISTEN,
            want: WANT_SKMEMINFO,
        },
        &mut Dump::default(),
        &mut |_| (),
    );
    assert!(
        matches!(result, Err(DiagError::Truncated { limit: 40, .. })),
        "{result:?}"
    );
}

/// One real datagram of listeners, for damaging.
fn real_datagram() -> Vec<u8> {
    let _listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let mut client = Client::open().unwrap();
    let request = Request {
        family: Family::Inet6,
        protocol: IPPROTO_TCP,
        states: States::LISTEN,
        want: WANT_SKMEMINFO,
    };
    send(&client.socket, &request.bytes(1), SendFlags::empty()).unwrap();
    client.receive().unwrap().to_vec()
}

fn header(length: u32, kind: u16, flags: u16, sequence: u32) -> Vec<u8> {
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes
}

fn take(datagram: &[u8], dump: &mut Dump) -> Result<Progress, DiagError> {
    take_datagram(datagram, 1, dump, &mut |_| ())
}

#[test]
fn end_message_with_an_error_is_no_success() {
    let done = |status: i32| [header(20, 3, 2, 1), status.to_ne_bytes().to_vec()].concat();
    let mut dump = Dump::default();
    assert_eq!(take(&done(0), &mut dump).unwrap(), Progress::Finished);
    assert!(matches!(
        take(&done(-libc::ENOENT), &mut dump),
        Err(DiagError::ModuleAbsent)
    ));
    assert!(matches!(
        take(&done(-libc::EPERM), &mut dump),
        Err(DiagError::NotPermitted(_))
    ));
    assert!(matches!(
        take(&done(-libc::EINVAL), &mut dump),
        Err(DiagError::Refused(_))
    ));
    assert_eq!(
        take(&done(i32::MIN), &mut dump).unwrap(),
        Progress::Finished
    );
}

#[test]
fn interrupted_dump_is_reported() {
    let mut datagram = real_datagram();
    let mut dump = Dump::default();
    take(&datagram, &mut dump).unwrap();
    assert!(!dump.interrupted);
    datagram[6] |= 0x10;
    take(&datagram, &mut dump).unwrap();
    assert!(dump.interrupted);
}

#[test]
fn message_length_below_its_header_ends_the_parse() {
    for length in [0, 1, 15, 17, u32::MAX] {
        let datagram = header(length, 1, 0, 1);
        let mut messages = parse_messages(&datagram);
        assert!(
            matches!(messages.next(), Some(Err(Malformed::Length { .. }))),
            "{length}"
        );
        assert!(messages.next().is_none());
    }
}

#[test]
fn answer_to_another_request_is_an_error() {
    let result = take(&header(16, 1, 0, 7), &mut Dump::default());
    let expected = Malformed::Sequence {
        found: 7,
        expected: 1,
    };
    assert!(matches!(result, Err(DiagError::Malformed(found)) if found == expected));
}

#[test]
fn foreign_family_and_endless_attribute_are_errors() {
    let real = real_datagram();
    let mut family = real.clone();
    family[16] = 1;
    assert_eq!(
        parse_messages(&family).next().unwrap(),
        Err(Malformed::Family(1))
    );
    for length in [0_u16, 3, u16::MAX] {
        let mut attribute = real.clone();
        attribute[88..90].copy_from_slice(&length.to_ne_bytes());
        let first = parse_messages(&attribute).next().unwrap();
        assert!(
            matches!(first, Err(Malformed::Attribute { .. })),
            "{first:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_end_and_never_panic(bytes: Vec<u8>) {
        prop_assert!(parse_messages(&bytes).count() <= bytes.len() / 16 + 1);
        let _ = take(&bytes, &mut Dump::default());
    }

    #[test]
    fn damaged_real_datagrams_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut: prop::sample::Index,
    ) {
        let mut datagram = real_datagram();
        for (at, byte) in damage {
            let at = at.index(datagram.len());
            datagram[at] = byte;
        }
        datagram.truncate(cut.index(datagram.len() + 1));
        prop_assert!(parse_messages(&datagram).count() <= datagram.len() / 16 + 1);
        let _ = take(&datagram, &mut Dump::default());
    }
}
