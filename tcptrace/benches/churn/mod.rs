//! The records of a churn, as the kernel side writes them: many connections of one process.

#![allow(dead_code, reason = "each bench uses its part")]
#![allow(unreachable_pub, reason = "a module of several benches")]

use std::time::Duration;

use criterion::Criterion;
use tcptrace::attribute::proc;
use tcptrace::model::{Clock, Host};
use tcptrace_common::flow::{AF_INET, FlowRecord};
use tcptrace_common::kind::{self, basis, hook, tcp_state as state};
use tcptrace_common::wire::*;

/// Connections that are met in turn: a table of them does not fit the first caches.
pub const CONNECTIONS: u16 = 4096;
/// Records between two writes.
pub const BATCH: usize = 512;

/// The kinds that a churn consists of.
pub const KINDS: [(&str, u16); 4] = [
    ("state", kind::STATE),
    ("close", kind::CLOSE),
    ("time_wait", kind::TIME_WAIT),
    ("rst_sent", kind::RST_SENT),
];

/// Short measurements: the whole set takes a minute.
pub fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .without_plots()
}

pub fn clock() -> Clock {
    Clock {
        boot_to_wall_ns: 1_767_323_045_000_000_000,
        start_boot_ns: 5_000_000_000,
    }
}

/// A kernel that names the reset reason the records bear.
pub fn host() -> Host {
    let mut host = Host {
        reset_reasons: vec![None; 16],
        drop_reasons: Vec::new(),
        hz: Some(250),
    };
    host.reset_reasons[14] = Some("TCP_STATE".into());
    host
}

/// This process, as the kernel side would report it.
pub fn this_process() -> OwnerRecord {
    let pid = std::process::id();
    let start_ticks = match proc::read(pid) {
        Ok(Some(facts)) => facts.start_ticks,
        _ => 0,
    };
    owner(pid, start_ticks)
}

/// A process of that number and start.
pub fn owner(pid: u32, start_ticks: u64) -> OwnerRecord {
    let mut comm = [0; 16];
    comm[..5].copy_from_slice(b"churn");
    OwnerRecord {
        start_ns: start_ticks * 10_000_000,
        comm,
        pid,
        tid: pid,
        basis: basis::TASK,
        ..OwnerRecord::default()
    }
}

/// One record of a kind and of the connection with that number.
pub fn record(kind: u16, connection: u16, owner: OwnerRecord) -> Vec<u8> {
    let head = |hook, state| head(kind, hook, state, connection, owner);
    match kind {
        kind::CLOSE => bytes_of(&CloseRecord {
            head: head(hook::TCP_DESTROY_SOCK, state::FIN_WAIT2),
            duration_ns: 123_456,
            bytes_sent: 1024,
            bytes_received: 77,
            srtt_us: 31,
            bits: close::TIME_WAIT,
            ..CloseRecord::default()
        }),
        kind::TIME_WAIT => bytes_of(&TimeWaitRecord {
            head: head(hook::TCP_DESTROY_SOCK, state::FIN_WAIT2),
            timeout_jiffies: 15_000,
            phase: phase::ENTER,
            substate: state::TIME_WAIT,
            pad: [0; 6],
        }),
        kind::RST_SENT => bytes_of(&ResetRecord {
            head: head(hook::TCP_SEND_RESET, state::ESTABLISHED),
            reason: 14,
            shutdown: 3,
            state_now: state::CLOSE,
            bits: reset::HAS_SOCK | reset::LINGER,
            ..ResetRecord::default()
        }),
        _ => bytes_of(&StateRecord {
            head: head(hook::INET_SOCK_SET_STATE, state::ESTABLISHED),
            in_old_ns: 45_678,
            old: state::ESTABLISHED,
            new: state::FIN_WAIT1,
            pad: [0; 6],
        }),
    }
}

/// The events of a whole connection under `--all`: its changes of state, its end, its TIME_WAIT.
pub fn lives(owner: OwnerRecord) -> Vec<Vec<u8>> {
    let each = |connection| {
        let kinds = [
            [kind::STATE; 10].as_slice(),
            &[kind::TIME_WAIT, kind::CLOSE],
        ]
        .concat();
        kinds
            .into_iter()
            .map(move |kind| record(kind, connection, owner))
    };
    (0..CONNECTIONS).flat_map(each).collect()
}

/// One record of each connection.
pub fn of_kind(kind: u16, owner: OwnerRecord) -> Vec<Vec<u8>> {
    (0..CONNECTIONS)
        .map(|connection| record(kind, connection, owner))
        .collect()
}

fn head(kind: u16, hook: u8, state: u8, connection: u16, owner: OwnerRecord) -> Head {
    let addr = |host: u8| {
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[10, 123, 0, host]);
        addr
    };
    Head {
        kind,
        version: VERSION,
        hook,
        state,
        time_ns: 6_000_000_000 + u64::from(connection) * 12_345,
        sock: 1,
        flow: FlowRecord {
            cookie: u64::from(connection) + 1,
            local_addr: addr(1),
            remote_addr: addr(2),
            netns: 4_026_531_840,
            family: AF_INET,
            local_port: 32_768 + connection,
            remote_port: 443,
            pad: [0; 6],
        },
        owner,
        ..Head::default()
    }
}

fn bytes_of<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: T is a record of `tcptrace_common::wire`: integers without hidden padding, so every
    // byte is initialized; the slice lives as long as the borrow.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast(), size_of::<T>()) }
        .to_vec()
}
