mod deaths;
mod hostile;

use super::*;
use tcptrace_common::kind::{basis, tcp_state};

/// A record as it lies in the ring.
fn bytes_of<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: T is a record of `tcptrace_common::wire`: integers without hidden padding, so every
    // byte is initialized; the slice lives as long as the borrow.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast(), size_of::<T>()) }
        .to_vec()
}

const BOOT_NS: u64 = 0x1112_1314_1516_1718;

/// A head whose every field is another number than 0.
fn head(kind: u16) -> Head {
    Head {
        kind,
        len: 0x0203,
        version: wire::VERSION,
        hook: hook::TCP_DESTROY_SOCK,
        state: tcp_state::FIN_WAIT2,
        evidence: wire::evidence::INFERRED,
        time_ns: BOOT_NS,
        sock: 0xffff_8881_0203_0405,
        inode: 0x2122_2324_2526_2728,
        flow: FlowRecord {
            cookie: 0x3132_3334_3536_3738,
            local_addr: [10, 1, 2, 3, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            remote_addr: [192, 0, 2, 77, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            netns: 0xf000_0123,
            family: AF_INET,
            local_port: 0x1234,
            remote_port: 0x5678,
            pad: [7; 6],
        },
        owner: OwnerRecord {
            start_ns: 47_119_999_999,
            comm: *b"nginx: worker\0xx",
            pid: 0x0051_5253,
            tid: 0x0061_6263,
            uid: 0x7172,
            holders: 3,
            basis: basis::SOCKET,
            // Other bits mean nothing yet.
            bits: 128 | wire::owner::FOLLOWED | wire::owner::HOLDS,
        },
    }
}

fn event<T: Copy>(record: &T) -> Event {
    decode(&bytes_of(record)).unwrap()
}

fn signal_of<T: Copy>(record: &T) -> Signal {
    event(record).signal
}

fn refusal<T: Copy>(record: &T) -> DecodeError {
    decode(&bytes_of(record)).unwrap_err()
}

fn received(change: impl FnOnce(&mut Head)) -> ResetReceivedRecord {
    let mut record = ResetReceivedRecord {
        head: head(kind::RST_RECEIVED),
        dead: 1,
        pad: [7; 3],
        silent_jiffies: UNKNOWN_U32,
    };
    change(&mut record.head);
    record
}

#[test]
fn every_field_of_the_head_arrives() {
    let event = event(&received(|_| {}));
    let end = |addr: [u8; 4], port| Endpoint {
        addr: IpAddr::from(addr),
        port,
    };
    let expected = Event {
        boot_ns: BOOT_NS,
        sock: Some(0xffff_8881_0203_0405),
        inode: Some(0x2122_2324_2526_2728),
        flow: Flow {
            family: Family::Inet,
            local: Some(end([10, 1, 2, 3], 0x1234)),
            unbound: None,
            remote: Some(end([192, 0, 2, 77], 0x5678)),
            netns: Some(0xf000_0123),
            cookie: Some(0x3132_3334_3536_3738),
        },
        state: Some(TcpState::FinWait2),
        heard: Some(ReportedOwner {
            pid: 0x0051_5253,
            tid: 0x0061_6263,
            // Ticks of 10 ms, begun ones not counted: as /proc reports it.
            start_ticks: 4711,
            comm: *b"nginx: worker\0xx",
            uid: Some(0x7172),
            basis: Basis::Socket,
            holders: Some(3),
            is_followed: true,
            has_listener_file: false,
            holds: true,
            is_current: false,
            is_discarded: false,
        }),
        owner: None,
        hook: "tp_btf/tcp_destroy_sock",
        evidence: Evidence::Inferred,
        signal: Signal::ResetReceived { dead: true },
    };
    assert_eq!(event, expected);
}

#[test]
fn what_the_head_does_not_know_is_none() {
    let record = received(|head| {
        head.sock = 0;
        head.inode = 0;
        head.state = 0;
        head.evidence = wire::evidence::SEEN;
        head.flow.cookie = 0;
        head.flow.netns = 0;
        head.flow.remote_port = 0;
        head.owner.uid = UNKNOWN_U32;
        head.owner.holders = 0;
    });
    let event = event(&record);
    assert_eq!((event.sock, event.inode, event.state), (None, None, None));
    assert_eq!(event.evidence, Evidence::Seen);
    let flow = event.flow;
    assert_eq!((flow.cookie, flow.netns, flow.remote), (None, None, None));
    let heard = event.heard.unwrap();
    assert_eq!((heard.uid, heard.holders), (None, None));
}

#[test]
fn no_basis_or_no_pid_is_no_owner() {
    for change in [
        (|owner| owner.basis = basis::NONE) as fn(&mut OwnerRecord),
        |owner| owner.pid = 0,
    ] {
        let record = received(|head| change(&mut head.owner));
        assert_eq!(event(&record).heard, None);
    }
}

#[test]
fn every_basis_has_its_name() {
    let bases = [
        (basis::TASK, Basis::Task),
        (basis::SOCKET, Basis::Socket),
        (basis::LISTENER, Basis::Listener),
        (basis::SNAPSHOT, Basis::Snapshot),
    ];
    for (number, expected) in bases {
        let record = received(|head| head.owner.basis = number);
        assert_eq!(event(&record).heard.unwrap().basis, expected);
    }
}

#[test]
fn unbound_socket_keeps_its_address_without_a_port() {
    let flow = event(&received(|head| head.flow.local_port = 0)).flow;
    assert_eq!(flow.local, None);
    assert_eq!(flow.unbound, Some(IpAddr::from([10, 1, 2, 3])));
}

#[test]
fn v4_mapped_addresses_become_ipv4_and_keep_the_family_of_the_socket() {
    let flow = event(&received(|head| head.flow.as_v4_mapped())).flow;
    assert_eq!(flow.family, Family::Inet6);
    let addrs = [flow.local, flow.remote].map(|end| end.unwrap().addr);
    assert_eq!(
        addrs,
        [IpAddr::from([10, 1, 2, 3]), IpAddr::from([192, 0, 2, 77])]
    );
}

#[test]
fn ipv6_addresses_stay_as_they_are() {
    let addr: Ipv6Addr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let record = received(|head| {
        head.flow.family = AF_INET6;
        head.flow.local_addr = addr.octets();
        head.flow.remote_addr = [0; 16];
    });
    let flow = event(&record).flow;
    assert_eq!(flow.local.unwrap().addr, IpAddr::V6(addr));
    // `::` is not the mapped form of anything.
    assert_eq!(flow.remote.unwrap().addr, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
}

#[test]
fn state_change_arrives() {
    let record = |in_old_ns| StateRecord {
        head: head(kind::STATE),
        in_old_ns,
        old: tcp_state::CLOSE_WAIT,
        new: tcp_state::LAST_ACK,
        pad: [7; 6],
    };
    let expected = |in_old_ns| {
        Signal::State(StateChange {
            old: TcpState::CloseWait,
            new: TcpState::LastAck,
            in_old_ns,
        })
    };
    assert_eq!(signal_of(&record(81)), expected(Some(81)));
    assert_eq!(signal_of(&record(UNKNOWN_U64)), expected(None));
}

#[test]
fn every_state_number_of_the_kernel_has_its_name() {
    let numbers = [
        (tcp_state::ESTABLISHED, TcpState::Established),
        (tcp_state::SYN_SENT, TcpState::SynSent),
        (tcp_state::SYN_RECV, TcpState::SynRecv),
        (tcp_state::FIN_WAIT1, TcpState::FinWait1),
        (tcp_state::FIN_WAIT2, TcpState::FinWait2),
        (tcp_state::TIME_WAIT, TcpState::TimeWait),
        (tcp_state::CLOSE, TcpState::Close),
        (tcp_state::CLOSE_WAIT, TcpState::CloseWait),
        (tcp_state::LAST_ACK, TcpState::LastAck),
        (tcp_state::LISTEN, TcpState::Listen),
        (tcp_state::CLOSING, TcpState::Closing),
        (tcp_state::NEW_SYN_RECV, TcpState::NewSynRecv),
    ];
    for (number, state) in numbers {
        assert_eq!(TcpState::from_number(number), Some(state));
    }
    assert_eq!(TcpState::from_number(13), None);
}

fn reset_record() -> ResetRecord {
    ResetRecord {
        head: head(kind::RST_SENT),
        linger_jiffies: 0x0102_0304_0506,
        reason: 14,
        unsent_bytes: 101,
        unacked_bytes: 102,
        unread_bytes: 103,
        linger2: -104,
        user_timeout_ms: 105,
        queue_length: 106,
        queue_limit: 107,
        sk_err: 108,
        shutdown: 3,
        state_now: tcp_state::CLOSE,
        bits: 0,
        pad: 7,
    }
}

#[test]
fn reset_arrives() {
    let expected = Reset {
        reason: Some(14),
        linger_jiffies: 0x0102_0304_0506,
        linger2: -104,
        user_timeout_ms: 105,
        shutdown: 3,
        sk_err: 108,
        state_now: tcp_state::CLOSE,
        queue: Some(Queue {
            length: 106,
            limit: 107,
        }),
        unsent_bytes: Some(101),
        unacked_bytes: Some(102),
        unread_bytes: Some(103),
        ..Reset::default()
    };
    assert_eq!(signal_of(&reset_record()), Signal::Reset(expected));
}

#[test]
fn each_bit_of_a_reset_means_one_thing() {
    use wire::reset as bit;
    type Meaning = (u8, fn(&Reset) -> bool);
    let bits: [Meaning; 8] = [
        (bit::LINGER, |facts| facts.linger_on),
        (bit::DEAD, |facts| facts.is_dead),
        (bit::HAS_SOCKET, |facts| facts.has_socket),
        (bit::OWNED, |facts| facts.is_owned),
        (bit::REPLY, |facts| facts.is_reply),
        (bit::HAS_SOCK, |facts| facts.has_sock),
        (bit::MINISOCK, |facts| facts.is_minisock),
        (bit::LISTENER_CLOSING, |facts| facts.listener_is_closing),
    ];
    for (set, _) in bits {
        let Signal::Reset(facts) = signal_of(&ResetRecord {
            bits: set,
            ..reset_record()
        }) else {
            panic!("a reset");
        };
        for (bit, is_set) in bits {
            assert_eq!(is_set(&facts), bit == set, "bit {bit:#x} of {set:#x}");
        }
    }
}

#[test]
fn what_a_reset_does_not_know_is_none() {
    let record = ResetRecord {
        reason: UNKNOWN_U32,
        unsent_bytes: UNKNOWN_U32,
        unacked_bytes: UNKNOWN_U32,
        unread_bytes: UNKNOWN_U32,
        queue_limit: UNKNOWN_U32,
        ..reset_record()
    };
    let Signal::Reset(facts) = signal_of(&record) else {
        panic!("a reset");
    };
    assert_eq!((facts.reason, facts.queue), (None, None));
    assert_eq!(
        [facts.unsent_bytes, facts.unacked_bytes, facts.unread_bytes],
        [None; 3]
    );
}

#[test]
fn received_reset_shows_whether_the_process_had_closed() {
    let mut record = received(|_| {});
    for (number, dead) in [(0, false), (1, true), (0xff, true)] {
        record.dead = number;
        assert_eq!(signal_of(&record), Signal::ResetReceived { dead });
    }
    record.silent_jiffies = 60_254;
    assert_eq!(signal_of(&record), Signal::ResetReceived { dead: true });
    record.dead = 0;
    let silent = Signal::ResetAfterSilence {
        silent_jiffies: 60_254,
    };
    assert_eq!(signal_of(&record), silent);
}
