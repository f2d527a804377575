use std::sync::Arc;

use super::*;
use crate::model::event::*;
use crate::model::flow::TcpState;
use crate::model::incident::{
    Call, DropOutcome, LingerOutcome, PawsWhere, Queue, Step, TimeWaitPhase,
};
use crate::model::sample::{ListenerSample, SpaceSample};
use crate::model::{Basis, Endpoint, Evidence, Family, Flow, Owner, Process, Signal};

fn owner(pid: u32, comm: &str) -> Owner {
    Owner {
        process: Arc::new(Process {
            pid,
            start_ticks: Some(u64::from(pid) * 10),
            comm: comm.to_owned(),
            exe: Some(format!("/usr/bin/{comm}")),
            uid: Some(33),
            cgroup: Some("/system.slice".to_owned()),
            container: None,
            ..Process::default()
        }),
        basis: Basis::Listener,
        shared_by: Some(4),
        tid: Some(pid + 1),
        holders: None,
        is_stale: false,
    }
}

pub(super) fn event(boot_ns: u64, signal: Signal) -> Event {
    let end = |addr: &str, port| Endpoint {
        addr: addr.parse().unwrap(),
        port,
    };
    Event {
        boot_ns,
        sock: Some(0xffff_8880_1234_5678),
        inode: Some(777),
        flow: Flow {
            family: Family::Inet6,
            local: Some(end("10.1.2.3", 443)),
            unbound: Some("fe80::1".parse().unwrap()),
            remote: Some(end("2001:db8::7", 51_000)),
            netns: Some(4_026_531_840),
            cookie: Some(0x1_0000_0001),
        },
        state: Some(TcpState::CloseWait),
        heard: None,
        owner: Some(owner(42, "nginx")),
        hook: "tp_btf/tcp_send_reset",
        evidence: Evidence::Inferred,
        signal,
    }
}

pub(super) fn received(boot_ns: u64) -> Event {
    event(boot_ns, Signal::ResetReceived { dead: true })
}

/// One of each signal, every field another value and none of them zero.
fn each_signal() -> Vec<Signal> {
    let queue = Queue {
        length: 129,
        limit: 128,
    };
    let drop = QueueDrop {
        step: Some(Step::Ack),
        outcome: Some(DropOutcome::Cookie),
        queue: Some(queue),
        count: 11,
        somaxconn: Some(12),
        backlog: Some(13),
    };
    vec![
        Signal::State(StateChange {
            old: TcpState::SynSent,
            new: TcpState::NewSynRecv,
            in_old_ns: Some(14),
        }),
        Signal::Reset(Reset {
            reason: Some(15),
            has_sock: true,
            is_minisock: false,
            is_reply: true,
            is_dead: false,
            is_owned: false,
            has_socket: true,
            listener_is_closing: true,
            linger_on: true,
            linger_jiffies: 16,
            linger2: -17,
            user_timeout_ms: 18,
            shutdown: 3,
            sk_err: -104,
            state_now: 7,
            queue: Some(queue),
            unsent_bytes: Some(19),
            unacked_bytes: Some(20),
            unread_bytes: Some(21),
        }),
        Signal::ResetReceived { dead: false },
        Signal::Retransmit(Retransmit {
            sequence: 0xffff_fff0,
            bytes: 22,
            segments: Some(23),
            attempt: Some(24),
            error: Some(-25),
            ca_state: 4,
            pending: 5,
            tcp_flags: 0x18,
            is_syn_ack: true,
            gave_up: true,
        }),
        Signal::AcceptDrop(drop),
        Signal::SynDrop(QueueDrop {
            step: None,
            outcome: None,
            ..drop
        }),
        Signal::BacklogDrop(QueueDrop { count: 111, ..drop }),
        Signal::TimeWait(TimeWait {
            phase: TimeWaitPhase::Reuse,
            substate: Some(TcpState::FinWait2),
            timeout_jiffies: Some(26),
            is_cancelled: true,
            new_owner: Some(owner(43, "curl")),
        }),
        Signal::Linger(LingerEnd {
            start_ns: 27,
            linger_jiffies: 28,
            outcome: LingerOutcome::Interrupted,
            unsent_bytes: Some(29),
            unacked_bytes: Some(30),
            remaining_bytes: Some(31),
        }),
        Signal::Paws {
            reason: 32,
            check: Some(PawsWhere::Echo),
        },
        Signal::Close(CloseFacts {
            duration_ns: Some(33),
            bytes_sent: 34,
            bytes_received: 35,
            srtt_us: Some(36),
            retransmits: 37,
            sk_err: 110,
            rst_received: true,
            has_time_wait: true,
            is_owned: true,
        }),
        Signal::TimedOut(TimedOut {
            silent_jiffies: Some(38),
            unsent_bytes: Some(39),
            unacked_bytes: Some(40),
            user_timeout_ms: 41,
            window: Some(42),
            sk_err: -43,
            retransmits: 44,
            probes: 45,
            is_dead: true,
        }),
        Signal::ConnectFailed(ConnectFailed {
            waited_ns: Some(46),
            sk_err: 47,
            retransmits: 48,
            is_owned: true,
            is_shut: false,
            is_sent: true,
            has_port: false,
        }),
        Signal::CallFailed(CallFailed {
            call: Call::Bind,
            errno: 49,
        }),
    ]
}

fn sample() -> Sample {
    let listener = |port, holder| ListenerSample {
        family: Family::Inet,
        local: Endpoint {
            addr: [0, 0, 0, 0].into(),
            port,
        },
        cookie: u64::from(port) << 33,
        holder,
        accept_queue: Queue {
            length: 5,
            limit: 6,
        },
        drops: Some(7),
    };
    Sample {
        boot_ns: 5_000,
        spaces: vec![SpaceSample {
            netns: 9,
            time_wait_entries: Some(10),
            time_wait_limit: Some(11),
            orphans: Some(12),
            listeners: vec![
                listener(80, Some(owner(42, "nginx").process)),
                listener(81, None),
            ],
        }],
    }
}

#[test]
fn every_item_comes_back_as_it_was() {
    let room = Room::new("every-item");
    let mut given: Vec<Item> = each_signal()
        .into_iter()
        .zip(1_u64..)
        // Times need not rise.
        .map(|(signal, number)| Item::Event(event(5_000 - number * 100, signal)))
        .collect();
    let mut bare = received(6_000);
    (bare.sock, bare.inode, bare.state, bare.owner) = (None, None, None, None);
    bare.hook = "a hook of a newer tcptrace";
    (bare.flow.local, bare.flow.unbound, bare.flow.remote) = (None, None, None);
    (bare.flow.netns, bare.flow.cookie) = (None, None);
    given.extend([
        Item::Event(bare),
        Item::Tick(u64::MAX),
        Item::Kernel(
            Kind::SynDrop,
            KernelCount {
                filtered: 1 << 40,
                lost: 3,
            },
            7_000,
        ),
        Item::Undecodable(None),
        Item::Undecodable(Some(Kind::Close)),
        Item::Sample(sample()),
        Item::Ending(8_000),
        Item::Clock {
            boot_to_wall_ns: -7_000_000_001,
            step_ns: i64::MIN,
        },
    ]);
    let mut recorder = Recorder::create(plain(&room.file()), start()).unwrap();
    for item in &given {
        recorder.item(item, 1);
    }
    let outcome = recorder.finish(&end());
    let events = given.iter().filter(|item| matches!(item, Item::Event(_)));
    assert_eq!(outcome.events, events.count() as u64);
    assert_eq!((outcome.lost_events, outcome.trouble), (0, None));
    assert_eq!(outcome.bytes, std::fs::metadata(room.file()).unwrap().len());
    let pieces = read(&[room.file()]);
    assert_eq!(pieces.first(), Some(&Piece::Start(start())));
    assert_eq!(items(&pieces), given.iter().collect::<Vec<_>>());
    assert_eq!(pieces.last(), Some(&Piece::End(end())));
    assert_eq!(pieces.len(), given.len() + 2);
}

#[test]
fn an_event_takes_few_bytes() {
    let room = Room::new("few-bytes");
    let mut recorder = Recorder::create(plain(&room.file()), start()).unwrap();
    let signals = each_signal();
    for number in 0..10_000_u64 {
        let signal = signals[number as usize % signals.len()].clone();
        let mut event = event(number * 12_345, signal);
        event.flow.cookie = Some(number);
        recorder.event(&event);
    }
    let outcome = recorder.finish(&end());
    assert!(outcome.bytes < 10_000 * 60, "{} bytes", outcome.bytes);
    assert_eq!(times(&read(&[room.file()])).len(), 10_000);
}
