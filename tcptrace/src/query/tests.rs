mod sending;

use std::sync::Arc;

use super::*;
use crate::model::flow::TcpState;
use crate::model::incident::{DropOutcome, Evidence, LimitedBy, Step, TimeWaitPhase};
use crate::model::rows::{Anomaly, Held, LeftBy, StateRow};
use crate::model::snapshot::{Form, Settings};
use crate::model::{Endpoint, Family, Flow, Incident, KindSet, Process, What};

const NETNS: u32 = 4_026_531_999;

fn end(text: &str) -> Endpoint {
    let addr: std::net::SocketAddr = text.parse().unwrap();
    Endpoint {
        addr: addr.ip(),
        port: addr.port(),
    }
}

fn process(pid: u32) -> Arc<Process> {
    Arc::new(Process {
        pid,
        start_ticks: Some(9),
        comm: format!("p{pid}"),
        exe: None,
        uid: None,
        cgroup: None,
        container: None,
        ..Process::default()
    })
}

fn socket(state: TcpState, local: &str, remote: Option<&str>) -> Socket {
    Socket {
        family: Family::Inet,
        state,
        form: Form::Full,
        local: end(local),
        remote: remote.map(end),
        cookie: 0,
        inode: Some(5),
        receive_queue: 0,
        send_queue: 0,
        resends: 0,
        timer_ms: None,
        drops: None,
        silent_ms: None,
        sending: None,
        v6only: None,
        backlog: None,
        accepts: None,
        holders: vec![process(42)],
    }
}

fn listener(cookie: u64, local: &str, length: u32, limit: u32) -> Socket {
    Socket {
        cookie,
        receive_queue: length,
        send_queue: limit,
        drops: Some(0),
        ..socket(TcpState::Listen, local, None)
    }
}

fn time_wait(local: &str, remote: &str, left_ms: u32) -> Socket {
    Socket {
        form: Form::TimeWait,
        inode: None,
        holders: Vec::new(),
        timer_ms: Some(left_ms),
        ..socket(TcpState::TimeWait, local, Some(remote))
    }
}

fn snapshot(boot_ns: u64, sockets: Vec<Socket>) -> Snapshot {
    let settings = Settings {
        somaxconn: Some(4096),
        tcp_max_orphans: Some(100),
        ip_local_port_range: Some((40_000, 40_099)),
        ..Settings::default()
    };
    Snapshot {
        boot_ns,
        spaces: vec![Space {
            netns: NETNS,
            settings,
            sockets,
            ..Space::default()
        }],
        unseen: Vec::new(),
        reconciliation: Vec::new(),
        activities: Vec::new(),
    }
}

fn everything() -> Filter {
    Filter::of_kinds(KindSet::ALL)
}

fn incident(cookie: Option<u64>, local: &str, remote: Option<&str>, what: What) -> Incident {
    Incident {
        boot_ns: 50,
        flow: Flow {
            family: Family::Inet,
            local: Some(end(local)),
            unbound: None,
            remote: remote.map(end),
            netns: Some(NETNS),
            cookie,
        },
        state: Some(TcpState::Listen),
        owner: Some(Owner {
            process: process(77),
            basis: Basis::Socket,
            shared_by: None,
            tid: None,
            holders: None,
            is_stale: false,
        }),
        hook: "test",
        evidence: Evidence::Seen,
        what,
    }
}

#[test]
fn a_queue_of_n_is_full_at_n_plus_one_and_comes_first() {
    let sockets = vec![
        listener(1, "1.1.1.1:1", 7, 7),
        listener(2, "1.1.1.1:2", 8, 7),
        listener(3, "1.1.1.1:3", 100, 128),
    ];
    let page = listeners::rows(&snapshot(0, sockets), &Folds::default(), &everything());
    let order: Vec<u64> = page.rows.iter().map(|row| row.cookie).collect();
    assert_eq!(order, [2, 3, 1]);
    assert!(page.rows[0].is_full() && !page.rows[2].is_full());
}

#[test]
fn a_backlog_is_seen_or_inferred_and_said_so() {
    let known = Socket {
        backlog: Some(511),
        ..listener(1, "127.0.0.1:80", 0, 128)
    };
    let sockets = vec![
        known,
        listener(2, "127.0.0.1:81", 0, 128),
        listener(3, "127.0.0.1:82", 0, 4096),
    ];
    let page = listeners::rows(&snapshot(0, sockets), &Folds::default(), &everything());
    let row = |cookie| page.rows.iter().find(|row| row.cookie == cookie).unwrap();
    assert_eq!((row(1).backlog, row(1).backlog_is_seen), (Some(511), true));
    assert_eq!(row(1).limited_by, Some(LimitedBy::Somaxconn));
    assert_eq!((row(2).backlog, row(2).backlog_is_seen), (Some(128), false));
    assert_eq!(row(2).limited_by, Some(LimitedBy::Backlog));
    assert_eq!(row(3).backlog, None, "it is 4096 or more");
}

#[test]
fn half_open_handshakes_belong_to_the_most_special_listener() {
    let v6 = |cookie, v6only| Socket {
        family: Family::Inet6,
        v6only: Some(v6only),
        ..listener(cookie, "[::]:80", 0, 9)
    };
    let mut taken = snapshot(
        0,
        vec![
            listener(1, "0.0.0.0:80", 0, 9),
            listener(2, "10.0.0.1:80", 0, 9),
            v6(3, true),
            v6(4, false),
        ],
    );
    taken.spaces[0].half_open = vec![
        (end("10.0.0.1:80"), 5),
        (end("10.0.0.2:80"), 6),
        (end("[2001:db8::1]:80"), 7),
        (end("10.0.0.1:81"), 8),
    ];
    let page = listeners::rows(&taken, &Folds::default(), &everything());
    let length = |cookie| {
        let row = page.rows.iter().find(|row| row.cookie == cookie).unwrap();
        row.syn_queue.length
    };
    assert_eq!([1, 2, 3, 4].map(length), [6, 5, 7, 7]);
}

#[test]
fn refusals_are_folded_by_step_and_need_hooks() {
    let drop = |step, count| What::AcceptDrop {
        step,
        outcome: None,
        queue: None,
        limited_by: None,
        count,
    };
    let syn = |outcome| What::SynDrop {
        outcome: Some(outcome),
        queue: None,
        limited_by: None,
        count: 3,
    };
    let taken = snapshot(9, vec![listener(8, "1.1.1.1:1", 0, 7)]);
    let mut folds = Folds::default();
    let refusals = |folds: &Folds| listeners::rows(&taken, folds, &everything()).rows[0].refusals;
    assert_eq!(refusals(&folds), None);
    folds.watch_from(1);
    let client = Some("9.9.9.9:9");
    folds.on(&incident(
        Some(8),
        "1.1.1.1:1",
        client,
        drop(Some(Step::Syn), 1),
    ));
    // Reported before the cookie was requested.
    folds.on(&incident(
        None,
        "1.1.1.1:1",
        client,
        drop(Some(Step::Ack), 2),
    ));
    folds.on(&incident(Some(8), "1.1.1.1:1", None, drop(None, 40)));
    folds.on(&incident(
        Some(8),
        "1.1.1.1:1",
        client,
        syn(DropOutcome::Cookie),
    ));
    folds.on(&incident(
        Some(8),
        "1.1.1.1:1",
        client,
        syn(DropOutcome::Dropped),
    ));
    folds.on(&incident(
        Some(9),
        "1.1.1.1:2",
        client,
        drop(Some(Step::Syn), 500),
    ));
    let reported = refusals(&folds).unwrap();
    assert_eq!((reported.accept_syn, reported.accept_ack), (1, 2));
    assert_eq!(
        (
            reported.accept_counted,
            reported.syn_queue,
            reported.cookies
        ),
        (40, 3, 3)
    );
    assert_eq!(reported.refused(), 46);
}

#[test]
fn a_drop_counter_rises_across_its_overflow() {
    let mut folds = Folds::default();
    let at = |boot_ns, drops| {
        let mut listener = listener(8, "1.1.1.1:1", 0, 7);
        listener.drops = Some(drops);
        snapshot(boot_ns, vec![listener])
    };
    folds.look(&at(1_000_000_000, u32::MAX - 1));
    assert_eq!(folds.drops_risen(8), None);
    folds.look(&at(3_000_000_000, 4));
    assert_eq!(folds.drops_risen(8), Some((6, 3.0)));
    folds.look(&at(4_000_000_000, 4));
    assert_eq!(folds.drops_risen(8), Some((6, 0.0)));
}

#[test]
fn close_wait_is_a_leak_when_many_or_old() {
    let row = |count: usize, silent_ms| {
        let one = Socket {
            silent_ms: Some(silent_ms),
            ..socket(TcpState::CloseWait, "1.1.1.1:1", Some("2.2.2.2:2"))
        };
        let taken = snapshot(0, vec![one; count]);
        states::rows(&taken, &Folds::default(), &everything()).rows[0].anomaly
    };
    assert_eq!(row(9, 59_999), None);
    assert_eq!(row(10, 0), Some(Anomaly::CloseWaitPiling));
    assert_eq!(row(1, 60_000), Some(Anomaly::CloseWaitPiling));
}

/// 28 clients gave up before the server accepted them: the row names the owner of their listener.
#[test]
fn sockets_that_are_not_accepted_name_their_listener() {
    let waiting = |local| Socket {
        inode: None,
        holders: Vec::new(),
        ..socket(TcpState::CloseWait, local, Some("2.2.2.2:2"))
    };
    let row = |listeners: &[&str], local| {
        let mut sockets: Vec<Socket> = (77..)
            .zip(listeners)
            .map(|(cookie, local)| listener(cookie, local, 3, 5))
            .collect();
        sockets.extend([waiting(local), waiting(local)]);
        let rows = states::rows(&snapshot(0, sockets), &Folds::default(), &everything()).rows;
        let waits = |row: &&StateRow| row.held == Held::AcceptQueue;
        rows.iter().find(waits).cloned().unwrap()
    };
    let reported = row(&["1.1.1.1:80", "0.0.0.0:80", "1.1.1.1:81"], "1.1.1.1:80");
    let owner = reported.owner.unwrap();
    assert_eq!((reported.count, owner.basis), (2, Basis::Listener));
    assert_eq!(owner.process, listener(77, "1.1.1.1:80", 3, 5).holders[0]);
    // Another port's, or one of several that share the address: not known.
    assert_eq!(row(&["1.1.1.1:81"], "1.1.1.1:80").owner, None);
    assert_eq!(row(&["1.1.1.1:80", "1.1.1.1:80"], "1.1.1.1:80").owner, None);
}

#[test]
fn sockets_without_a_file_are_waiting_or_orphans_by_their_state() {
    let held = |state, form| {
        let one = Socket {
            inode: None,
            form,
            holders: Vec::new(),
            ..socket(state, "1.1.1.1:1", Some("2.2.2.2:2"))
        };
        states::rows(&snapshot(0, vec![one]), &Folds::default(), &everything()).rows[0].held
    };
    assert_eq!(held(TcpState::Established, Form::Full), Held::AcceptQueue);
    assert_eq!(held(TcpState::CloseWait, Form::Full), Held::AcceptQueue);
    assert_eq!(held(TcpState::LastAck, Form::Full), Held::Orphan);
    assert_eq!(held(TcpState::SynRecv, Form::Request), Held::SynQueue);
    assert_eq!(held(TcpState::FinWait2, Form::TimeWait), Held::Minisock);
}

#[test]
fn a_fin_alone_is_no_unsent_data() {
    let anomaly = |send_queue| {
        let one = Socket {
            send_queue,
            ..socket(TcpState::FinWait1, "1.1.1.1:1", Some("2.2.2.2:2"))
        };
        states::rows(&snapshot(0, vec![one]), &Folds::default(), &everything()).rows[0].anomaly
    };
    assert_eq!(anomaly(1), None);
    assert_eq!(anomaly(2), Some(Anomaly::FinWait1Unsent));
}

#[test]
fn who_left_a_time_wait_is_learnt_or_inferred_or_unknown() {
    let sockets = vec![
        listener(1, "0.0.0.0:80", 0, 9),
        time_wait("1.1.1.1:40001", "9.9.9.9:443", 4_000),
        time_wait("1.1.1.1:40002", "9.9.9.9:443", 30_000),
        time_wait("1.1.1.1:80", "7.7.7.7:5000", 30_000),
        time_wait("1.1.1.1:80", "7.7.7.7:5001", 30_000),
    ];
    let taken = snapshot(40, sockets);
    let mut folds = Folds::default();
    let entered = What::TimeWait {
        phase: TimeWaitPhase::Enter,
        substate: None,
        timeout_ms: None,
        ended_by: None,
        new_owner: None,
    };
    folds.on(&incident(
        None,
        "1.1.1.1:40001",
        Some("9.9.9.9:443"),
        entered,
    ));
    folds.look(&taken);
    let page = timewait::rows(&taken, &folds, &everything());
    let reported: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            let pid = row.owner.as_ref().map(|owner| owner.process.pid);
            (
                row.left_by,
                pid,
                row.service,
                row.remote.port,
                row.time_wait,
            )
        })
        .collect();
    assert_eq!(
        reported,
        [
            (LeftBy::Inferred, Some(42), Some(80), None, 2),
            (LeftBy::None, None, None, Some(443), 1),
            (LeftBy::Learnt, Some(77), None, Some(443), 1),
        ]
    );
    let learnt = &page.rows[2];
    assert_eq!((learnt.expiring, learnt.left_ms_min), (1, Some(4_000)));
    assert_eq!(learnt.left_ms_max, Some(4_000));
    // Older than that snapshot and not in the next: forgotten.
    folds.look(&snapshot(60, Vec::new()));
    assert_eq!(
        folds.left_by(NETNS, end("1.1.1.1:40001"), end("9.9.9.9:443")),
        None
    );
}

#[test]
fn refusals_of_listeners_that_are_gone_are_forgotten_and_others_kept() {
    let dropped = || What::AcceptDrop {
        step: Some(Step::Syn),
        outcome: Some(DropOutcome::Dropped),
        queue: None,
        limited_by: None,
        count: 7,
    };
    let client = Some("9.9.9.9:9");
    let mut folds = Folds::default();
    folds.watch_from(1);
    for cookie in [8, 9] {
        folds.on(&incident(Some(cookie), "1.1.1.1:1", client, dropped()));
        folds.on(&incident(
            None,
            &format!("1.1.1.1:{cookie}"),
            client,
            dropped(),
        ));
    }
    let both = vec![
        listener(8, "0.0.0.0:8", 0, 7),
        listener(9, "0.0.0.0:9", 0, 7),
    ];
    let one = vec![listener(8, "0.0.0.0:8", 0, 7)];
    let refused = |folds: &Folds, cookie, local| {
        let refusals = folds.refusals(NETNS, end(local), cookie).unwrap();
        refusals.accept_syn
    };
    folds.look(&snapshot(100, both.clone()));
    assert_eq!(refused(&folds, 9, "1.1.1.1:9"), 14);
    folds.look(&snapshot(200, one));
    folds.look(&snapshot(300, both));
    assert_eq!(refused(&folds, 8, "1.1.1.1:8"), 14);
    assert_eq!(refused(&folds, 9, "1.1.1.1:9"), 0);
}

#[test]
fn owners_of_time_wait_are_bounded_and_what_has_no_room_is_counted() {
    let entered = || What::TimeWait {
        phase: TimeWaitPhase::Enter,
        substate: None,
        timeout_ms: None,
        ended_by: None,
        new_owner: None,
    };
    let mut folds = Folds::default();
    let mut entry = incident(None, "1.1.1.1:1", Some("9.9.9.9:443"), entered());
    for address in 0..262_144_u32 + 5 {
        entry.flow.local = Some(Endpoint {
            addr: std::net::Ipv4Addr::from_bits(address).into(),
            port: 1,
        });
        folds.on(&entry);
    }
    assert_eq!(folds.dropped(), 5);
    folds.look(&snapshot(u64::MAX, Vec::new()));
    folds.on(&entry);
    assert_eq!(folds.dropped(), 5);
}

#[test]
fn port_pressure_counts_each_port_once_and_only_those_of_the_range() {
    let remote = "9.9.9.9:443";
    let sockets = vec![
        time_wait("1.1.1.1:40001", remote, 1),
        time_wait("1.1.1.1:40002", remote, 1),
        time_wait("1.1.1.2:40001", remote, 1),
        time_wait("1.1.1.1:39999", remote, 1),
        time_wait("1.1.1.1:40003", "9.9.9.9:444", 1),
        socket(TcpState::Established, "1.1.1.1:40099", Some(remote)),
    ];
    let page = timewait::rows(&snapshot(0, sockets), &Folds::default(), &everything());
    let pressure = page.rows[0].pressure.unwrap();
    assert_eq!(
        (pressure.used, pressure.range, pressure.percent()),
        (3, 100, 3)
    );
}

#[test]
fn any_holder_of_a_shared_socket_passes_a_filter() {
    let mut shared = listener(1, "1.1.1.1:1", 0, 9);
    shared.holders.push(process(43));
    let taken = snapshot(0, vec![shared, listener(2, "1.1.1.1:2", 0, 9)]);
    let mut filter = everything();
    filter.pids.add_number(43);
    let page = listeners::rows(&taken, &Folds::default(), &filter);
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].owner.as_ref().unwrap().shared_by, Some(2));
}
