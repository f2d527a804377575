//! A short hour on a server, as the kernel side would put it into the ring.

use tcptrace_common::flow::{AF_INET, AF_INET6, FlowRecord};
use tcptrace_common::kind::{self, basis, hook, tcp_state as state};
use tcptrace_common::wire::*;

pub(crate) const PAWS: u32 = 36;
const NO_SOCKET: u32 = 1;
const ABORT_ON_DATA: u32 = 8;
const INVALID_SYN: u32 = 10;
const STATE_CHANGE: u32 = 14;
const KEEPALIVE: u32 = 15;
/// As 6.18 numbers them.
pub(crate) const RESET_REASONS: [(u32, &str); 5] = [
    (NO_SOCKET, "NO_SOCKET"),
    (ABORT_ON_DATA, "TCP_ABORT_ON_DATA"),
    (INVALID_SYN, "INVALID_SYN"),
    (STATE_CHANGE, "TCP_STATE"),
    (KEEPALIVE, "TCP_KEEPALIVE_TIMEOUT"),
];
const MS: u64 = 1_000_000;

fn bytes_of<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: T is a record of `tcptrace_common::wire`: integers without hidden padding, so every
    // byte is initialized; the slice lives as long as the borrow.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast(), size_of::<T>()) }
        .to_vec()
}

fn owner(pid: u32, name: &str, basis: u8) -> OwnerRecord {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    OwnerRecord {
        start_ns: 47_110_000_000,
        comm,
        pid,
        tid: pid,
        uid: 33,
        basis,
        ..OwnerRecord::default()
    }
}

fn flow(local_port: u16, remote_port: u16) -> FlowRecord {
    let addr = |host| {
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[10, 0, 0, host]);
        addr
    };
    FlowRecord {
        cookie: u64::from(remote_port),
        local_addr: addr(1),
        remote_addr: addr(2),
        netns: 4_026_531_840,
        family: AF_INET,
        local_port,
        remote_port,
        pad: [0; 6],
    }
}

fn head(kind: u16, after_ms: u64, hook: u8, state: u8, sock: u64) -> Head {
    Head {
        kind,
        version: VERSION,
        hook,
        state,
        time_ns: 6_000 * MS + after_ms * MS,
        sock,
        flow: flow(443, 40_000),
        owner: owner(1234, "nginx", basis::SOCKET),
        ..Head::default()
    }
}

fn reset(head: Head, reason: u32, bits: u8) -> ResetRecord {
    ResetRecord {
        head,
        reason,
        unsent_bytes: 0,
        unacked_bytes: 0,
        unread_bytes: 0,
        queue_length: UNKNOWN_U32,
        queue_limit: UNKNOWN_U32,
        shutdown: 3,
        state_now: state::CLOSE,
        bits: bits | reset::HAS_SOCK,
        ..ResetRecord::default()
    }
}

/// curl gets no answer, then a refusal.
fn refused_connect(all: &mut Vec<Vec<u8>>) {
    let at = |kind, after_ms, hook, state, basis| {
        let mut head = head(kind, after_ms, hook, state, 1);
        head.owner = owner(77, "curl", basis);
        head.flow = flow(50_000, 81);
        head
    };
    let old = state::CLOSE;
    let mut connect = at(kind::STATE, 0, hook::INET_SOCK_SET_STATE, old, basis::TASK);
    connect.flow.local_port = 0;
    all.push(bytes_of(&StateRecord {
        head: connect,
        in_old_ns: UNKNOWN_U64,
        old,
        new: state::SYN_SENT,
        pad: [0; 6],
    }));
    let (sent, by) = (state::SYN_SENT, basis::SOCKET);
    all.push(bytes_of(&RetransmitRecord {
        head: at(kind::RETRANSMIT, 1000, hook::TCP_RETRANSMIT_SKB, sent, by),
        sequence: 3_000_000_000,
        segments: 1,
        attempt: 1,
        ca_state: 4,
        tcp_flags: 2,
        ..RetransmitRecord::default()
    }));
    all.push(bytes_of(&ResetReceivedRecord {
        head: at(kind::RST_RECEIVED, 1001, hook::TCP_RECEIVE_RESET, sent, by),
        ..ResetReceivedRecord::default()
    }));
}

/// A full accept queue and a full SYN queue.
fn full_queues(all: &mut Vec<Vec<u8>>) {
    let at = |kind, after_ms, hook| {
        let mut head = head(kind, after_ms, hook, state::LISTEN, 2);
        head.owner = owner(1234, "nginx", basis::LISTENER);
        head.owner.holders = 4;
        head
    };
    let overflow = QueueDropRecord {
        head: at(kind::ACCEPT_DROP, 1100, hook::KFREE_SKB),
        length: 129,
        limit: 128,
        reason: UNKNOWN_U32,
        count: 1,
        step: step::ACK,
        outcome: outcome::RESET,
        somaxconn: 4096,
        backlog: 511,
        by_max_syn_backlog: 0,
        pad: [0; 5],
    };
    all.push(bytes_of(&ResetRecord {
        queue_length: 129,
        queue_limit: 128,
        state_now: state::LISTEN,
        ..reset(
            at(kind::RST_SENT, 1100, hook::TCP_SEND_RESET),
            INVALID_SYN,
            reset::REPLY | reset::HAS_SOCKET,
        )
    }));
    all.push(bytes_of(&overflow));
    let mut cookie = QueueDropRecord {
        head: at(kind::SYN_DROP, 1200, hook::CONSUME_SKB),
        step: step::SYN,
        outcome: outcome::COOKIE,
        ..overflow
    };
    cookie.head.evidence = evidence::INFERRED;
    all.push(bytes_of(&cookie));
}

/// SO_LINGER{1,0}, an orphan whose peer answers too late, one that is reset by its peer.
fn resets(all: &mut Vec<Vec<u8>>) {
    let sent =
        |after_ms, state, sock| head(kind::RST_SENT, after_ms, hook::TCP_SEND_RESET, state, sock);
    let heard = |after_ms, sock| ResetReceivedRecord {
        head: head(
            kind::RST_RECEIVED,
            after_ms,
            hook::TCP_RECEIVE_RESET,
            state::FIN_WAIT1,
            sock,
        ),
        dead: 1,
        pad: [0; 7],
    };
    let mut zero = sent(1300, state::ESTABLISHED, 3);
    zero.owner.basis = basis::TASK;
    all.push(bytes_of(&ResetRecord {
        unsent_bytes: 4096,
        ..reset(zero, STATE_CHANGE, reset::LINGER | reset::HAS_SOCKET)
    }));
    all.push(bytes_of(&heard(1400, 4)));
    let late = sent(1401, state::FIN_WAIT1, 4);
    let bits = reset::REPLY | reset::DEAD;
    all.push(bytes_of(&reset(late, ABORT_ON_DATA, bits)));
    all.push(bytes_of(&heard(1500, 5)));
    let mut keepalive = reset(sent(1600, state::ESTABLISHED, 6), KEEPALIVE, 0);
    keepalive.state_now = state::ESTABLISHED;
    keepalive.head.flow.family = AF_INET6;
    keepalive.head.flow.local_addr = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    keepalive.head.flow.remote_addr = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02";
    all.push(bytes_of(&keepalive));
    let mut nobody = reset(sent(1700, 0, 0), NO_SOCKET, reset::REPLY);
    nobody.bits = reset::REPLY;
    nobody.unsent_bytes = UNKNOWN_U32;
    nobody.unacked_bytes = UNKNOWN_U32;
    nobody.unread_bytes = UNKNOWN_U32;
    nobody.head.owner = OwnerRecord::default();
    nobody.head.flow.cookie = 0;
    all.push(bytes_of(&nobody));
}

/// Ends that are no resets.
fn ends(all: &mut Vec<Vec<u8>>) {
    let at = |kind, after_ms, hook, state| head(kind, after_ms, hook, state, 7);
    let set_state = hook::INET_SOCK_SET_STATE;
    let mut linger = LingerRecord {
        head: at(kind::LINGER_CLOSE, 4000, set_state, state::FIN_WAIT1),
        start_ns: 6_000 * MS + 1990 * MS,
        linger_jiffies: 500,
        unsent_bytes: 0,
        unacked_bytes: 1448,
        remaining_bytes: 1448,
        end: linger_end::TIMED_OUT,
        pad: [0; 3],
    };
    linger.head.flow.as_v4_mapped();
    all.push(bytes_of(&linger));
    all.push(bytes_of(&CloseRecord {
        head: at(kind::CLOSE, 4100, set_state, state::FIN_WAIT2),
        duration_ns: 3_000 * MS,
        bytes_sent: 12_345,
        bytes_received: 678,
        srtt_us: 45,
        bits: close::TIME_WAIT,
        ..CloseRecord::default()
    }));
    all.push(bytes_of(&TimedOutRecord {
        head: at(kind::TIMED_OUT, 4050, set_state, state::ESTABLISHED),
        silent_jiffies: 3751,
        unsent_bytes: 71,
        unacked_bytes: 1448,
        window: 65_535,
        sk_err: 110,
        retransmits: 15,
        ..TimedOutRecord::default()
    }));
    all.push(bytes_of(&ConnectFailedRecord {
        head: at(kind::CONNECT_FAILED, 4060, set_state, state::SYN_SENT),
        waited_ns: 7_015 * MS,
        sk_err: 113,
        retransmits: 2,
        bits: connect_failed::SENT | connect_failed::HAS_PORT,
        ..ConnectFailedRecord::default()
    }));
    let minisock = |after_ms, hook, phase, timeout_jiffies| TimeWaitRecord {
        head: at(kind::TIME_WAIT, after_ms, hook, state::TIME_WAIT),
        timeout_jiffies,
        phase,
        substate: state::FIN_WAIT2,
        pad: [0; 6],
    };
    let enter = minisock(4100, hook::TIMER_START, phase::ENTER, 15_000);
    all.push(bytes_of(&enter));
    let mut reuse = minisock(5200, hook::TIMER_CANCEL, phase::REUSE, UNKNOWN_U64);
    reuse.head.owner = owner(78, "curl", basis::TASK);
    all.push(bytes_of(&reuse));
    let expire = hook::TIMER_EXPIRE_ENTRY;
    all.push(bytes_of(&minisock(
        9000,
        expire,
        phase::EXPIRE,
        UNKNOWN_U64,
    )));
    all.push(bytes_of(&PawsRecord {
        head: at(kind::PAWS_DROP, 9100, hook::KFREE_SKB, state::ESTABLISHED),
        reason: PAWS,
        check: 0,
        pad: [0; 3],
    }));
}

/// Everything, in the order of time; the last two cannot be read.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    refused_connect(&mut all);
    full_queues(&mut all);
    resets(&mut all);
    ends(&mut all);
    let mut newer = head(kind::PAWS_DROP, 9200, 0, 0, 0);
    newer.version = VERSION + 1;
    all.push(bytes_of(&newer));
    all.push(vec![0xff]);
    all
}
